"""Redis that answers late or not at all, and then again: nobody is sent away, nothing is dropped or
counted twice, memory stays bounded, and all goes on by itself."""
import random
import re
import time

import pytest

from clients import Tool, Viewer, feed_all, get, lines, metrics, totals
from events import order
from harness import PATIENCE, livetallyd, wait_for
from proxy import Slow
from scene import QUICK, World, metric, ready, resident_bytes

FROZEN_S = 20
FLOODS = 4         # connections that send more than may wait
WINDOW = 1 << 20   # limits.window_bytes
MESSAGE = 1 << 19  # of theirs: what a window may be exceeded by


def default_times():
    """The time-outs that a daemon has when nobody says otherwise."""
    text = livetallyd("--print-config").stdout
    return {key: re.search(rf"^#{key.split('.')[1]} = (\d+)$", text, re.M)[1] for key in QUICK}


class Witness:
    """Those who are connected to a daemon all along, and what they see."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.tool, self.viewer = Tool(daemon), Viewer(daemon)
        self.viewer.subscribe("total")
        self.looks = 0
        self.start_bytes = self.most_bytes = resident_bytes(daemon)

    def look(self):
        """It answers, whatever Redis does."""
        assert get(self.daemon, "/healthz").status == 200
        assert totals(self.daemon, "total", "top/hosts")["topics"]
        self.most_bytes = max(self.most_bytes, resident_bytes(self.daemon))
        assert self.tool.close_code is self.viewer.close_code is None
        self.looks += 1

    @property
    def told(self):
        return [m["store"] for m in self.tool.of_type("status")]

    def saw(self, *statuses, stale):
        return self.told == list(statuses) and self.viewer.stale == stale

    def wait_saw(self, *statuses, stale, timeout=15):
        wait_for(lambda: self.saw(*statuses, stale=stale), timeout, f"{statuses}, {stale}")

    def close(self):
        self.tool.close()
        self.viewer.close()


# --- frozen ---------------------------------------------------------------------------------------

def flood(scene, daemon, number):
    """24 messages of half a megabyte: orders with a field that nobody knows."""
    events = [order(f"flood{number}", n, time=scene.now, note="x" * 5000) for n in range(24 * 100)]
    scene.model.apply_all(events, scene.now)
    scene.minute = None
    return daemon, [lines(events[i:i + 100]) for i in range(0, len(events), 100)]


@pytest.mark.plain_build  # sanitizers hold freed memory back
def test_redis_frozen_for_20_seconds_under_load(world):
    """With the time-outs that are the default; the leases of all daemons run out meanwhile."""
    config = {**default_times(), "limits.window_bytes": WINDOW}
    scene = world.scene(daemons=3, config=config)
    witnesses = [Witness(d) for d in scene.daemons]
    with load_of(scene, 2) as load:  # the third serves viewers only
        load.wait_acks()
        connections = [d.redis.connections for d in scene.daemons]
        frozen = time.monotonic()
        world.redis.freeze()
        floods = feed_all([flood(scene, scene.daemons[n % 2], n) for n in range(FLOODS)], 24)
        look_for(FROZEN_S, witnesses)
        assert not any(f.done() for f in floods)
        for witness in witnesses:
            assert witness.saw("unavailable", stale=True) and not ready(witness.daemon)
        check_memory(witnesses)
        for daemon, before in zip(scene.daemons, connections):
            # Each attempt takes a connect time-out of 3 s, and half the longest wait at least.
            tried = daemon.redis.connections - before
            assert tried <= (time.monotonic() - frozen) / 3.5 + 3
        acks, thawed = load.acks, time.monotonic()
        world.redis.thaw()
        for witness in witnesses:
            witness.wait_saw("unavailable", "available", stale=False)
        wait_for(lambda: load.acks > acks, 15, "acks")
        print(f"all went on {time.monotonic() - thawed:.2f} s after Redis did")
        for future in floods:
            assert future.result(60 * PATIENCE).rejected == []
    for daemon, witness in zip(scene.daemons, witnesses):
        assert witness.saw("unavailable", "available", stale=False), "each was told once"
        told = metrics(daemon)
        late = [told[f'livetally_ack_seconds_bucket{{le="{le}"}}'] for le in (10, 60)]
        assert (late[0] < late[1]) == (daemon is not scene.daemons[2]), "the acks of 20 s"
        assert told["livetally_lost_writes_total"] == 0
        witness.close()
    scene.check_everything()


def catch_commits(daemons, nth=3):
    """A commit of each in our hands: so the traffic is not over yet, however slow we are."""
    return [d.redis.catch("commit", nth=nth) for d in daemons]


def release(commits):
    for commit in commits:
        commit.release()


def load_of(scene, count):
    """The traffic goes to the first few of the daemons."""
    everyone, scene.daemons = scene.daemons, scene.daemons[:count]
    load = scene.load()
    scene.daemons = everyone
    return load


def look_for(seconds, witnesses):
    """All along, and at least that long."""
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        for witness in witnesses:
            witness.look()
        wait_for(lambda: time.monotonic() > now + 0.1, 5, "the next look")
    assert all(w.looks > 20 for w in witnesses)


def check_memory(witnesses):
    """What waits in a daemon is a window and one message more of each connection. Twice that, for
    what parsing adds, and 4 MB for everything else; the floods hold four times as much."""
    bound = 2 * (FLOODS // 2) * (WINDOW + MESSAGE) + (4 << 20)
    for witness in witnesses:
        grown = witness.most_bytes - witness.start_bytes
        print(f"{witness.daemon.name} grew by {grown / 1e6:.1f} MB of {bound / 1e6:.1f}")
        assert grown < bound
    for witness in witnesses[:2]:
        assert metric(witness.daemon, "queued_events") >= 400, "the floods never came in"


def test_redis_frozen_three_times_for_longer_than_a_reply_may_take(world):
    """What became of the commits under way, nobody knows."""
    scene = world.scene(5000, daemons=2, config={"redis.reply_timeout_ms": 1000,
                                                 "redis.lease_ms": 20_000})
    commits = catch_commits(scene.daemons)
    with scene.load() as load:
        for times in (1, 2, 3):
            for commit in commits:
                commit.wait()
            world.redis.freeze()
            release(commits)
            for daemon in scene.daemons:
                wait_for(lambda d=daemon: metric(d, "redis_connected") == 0, 10, "the time-out")
            if times < 3:
                commits = catch_commits(scene.daemons, nth=1)
            world.redis.thaw()
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()


# --- slow -----------------------------------------------------------------------------------------

def test_redis_slow_but_within_its_time(world):
    """Each message takes 50 to 200 ms. Slow acks are all that anybody sees of it."""
    scene = world.scene(5000, daemons=2, config=default_times())
    witnesses = [Witness(d) for d in scene.daemons]
    commits = catch_commits(scene.daemons)
    with scene.load() as load:
        for number, (daemon, commit) in enumerate(zip(scene.daemons, commits)):
            commit.wait()
            daemon.redis.latency(Slow(random.Random(number), 0.05, 0.2))
        release(commits)
        load.wait_acks(15)
        for witness in witnesses:
            witness.look()
            assert ready(witness.daemon)
            assert metric(witness.daemon, 'commit_seconds_bucket{le="+Inf"}') > metric(
                witness.daemon, 'commit_seconds_bucket{le="0.1"}')
            witness.daemon.redis.latency(None)
    for witness in witnesses:
        assert witness.saw(stale=False)
        assert metric(witness.daemon, "redis_connects_total") == 1
        witness.close()
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct
    scene.check_everything()


def test_redis_slower_than_a_reply_may_be(world):
    """It connects, asks, and gives up, again and again, with waits in between; what it had asked
    for is done behind its back, but for commits: those are void with the next claim."""
    scene = world.scene(5000, daemons=2, config={"redis.connect_timeout_ms": 2000,
                                                 "redis.lease_ms": 20_000})
    slow, other = scene.daemons
    witness = Witness(slow)
    commits = catch_commits([slow])
    with scene.load() as load:
        commits[0].wait()
        failures = metric(slow, "redis_failures_total")
        slow.redis.latency(lambda name, at: 0.35)
        release(commits)
        wait_for(lambda: metric(slow, "redis_failures_total") >= failures + 4, 60, "failures")
        assert slow.redis.seen["ping"] > 3
        wait_for(lambda: witness.viewer.stale, 10, "stale totals")
        assert witness.told == ["unavailable"]
        witness.look()
        assert ready(other)
        slow.redis.latency(None)
        wait_for(lambda: witness.told[:2] == ["unavailable", "available"], 15, "the way back")
    witness.close()
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()


# --- away -----------------------------------------------------------------------------------------

def test_a_black_hole_between_one_daemon_and_redis(world):
    """Nothing arrives, and nobody is told. The others go on. What was on its way arrives after all,
    when the lease is over."""
    scene = world.scene(5000, daemons=2, config={"redis.reply_timeout_ms": 1000})
    cut_off, other = scene.daemons
    witnesses = [Witness(d) for d in scene.daemons]
    lost = catch_commits([cut_off])
    with scene.load():
        lost[0].wait()
        cut_off.redis.hole()
        connections = cut_off.redis.connections
        lane = int(metric(cut_off, "lane"))
        start = time.monotonic()
        wait_for(lambda: not world.redis.client().exists(f"lt:{{0}}:lane:{lane}:owner"), 15,
                 "the lease to end")
        witnesses[0].wait_saw("unavailable", stale=True)
        witnesses[0].look()
        assert ready(other) and not ready(cut_off)
        tried = cut_off.redis.connections - connections
        assert 1 < tried <= 2 + (time.monotonic() - start) / 0.35, "300 ms, and 50 at least"
        release(lost)
        cut_off.redis.flow()
        witnesses[0].wait_saw("unavailable", "available", stale=False)
    assert witnesses[1].saw(stale=False)
    for witness in witnesses:
        witness.close()
    scene.check_everything()


def waits(failures, longest_ms):
    """Seconds that so many failures in a row take at least: waits of 50 ms, doubling, each cut by
    half at most."""
    return sum(min(50 * 2**n, longest_ms) / 2 for n in range(failures - 1)) / 1000


def test_redis_that_refuses_is_not_stormed(folder):
    """Refused at once each time, only its patience keeps a daemon from trying all the time."""
    world = World(folder, redis_options=("--appendfsync", "always"))
    scene = world.scene(5000, config={"redis.backoff_max_ms": 400,
                                      "redis.reply_timeout_ms": 1000})
    witness = Witness(scene.daemon)
    commits = catch_commits([scene.daemon])
    with scene.load():
        commits[0].wait()
        before, start = scene.proxy.connections, time.monotonic()
        world.redis.kill()
        release(commits)
        wait_for(lambda: scene.proxy.connections >= before + 9, 60, "9 attempts")
        assert time.monotonic() - start > waits(9, 400)
        witness.wait_saw("unavailable", stale=True)
        witness.look()
        world.redis.start()
        witness.wait_saw("unavailable", "available", stale=False)
    witness.close()
    scene.check_everything()
    scene.stop()
