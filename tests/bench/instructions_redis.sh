#!/bin/sh
# What our scripts cost Redis in instructions, by running redis-server itself under callgrind: per order
# of a commit (new orders known to be new, and looked up), with and without an append-only file, per
# cell of a checkpoint, and per order of bare HMGET + HSET of the same records, the floor. Redis seeds
# its hashes at random and looks at its clock, so runs differ by up to 1 %: a tool to
# judge a change of a script by, nothing that can fail. Medians, and the spread of the runs.
#
#   instructions_redis.sh PROGRAM      which is bench_commit; INSTRUCTIONS_RUNS says how often (3)
set -eu

program=$1
runs=${INSTRUCTIONS_RUNS:-3}
orders=10000
never=1000000000
appendonly=no
folder=$(mktemp -d /tmp/lt-instructions-XXXXXX)
redis_pid=

stop() {
    [ -z "$redis_pid" ] || { kill "$redis_pid" && wait "$redis_pid"; } || true
    rm -rf "$folder"
}
trap stop EXIT

# Counts from the arrival of a command to its reply; not the server's start and its timers.
one_run() { # BATCH ORDERS_PER_CHECKPOINT: prints instructions, cells
    rm -rf "$folder/appendonlydir"
    rm -f "$folder/redis.sock" "$folder/redis.log" "$folder/dump"
    : >"$folder/redis.log"
    result=0
    valgrind --tool=callgrind --toggle-collect=readQueryFromClient \
        --callgrind-out-file="$folder/dump" --log-file="$folder/valgrind.log" \
        redis-server --port 0 --unixsocket "$folder/redis.sock" --dir "$folder" --save "" \
        --appendonly "$appendonly" --hash-max-listpack-entries 64 >"$folder/redis.log" &
    redis_pid=$!
    tries=0
    until grep -q 'ready to accept connections at' "$folder/redis.log"; do
        tries=$((tries + 1))
        [ "$tries" -lt 1500 ] || { echo "redis-server did not start" >&2; kill "$redis_pid"; exit 2; }
        sleep 0.02
    done
    "$program" "$folder/redis.sock" "$orders" "$1" zipf 19 "$2" >"$folder/bench.txt" || result=2
    kill "$redis_pid"
    wait "$redis_pid" || true
    redis_pid=
    [ "$result" = 0 ] || exit "$result"
    awk '
        FNR == NR { if ($1 == "totals:") total = $2; next }
        { for (i = 1; i <= NF; i++) {
              if (sub(/^cells\/order=/, "", $i)) cells = $i
              if (sub(/^orders=/, "", $i)) done = $i } }
        END { printf "%.1f %.4f\n", total / done, cells }' "$folder/dump" "$folder/bench.txt"
}

several_runs() { # BATCH ORDERS_PER_CHECKPOINT: prints median, spread in percent, cells an order
    run=0
    while [ "$run" -lt "$runs" ]; do
        one_run "$1" "$2"
        run=$((run + 1))
    done | sort -n | awk -v runs="$runs" '{ value[NR] = $1; cells = $2 }
        END { if (NR != runs) exit 2
              m = value[int((NR + 1) / 2)]; print m, 100 * (value[NR] - value[1]) / m, cells }'
}

show() { # NAME INSTRUCTIONS SPREAD
    printf '%-36s %10.0f %7.2f %%\n' "$1" "$2" "$3"
}

echo "redis-server, instructions per order      median  spread of $runs runs"
for batch in 1 64 256 1000; do
    # shellcheck disable=SC2046 # three words on purpose
    set -- $(several_runs "$batch" "$never")
    show "commit of $batch" "$1" "$2"
    [ "$batch" != 256 ] || commit=$1
done
appendonly=yes
for batch in 64 256 1000; do
    # shellcheck disable=SC2046
    set -- $(several_runs "$batch" "$never")
    show "commit of $batch, append-only file" "$1" "$2"
done
appendonly=no
# shellcheck disable=SC2046
set -- $(BENCH_LOOK_UP=1 several_runs 256 "$never")
show "commit of 256, ids looked up" "$1" "$2"
# shellcheck disable=SC2046
set -- $(BENCH_BARE=1 several_runs 256 "$never")
show "bare HMGET + HSET of 256" "$1" "$2"
# shellcheck disable=SC2046
set -- $(several_runs 256 2500)
show "checkpoint, per cell ($3 an order)" "$(echo "$1 $commit $3" | awk '{ print ($1 - $2) / $3 }')" "$2"
