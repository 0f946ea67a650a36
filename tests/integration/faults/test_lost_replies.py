"""Requests and replies between a daemon and Redis that are lost, or come too late: each commit counts
once, its tools learn what became of it without sending it again, and no viewer notices."""
import re

import pytest

from clients import Tool
from events import order, refund
from harness import wait_for
from proxy import concludes, was_done, writes_cells
from scene import CALM, errors_told, metric, wait_ready

SOME = 10_000  # events: enough commits for every fault to meet one
OFTEN = {**CALM, "redis.checkpoint_ms": 100}
CLAIMED = b"*7\r\n$7\r\nclaimed\r\n:0\r\n"


def check_nobody_noticed(scene, load):
    """Every event was acked, once and as what it was; viewers went on in the same epoch."""
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    for daemon in scene.daemons:
        assert metric(daemon, "lost_writes_total") == 0 and errors_told(daemon) == []
    scene.check_everything()
    for viewer in scene.viewers:
        assert len({m["epoch"] for m in viewer.messages if "epoch" in m}) == 1
        assert not viewer.stale


# --- lost -----------------------------------------------------------------------------------------

def test_replies_lost_after_redis_has_done_it(world):
    """The daemon can't know; it finds its own entry in the feed, and acks without doing it again."""
    scene = world.scene(12_500, config=CALM).slow()
    with scene.load() as load:
        for _ in range(20):
            load.wait_acks(3)
            held = scene.proxy.catch("commit", at="reply")
            held.wait()
            held.cut()
        load.hurry()
    check_nobody_noticed(scene, load)


def test_commits_lost_on_their_way_to_redis(world):
    """The newest entry of the feed is an older one, so it is judged and sent again."""
    scene = world.scene(SOME, config=CALM).slow()
    with scene.load() as load:
        for _ in range(10):
            load.wait_acks(3)
            held = scene.proxy.catch("commit")
            held.wait()
            held.cut()
        load.hurry()
    check_nobody_noticed(scene, load)


def test_the_reply_of_the_same_commit_lost_and_the_way_in_cut_off_again_and_again(world):
    """What the daemon once sent and has no answer for, it remembers until it has read its feed."""
    scene = world.scene(SOME, config=CALM).slow()
    with scene.load() as load:
        load.wait_acks(3)
        held = scene.proxy.catch("commit", at="reply").wait()
        for name in ("script", "claim", "mget", "xrange", "hscan"):
            next_held = scene.proxy.catch(name, at="reply")
            held.cut()
            held = next_held.wait()
        held.cut()
        load.hurry()
    check_nobody_noticed(scene, load)


def test_any_other_reply_lost(world):
    """Of checkpoints, leases, health checks and feeds; and on the way in that follows."""
    scene = world.scene(SOME, daemons=2, config=OFTEN).slow()
    with scene.load() as load:
        for daemon in scene.daemons:
            held = daemon.redis.catch("checkpoint", at="reply").wait()
            for name in ("info", "claim", "renew", "mget", "hscan", "xrange", "hmget", "xread"):
                following = daemon.redis.catch(name, at="reply")
                held.cut()
                held = following.wait()
            held.cut()
        load.hurry()
    check_nobody_noticed(scene, load)


@pytest.mark.parametrize("at", ["request", "reply"])
def test_a_batch_of_mere_duplicates_lost(world, at):
    """Nothing is written for it, so there is nothing in the feed to find: it is asked once more."""
    scene = world.scene(2000, watch=False, config=CALM)
    with scene.load() as load:
        pass
    orders = [event for event in scene.traffic.distinct if event["type"] == "order"][:500]
    version = world.redis.client().get("lt:{0}:lane:0:ver")
    with Tool(scene.daemon) as tool:
        for times in range(1, 4):
            held = scene.proxy.catch("commit", at)
            tool.send_events(*orders)
            held.wait()
            held.cut()
            tool.settle()
            assert (tool.accepted, tool.duplicates) == (0, times * len(orders))
            assert [m["store"] for m in tool.of_type("status")] == ["unavailable",
                                                                    "available"] * times
    assert world.redis.client().get("lt:{0}:lane:0:ver") == version
    scene.watch()
    check_nobody_noticed(scene, load)


# --- late -----------------------------------------------------------------------------------------

def test_commits_that_arrive_after_the_daemon_has_come_back(world):
    """They were still in a socket when it gave them up: its new owner token makes them void."""
    scene = world.scene(SOME, config=CALM).slow()
    with scene.load() as load:
        for _ in range(10):
            load.wait_acks(3)
            held = scene.proxy.catch("commit").wait()
            held.hang_up()
            load.wait_acks(1)
            assert b"fence" in held.deliver_late()
        load.hurry()
    check_nobody_noticed(scene, load)


def test_commits_that_arrive_just_before_the_daemon_comes_back(world):
    """Then they count, and the daemon finds them done."""
    scene = world.scene(SOME, config=CALM).slow()
    with scene.load() as load:
        for _ in range(10):
            load.wait_acks(3)
            held = scene.proxy.catch("commit").wait()
            claim = scene.proxy.catch("claim")
            held.hang_up()
            claim.wait()
            assert was_done(held.deliver_late())
            claim.release()
        load.hurry()
    check_nobody_noticed(scene, load)


@pytest.mark.parametrize("name", ["mget", "xrange", "hscan"])
def test_commits_that_arrive_while_the_daemon_is_on_its_way_in(world, name):
    """Between its claim and its going live: a board of old totals with a newer commit in Redis."""
    scene = world.scene(SOME, config=CALM).slow()
    with scene.load() as load:
        for _ in range(3):
            load.wait_acks(3)
            held = scene.proxy.catch("commit").wait()
            reading = scene.proxy.catch(name, at="reply")
            held.hang_up()
            reading.wait()
            assert b"fence" in held.deliver_late()
            reading.release()
        load.hurry()
    check_nobody_noticed(scene, load)


def test_a_commit_late_and_the_reply_of_its_successor_lost(world):
    """The same batch is on its way twice, and the daemon knows of neither what became of it."""
    scene = world.scene(SOME, config=CALM).slow()
    with scene.load() as load:
        for _ in range(10):
            load.wait_acks(3)
            late = scene.proxy.catch("commit").wait()
            again = scene.proxy.catch("commit", at="reply")
            late.hang_up()
            again.wait()
            assert was_done(again.message)
            again.cut()
            load.wait_acks(1)
            assert b"fence" in late.deliver_late()
        load.hurry()
    check_nobody_noticed(scene, load)


def test_many_of_one_commit_arrive_late_the_newest_first(world):
    """Each was given up by the daemon in turn; only the one that was answered counts."""
    scene = world.scene(SOME, config=CALM).slow()
    with scene.load() as load:
        for _ in range(3):
            load.wait_acks(3)
            late = [scene.proxy.catch("commit").wait()]
            for _ in range(3):
                following = scene.proxy.catch("commit")
                late[-1].hang_up()
                late.append(following.wait())
            late[-1].hang_up()
            load.wait_acks(1)
            assert all(b"fence" in held.deliver_late() for held in reversed(late))
        load.hurry()
    check_nobody_noticed(scene, load)


@pytest.mark.parametrize("when", [writes_cells, concludes])
def test_checkpoints_that_arrive_late(world, when):
    """Older values than a newer checkpoint has written meanwhile: they are void. Those that arrive
    before the daemon is back are good ones."""
    scene = world.scene(SOME, config=OFTEN).slow()
    claims = []
    with scene.load() as load:
        for late in (True, False) * 3:
            held = scene.proxy.catch("checkpoint", when=when).wait()
            claims.append(scene.proxy.catch("claim"))
            held.hang_up()
            claims[-1].wait()
            if late:
                newer = scene.proxy.catch("checkpoint", at="reply")
                claims[-1].release()
                newer.wait()
                newer.release()
                assert b"fence" in held.deliver_late()
            else:
                assert was_done(held.deliver_late())
                claims[-1].release()
            load.wait_acks(1)
        load.hurry()
    check_nobody_noticed(scene, load)


def test_claims_that_arrive_late(world):
    """The daemon has claimed its seat anew meanwhile, and finds its token replaced by one of its own
    that it has given up: at its next commit, checkpoint or renewal, whichever comes first, and
    before anything was written with either."""
    scene = world.scene(SOME, config=CALM).slow()
    with scene.load() as load:
        for _ in range(3):
            claim = scene.proxy.catch("claim")
            scene.proxy.cut()
            claim.wait()
            claim.hang_up()
            load.wait_acks(1)
            assert claim.deliver_late().startswith(CLAIMED)
            claims = scene.proxy.seen["claim"]
            wait_for(lambda: scene.proxy.seen["claim"] > claims, 10, "another claim")
            load.wait_acks(1)
            assert re.search("was fenced|the lane is no longer ours", scene.daemon.log)
        load.hurry()
    check_nobody_noticed(scene, load)


def test_a_claim_of_a_killed_daemon_arrives_late(world):
    """Only a process that held no seat yet may take one from its former self: it is refused."""
    scene = world.scene(SOME, watch=False, config=CALM).slow()
    with scene.load() as load:
        load.wait_acks(3)
        claim = scene.proxy.catch("claim")
        scene.proxy.cut()
        claim.wait()
        scene.daemon.kill()
        claim.hang_up()
        scene.daemon.restart()
        load.wait_acks(1)
        assert b"copied" in claim.deliver_late()
        load.hurry()
    assert metric(scene.daemon, "commits_fenced_total") == 0
    scene.watch()
    scene.check_everything()


# --- two daemons ----------------------------------------------------------------------------------

def story(number):
    """An order with refunds before and after it, all in one message."""
    uid = f"story-{number}"
    return [refund(uid, 1, "early", amount=10), order(uid, 1), refund(uid, 1, "late", amount=20),
            refund(uid, 2, "parked", amount=30), order(uid, 3)]


def counts(tool):
    return tool.accepted, tool.parked, tool.duplicates


@pytest.mark.parametrize("end", ["release", "cut"])
@pytest.mark.parametrize("at, first, second", [("request", (0, 0, 5), (3, 2, 0)),
                                               ("reply", (3, 2, 0), (0, 0, 5))])
def test_retried_at_another_daemon_while_the_first_waits(world, at, first, second, end):
    """Whichever of the two Redis saw first has counted it, and the other one learns that."""
    scene = world.scene(2000, daemons=2, config=CALM)
    with scene.load() as load:
        pass
    for number in range(3):
        events = [{**event, "time": scene.now} for event in story(number)]
        scene.model.apply_all(events, scene.now)
        with Tool(scene.daemons[0]) as waiting, Tool(scene.daemons[1]) as impatient:
            held = scene.proxy.catch("commit", at)
            waiting.send_events(*events)
            held.wait()
            impatient.send_events(*events)
            impatient.settle()
            assert waiting.upto == 0
            getattr(held, end)()
            waiting.settle()
            assert (counts(waiting), counts(impatient)) == (first, second)
    for daemon in scene.daemons:
        wait_ready(daemon)
    check_nobody_noticed(scene, load)
