#!/bin/sh
# Checks that the layers depend on each other one way only:
#
#   daemon ─▶ net, store, auth ─▶ core          cli ─▶ verify ─▶ store, core
#                                               cli ─▶ auth ─▶ core
#
#   check-layers.sh BUILD                 (libcore.a and gen/ have to be there)
set -eu

build=$1
failed=0

fail() {
    echo "layers: $1" >&2
    printf '%s\n' "$2" | sed 's/^/    /' >&2
    failed=1
}

# Lines of #include in the files given, that match a pattern.
includes() { # PATTERN FILE...
    pattern=$1
    shift
    grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($pattern)" "$@" 2>/dev/null || true
}

files() { # FOLDER
    find "$1" -maxdepth 1 -name '*.[ch]' | sort
}

# 1. Core knows no event loop, no WebSocket and no Redis library, neither by name nor by symbol.
# shellcheck disable=SC2046  # file names have no blanks
found=$(includes 'uv\.h|libwebsockets|hiredis/|systemd/|ini\.h|jwt\.h|openssl/' $(files src/core))
[ -z "$found" ] || fail "core includes what belongs to an adapter" "$found"
found=$(nm -u "$build/libcore.a" | grep -E ' (uv_|lws_|lwsl_|redis|sd_|ini_|jwt_|EVP_)' || true)
[ -z "$found" ] || fail "libcore.a needs symbols of an adapter's library" "$found"
found=$(nm -u "$build/libcore.a" | grep -wE 'clock_gettime|gettimeofday|time' | sort -u || true)
own=$(nm -u "$build/obj/core/clock.o" | grep -wE 'clock_gettime|gettimeofday|time' | sort -u || true)
[ "$found" = "$own" ] || fail "core asks the system for the time outside clock.c" "$found"

# 2. Each adapter knows its own library, and not the other adapter.
# shellcheck disable=SC2046
found=$(includes 'libwebsockets|livetally/server|livetally/hub' $(files src/store))
[ -z "$found" ] || fail "store reaches into net" "$found"
# shellcheck disable=SC2046
found=$(includes 'hiredis/|livetally/redis_link|livetally/partition|livetally/embedded' \
    $(files src/net))
[ -z "$found" ] || fail "net reaches into store" "$found"
# shellcheck disable=SC2046
found=$(includes 'libwebsockets' $(files src/daemon))
[ -z "$found" ] || fail "daemon includes libwebsockets itself" "$found"

# Auth checks tokens and nothing else, and nobody else knows libjwt. Net asks through its port.
# shellcheck disable=SC2046
found=$(includes 'uv\.h|libwebsockets|hiredis/|livetally/(server|hub|partition|redis_link|log|clock)' \
    $(files src/auth))
[ -z "$found" ] || fail "auth includes what it may not use" "$found"
# shellcheck disable=SC2046
found=$(includes 'jwt\.h' $(files src/core) $(files src/store) $(files src/net) \
    $(files src/daemon) $(files src/cli) $(files src/verify))
[ -z "$found" ] || fail "only auth may include libjwt" "$found"
# shellcheck disable=SC2046
found=$(includes 'livetally/(token|keyring)' $(files src/core) $(files src/store) $(files src/net) \
    $(files src/verify))
[ -z "$found" ] || fail "only daemon and cli may include auth" "$found"

# Verify asks Redis without an event loop, and counts by itself: what it audits may not help it.
# shellcheck disable=SC2046
found=$(includes 'uv\.h|libwebsockets|livetally/(partition|embedded|server|hub|view|board|batch|ledger)' \
    $(files src/verify))
[ -z "$found" ] || fail "verify includes what it may not use" "$found"
# shellcheck disable=SC2046
found=$(includes 'livetally/verify' $(files src/core) $(files src/store) $(files src/net) \
    $(files src/daemon))
[ -z "$found" ] || fail "only cli may include verify" "$found"
# shellcheck disable=SC2046
found=$(includes 'hiredis/|livetally/(redis_link|keys)' $(files src/cli))
[ -z "$found" ] || fail "cli reaches past verify to Redis" "$found"

# 3. Headers beside the sources are private to their folder.
for folder in core store net auth daemon cli verify; do
    for other in core store net auth daemon cli verify; do
        [ "$folder" = "$other" ] && continue
        for header in src/"$other"/*.h; do
            [ -e "$header" ] || continue
            # shellcheck disable=SC2046
            found=$(includes "([^<\"]*/)?$other/$(basename "$header")" $(files "src/$folder"))
            if [ -z "$found" ] && [ ! -e "src/$folder/$(basename "$header")" ]; then
                # shellcheck disable=SC2046
                found=$(includes "$(basename "$header" .h)\.h\"" $(files "src/$folder"))
            fi
            [ -z "$found" ] || fail "$folder includes a private header of $other" "$found"
        done
    done
done

# 4. Every public header can be included alone.
for header in include/livetally/*.h; do
    message=$(printf '#include "livetally/%s"\ntypedef int nothing;\n' "$(basename "$header")" |
        ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Iinclude -x c -fsyntax-only - 2>&1) ||
        fail "$header does not compile alone" "$message"
    [ -z "$message" ] || fail "$header warns when compiled alone" "$message"
done

[ "$failed" -eq 0 ] && echo "layers: good"
exit "$failed"
