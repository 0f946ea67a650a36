#!/bin/sh
# All of `make check`, one line a step; the output of a step that fails is shown, and all of it is
# kept in build/check/. Steps go on after a failure, so that one run tells everything; what failed
# is told again in the last lines, which may be all that is left of a run elsewhere.
set -u

make=${MAKE:-make}
jobs=$(nproc)
logs=build/check
failed=
started=$(date +%s)
mkdir -p "$logs"
rm -f "$logs/failed-beside"

report() { # NAME RESULT SECONDS
    printf '%-22s %-6s %4d s\n' "$1" "$2" "$3"
    [ "$2" = ok ] || tail -n 60 "$logs/$1.log" | sed 's/^/    /'
}

run() { # NAME COMMAND...; sets result
    name=$1
    shift
    begin=$(date +%s)
    if "$@" >"$logs/$name.log" 2>&1; then
        result=ok
    else
        result=FAILED
    fi
    report "$name" "$result" $(($(date +%s) - begin))
}

step() { # NAME COMMAND...
    run "$@"
    [ "$result" = ok ] || failed="$failed $1"
}

# What a failed step's log says in short: which test, what it had expected, what didn't build.
why() { # NAME
    echo "$1:"
    grep -aE '^(FAILED|ERROR|E  ) |seed [0-9]|error:|\*\*\* ' "$logs/$1.log" | cut -c -300 | tail -n 15 |
        sed 's/^/    /'
}

# The steps in front mostly wait: what only computes has their idle time, and gives way to them;
# what they need later does so less, lest a busy machine starve it.
beside() { # NICENESS NAME COMMAND...
    niceness=$1
    name_beside=$2
    shift 2
    run "$name_beside" nice -n "$niceness" "$@"
    [ "$result" = ok ] || echo "$name_beside" >>"$logs/failed-beside"
}

sanitize='SANITIZE=address,undefined'
# What leads through the code least trodden; `make SANITIZE=address,undefined faults` runs all.
broken_ways='chaos or soak or tools or crowd or tampering or refusals or surroundings or lost'
step assets "$make" assets
step build-gcc "$make" -k -j "$jobs" CC=gcc all
{
    beside 5 build-sanitized "$make" -k -j "$jobs" CC=gcc $sanitize all tests
    beside 5 unit-sanitized "$make" -k -j "$jobs" CC=gcc $sanitize unit
} &
sanitized=$!
{
    beside 19 build-clang "$make" -k -j "$jobs" CC=clang BUILD=build/clang all tests
    beside 19 unit "$make" -k -j "$jobs" CC=gcc unit
    beside 19 fuzz-corpus "$make" -k -j "$jobs" fuzz-corpus
    beside 19 cppcheck "$make" CC=gcc lint-cppcheck
    beside 19 tidy "$make" -k -j "$jobs" CC=gcc lint-tidy TIDY_NODES=75000
} &
step layers "$make" CC=gcc layers
step unit-file "$make" CC=gcc unitfile
step format "$make" lint-format
step shell "$make" lint-shell
step js "$make" js
step instructions "$make" CC=gcc instructions
step integration "$make" CC=gcc integration
step browser "$make" CC=gcc browser
step faults "$make" CC=gcc faults
wait "$sanitized"
step integration-sanitized "$make" CC=gcc $sanitize integration
step faults-sanitized "$make" CC=gcc $sanitize faults ARGS="-k '$broken_ways'"
step hostile-sanitized "$make" CC=gcc $sanitize hostile HOSTILE_S=6 HOSTILE_SEED=1

wait
[ ! -e "$logs/failed-beside" ] || failed="$failed $(tr '\n' ' ' <"$logs/failed-beside")"

echo "took $(($(date +%s) - started)) s"
if [ -n "$failed" ]; then
    for name in $failed; do
        why "$name"
    done
    echo "FAILED:$failed (logs in $logs)"
    exit 1
fi
echo "everything is green"
