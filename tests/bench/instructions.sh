#!/bin/sh
# Counts the instructions of the hot paths and holds them against those recorded: a regression shows
# without a clock. Exit status 1 when a path grew by more than GROWTH_PERCENT.
#
#   instructions.sh check PROGRAM RECORDED [FLAGS]     what `make instructions` does
#   instructions.sh record PROGRAM RECORDED [FLAGS]    writes RECORDED anew
#   instructions.sh profile PROGRAM PATH               the functions and lines of one path
#
# Counts are compared only when compiler, C library, machine and FLAGS are those they were recorded
# with; else they are only shown. INSTRUCTIONS=full counts the long paths too (a million products).
set -eu

growth_percent=3

mode=$1
program=$2
folder=$(mktemp -d /tmp/lt-instructions-XXXXXX)
trap 'rm -rf "$folder"' EXIT

# Which memcpy glibc chooses must not depend on the processor. Addresses must not depend on who runs
# it: hashes are seeded by them.
count() { # ARGUMENT... of the program
    env -i GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load \
        PATH="$PATH" valgrind --tool=callgrind --instr-atstart=no --collect-atstart=no \
        --combine-dumps=yes --dump-instr=no --callgrind-out-file="$folder/dump" \
        --log-file="$folder/valgrind.log" "$program" "$@" >"$folder/units" ||
        { cat "$folder/valgrind.log" >&2; exit 2; }
}

if [ "$mode" = profile ]; then
    count --full --only "$3"
    callgrind_annotate --threshold=95 --auto=yes --context=0 --show-percs=yes "$folder/dump"
    exit
fi

recorded=$3
flags=${4:-}
if [ "${INSTRUCTIONS:-}" = full ] || [ "$mode" = record ]; then
    count --full
else
    count
fi
{
    printf '%s, %s, %s\n' "$(sed -n '1s/^# //p' "$folder/units")" "$(uname -m)" "$flags"
    # Dumps stand in the order of the units, and bear their names.
    awk 'FNR == NR && /^desc: Trigger: Client Request: / { name = $NF }
         FNR == NR && /^totals: / { if (name != "") total[name] += $2; name = "" }
         FNR != NR && /^[^#]/ { if (!($1 in units)) order[++n] = $1; units[$1] += $2 }
         END { for (i = 1; i <= n; i++) printf "%-26s %12.1f\n", order[i], total[order[i]] / units[order[i]] }' \
        "$folder/dump" "$folder/units"
} >"$folder/now"

if [ "$mode" = record ]; then
    {
        echo "# Instructions per order (or what the path is per), by \`make instructions RECORD=1\`."
        cat "$folder/now"
    } >"$recorded"
    cat "$recorded"
    exit
fi

grep -v '^#' "$recorded" >"$folder/before"
compare=1
[ "$(head -n 1 "$folder/before")" = "$(head -n 1 "$folder/now")" ] || compare=0
awk -v growth="$growth_percent" -v compare="$compare" '
    FNR == 1 { if (FNR == NR) built = $0; else now_built = $0; next }
    FNR == NR { before[$1] = $2; next }
    FNR == 2 { printf "%-26s %12s %12s %7s\n", "path", "recorded", "now", "ratio" }
    !($1 in before) { printf "%-26s %12s %12.1f\n", $1, "new", $2; next }
    {
        ratio = $2 / before[$1]
        grown = ratio > 1 + growth / 100
        printf "%-26s %12.1f %12.1f %7.3f%s\n", $1, before[$1], $2, ratio, grown ? "  GROWN" : ""
        if (grown)
            names = names " " $1
    }
    END {
        if (!compare)
            printf "not compared: recorded with\n  %s\nnow\n  %s\n", built, now_built
        else if (names != "") {
            printf "grown by more than %s %%:%s\n", growth, names
            print "if it is worth it: make instructions RECORD=1"
            exit 1
        }
    }' "$folder/before" "$folder/now"
