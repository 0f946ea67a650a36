#!/bin/sh
# Installs those of the named Debian packages that are missing; does nothing, and asks no network,
# when all are there.
set -eu

missing=
for package in "$@"; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    sudo=
elif command -v sudo >/dev/null; then
    sudo=sudo
else
    echo "These packages are missing, and only root may install them:$missing" >&2
    exit 1
fi
echo "Installing:$missing"
install() {
    # shellcheck disable=SC2086  # words on purpose: a list of packages, perhaps no sudo
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
# The lists of packages may be absent or old, so that the first attempt fails; then fetch them.
install 2>/dev/null || { $sudo apt-get update -qq >/dev/null && install; }
