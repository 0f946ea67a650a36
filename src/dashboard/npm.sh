#!/bin/sh
# Gets from npm what the pages and the county list are made of, exactly as package-lock.json pins
# it, and makes of it, all within BUILD:
#
#   BUILD/assets/uplot.js, uplot.css    the charts, to be embedded; uplot.js is an ES module
#   BUILD/counties.csv                  the counties of China and their names
#
# Usage: npm.sh BUILD [NPM-OPTION...]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/npm" "$1/assets"
build=$(cd "$1" && pwd)
shift

if ! command -v npm >/dev/null; then
    echo "npm is missing (apt install npm): pages without charts, counties without names" >&2
    exit 1
fi

# Nothing of a package is run while it is installed.
cd "$build/npm"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" .
npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error "$@"

uplot=node_modules/uplot
{ # comes as a script that makes a variable; the licence has to stay with it
    echo '/*!'
    sed 's/^/ * /; s/ *$//' "$uplot/LICENSE"
    echo ' */'
    cat "$uplot/dist/uPlot.iife.min.js"
    echo 'export default uPlot;'
} >uplot.js
cp "$uplot/dist/uPlot.min.css" uplot.css
node "$here/counties.mjs" . "$here/provinces.csv" >counties.csv
mv uplot.js uplot.css "$build/assets/"
mv counties.csv "$build/"
