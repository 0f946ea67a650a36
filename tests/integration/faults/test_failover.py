"""Fail-over: the daemons find another Redis where the one they knew was. What that one lacks is
told, and counts again when it is sent again; with redis.durability=replicas:1 it lacks nothing
that was acked."""
import random

import pytest

from harness import RedisServer, wait_for
from losses import (check_epochs, check_loss_is_told, check_survivors, holds, ledger, losses_told,
                    prepare, wait_for_commits)
from scene import World, finish, metric, ready, wait_ready

VERSION = "lt:{0}:lane:0:ver"
AT_ONCE = ("--repl-diskless-sync-delay", "0")


class Pair(World):
    """A master, and a replica of it."""

    def __init__(self, folder):
        super().__init__(folder, AT_ONCE, tcp=True)
        self.replica = self.follower(self.redis)

    def follower(self, master):
        """One more replica, of that master."""
        replica = RedisServer(self.folder, tcp=True, options=(
            *AT_ONCE, "--replicaof", "127.0.0.1", str(master.port)))
        wait_for(lambda: replica.client().info("replication")["master_link_status"] == "up", 15,
                 "the replica's link")
        client = master.client()
        client.incr("probe")  # a link that is up is not used yet: only what came over proves it
        wait_for(lambda: client.wait(1, 100), 15, "the replica to follow")
        return replica

    def promote(self):
        """From here on the replica is a master of its own; what it lacks, it never gets."""
        self.replica.client().replicaof("NO", "ONE")


@pytest.fixture
def pair(folder):
    pair = Pair(folder)
    yield pair
    pair.stop()


def lead(daemon, redis):
    """The address leads to another Redis now, as after a change of a name or of a proxy."""
    daemon.redis.redis = redis
    daemon.redis.cut()


def wait_told(daemon, times=1):
    wait_for(lambda: metric(daemon, "lost_writes_total") == times, 15, "the loss to be noticed")
    wait_ready(daemon)


def test_two_daemons_notice_a_fail_over_at_other_moments(pair):
    """The second still commits to the old master, and acks, while the first is on the new one. That
    the epoch was new already when it came over kept it from telling what it had lost."""
    scene = pair.scene(events=6000, daemons=2)
    prepare(scene)
    first, second = scene.daemons
    with scene.load() as load:
        load.wait_acks(5)
        pair.promote()
        wait_for_commits(first, 3)
        lead(first, pair.replica)
        wait_told(first)
        wait_for_commits(second, 3)
        assert not losses_told(second) and ready(second)
        load.wait_acks()
        second.redis.redis = pair.replica
        pair.redis.kill()
        wait_told(second)
        load.hurry()
    assert any("lane 1" in line for line in losses_told(second)), "its own lane, which it wrote"
    missing = check_survivors(scene, pair.replica)
    assert missing > 0, "what was acked was not lost"
    epochs = [check_epochs(viewer) for viewer in scene.viewers]
    assert len(epochs[0]) == 2 and all(found == epochs[0] for found in epochs)
    resent = finish(scene.feed())
    assert sum(r.accepted + r.parked for r in resent) == missing
    scene.check_everything()
    for daemon in scene.daemons:
        check_loss_is_told(daemon)


def test_the_old_master_comes_back_as_a_master(pair):
    """Nobody looks at it while the daemon is on the new one. When the address leads back to it, it
    lacks all that was sold since, and when it leads away again, what was sold on it meanwhile."""
    scene = pair.scene(events=3000)
    prepare(scene)
    daemon, old = scene.daemon, pair.redis
    with scene.load() as load:
        load.wait_acks(5)
        pair.promote()
        wait_for_commits(daemon, 3)
        daemon.redis.redis = pair.replica
        old.kill()
        wait_told(daemon)
        old.start()
        load.wait_acks(10)
        assert old.client().info("replication")["role"] == "master"
        load.hurry()
    there = check_survivors(scene, pair.replica)
    check_loss_is_told(daemon)
    lead(daemon, old)
    wait_told(daemon, 2)
    here = check_survivors(scene, old)
    assert here > there > 0, "the old one lacks more"
    sold_here = finish(scene.feed())
    assert sum(r.accepted + r.parked for r in sold_here) == here
    scene.check_everything()
    lead(daemon, pair.replica)
    wait_told(daemon, 3)
    assert check_survivors(scene, pair.replica) == there
    check_loss_is_told(daemon, 3)
    new, newer, last = check_epochs(scene.viewers[0])[-3:]
    assert new == last != newer, "the new master's epoch, the old one's, and the new one's again"


@pytest.mark.parametrize("moment", range(3))
def test_with_durable_replicas_nothing_acked_is_lost(pair, moment):
    """At a random moment the replica gets no more; the master commits on, and is killed for good.
    What was acked until then stands on the replica, which has to get a replica of its own before
    anything more is acked."""
    chance = random.Random(moment)
    scene = pair.scene(events=4000, config={"redis.durability": "replicas:1"})
    prepare(scene)
    load = scene.load()
    load.wait_acks(chance.randrange(20, 300))
    pair.promote()
    asked = scene.proxy.seen["wait"]
    wait_for(lambda: scene.proxy.seen["wait"] >= asked + 5, 30, "the daemon to ask for replicas")
    behind = pair.redis.client().get(VERSION) != pair.replica.client().get(VERSION)
    pair.redis.kill()
    wait_for(lambda: not ready(scene.daemon), 10, "the daemon to notice")
    at_failover, records = load.acks, ledger(pair.replica)
    for stream in load.streams:
        lost = [e for e in stream.events[:stream.acked * scene.size] if not holds(records, e)]
        assert lost == [], "acked, and not on the replica"
    scene.proxy.redis = pair.replica
    wait_told(scene.daemon, behind)  # viewers may have seen what was not acked
    assert load.acks == at_failover, "an ack without a replica"
    pair.follower(pair.replica)
    scene.proxy.latency(None)
    load.finish()
    assert check_survivors(scene, pair.replica) == 0
    if behind:
        check_loss_is_told(scene.daemon)
    assert all(len(check_epochs(viewer)) == 1 + behind for viewer in scene.viewers)
