#!/bin/sh
# Takes one program out of a Debian package that isn't to be installed as a whole, since that would
# start a service:  program.sh PACKAGE PATH-IN-PACKAGE FOLDER
set -eu

mkdir -p "$3"
folder=$(cd "$3" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 777 . # apt downloads as a user of its own
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
# The lists of packages may be absent or old, so that the first attempt fails; then fetch them.
apt-get download -qq "$1" 2>apt.log || { $sudo apt-get update -qq && apt-get download -qq "$1"; }
dpkg-deb --extract "$1"_*.deb root
install "root/$2" "$folder"
