#!/bin/sh
# Makes the Debian package of what `make` built: installs it into a folder, adds what dpkg wants to
# know, and packs that. The same input gives the same bytes: times are those of the changelog.
#
#   build.sh BUILD [OUTPUT-FOLDER]
set -eu

build=$(cd "$1" && pwd)
output=${2:-$build}
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
root=$work/root
doc=$root/usr/share/doc/livetally

version=$(dpkg-parsechangelog -l "$here/changelog" -S Version)
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l "$here/changelog" -S Timestamp)
export SOURCE_DATE_EPOCH
program=$("$build/livetallyd" --version)
if [ "$program" != "livetallyd $version" ]; then
    echo "the changelog's newest version is $version, but this is $program" >&2
    exit 1
fi

# shellcheck disable=SC2086  # LIVETALLY_MAKE_ARGS: words on purpose
make -s --no-print-directory -C "$top" ${LIVETALLY_MAKE_ARGS:-} BUILD="$build" DESTDIR="$root" \
    PREFIX=/usr install >/dev/null
strip --remove-section=.comment --remove-section=.note "$root"/usr/bin/*
find "$root/usr/share/man" -type f -exec gzip -9n {} +
install -d "$root/usr/lib/livetally" "$root/DEBIAN"
# redis-tools holds the server too, as the program that checks files; by this name it serves.
ln -s ../../bin/redis-check-rdb "$root/usr/lib/livetally/redis-server"

install -d "$doc/examples"
install -m 644 "$top/README.md" "$doc/README.md"
install -m 644 "$top/config/grafana-dashboard.json" "$top/config/alerts.yml" "$doc/examples"
gzip -9nc "$here/changelog" >"$doc/changelog.gz"
sed -n '5,$ { s/^$/./; s/^/ /; p }' "$top/LICENSE" >"$work/license"
sed -e "/@LICENSE@/ { r $work/license" -e 'd }' "$here/copyright" >"$doc/copyright"

# dpkg-shlibdeps wants to stand in a source package.
mkdir "$work/debian"
printf 'Source: livetally\n\nPackage: livetally\nArchitecture: any\n' >"$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O -e"$root/usr/bin/livetallyd" \
    -e"$root/usr/bin/livetally" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
size=$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$(dpkg --print-architecture)/" \
    -e "s/@SIZE@/$size/; s/@LIBRARIES@/$libraries/" "$here/control" >"$root/DEBIAN/control"
echo /etc/livetally/livetallyd.conf >"$root/DEBIAN/conffiles"
install -m 755 "$here/postinst" "$here/prerm" "$here/postrm" "$root/DEBIAN"
(cd "$root" && find usr lib -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) \
    >"$root/DEBIAN/md5sums"
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$root" "$output"
