#!/bin/sh
# Writes lua_scripts.h: each NAME.lua as a C string lua_NAME, so that the daemon needs no files.
# Usage: embed.sh FILE.lua... > lua_scripts.h
#
# Bytes are written as numbers: string literals have a length limit in C11.
set -eu

printf '/* Made by embed.sh from src/store/lua. */\n'
for file in "$@"; do
    name=lua_$(basename "$file" .lua | tr -c 'a-z0-9\n' '_')
    printf 'static const char %s[] __attribute__((unused)) = {\n' "$name"
    od -An -v -td1 "$file" | sed 's/  */,/g; s/^,//; s/$/,/'
    printf '0};\n'
done
