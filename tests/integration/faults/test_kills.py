"""livetallyd killed, alone or together with its Redis, at random moments and at exact ones: what was
acked stays, and what the tools send again counts once."""
import os
import random
import signal

import pytest

from clients import Tool, Viewer
from events import order
from harness import Daemon, wait_for
from losses import prepare
from proxy import concludes, was_done, words, writes_cells
from scene import CALM, EmbeddedRedis, Scene, World, finish, metric, sold, wait_ready
from test_embedded import redis_pid

SOME = 10_000  # events: enough commits for every fault to meet one
OFTEN = {**CALM, "redis.checkpoint_ms": 100}
SELDOM = {**CALM, "redis.checkpoint_ms": 60_000}


def kill_with(daemon, held):
    """SIGKILL while the message is in our hands; it is lost with the connection."""
    held.wait()
    daemon.kill()
    held.cut()


def check_nothing_was_lost(scene):
    """Whoever comes back to a daemon that was killed finds the epoch he knew, and every total."""
    for daemon in scene.daemons:
        wait_ready(daemon)
        assert metric(daemon, "lost_writes_total") == 0 and "lost writes" not in daemon.log
        assert "epoch changed" not in daemon.log
    scene.watch()
    scene.check_everything()


def number_of(redis, key):
    """A lane's version or the like, of lane 0."""
    return int(redis.client().get("lt:{0}:lane:0:" + key) or 0)


# --- at random moments ----------------------------------------------------------------------------

KILLS = 30


def test_killed_thirty_times_at_random_moments(world):
    """Two daemons in turn, each after a random number of requests to Redis: under load, in its
    checkpoints, on its way in. Whatever one of them has shown once is there ever after."""
    scene = world.scene(20_000, daemons=2, watch=False, config=OFTEN).slow()
    chance, on_the_way_in, shown = random.Random(30), 0, 0
    with scene.load() as load:
        for kill in range(KILLS):
            daemon = scene.daemons[kill % 2]
            most = 60 if kill % 6 < 2 else 800  # which may be of the way in
            held = daemon.redis.catch(None, nth=chance.randrange(1, most)).wait()
            on_the_way_in += not daemon.listening()
            if daemon.listening():
                assert shown <= sold(daemon) <= len(scene.traffic.distinct)
                shown = sold(daemon)
            daemon.kill()
            held.cut()
            daemon.launch()
        load.hurry()
    assert 0 < on_the_way_in < KILLS, "all kinds of moments"
    assert sum(r.accepted + r.parked for r in load.results) <= scene.distinct
    check_nothing_was_lost(scene)


# --- around a commit ------------------------------------------------------------------------------

def killed_before_it_reached_redis(daemon, held):
    kill_with(daemon, held)


def killed_before_the_reply_came(daemon, held):
    reply = daemon.redis.catch("commit", at="reply")
    held.release()
    kill_with(daemon, reply)
    assert reply.message == b":1\r\n", "it was done"


def killed_and_redis_read_it_after_that(daemon, held):
    daemon.kill()
    held.hang_up()
    assert was_done(held.deliver_late()), "it was done"


def killed_and_redis_read_it_when_the_next_daemon_was_there(daemon, held):
    daemon.kill()
    held.hang_up()
    daemon.restart()
    assert b"fence" in held.deliver_late()
    daemon.kill()


@pytest.mark.parametrize("fate, verdict", [(killed_before_it_reached_redis, "accepted"),
                                           (killed_before_the_reply_came, "duplicate"),
                                           (killed_and_redis_read_it_after_that, "duplicate"),
                                           (killed_and_redis_read_it_when_the_next_daemon_was_there,
                                            "accepted")])
def test_killed_between_a_commit_and_its_reply(world, fate, verdict):
    """The retry's verdict tells that Redis has it, or not: never half of it."""
    scene = world.scene(2000, watch=False, config=CALM)
    with scene.load():
        pass
    for number in range(3):
        event = order("host-1", number, time=scene.now)
        scene.model.apply(event, scene.now)
        with Tool(scene.daemon) as tool:
            held = scene.proxy.catch("commit")
            tool.send_events(event)
            fate(scene.daemon, held.wait())
            assert tool.upto == 0, "an ack for what nobody knows"
        scene.daemon.restart()
        with Tool(scene.daemon) as tool:
            assert [tool.verdict(event), tool.verdict(event)] == [verdict, "duplicate"]
    scene.watch()
    scene.check_everything()


def test_killed_around_commits_under_load(world):
    """The same with thousands of events on their way, and with what is sent again among them."""
    scene = world.scene(SOME, watch=False, config=OFTEN).slow()
    with scene.load() as load:
        for at in ("request", "reply") * 5:
            load.wait_acks(5)
            kill_with(scene.daemon, scene.proxy.catch("commit", at))
            scene.daemon.restart()
        load.hurry()
    check_nothing_was_lost(scene)


# --- around a checkpoint --------------------------------------------------------------------------

def test_killed_between_the_feed_and_the_first_checkpoint_of_it(world):
    """All that it committed since is in the feed alone; the next one to hold the seat writes it."""
    scene = world.scene(SOME, watch=False, config=SELDOM)
    with scene.load() as load:
        load.wait_acks(60)
        scene.daemon.kill()
        only_in_feed = number_of(world.redis, "ver") - number_of(world.redis, "ckpt")
        assert only_in_feed > 3, "a checkpoint came between"
        scene.daemon.config.update(OFTEN)
        scene.daemon.restart()
        load.hurry()
    check_nothing_was_lost(scene)


CHECKPOINT_MOMENTS = {
    "before its first script": dict(at="request", when=writes_cells),
    "its first script done": dict(at="reply"),
    "two scripts done, the third not": dict(at="request", nth=3, when=writes_cells),
    "before its concluding one": dict(at="request", when=concludes),
}


def test_killed_in_the_middle_of_checkpoints(world):
    """What a hash has is told by each cell's own version, so being cut off anywhere is harmless."""
    scene = world.scene(SOME, watch=False, config=OFTEN).slow()
    with scene.load() as load:
        for moment in list(CHECKPOINT_MOMENTS.values()) * 3:
            load.wait_acks(2)
            kill_with(scene.daemon, scene.proxy.catch("checkpoint", **moment))
            scene.daemon.restart()
        load.hurry()
    check_nothing_was_lost(scene)


@pytest.mark.parametrize("at", ["request", "reply"])
def test_killed_when_a_checkpoint_concludes_and_trims_the_feed(world, at):
    """Before it, the feed has all that the hashes may lack; after it, the hashes have all that the
    feed has not."""
    config = {**OFTEN, "redis.feed_keep_ms": 1000}
    scene = world.scene(20_000, watch=False, config=config).slow()
    feed = "lt:{0}:lane:0:feed"

    def trims(message):
        return concludes(message) and words(message, 14)[13] != b""
    with scene.load() as load:
        held = scene.proxy.catch("checkpoint", when=trims).wait()
        oldest = world.redis.client().xrange(feed, count=1)
        if at == "reply":
            reply = scene.proxy.catch("checkpoint", at="reply")
            held.release()
            held = reply
        kill_with(scene.daemon, held)
        assert (world.redis.client().xrange(feed, count=1) == oldest) == (at == "request")
        scene.daemon.restart()
        load.hurry()
    check_nothing_was_lost(scene)


def ends_the_lease(renewal):
    return words(renewal, 6)[5] == b"0"


STOP_MOMENTS = {
    "its last commit": dict(name="commit", at="reply"),
    "its last cells": dict(name="checkpoint", when=writes_cells),
    "its last checkpoint": dict(name="checkpoint", when=concludes),
    "still holding its seat": dict(name="renew", when=ends_the_lease),
}


def test_killed_while_it_stops(world):
    """SIGTERM, and then it takes too long for whoever waits."""
    scene = world.scene(SOME, watch=False, config=SELDOM).slow()
    with scene.load() as load:
        for moment in STOP_MOMENTS.values():
            load.wait_acks(5)
            held = scene.proxy.catch(**moment)
            scene.daemon.signal(signal.SIGTERM)
            kill_with(scene.daemon, held)
            scene.daemon.restart()
        scene.daemon.stop()
        scene.daemon.config.update(OFTEN)
        scene.daemon.restart()
        load.hurry()
    assert metric(scene.daemon, "lane") == 0
    check_nothing_was_lost(scene)


# --- on the way in --------------------------------------------------------------------------------

def of_catalog(message):
    return b":catalog:" in message


WAY_IN_MOMENTS = {
    "before the scripts": dict(name="script"),
    "before it has a seat": dict(name="claim"),
    "it has a seat and doesn't know it": dict(name="claim", at="reply"),
    "were writes lost?": dict(name="mget", at="reply"),
    "its own feed": dict(name="xrange", at="reply"),
    "the versions to load": dict(name="mget", nth=2),
    "no hash loaded": dict(name="hscan"),
    "some hashes loaded": dict(name="hscan", at="reply", nth=20),
    "the feed on top": dict(name="xrange", nth=2),
    "the names": dict(name="hscan", when=of_catalog),
    "live, its first renewal": dict(name="renew", at="reply"),
}


def test_killed_on_the_way_in(world):
    """A seat half claimed, hashes half read; while the other daemon goes on, and its viewers with
    it."""
    scene = world.scene(SOME, daemons=2, watch=False, config=OFTEN).slow()
    victim, other = scene.daemons
    viewer = Viewer(other)
    viewer.subscribe("total")
    with scene.load() as load:
        load.wait_acks(5)
        victim.kill()
        for moment in WAY_IN_MOMENTS.values():
            held = victim.redis.catch(**moment)
            victim.launch()
            kill_with(victim, held)
        victim.restart()
        load.hurry()
    lanes = sorted(metric(daemon, "lane") for daemon in scene.daemons)
    assert lanes == [0, 1], "it got its own seat back each time"
    wait_for(lambda: viewer.values == {"total": scene.expected()["total"]}, 10, "the totals")
    assert viewer.close_code is None and len(viewer.of_type("snapshot")) == 1 and not viewer.stale
    viewer.close()
    check_nothing_was_lost(scene)


# --- together with Redis --------------------------------------------------------------------------

@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_killed_together_with_redis(folder, fsync):
    """With `always` nothing that was acked is missing: all of it is a duplicate when it comes again.
    With `everysec` Redis may have lost some of it; then that counts again, and nothing else does."""
    world = World(folder, redis_options=("--appendfsync", fsync))
    scene = world.scene(SOME, watch=False, config=OFTEN)
    prepare(scene)
    with scene.load() as load:
        for both in ([scene.daemon, world.redis], [world.redis, scene.daemon]) * 2:
            load.wait_acks(5)
            held = scene.proxy.catch("commit", at="reply").wait()
            for process in both:
                process.kill()
            held.cut()
            world.redis.start()
            scene.daemon.restart()
        load.hurry()
    again = finish(scene.feed())
    if fsync == "always":
        assert sum(r.accepted + r.parked for r in again) == 0
        check_nothing_was_lost(scene)
    else:
        scene.watch()
        scene.check_everything()
    world.stop()


def test_killed_together_with_its_embedded_redis(folder):
    """As `make run` and the default configuration have it: all that was acked is on disk."""
    daemon = Daemon(folder, config=OFTEN)
    scene = Scene([daemon], SOME, redis=EmbeddedRedis(daemon), size=8, window=1)
    with scene.load() as load:
        for _ in range(3):
            load.wait_acks(20)
            os.kill(redis_pid(daemon), signal.SIGKILL)
            daemon.kill()
            daemon.restart()
        load.wait_acks(1)
    again = finish(scene.feed())
    assert sum(r.accepted + r.parked for r in again) == 0, "something acked was missing"
    check_nothing_was_lost(scene)
    scene.stop()
