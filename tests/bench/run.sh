#!/bin/sh
# Figures for orientation, nothing is asserted: CPU-µs per order of commits alone (bench_commit), then
# of daemon and Redis under livetally simulate at full speed. Medians are for the reader to take:
# BENCH_RUNS says how often each line is printed.
#
#   run.sh BUILD_FOLDER
set -eu

build=$1
runs=${BENCH_RUNS:-3}
orders=${BENCH_ORDERS:-500000}
folder=$(mktemp -d /tmp/lt-bench-XXXXXX)
redis_pid=
daemon_pid=

stop() {
    [ -z "$daemon_pid" ] || { kill "$daemon_pid" && wait "$daemon_pid"; } || true
    [ -z "$redis_pid" ] || { kill "$redis_pid" && wait "$redis_pid"; } || true
    rm -rf "$folder"
}
trap stop EXIT

await() { # FILE
    tries=0
    while [ ! -e "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 500 ] || { echo "waited in vain for $1" >&2; exit 1; }
        sleep 0.02
    done
}

cpu_us() { # PID
    awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000000 / hz }' "/proc/$1/stat"
}

redis-server --port 0 --unixsocket "$folder/redis.sock" --dir "$folder" --save "" \
    --appendonly yes --appendfsync everysec --hash-max-listpack-entries 64 >"$folder/redis.log" &
redis_pid=$!
await "$folder/redis.sock"

for shape in "64 zipf" "256 zipf" "1000 zipf" "1000 uniform"; do
    run=0
    while [ "$run" -lt "$runs" ]; do
        # shellcheck disable=SC2086 # two words on purpose
        "$build/bench_commit" "$folder/redis.sock" "$orders" $shape
        run=$((run + 1))
    done
done

redis-cli -s "$folder/redis.sock" FLUSHALL >"$folder/flush.log"
"$build/livetallyd" --state-dir "$folder/state" --listen 127.0.0.1:0 \
    --redis "unix:$folder/redis.sock" >"$folder/daemon.log" 2>&1 &
daemon_pid=$!
await "$folder/state/listen"
url=$(head -n 1 "$folder/state/listen")
run=0
while [ "$run" -lt "$runs" ]; do
    daemon=$(cpu_us "$daemon_pid")
    redis=$(cpu_us "$redis_pid")
    "$build/livetally" simulate "$url" --rate 0 --orders "$orders" --batch 64 --refunds 0 \
        --duplicates 0 2>"$folder/simulate.log"
    awk -v d0="$daemon" -v d1="$(cpu_us "$daemon_pid")" -v r0="$redis" -v r1="$(cpu_us "$redis_pid")" \
        -v n="$orders" 'BEGIN { printf "messages of 64: daemon_us=%.2f redis_us=%.2f per order\n", (d1 - d0) / n, (r1 - r0) / n }'
    tail -n 2 "$folder/simulate.log"
    run=$((run + 1))
done
