#!/bin/sh
# What run.sh does inside the fresh system.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unit=/lib/systemd/system/livetallyd.service
state=/var/lib/livetally
conf=/etc/livetally/livetallyd.conf
order='{"type":"order","order_id":"p-1","host_id":"ling","product_id":"tea","county":"422828","quantity":2,"amount":15800}'
daemon=

fail() {
    echo "FAILED: $1" >&2
    [ ! -e /tmp/daemon.log ] || tail -n 30 /tmp/daemon.log >&2
    exit 1
}

step() {
    echo "== $1"
}

install_package() {
    apt-get install -y -q --no-install-recommends --reinstall /tmp/livetally.deb >/tmp/apt.log 2>&1 ||
        { tail -n 30 /tmp/apt.log >&2 && fail "installation"; }
}

# As the unit does it: its user, its command line and environment, its state folder.
start_daemon() {
    install -d -o livetally -g livetally -m 700 "$state"
    path=$(sed -n 's/^Environment=PATH=//p' "$unit")
    command=$(sed -n 's/^ExecStart=//p' "$unit")
    # shellcheck disable=SC2086  # the command line: words on purpose
    setpriv --reuid livetally --regid livetally --clear-groups --no-new-privs --bounding-set=-all \
        env -i "PATH=$path" "STATE_DIRECTORY=$state" \
        $command --listen 127.0.0.1:0 >/tmp/daemon.log 2>&1 &
    daemon=$!
    tries=300
    until [ -s "$state/listen" ]; do
        kill -0 "$daemon" 2>/dev/null || fail "the daemon ended"
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "the daemon does not listen"
        sleep 0.1
    done
    url=$(grep -o '127.0.0.1:[0-9]*' "$state/listen")
}

stop_daemon() {
    kill -TERM "$daemon"
    wait "$daemon" || fail "the daemon ended with $?"
    ! pgrep -u livetally >/dev/null 2>&1 || fail "a process of livetally is left"
}

expect_one_order() {
    livetally totals --json "$url" total | grep -q '"all":{"orders":1,' ||
        fail "the total is not one order: $(livetally totals --json "$url" total)"
}

step "install"
apt-get update -q >/tmp/apt.log 2>&1 || fail "apt-get update: $(cat /tmp/apt.log)"
apt-get install -y -q --no-install-recommends procps >/tmp/apt.log 2>&1 || fail "procps"
install_package
getent passwd livetally >/dev/null || fail "there is no user livetally"
[ ! -e /usr/bin/redis-server ] || fail "this was to be a system without the package redis-server"
[ -z "$(find /etc/systemd/system -name 'livetallyd*')" ] || fail "a unit is enabled"
livetallyd --config "$conf" --check-config >/dev/null || fail "the configuration"
systemd-analyze verify --man=no "$unit" 2>&1 | grep livetally && fail "the unit"

step "use: an order, with the embedded Redis"
start_daemon
echo "$order" | livetally post "$url" >/tmp/post.log 2>&1 || fail "post: $(cat /tmp/post.log)"
expect_one_order
stop_daemon

step "install over itself: configuration and orders stay"
echo '# a line of the operator' >>"$conf"
install_package
grep -q 'a line of the operator' "$conf" || fail "the configuration was replaced"
start_daemon
expect_one_order
echo "$order" | livetally post "$url" >/dev/null 2>&1 || fail "post again"
expect_one_order
stop_daemon

step "remove: configuration and orders stay"
ln -s "$unit" /etc/systemd/system/multi-user.target.wants/livetallyd.service
apt-get remove -y -q livetally >/tmp/apt.log 2>&1 || fail "remove: $(cat /tmp/apt.log)"
if [ -e /usr/bin/livetallyd ] || [ -e "$unit" ]; then fail "files are left"; fi
if [ ! -e "$conf" ] || [ ! -d "$state" ]; then fail "remove took what only purge may take"; fi

step "purge: nothing stays"
apt-get purge -y -q livetally >/tmp/apt.log 2>&1 || fail "purge: $(cat /tmp/apt.log)"
grep -q "Removing all totals" /tmp/apt.log || fail "purge did not say what it takes"
left=$(find / -xdev -name '*livetally*' -not -path '/tmp/*' -not -path '/proc/*' \
    -not -path '/var/cache/apt/*' -not -path '/var/lib/apt/*' 2>/dev/null)
[ -z "$left" ] || fail "left behind: $left"
