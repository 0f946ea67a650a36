#!/bin/sh
# Writes assets.h: the files of the pages as C arrays, each as it is and gzipped, and the list
# ASSETS(X) of them, in the order they are given.
# Usage: embed.sh FILE... > assets.h
set -eu

list=

bytes() { # array name; content from stdin
    printf 'static const unsigned char %s[] = {\n' "$1"
    od -An -v -tx1 | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
    printf '};\n'
}

for file in "$@"; do
    base=${file##*/}
    case $base in
    index.html) path=/ ;;
    *.html) path=/${base%.html} ;;
    *) path=/$base ;;
    esac
    case $base in
    *.html) type=text/html ;;
    *.css) type=text/css ;;
    *.js) type=text/javascript ;;
    *.csv) type=text/csv ;;
    *.svg) type=image/svg+xml ;;
    *)
        echo "embed.sh: no content type is known for $file" >&2
        exit 1
        ;;
    esac
    if [ ! -s "$file" ]; then
        echo "embed.sh: $file is missing or empty" >&2
        exit 1
    fi
    case $type in text/*) type="$type; charset=utf-8" ;; esac
    name=asset_$(printf '%s' "$base" | tr -c 'A-Za-z0-9' '_')
    etag=$(sha256sum "$file" | cut -c 1-16)
    bytes "$name" <"$file"
    gzip -9nc "$file" | bytes "${name}_gz"
    list="$list \\
    X(\"$path\", \"$type\", \"$etag\", $name)"
done

printf '#define ASSETS(X)%s\n' "$list"
