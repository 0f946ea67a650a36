"""What a daemon stands on: disks that are full, a state folder that can't be written to."""
import os
from pathlib import Path

import pytest
import redis as redis_client

from clients import Tool
from harness import Daemon, RedisServer, run, wait_for
from scene import QUICK, Scene, World, wait_ready
from trouble import Trouble, logged, problem, stores

EVENTS = 6000


# --- disks ----------------------------------------------------------------------------------------

class Disk:
    """Of a redis-server: full() until room()."""

    def __init__(self, folder):
        self.flag, self.shim = folder.path / "full", folder.path / "full_disk.so"
        source = Path(__file__).with_name("full_disk.c")
        built = run("cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", self.shim, source, "-ldl")
        assert built.returncode == 0, built.stderr
        self.env = [f"LD_PRELOAD={self.shim}", f"FULL_DISK={self.flag}"]

    def full(self):
        self.flag.touch()

    def room(self):
        self.flag.unlink()


@pytest.fixture
def disk(folder):
    return Disk(folder)


class RedisOnDisk(RedisServer):
    def __init__(self, folder, disk):
        self.disk = disk
        super().__init__(folder)

    def spawn(self, command, stdout=None):
        super().spawn(["env", *self.disk.env, *command], stdout)


def test_the_disk_of_redis_is_full_under_load(folder, disk):
    """It refuses to write (MISCONF) until its append-only file could be written again."""
    world = World(folder)
    world.redis.stop()
    world.redis = RedisOnDisk(folder, disk)
    scene = world.scene(EVENTS)
    with scene.load() as load:
        trouble = Trouble(scene, "can't write to its disk", "make room", "MISCONF")
        load.wait_acks(5)
        disk.full()
        trouble.endure()
        disk.room()
    trouble.check_over()
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()
    world.stop()


class EmbeddedClient:
    """Stands for the RedisServer that a Scene looks into."""

    def __init__(self, daemon):
        self.daemon, self.target = daemon, f"unix:{daemon.state}/redis.sock"

    def client(self):
        return redis_client.Redis(unix_socket_path=f"{self.daemon.state}/redis.sock",
                                  decode_responses=True, encoding_errors="replace")


def test_the_disk_is_full_under_the_embedded_redis(folder, disk, monkeypatch):
    """redis-server, which syncs every write before it answers, ends at once and is started again
    and again: nothing that was acked is lost, and all goes on when there is room."""
    wrapper = folder.path / "bin" / "redis-server"
    wrapper.parent.mkdir()
    wrapper.write_text("#!/bin/sh\nexec env %s redis-server \"$@\"\n" % " ".join(
        [f"PATH={os.environ['PATH']}", *disk.env]))
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    daemon = Daemon(folder, None, QUICK)
    monkeypatch.undo()
    scene = Scene([daemon], EVENTS, redis=EmbeddedClient(daemon), size=16, window=4)
    scene.watch()
    words = "disk is full", "make room for", f"{daemon.state}/redis"
    with scene.load() as load, Tool(daemon) as tool:
        load.wait_acks(5)
        disk.full()
        wait_for(lambda: logged(daemon, words), 20, "the problem")
        tool.wait(lambda: stores(tool)[-1:] == ["unavailable"])
        assert problem(daemon)
        viewer = scene.viewers[0]
        viewer.wait(lambda: viewer.stale, 15, "stale: true")
        disk.room()
        wait_ready(daemon, 30)
        tool.wait(lambda: stores(tool)[-1:] == ["available"])
    assert len(logged(daemon, words)) == 1, daemon.log
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()
    scene.stop()


# --- the state folder -----------------------------------------------------------------------------

@pytest.mark.parametrize("what", ["a file where it should be", "no lock in it"])
def test_a_state_folder_that_cannot_be_used_is_told_at_start(folder, redis, what):
    """By what even root can't do: these tests may run as root."""
    state = folder.path / "state"
    if what == "no lock in it":
        (state / "lock").mkdir(parents=True)
    else:
        state.write_text("not a folder")
    daemon = Daemon(folder, redis, state=state, start=False)
    daemon.launch = lambda: daemon.spawn(daemon.command())
    daemon.launch()
    assert daemon.wait_exit() == 1
    said = [line for line in daemon.log.splitlines() if " error: " in line]
    assert len(said) == 1 and str(state) in said[0] and "--state-dir" in said[0]


def test_a_high_water_mark_that_cannot_be_written(world):
    """Without it only a loss while the daemon is down goes unnoticed: it goes on, and says so once
    until it is cured."""
    daemon = world.daemon(start=False)
    high_water = daemon.state / "high-water"
    high_water.mkdir(parents=True)
    daemon.start()
    scene = world.scene(EVENTS)
    with scene.load() as load:
        load.wait_acks(20)
        high_water.rmdir()
        load.wait_acks(3)
        wait_for(high_water.exists, 10, "the high-water mark")
    assert len(logged(daemon, ["can't write", str(high_water), "make the folder writable"])) == 1
    scene.check_everything()
    version = world.redis.client().get("lt:{0}:lane:0:ver")
    assert high_water.read_text().split()[2].lstrip("0") == version
