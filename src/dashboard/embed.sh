#!/bin/sh
# Writes assets.h: the files of the page as C arrays, and the list ASSETS(X) of them.
# Usage: embed.sh FOLDER > assets.h
set -eu

folder=$1
list=

embed() { # url path, content type, file
    name=asset_$(printf '%s' "$3" | tr -c 'a-z0-9' '_')
    etag=$(sha256sum "$folder/$3" | cut -c 1-16)
    printf 'static const unsigned char %s[] = {\n' "$name"
    od -An -v -tx1 "$folder/$3" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
    printf '};\n'
    list="$list \\
    X(\"$1\", \"$2\", \"\\\"$etag\\\"\", $name)"
}

printf '/* Made by embed.sh from src/dashboard. */\n'
embed / 'text/html; charset=utf-8' index.html
embed /dashboard.css 'text/css; charset=utf-8' dashboard.css
embed /dashboard.js 'text/javascript; charset=utf-8' dashboard.js
embed /favicon.svg 'image/svg+xml' favicon.svg
printf '#define ASSETS(X)%s\n' "$list"
