"""livetallyd and its embedded Redis under the restrictions of their systemd unit."""
import json
import os
import signal
import subprocess

import pytest
import redis

from clients import Tool, metrics, totals
from events import order
from harness import REPO, Daemon, children_of, run, wait_for

UNIT = REPO / "systemd" / "livetallyd.service"
CONFINE = REPO / "tests" / "integration" / "confine.py"

FORBIDDEN = """
import ctypes, json, mmap, os, socket
def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return error.errno
    return 0
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    if libc.syscall(number, *args) < 0:
        raise OSError(ctypes.get_errno(), "")
page = mmap.mmap(-1, 4096)
print(json.dumps({
    "write outside": outcome(lambda: open("/etc/livetally-test", "w")),
    "write inside": outcome(lambda: open("own", "w")),
    "netlink": outcome(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "inet": outcome(lambda: socket.socket(socket.AF_INET)),
    "executable memory": outcome(
        lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "chroot": outcome(lambda: os.chroot("/tmp")),
    "chown": outcome(lambda: os.chown("own", os.getuid(), os.getgid())),
    "nice": outcome(lambda: os.setpriority(os.PRIO_PROCESS, 0, 19)),
    "new namespace": outcome(lambda: call(272, 0x10000000)),
    "disk": outcome(lambda: os.stat("/dev/vda" if os.path.exists("/dev/vda") else "/dev/kmsg")),
}))
"""


def confined(folder, *command):
    return ["/usr/bin/python3", CONFINE, UNIT, folder, *command]


def rewritten(persistence):
    assert persistence["aof_last_bgrewrite_status"] == "ok"
    return not persistence["aof_rewrite_in_progress"] and not persistence["aof_rewrite_scheduled"]


class ConfinedDaemon(Daemon):
    def command(self):
        return confined(self.folder.path, *super().command())


def test_the_restrictions_are_in_force(folder):
    command = confined(folder.path, "/usr/bin/python3", "-c", FORBIDDEN)
    result = subprocess.run([str(c) for c in command], cwd=folder.path, capture_output=True,
                            text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    eperm, erofs, enoent = 1, 30, 2
    assert json.loads(result.stdout) == {
        "write outside": erofs, "write inside": 0, "netlink": eperm, "inet": 0,
        "executable memory": eperm, "chroot": eperm, "chown": eperm, "nice": eperm,
        "new namespace": eperm, "disk": enoent}


@pytest.mark.plain_build  # sanitizers need what the unit forbids
def test_the_daemon_works_under_the_restrictions_of_its_unit(folder):
    daemon = ConfinedDaemon(folder, listen=("127.0.0.1:0", f"unix:{folder.path}/in.sock"),
                            config={"redis.checkpoint_ms": 50})
    with Tool(daemon) as tool:
        assert tool.verdict(order("c1", amount=100)) == "accepted"
    # Redis rewrites its log in a child; then it is started anew, and has what it acknowledged.
    client = redis.Redis(unix_socket_path=str(daemon.state / "redis.sock"), decode_responses=True)
    client.bgrewriteaof()
    wait_for(lambda: rewritten(client.info("persistence")), 20, "the log to be rewritten")
    (server,) = children_of(daemon.pid)
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: "was ended by signal 9" in daemon.log, 10, "the end of Redis to be noticed")
    wait_for(lambda: metrics(daemon)["livetally_redis_connected"] == 1, 20, "Redis to be back")
    with Tool(daemon) as tool:
        assert tool.verdict(order("c1", amount=100)) == "duplicate"
        assert tool.verdict(order("c2", amount=50)) == "accepted"
    assert totals(daemon, "total")["topics"]["total"]["all"]["gross"] == 150
    wait_for(lambda: metrics(daemon)["livetally_checkpoints_total"] > 0, 10, "a checkpoint")
    daemon.stop()
    assert daemon.log.count(" error: ") == 1, daemon.log  # the end of Redis


@pytest.mark.parametrize("unit", ["livetallyd.service", "livetallyd@.service"])
def test_a_unit_exposes_little(unit):
    result = run("systemd-analyze", "security", "--offline=true", "--no-pager",
                 "--threshold=15", REPO / "systemd" / unit)
    assert result.returncode == 0, result.stdout[-200:] + result.stderr
