#!/bin/sh
# `make run`: livetallyd on an embedded Redis, a simulated livestream into it, and the totals in the
# terminal until Ctrl-C, which ends all of it.
#
#   run.sh BUILD          environment: DEMO=1|0, PORT, RATE (events a second)
#
# Simulated orders go into a data set of their own (BUILD/demo); with DEMO=0 there is no simulation
# and the data set is BUILD/run. What runs in the background has a session of its own, so that
# Ctrl-C reaches only this script, which then stops things in order.
set -eu

build=$1
demo=${DEMO:-1}
port=${PORT:-8090}
rate=${RATE:-40}
daemon=
simulator=

stop() { # PID
    [ -z "$1" ] || { kill -TERM "$1" 2>/dev/null && wait "$1"; } || true
}

finish() {
    trap '' INT TERM HUP
    stop "$simulator"
    stop "$daemon"
}
trap finish EXIT
trap 'exit 0' INT TERM HUP

state=$build/run
[ "$demo" = 0 ] || state=$build/demo
log=$state/livetallyd.log
mkdir -p "$state" && chmod 700 "$state"

set -- --state-dir "$state" --listen "127.0.0.1:$port"
counties=$build/counties.csv # made by `make assets`, where there is npm
[ ! -f "$counties" ] || set -- "$@" -o "data.county_file=$(realpath "$counties")"
setsid "$build/livetallyd" "$@" \
    >"$log" 2>&1 </dev/null &
daemon=$!
tries=0
until grep -qs ' ready on ' "$log"; do # the log may not be there yet
    tries=$((tries + 1))
    if ! kill -0 "$daemon" 2>/dev/null || [ "$tries" -gt 300 ]; then
        echo "livetallyd did not start:" >&2
        tail -n 5 "$log" >&2
        echo "(PORT=0 picks a free port)" >&2
        exit 1
    fi
    sleep 0.1
done
url=$(head -n 1 "$state/listen")

echo
echo "  livetally is running: open $url/ in a browser. Ctrl-C ends it."
if [ "$demo" = 0 ]; then
    echo "  Post an order with: build/livetally post $url (data in $state)"
else
    echo "  The orders are simulated, in a data set of their own ($state)."
    setsid "$build/livetally" simulate "$url" --rate "$rate" >"$state/simulate.log" 2>&1 </dev/null &
    simulator=$!
fi
echo
"$build/livetally" watch "$url" total top/hosts top/products top/counties || true
