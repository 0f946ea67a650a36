"""As many idle connections as descriptors allow: 65,535 is aimed at, the limit of this machine is
what is reached. They cost what is stated, nobody is slower for them, and they leave nothing."""
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from harness import PATIENCE, Daemon, RedisServer, popen, wait_for
from scene import metric, resident_bytes
from witness import Witness, descriptors

AIM = 65_535
SPARE = 500  # descriptors of the daemon for other things
EACH = 8000  # of one process of idle peers
HERE = Path(__file__).parent


class Peers:
    def __init__(self, address, kind, count):
        self.counts = [EACH] * (count // EACH) + [n for n in (count % EACH,) if n]
        path = {**os.environ, "PYTHONPATH": f"{HERE.parent}:{HERE}"}
        self.processes = [
            popen([sys.executable, HERE / "idle.py", *map(str, address), kind, n], env=path,
                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for n in self.counts]

    def wait_open(self):
        for process in self.processes:
            assert process.stdout.readline() == "open\n"

    def leave(self):
        """How many were still open."""
        said = [int(process.communicate(timeout=120 * PATIENCE)[0]) for process in self.processes]
        return sum(said)


def room():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(AIM, hard) - SPARE


@pytest.mark.plain_build
@pytest.mark.parametrize("kind, each_bytes", [("live", 3000), ("ingest", 8000)])
def test_idle_connections_to_the_limit(folder, kind, each_bytes):
    count = room()
    daemon = Daemon(folder, RedisServer(folder), {
        "limits.connections": count + 10, "limits.connections_per_address": 0,
        "limits.ping_idle_ms": 600_000})
    witness = Witness(daemon)
    before = resident_bytes(daemon)
    peers = Peers(daemon.address, kind, count)
    peers.wait_open()
    held = (resident_bytes(daemon) - before) / count
    assert metric(daemon, f"{kind}_connections") == count + 1
    for _ in range(20):
        witness.post()
    print(f"\n{count} idle {kind} connections: {held:.0f} bytes each")
    assert peers.leave() == count
    witness.wait_gone(60)
    witness.check()
    assert held < each_bytes
    witness.stop()


@pytest.mark.plain_build
def test_heads_that_never_end_are_dropped_and_leave_room(folder):
    """Slowloris: more of them than there is room for; when their time is up all are gone."""
    count = 3000
    daemon = Daemon(folder, RedisServer(folder), {
        "limits.connections": count + 10, "limits.connections_per_address": 0,
        "limits.handshake_ms": 20_000})
    witness = Witness(daemon)
    before = resident_bytes(daemon)
    peers = Peers(daemon.address, "head", count)
    peers.wait_open()
    held = (resident_bytes(daemon) - before) / count
    print(f"\n{count} unfinished heads: {held:.0f} bytes each")
    witness.post()
    wait_for(lambda: descriptors(daemon) <= witness.descriptors, 60, "them to be dropped")
    assert peers.leave() == 0
    witness.check()
    assert held < 16_000
    witness.stop()
