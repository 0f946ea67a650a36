"""Seats in the data set: lost by a daemon that slept, all of them taken, left for good, wanted by
two at once. Whoever holds a seat is the only writer of its lane; all else follows from that."""
import shutil
import time

import pytest

from clients import Tool, get, totals
from events import order
from harness import Daemon, wait_for
from proxy import concludes, writes_cells
from scene import errors_told, metric, ready, sold, wait_ready
from test_loading import SMALL

# A frozen daemon must not have given up its connection when its late message is let go.
PATIENT = {"redis.reply_timeout_ms": 1000, "redis.lease_ms": 2000, "redis.checkpoint_ms": 100}
FULL = "all 16 lanes are taken by other daemons: stop one of them"
COPIED = "another livetallyd has taken our lane, with our own instance id"


def lane_of(daemon):
    return int(metric(daemon, "lane"))


def wait_lease_end(world, lane):
    wait_for(lambda: not world.redis.client().exists(f"lt:{{0}}:lane:{lane}:owner"), 15,
             "the lease to end")


def lane_keys(world, lane):
    """All that stands in Redis about a lane, but for who holds it."""
    client = world.redis.client()
    keys = set(client.scan_iter(f"lt:{{0}}:lane:{lane}:*", count=1000))
    keys -= {f"lt:{{0}}:lane:{lane}:owner"}
    readers = {"hash": client.hgetall, "string": client.get, "stream": client.xrange}
    return {key: readers[client.type(key)](key) for key in keys}


def wait_checkpoint(world, lane):
    client, key = world.redis.client(), f"lt:{{0}}:lane:{lane}:"
    wait_for(lambda: (client.get(key + "ckpt") or "0") == client.get(key + "ver"), 15,
             "the checkpoint")


# --- a daemon that slept --------------------------------------------------------------------------

# What is on its way, and whether the seat's next owner sells something before it arrives: if not,
# the owner alone tells that it comes too late, as the version is what was expected.
LATE = {"commit": ("commit", None, True),
        "commit to an unused seat": ("commit", None, False),
        "cells of a checkpoint": ("checkpoint", writes_cells, True),
        "end of a checkpoint": ("checkpoint", concludes, True)}


@pytest.mark.parametrize("what", LATE)
def test_frozen_past_its_lease_while_another_uses_its_seat(world, what):
    """What it had on its way arrives when its seat has another owner: it changes nothing. Awake
    again, it shows what it knew as stale, takes another seat and goes on with what it never acked.
    """
    name, is_meant, used = LATE[what]
    scene = world.scene(5000, daemons=2, config=PATIENT)
    sleeper = scene.daemons[1]
    lane = lane_of(sleeper)
    with scene.load() as load, Tool(sleeper) as tool:
        load.wait_acks()
        late = sleeper.redis.catch(name, when=is_meant).wait()
        sleeper.freeze()
        frozen = time.monotonic()
        wait_lease_end(world, lane)
        heir = world.daemon(PATIENT)
        assert lane_of(heir) == lane, "it took the seat of the sleeper"
        if used:
            scene.sell(heir, *(order("heir", n, time=scene.now) for n in range(50)))
        wait_checkpoint(world, lane)
        before = lane_keys(world, lane)
        answer = sleeper.redis.catch(name, at="reply")
        late.release()
        assert b"fence" in answer.wait().message
        assert lane_keys(world, lane) == before
        answer.release()
        wait_for(lambda: time.monotonic() > frozen + 2.2, 5, "it to be stale")
        claim = sleeper.redis.catch("claim")
        sleeper.thaw()
        claim.wait()
        assert totals(sleeper, "total")["stale"], "an answer that waited for it to wake is no news"
        claim.release()
        tool.wait(lambda: [m["store"] for m in tool.of_type("status")]
                  == ["unavailable", "available"])
    assert lane_of(sleeper) not in (lane, lane_of(scene.daemon))
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    assert f"redis unavailable: a {name} was fenced" in sleeper.log
    assert metric(sleeper, "commits_fenced_total") == (name == "commit")
    scene.check_pushed()  # to those who watched the sleeper all along
    scene.daemons.append(heir)
    scene.watch_anew()
    scene.check_everything()


def test_one_of_two_killed_and_the_other_frozen_past_its_lease(world):
    """The killed one gets its seat back at once, the frozen one's goes to a third."""
    scene = world.scene(5000, daemons=2, watch=False, config=PATIENT)
    killed, sleeper = scene.daemons
    lanes = [lane_of(d) for d in scene.daemons]
    with scene.load() as load:
        load.wait_acks()
        sleeper.freeze()
        killed.kill()
        killed.restart()
        assert lane_of(killed) == lanes[0]
        wait_lease_end(world, lanes[1])
        scene.daemons.append(world.daemon(PATIENT))
        assert lane_of(scene.daemons[2]) == lanes[1]
        sleeper.thaw()
    wait_ready(sleeper)
    assert len({lane_of(d) for d in scene.daemons}) == 3
    scene.watch()
    scene.check_everything()


# --- sixteen seats --------------------------------------------------------------------------------

def test_all_sixteen_seats_taken(world):
    """A daemon more waits and says what to do, once, and gets in as soon as one leaves. So does one
    that slept past its lease meanwhile: it goes on showing what it knows, as stale."""
    config = {**PATIENT, **SMALL, "limits.cached_orders": 1000, "redis.poll_ms": 200}
    for _ in range(18):
        world.daemon(config, start=False)
    *seated, waiting, next_one = world.daemons
    launch(*seated)
    assert sorted(map(lane_of, seated)) == list(range(16))
    for n, daemon in enumerate(seated):
        with Tool(daemon) as tool:
            assert tool.verdict(order("u", n)) == "accepted"

    waiting.launch()
    wait_for(lambda: waiting.redis.seen["claim"] > 2, 15, "it to try again")
    assert [FULL in line for line in errors_told(waiting)] == [True]
    assert not waiting.listening()
    leaving, sleeper, last = seated[3], seated[7], seated[11]
    lane = lane_of(leaving)
    leaving.stop()
    wait_for(waiting.listening, 15, "the free seat to be taken")
    assert lane_of(waiting) == lane

    lane = lane_of(sleeper)
    next_one.launch()
    wait_for(lambda: FULL in next_one.log, 15, "it to be told")
    sleeper.freeze()
    wait_for(next_one.listening, 15, "the sleeper's seat to be taken")
    sleeper.thaw()
    wait_for(lambda: FULL in get(sleeper, "/readyz").json().get("problem", ""), 15, "the problem")
    assert not ready(sleeper) and get(sleeper, "/healthz").status == 200
    wait_for(lambda: totals(sleeper, "total")["stale"], 15, "stale totals")
    assert (lane_of(next_one), sold(sleeper)) == (lane, 16)
    lane = lane_of(last)
    last.stop()
    wait_ready(sleeper)
    assert lane_of(sleeper) == lane
    here = [d for d in world.daemons if d.running()]
    assert sorted(map(lane_of, here)) == list(range(16))
    for daemon in here:
        wait_for(lambda d=daemon: sold(d) == 16, 15, "everybody's sales")


def launch(*daemons):
    """All at once."""
    for daemon in daemons:
        daemon.launch()
    for daemon in daemons:
        wait_for(daemon.listening, 30, f"{daemon.name} to listen")


# --- left for good --------------------------------------------------------------------------------

def test_the_seat_of_a_daemon_that_is_gone_for_good(world):
    """Most of what it sold is in its feed alone. That keeps counting, for those who were there and
    for those who come; the next to start claims the seat, and writes what the hashes lack."""
    first = world.daemon()
    gone = world.daemon({"redis.checkpoint_ms": 60_000})
    scene = world.scene(5000, daemons=2, watch=False)
    lane = lane_of(gone)
    scene.load().finish()
    gone.kill()
    left = lane_keys(world, lane)
    key = f"lt:{{0}}:lane:{lane}:"
    unwritten = int(left[key + "ver"]) - int(left.get(key + "ckpt", 0))
    assert unwritten > 3, "its checkpoint was too late"
    scene.check_totals(first)
    wait_lease_end(world, lane)
    first.stop()
    scene.daemons = [first, Daemon(world.folder, world.redis, start=False)]
    first.restart()
    scene.check_totals(first)
    scene.daemons[1].start()
    assert (lane_of(first), lane_of(scene.daemons[1])) == (0, lane)
    gone.restart()
    scene.daemons.append(gone)
    assert lane_of(gone) == 2
    scene.watch()
    scene.check_everything()
    scene.stop()


# --- two at once ----------------------------------------------------------------------------------

def test_two_that_start_at_the_same_moment_never_get_the_same_seat(world):
    """20 times: on an empty Redis, where both want to make the data set; and after both were
    killed, when each gets its own seat back."""
    pair = [world.daemon(start=False), world.daemon(start=False)]
    for round_number in range(20):
        empty = round_number % 2 == 0
        if empty:
            world.redis.client().flushall()
            for daemon in pair:
                shutil.rmtree(daemon.state, ignore_errors=True)
        else:
            before = [lane_of(d) for d in pair]
            for daemon in pair:
                daemon.kill()
        claims = [d.redis.catch("claim") for d in pair]
        for daemon in pair:
            daemon.launch()
        for claim in claims:
            claim.wait()
        for claim in claims:
            claim.release()
        for daemon in pair:
            wait_for(daemon.listening, 15, "both to listen")
        lanes = [lane_of(d) for d in pair]
        assert sorted(lanes) == [0, 1] if empty else lanes == before
        assert len({totals(d, "total")["epoch"] for d in pair}) == 1
        with Tool(pair[0]) as one, Tool(pair[1]) as two:
            assert one.verdict(order("u", 2 * round_number)) == "accepted"
            assert two.verdict(order("u", 2 * round_number + 1)) == "accepted"
        for daemon in pair:
            wait_for(lambda d=daemon: sold(d) == (2 if empty else 4), 10, "both one's sales")
        if not empty:
            for daemon in pair:
                daemon.kill()


def test_a_copied_state_folder(world):
    """Both daemons have the same instance id, and took the seat from each other for ever. The one
    that was there first knows that it has not died: it takes a new id and another seat."""
    scene = world.scene(5000, config=PATIENT)
    first = scene.daemon
    copy = world.folder.path / "copy"
    with scene.load() as load:
        load.wait_acks()
        late = scene.proxy.catch("commit").wait()
        shutil.copytree(first.state, copy, ignore=shutil.ignore_patterns("lock", "listen"))
        second = world.daemon(PATIENT, state=copy)
        assert lane_of(second) == 0, "it is taken for the first one's successor"
        late.release()
        wait_for(lambda: COPIED in first.log, 10, "the first to notice")
    wait_ready(first)
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    assert (lane_of(first), lane_of(second)) == (1, 0)
    assert (first.state / "instance").read_text() != (copy / "instance").read_text()
    scene.check_pushed()
    for daemon in (first, second):
        daemon.stop()
        daemon.restart()
        wait_ready(daemon)
    assert first.log.count(COPIED) == 1 and COPIED not in second.log, "they are two from now on"
    assert all(metric(d, "redis_connects_total") == 1 for d in (first, second))
    scene.daemons.append(second)
    scene.watch_anew()
    scene.check_everything()
