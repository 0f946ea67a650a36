#!/bin/sh
# Installs the Debian package in a fresh minimal Debian 12, uses it, and takes it off again. Takes
# minutes, as the system is made from the package archive first; BASE keeps it for the next run.
#
#   run.sh PACKAGE.deb            BASE=folder: made by debootstrap when absent, and only copied
set -eu

package=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" -ne 0 ]; then
    echo "check-deb: debootstrap and chroot need root" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

if [ -n "${BASE:-}" ] && [ -d "$BASE" ]; then
    cp -a "$BASE" "$root"
else
    debootstrap --variant=minbase bookworm "$root" >"$work/debootstrap.log" 2>&1 ||
        { tail -n 20 "$work/debootstrap.log" >&2 && exit 1; }
    [ -z "${BASE:-}" ] || cp -a "$root" "$BASE"
fi
# The archive is reached from inside as from here.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp "$package" "$root/tmp/livetally.deb"
cp "$here/inside.sh" "$root/tmp/inside.sh"

# A process namespace of its own: whatever was started in it ends with it.
unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" \
    chroot "$root" /bin/sh /tmp/inside.sh
echo "check-deb: good"
