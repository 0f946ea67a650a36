"""Days and generations of the ledger, under a clock of our own: Debian's faketime moves the wall
clock of the daemon, while time-outs and intervals go on as they are."""
import os
import time
from pathlib import Path

import pytest

import ledger
from clients import Tool, Viewer, get, totals
from events import order, refund
from harness import Daemon, RedisServer, wait_for
from scene import verify

DAY = 86_400
OFFSET = 8 * 3600  # business time is UTC+08:00
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


class Clock:
    """A wall clock that runs, and can be set by writing an offset into a file."""

    def __init__(self, folder):
        assert LIBRARY, "the package faketime is missing: make deps-test"
        self.file = folder.path / "clock"
        self.offset = 0
        # 12:00 of tomorrow's business day: the same at whatever time of day the test runs.
        now = time.time() + OFFSET
        self.set(now - now % DAY + DAY + DAY / 2 - OFFSET)

    def now(self):
        return time.time() + self.offset

    def set(self, seconds):
        self.offset = int(seconds - time.time())
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{self.offset:+d}\n")
        os.rename(fresh, self.file)

    def forward(self, seconds):
        self.set(self.now() + seconds)

    def midnight(self):
        """Start of the next business day."""
        local = self.now() + OFFSET
        return local - local % DAY + DAY - OFFSET

    def day(self):
        return time.strftime("%Y%m%d", time.gmtime(self.now() + OFFSET))

    def command(self, command):
        return ["env", f"LD_PRELOAD={LIBRARY}", f"FAKETIME_TIMESTAMP_FILE={self.file}",
                "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
                "ASAN_OPTIONS=verify_asan_link_order=0", *command]


class ClockedDaemon(Daemon):
    def __init__(self, folder, redis, clock):
        self.clock = clock
        super().__init__(folder, redis)

    def spawn(self, command, stdout=None):
        super().spawn(self.clock.command(command), stdout)


@pytest.fixture
def clock(folder):
    return Clock(folder)


@pytest.fixture
def clocked(folder, redis, clock):
    daemon = ClockedDaemon(folder, redis, clock)
    yield daemon
    if daemon.running():
        daemon.stop()


def health(daemon):
    return get(daemon, "/readyz").json()


def today_and_all(values):
    total = values["total"]
    return total["today"]["orders"], total["all"]["orders"]


def test_midnight_comes_without_an_order(clocked, clock):
    with Tool(clocked) as tool, Viewer(clocked) as viewer:
        viewer.subscribe("total", "top/hosts")
        clock.set(clock.midnight() - 30)
        assert tool.verdict(order("u", 1)) == "accepted"
        viewer.wait_until(lambda v: today_and_all(v) == (1, 1))
        clock.set(clock.midnight())
        viewer.wait_until(lambda v: today_and_all(v) == (0, 1))
        viewer.wait_until(lambda v: v["top/hosts"]["of"] == 0)
        assert tool.verdict(order("u", 2)) == "accepted"
        viewer.wait_until(lambda v: today_and_all(v) == (1, 2))


def test_a_late_event_counts_on_its_own_day(clocked, redis, clock):
    yesterday = clock.day()
    late = int(clock.midnight() * 1000) - 5000
    with Tool(clocked) as tool:
        clock.set(clock.midnight() + 60)
        assert tool.verdict(order("u", 1, time=late, amount=700)) == "accepted"
        assert tool.verdict(order("u", 2, amount=300)) == "accepted"
        assert tool.verdict(refund("u", 1, amount=200)) == "accepted"

        def today():
            m = totals(clocked, "total")["topics"]["total"]["today"]
            return m["orders"], m["gross"], m["refunded"]

        wait_for(lambda: today() == (1, 300, 200), 5, "the new day")
    client = redis.client()

    def written(day):
        return (client.hget(f"lt:{{0}}:lane:0:day:{day}:total", "total") or "").split()[:6]

    # A checkpoint may come between the events.
    wait_for(lambda: written(clock.day()) == ["1", "1", "300", "1", "200", "0"], 10, "checkpoints")
    assert written(yesterday) == ["1", "1", "700", "0", "0", "0"]


def test_the_clock_steps_back_and_forward_a_day(clocked, clock):
    with Tool(clocked) as tool, Viewer(clocked) as viewer:
        viewer.subscribe("total")
        assert tool.verdict(order("u", 1)) == "accepted"
        viewer.wait_until(lambda v: today_and_all(v) == (1, 1))
        clock.forward(-DAY)
        viewer.wait_until(lambda v: today_and_all(v) == (0, 1))
        assert tool.verdict(order("u", 2)) == "accepted"
        viewer.wait_until(lambda v: today_and_all(v) == (1, 2))
        clock.forward(DAY)
        viewer.wait_until(lambda v: today_and_all(v) == (1, 2))
        assert tool.verdict(order("u", 3)) == "accepted"
        viewer.wait_until(lambda v: today_and_all(v) == (2, 3))


def age_ledger(client, seconds=31 * DAY):
    """Makes everything in the ledger a generation older, as if so much time had gone by."""
    generation = ledger.generation(client)
    if client.hexists("lt:{0}:meta", "generation_moved"):
        client.hincrby("lt:{0}:meta", "generation_moved", -seconds)
    for old in (generation - 1, generation):
        if client.exists(f"lt:{{0}}:orders:{old}"):
            client.rename(f"lt:{{0}}:orders:{old}", f"lt:{{0}}:orders:{old - 1}")
    first = ledger.packed_from(client)
    client.set("lt:{0}:generation", f"{generation - 1}:{first - 1}")
    client.hset("lt:{0}:meta", "packed_from", first - 1)
    return generation


def test_the_ledger_goes_on_by_generations(redis, daemon):
    client = redis.client()

    def grow_old():
        daemon.stop()
        generation = age_ledger(client)
        daemon.restart()
        wait_for(lambda: ledger.generation(client) == generation, 10,
                 "the next generation")

    generation = ledger.generation(client)
    now, older = f"lt:{{0}}:orders:{generation}", f"lt:{{0}}:orders:{generation - 1}"
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "accepted"
        assert tool.verdict(refund("u", 2, amount=50)) == "parked"
    grow_old()
    with Tool(daemon) as tool:
        # What is a generation old is still known, and stays where it was born …
        assert tool.verdict(order("u", 1)) == "duplicate"
        assert tool.verdict(refund("u", 1, amount=10)) == "accepted"
        assert client.hexists(older, "u-o1") and not client.hexists(now, "u-o1")
        # … but a parked refund moves along when its order comes.
        assert tool.verdict(order("u", 2)) == "accepted"
        assert client.hexists(now, "u-o2") and not client.hexists(older, "u-o2")
        m = totals(daemon, "total")["topics"]["total"]["all"]
        assert (m["orders"], m["refunds"], m["refunded"]) == (2, 2, 60)
    grow_old()
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 2)) == "duplicate"
        assert client.keys("lt:{0}:orders:*") == [older], "the oldest is unlinked"
        assert totals(daemon, "total")["topics"]["total"]["all"]["orders"] == 2


def test_a_clock_far_ahead_of_redis_does_not_end_the_ledger(folder, redis, clock):
    """Only the daemon's clock is wrong here: nothing may be forgotten for that."""
    client = redis.client()
    daemon = Daemon(folder, redis)
    generation = client.get("lt:{0}:generation")
    daemon.stop()
    daemon = ClockedDaemon(folder, redis, clock)
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "accepted"
        clock.forward(400 * DAY)
        wait_for(lambda: "clock" in daemon.log, 10, "a word about the clock")
        assert "an hour apart" in health(daemon)["ledger_waits"]
        assert tool.verdict(order("u", 1)) == "duplicate"
        clock.forward(-400 * DAY)
        wait_for(lambda: "ledger_waits" not in health(daemon), 10, "the clock to be right again")
    assert client.get("lt:{0}:generation") == generation
    daemon.stop()


# --- generations that end late --------------------------------------------------------------------

SPAN = 31 * DAY


def test_a_clock_that_was_months_behind(folder, redis, clock):
    """Several generations end at once when it is set right. What came a moment ago stays known."""
    clock.set(time.time() - 2 * SPAN - DAY)
    daemon = ClockedDaemon(folder, redis, clock)
    before = ledger.generation(redis.client())
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "accepted"
        assert tool.verdict(refund("v", 1)) == "parked"
        clock.set(time.time())
        wait_for(lambda: ledger.generation(redis.client()) >= before + 2, 10, "the move")
        assert tool.verdict(order("u", 1)) == "duplicate"
        assert tool.verdict(refund("u", 1)) == "accepted"
        assert tool.verdict(order("v", 1)) == "accepted"
        assert tool.verdict(order("u", 2)) == "accepted"
    total = totals(daemon, "total")["topics"]["total"]["all"]
    assert (total["orders"], total["refunds"]) == (3, 2)
    daemon.stop()
    verify(redis)


class Forbids:
    """RENAME: to a user, until he may; or to everybody, until Redis is started anew."""

    def __init__(self, folder, how):
        self.how = how
        self.redis = RedisServer(folder, options=self.options())

    def options(self):
        return ["--rename-command", "RENAME", ""] if self.how == "rename-command" else []

    def begin(self):
        if self.how == "acl":
            self.redis.client().execute_command("ACL", "SETUSER", "default", "-rename")

    def end(self):
        if self.how == "acl":
            self.redis.client().execute_command("ACL", "SETUSER", "default", "+rename")
            self.redis.client().client_kill_filter(_type="normal")
        else:
            self.redis.stop()
            self.redis.options = []
            self.redis.start()


@pytest.mark.parametrize("how", ["acl", "rename-command"])
def test_a_late_move_that_redis_forbids_is_told(folder, clock, how):
    """A generation that ended late gets another name. While it may not, the ledger stays as it is."""
    forbids = Forbids(folder, how)
    client = forbids.redis.client()
    clock.set(time.time() - 2 * SPAN - DAY)
    daemon = ClockedDaemon(folder, forbids.redis, clock)
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "accepted"
    assert "ledger_waits" not in health(daemon)
    before = client.get("lt:{0}:generation")
    forbids.begin()
    clock.set(time.time())
    waits = wait_for(lambda: health(daemon).get("ledger_waits"), 10, "a word about it")
    assert "forbids rename" in waits and "acl setuser default +rename" in waits
    assert health(daemon)["ready"]
    assert daemon.log.count(waits) == 1
    assert client.get("lt:{0}:generation") == before
    assert not client.hexists("lt:{0}:meta", "generation_moved"), "nothing was done of it"
    forbids.end()
    wait_for(lambda: "ledger goes on" in daemon.log, 20, "the move")
    assert ledger.generation(client) >= int(before.split(":")[0]) + 2
    assert "ledger_waits" not in health(daemon)
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "duplicate"
    daemon.stop()
    verify(forbids.redis)


def times_asked(client):
    """How often the next generation was asked for: nothing else asks Redis for the time."""
    return client.info("commandstats").get("cmdstat_time", {"calls": 0})["calls"]


def test_a_generation_that_ended_late_is_kept_as_long_as_all_others(folder, redis, clock):
    """What came into it just before must not go with the next move, which would be soon."""
    client = redis.client()
    clock.set(time.time() - SPAN)
    daemon = ClockedDaemon(folder, redis, clock)
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "accepted"
        ended = ledger.generation(client)
        clock.set(time.time())
        wait_for(lambda: ledger.generation(client) > ended, 10, "the move")
    daemon.stop()
    generation = age_ledger(client, 11 * DAY)
    asked = times_asked(client)
    daemon.restart()
    with Tool(daemon) as tool:
        wait_for(lambda: times_asked(client) > asked, 10, "the daemon to ask for the next one")
        assert tool.verdict(order("u", 1)) == "duplicate"
    assert ledger.generation(client) == generation - 1
    daemon.stop()
    client.hincrby("lt:{0}:meta", "generation_moved", -20 * DAY)
    daemon.restart()
    wait_for(lambda: ledger.generation(client) == generation, 10, "the next move")
    assert client.keys("lt:{0}:orders:*") == []
    assert totals(daemon, "total")["topics"]["total"]["all"]["orders"] == 1
    daemon.stop()
