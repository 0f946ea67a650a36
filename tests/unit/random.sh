#!/bin/sh
# random.sh SEED ROUNDS TEST…: runs tests with other seeds, a thousand of them apart, until one fails.
set -eu

seed=$1
last=$((seed + 1000 * $2))
shift 2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
while [ "$seed" -lt "$last" ]; do
    for test; do
        LIVETALLY_SEED=$seed "$test" >"$log" 2>&1 || {
            cat "$log"
            echo "again: LIVETALLY_SEED=$seed $test"
            exit 1
        }
    done
    echo "seed $seed: no difference"
    seed=$((seed + 1000))
done
