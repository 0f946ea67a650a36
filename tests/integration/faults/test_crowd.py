"""Crowds of viewers: thousands of them, some of which never read, that come in the middle of a
burst, and whose daemon or Redis goes away. Nobody is ever shown a sum that was not true."""
import random

import pytest

from burst import Burst
from clients import Tool, Viewer, get
from crowd import Crowd
from events import order
from expected import payload
from harness import Daemon, RedisServer, now_ms
from scene import metric, resident_bytes, unequal


# A busy machine is no fault: no reply is missed that would come yet, and no viewer dropped whose
# pong is late. Redis is found again at once.
PATIENT = {"redis.reply_timeout_ms": 5000, "redis.lease_ms": 15_000, "redis.backoff_max_ms": 100,
           "limits.ping_wait_ms": 120_000}


@pytest.fixture
def crowd(folder):
    return Crowd(folder)


def check_last_values(crowd, group, burst, count, timeout=20):
    """Those with the same topics all show the same, and it is what the model says."""
    def settled():
        shown = crowd.values(group)
        sets = {frozenset(values) for _, values in shown}
        wrong = [topic for _, values in shown for topic, got in values.items()
                 if unequal(topic, got, payload(burst.model, topic, now_ms()))]
        return (len(shown) == len(sets) and all(sets) and not wrong
                and sum(number for number, _ in shown) == count)
    crowd.wait(group, lambda _: settled(), timeout, "the last values")


# --- subscribing in the middle of a burst ---------------------------------------------------------

def sets_of_topics(burst, chance, count):
    """Each has the grand total, by which a state is known, and groups that are loaded for it."""
    hosts, rooms, sets = burst.sold("host_id"), burst.sold("session_id"), []
    for _ in range(count):
        host, room = chance.choice(hosts), chance.choice(rooms)
        some = [f"host/{host}", f"session/{room}", f"product/{chance.choice(burst.products)}",
                f"top/products?host={host}&period=all&n=100",
                f"top/products?session={room}&n=100", "series/total?minutes=60", "ticker"]
        sets.append(["total", *chance.sample(some, 5)])
    return sets


def test_subscribing_in_the_middle_of_a_burst(world, crowd):
    """200 viewers at random moments, half of them on a daemon that only follows. Both have just
    started, so the groups of their boards are not in memory, and are loaded while totals move."""
    daemons = [world.daemon(PATIENT), world.daemon(PATIENT)]
    burst = Burst(daemons, world.redis, hosts=500, sessions=500, products=20)
    chance = random.Random(2)
    burst.start()
    burst.wait_acks(300)
    for daemon in reversed(daemons):
        daemon.stop()
        daemon.restart()
    groups = [metric(daemon, "board_groups") for daemon in daemons]
    assert all(count < 800 for count in groups), "of 1,000 that have been sold from"
    for _ in range(40):
        burst.wait_acks(chance.randint(1, 5))
        for daemon in daemons:
            count = chance.choice((1, 2, 3, 4))
            crowd.join(daemon.name, daemon, count, sets_of_topics(burst, chance, 97),
                       interval_ms=100, keep=True)
    viewers = [crowd.state(d.name)["members"] for d in daemons]
    for daemon, count in zip(daemons, viewers):
        crowd.wait(daemon.name, lambda s, count=count: s["snapshots"] == count and
                   min(s["updates"]) >= 3, what="some updates each")
    assert metric(daemons[1], "board_groups") > groups[1] + 100, "loaded for viewers alone"
    events = burst.stop()
    for daemon, count in zip(daemons, viewers):
        def all_seen():
            return all(burst.check_history(topics, messages) == events
                       for topics, (messages,) in crowd.history(daemon.name))
        crowd.wait(daemon.name, lambda _: all_seen(), what="the last state")
        state = crowd.state(daemon.name)
        assert (state["open"], state["closes"], sum(viewers) >= 150) == (count, 0, True)
    burst.check_everything()


def test_the_first_sale_of_an_id_is_on_its_board_in_time(daemon):
    """Its group was loaded only when the round for its viewers began, and shown a whole interval
    after the totals. Each order comes just after a round."""
    together = 0
    with Viewer(daemon) as viewer, Tool(daemon) as tool:
        for number in range(6):
            board = f"top/products?host=new{number}"
            viewer.subscribe("total", board, interval_ms=500)
            seen = viewer.updates
            assert tool.verdict(order(f"old{number}")) == "accepted"
            viewer.wait(lambda: viewer.updates > seen, 10, "a round")
            assert tool.verdict(order(f"new{number}")) == "accepted"
            viewer.wait_until(lambda v: v[board]["of"] == 1)
            shown = [m for m in viewer.of_type("update") if board in m["topics"]]
            together += "total" in shown[0]["topics"]
            viewer.unsubscribe(board)
    assert together >= 3, f"{together} of 6 boards showed their first sale with the totals"


# --- two thousand, of which five hundred never read -----------------------------------------------

HEALTHY, STALLED = 1500, 500
INTERVAL_MS = 500
TICKS = 10
# More than 32 KiB a frame, which is more than is given to a socket whose reader sleeps.
MUCH = ["total", *(f"top/{kind}?{by}n=100" for kind in ("hosts", "sessions", "products")
                   for by in ("", "by=orders&")), "series/total?minutes=600"]
VIEWER_BYTES = 8 << 10  # the most that one may cost; of idle ones 2 KiB are known
SETS_BYTES = 4 << 20    # topics and frames, however many watch


def check_interval(updates, ticks):
    """A viewer gets at most an update a tick, and all get most of them. No wall clock: counts."""
    assert max(updates) <= ticks + 2
    assert min(updates) >= ticks * 0.7, (min(updates), max(updates), ticks)


def ticks_of(witness):
    """How many intervals passed between the first and the last update of a viewer."""
    times = [m["time"] for m in witness if m["type"] == "update"]
    return (times[-1] - times[0]) / INTERVAL_MS + 1


@pytest.mark.plain_build  # sanitizers hold freed memory back
def test_two_thousand_viewers_of_which_500_never_read(folder, crowd):
    """The others' updates keep coming at their interval, memory is bounded, and who reads again
    gets what waits in the kernel and then one newest update, not all that were missed."""
    assert crowd.descriptors > HEALTHY + STALLED + 100, "the limit of open files is too low here"
    redis = RedisServer(folder)
    # Who doesn't read answers no ping either, and would be dropped as half-open after 40 s.
    daemon = Daemon(folder, redis, {"limits.ping_idle_ms": 600_000})
    burst = Burst([daemon], redis, hosts=100, sessions=100, products=100, window=1)
    burst.start()
    burst.wait_acks(1000)
    before = resident_bytes(daemon)
    crowd.join("stalled", daemon, STALLED, [MUCH], INTERVAL_MS, reads=False, rcvbuf=4096)
    crowd.join("healthy", daemon, HEALTHY, [["total", "top/hosts", f"host/{host}"]
                                            for host in burst.hosts[:10]], INTERVAL_MS)
    crowd.join("witness", daemon, 1, [["total"]], INTERVAL_MS, keep=True)
    crowd.wait("stalled", lambda s: s["subscribed"] == STALLED)
    crowd.wait("healthy", lambda s: s["snapshots"] == HEALTHY)
    first, skipped = crowd.state("healthy")["updates"], metric(daemon, "updates_conflated_total")
    seen = len(crowd.history("witness")[0][1][0])
    crowd.wait("healthy", lambda s: max(s["updates"]) >= max(first) + TICKS, 60)
    updates = crowd.state("healthy")["updates"]
    witness = crowd.history("witness")[0][1][0][seen:]
    check_interval([b - a for a, b in zip(first, updates)], ticks_of(witness))
    assert metric(daemon, "updates_conflated_total") - skipped >= STALLED * TICKS / 2
    burst.stop()
    check_last_values(crowd, "healthy", burst, HEALTHY)
    grown = resident_bytes(daemon) - before
    pushed = metric(daemon, "frames_pushed_total")
    crowd.read("stalled")
    check_last_values(crowd, "stalled", burst, STALLED)
    state = crowd.state("stalled")
    assert metric(daemon, "frames_pushed_total") - pushed == STALLED, "one update each"
    assert max(state["updates"]) <= 3, "what waited in the kernel, and the newest"
    bound = (HEALTHY + STALLED) * VIEWER_BYTES + STALLED * state["largest"] + SETS_BYTES
    print(f"{crowd.descriptors} descriptors; {ticks_of(witness):.1f} ticks, updates "
          f"{min(updates)}..{max(updates)}; grown by {grown >> 10} of {bound >> 10} KiB, frames of "
          f"{state['largest'] >> 10} KiB, stalled {min(state['updates'])}..{max(state['updates'])}")
    assert grown < bound
    assert (state["closes"], crowd.state("healthy")["closes"]) == (0, 0)
    burst.check_everything()
    daemon.stop()


# --- a daemon that is killed, a Redis that is away ------------------------------------------------

def watched(burst):
    """Sets of topics of all kinds but tickers, which don't outlive their daemon."""
    return [["total", f"host/{host}", f"top/products?host={host}&period=all&n=100",
             f"session/{room}", f"top/products?session={room}&n=100", "series/total?minutes=60"]
            for host, room in zip(burst.sold("host_id"), burst.sold("session_id"))]


def check_histories(crowd, group, burst, events):
    """Over all connections of a viewer: nothing wrong, nothing that goes back, and the end."""
    for topics, connections in crowd.history(group):
        shown = 0
        for messages in connections:
            shown = burst.check_history(topics, messages, least=shown)
        assert shown == events


def test_viewers_of_a_daemon_that_is_killed(world, crowd):
    """What was shown had been committed: whoever connects again is never shown less than that."""
    daemon = world.daemon(PATIENT)
    burst = Burst([daemon], world.redis)
    burst.start()
    burst.wait_acks(50)
    crowd.join("viewers", daemon, 300, watched(burst), interval_ms=100, keep=True, again=True)
    for _ in range(3):
        crowd.wait("viewers", lambda s: s["snapshots"] == 300, what="snapshots")
        seen = crowd.state("viewers")["updates"]
        crowd.wait("viewers", lambda s: all(n >= a + 3 for n, a in zip(s["updates"], seen)))
        daemon.kill()
        crowd.wait("viewers", lambda s: s["snapshots"] == 0, what="the end")
        daemon.restart()
        crowd.move("viewers", daemon)
        burst.wait_acks(50)
    events = burst.stop()
    state = crowd.wait("viewers", lambda s: s["snapshots"] == 300, what="the last snapshots")
    check_last_values(crowd, "viewers", burst, 300)
    assert state["closes"] >= 900 and len(state["epochs"]) == 1
    check_histories(crowd, "viewers", burst, events)
    burst.check_everything()


def test_viewers_while_redis_is_killed_and_started(folder, crowd):
    """They stay connected, see `stale`, and what they see next goes on from what they saw before.
    Who asks meanwhile for what has to be read from Redis is told to ask again."""
    redis = RedisServer(folder, options=("--appendfsync", "always"))
    daemon = Daemon(folder, redis, PATIENT)
    burst = Burst([daemon], redis, hosts=200, sessions=200)
    burst.start()
    burst.wait_acks(150)
    sets = watched(burst)
    assert len(sets) > 100
    crowd.join("viewers", daemon, 300, sets[:20], interval_ms=100, keep=True)
    errors = []
    for _ in range(2):
        seen = crowd.wait("viewers", lambda s: s["snapshots"] == 300)["updates"]
        crowd.wait("viewers", lambda s: all(n >= a + 3 for n, a in zip(s["updates"], seen)))
        redis.kill()
        crowd.wait("viewers", lambda s: s["stale"] == 300, what="stale: true")
        assert get(daemon, "/readyz").status == 503
        crowd.join("late", daemon, 50, sets[-50:], interval_ms=100, keep=True)
        crowd.wait("late", lambda s: s["snapshots"] == 50, what="what is there")
        errors += [error["code"] for _, (messages,) in crowd.history("late")
                   for message in messages for error in message.get("errors", [])]
        redis.start()
        crowd.wait("viewers", lambda s: s["stale"] == 0, what="stale: false")
        burst.wait_acks(50)
        crowd.leave("late")
        sets = sets[:-50]
    assert set(errors) == {"unavailable"}
    crowd.join("late", daemon, 50, watched(burst)[-50:], interval_ms=100, keep=True)
    crowd.wait("late", lambda s: s["snapshots"] == 50)
    events = burst.stop()
    for group, count in (("viewers", 300), ("late", 50)):
        check_last_values(crowd, group, burst, count)
        check_histories(crowd, group, burst, events)
        state = crowd.state(group)
        assert (state["closes"], len(state["epochs"])) == (0, 1)
    assert metric(daemon, "lost_writes_total") == 0
    burst.check_everything()
    daemon.stop()
