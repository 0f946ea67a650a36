#!/bin/sh
# Checks the units in systemd/ by systemd itself, as it would be installed: the programs it
# names have to exist, so it is looked at from a folder into which everything has been installed.
#
#   check-unit.sh BUILD
set -eu

if ! command -v systemd-analyze >/dev/null; then
    echo "check-unit: systemd-analyze is not installed, nothing checked"
    exit 0
fi
build=$(cd "$1" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
make -s --no-print-directory BUILD="$build" PREFIX="$root" SYSCONFDIR="$root/etc" \
    UNITDIR="$root/units" SYSUSERSDIR="$root/sysusers" install >/dev/null

# What it says of other units on this machine is not about ours.
complaints=$(SYSTEMD_UNIT_PATH="$root/units:" systemd-analyze verify --man=no \
    "$root"/units/livetallyd* 2>&1 | grep livetally || true)
if [ -n "$complaints" ]; then
    echo "$complaints" >&2
    exit 1
fi
"$root/bin/livetallyd" --config "$root/etc/livetally/livetallyd.conf" --check-config >/dev/null
echo "check-unit: good"
