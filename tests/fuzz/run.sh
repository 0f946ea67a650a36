#!/bin/sh
# Runs fuzz targets, two at a time; `make fuzz`, `fuzz-corpus` and `fuzz-merge` call it.
#
#   run.sh search FOLDER SECONDS TARGET...   each for so long; finds are kept in FOLDER/TARGET
#   run.sh replay FOLDER RUNS TARGET...      corpora, regressions and a fixed number of runs
#   run.sh merge  FOLDER 0 TARGET...         puts the finds that reach new code into the corpora
#
# FOLDER holds the programs. Fails when a target did, and says with which input.
set -u

here=$(dirname "$0")
export ASAN_OPTIONS="quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

# The longest input worth trying: some events, a topic of 256 bytes, a file of some lines.
longest() { # TARGET
    case $1 in
    topic) echo 300 ;;
    config | county) echo 2048 ;;
    *) echo 1024 ;;
    esac
}

# Of a fixed number of runs a slow target gets a part.
share() { # TARGET RUNS
    case $1 in
    event | live) echo $(($2 / 10)) ;;
    county | proxy) echo $(($2 / 4)) ;;
    *) echo "$2" ;;
    esac
}

# From the last line that counts: "#1234 DONE cov: 300 ft: 900 corp: 40/3Kb lim: 99 exec/s: 617 …".
summary() { # LOG
    awk '/^#[0-9]+[ \t]+DONE/ { line = $0 }
        END {
            split(line, word)
            for (i in word) value[word[i]] = word[i + 1]
            split(value["corp:"], inputs, "/")
            printf "%9d runs %7d/s %5d edges %4d inputs", substr(word[1], 2), value["exec/s:"],
                value["cov:"], inputs[1]
        }' "$1"
}

report() { # STATUS TARGET FOLDER LOG
    if [ "$1" -eq 0 ]; then
        printf '%-8s %s\n' "$2" "$(summary "$4")"
        return 0
    fi
    printf '%-8s FAILED\n' "$2"
    grep -aE '^(tests/fuzz/|ERROR|SUMMARY)|ERROR: |runtime error:' "$4" | head -n 5 | sed 's/^/    /'
    sed -n "s|.*Test unit written to \(.*\)|    input: \1\n    again: $3/fuzz_$2 \1|p" "$4"
    echo "    log:   $4"
    return 1
}

# Inputs that somebody named stay; those named by their hash are chosen anew, as few as reach all,
# those that reach most first, and no more than 64 in all.
merge() { # PROGRAM CORPUS FOUND OPTION...
    program=$1 corpus=$2 found=$3
    shift 3
    fresh=$(mktemp -d)
    find "$corpus" -type f | grep -vE '/[0-9a-f]{40}$' | xargs -r -I FILE cp FILE "$fresh" &&
        "$program" "$@" -set_cover_merge=1 -use_counters=0 "$fresh" "$corpus" "$found" &&
        find "$corpus" -type f -delete &&
        find "$fresh" -type f -printf '%T@ %p\n' | sort -n | head -n 64 | cut -d ' ' -f 2 |
        xargs -I FILE cp FILE "$corpus"
    status=$?
    rm -rf "$fresh"
    return $status
}

one() { # MODE FOLDER AMOUNT TARGET
    mode=$1 folder=$2 amount=$3 target=$4
    program=$folder/fuzz_$target
    log=$folder/$target.$mode.log
    corpus=$here/corpus/$target
    found=$folder/$target
    known=$corpus
    [ ! -d "$here/regressions/$target" ] || known="$corpus $here/regressions/$target"
    mkdir -p "$found" "$folder/crashes"
    set -- -max_len="$(longest "$target")" -timeout=30 -rss_limit_mb=1024 \
        -artifact_prefix="$folder/crashes/$target-"
    [ ! -f "$here/$target.dict" ] || set -- "$@" -dict="$here/$target.dict"

    # shellcheck disable=SC2086  # $known is one or two folders
    case $mode in
    search)
        "$program" "$@" -max_total_time="$amount" "$found" $known >"$log" 2>&1
        report $? "$target" "$folder" "$log"
        ;;
    replay)
        scratch=$(mktemp -d)
        "$program" "$@" -seed=1 -runs="$(share "$target" "$amount")" "$scratch" $known >"$log" 2>&1
        report $? "$target" "$folder" "$log"
        status=$?
        rm -rf "$scratch"
        return $status
        ;;
    merge)
        merge "$program" "$corpus" "$found" "$@" >"$log" 2>&1 &&
            printf '%-8s %d files\n' "$target" "$(find "$corpus" -type f | wc -l)"
        ;;
    esac
}

mode=$1
if [ "$mode" = one ]; then
    shift
    one "$@"
    exit
fi
folder=$2 amount=$3
shift 3
printf '%s\n' "$@" | xargs -P 2 -I TARGET "$0" one "$mode" "$folder" "$amount" TARGET || exit 1
