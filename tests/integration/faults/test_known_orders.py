"""A daemon that knows which ids stand in the ledger doesn't look in Redis for new ones. Whatever
happens to what it knows, an order is never taken for new twice."""
import threading

import pytest
import redis as redis_client

import ledger
from backup import Backup
from clients import Tool, metrics, totals
from events import order, refund
from harness import wait_for
from proxy import Proxy
from scene import CALM, ClockedDaemon, metric, sold
from test_clock import DAY, Clock

# No checkpoint looks at hashes meanwhile; and other daemons' silence doesn't take a minute.
CONFIG = {**CALM, "redis.checkpoint_ms": 60_000, "redis.feed_keep_ms": 1000}
MANY = 12_000
MESSAGE = 1000


def knows(daemon):
    """Whether it knows all ids in the current generation, and in the previous one."""
    found = metrics(daemon)
    return tuple(found[f'livetally_known_orders_complete{{generation="{which}"}}'] == 1
                 for which in ("current", "previous"))


def looked_for(daemon):
    """How many ids of new orders its commits looked for in the current generation."""
    return metrics(daemon)['livetally_order_lookups_total{generation="current"}']


def wait_knows(daemon, expected=(True, True)):
    wait_for(lambda: knows(daemon) == expected, 20, f"{daemon.name} to know {expected}")


def hmgets(redis):
    return redis.client().info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"]


def post_all(tool, events):
    """Counts of accepted and duplicates; nothing may be rejected."""
    accepted = duplicates = 0
    for at in range(0, len(events), MESSAGE):
        result = tool.post(*events[at:at + MESSAGE])
        assert not result.rejected
        accepted, duplicates = accepted + result.accepted, duplicates + result.duplicates
    return accepted, duplicates


def orders(uid, count):
    return [order(uid, n) for n in range(count)]


@pytest.fixture
def daemon(world):
    return world.daemon(CONFIG)


# --- look-ups are spared, and done when they have to be ---------------------------------------------

def test_new_orders_are_not_looked_up(world, daemon):
    with Tool(daemon) as tool:
        wait_knows(daemon)
        assert tool.verdict(order("first")) == "accepted"
        wait_for(lambda: metric(daemon, "checkpoints_total") == 1, 10, "the only checkpoint")
        before = hmgets(world.redis)
        for event in orders("u", 200):
            assert tool.verdict(event) == "accepted"
        # Of an id in a thousand it is not sure.
        assert hmgets(world.redis) - before <= 3
        assert tool.verdict(refund("unknown")) == "parked"
        assert hmgets(world.redis) - before <= 3, "nor is the order of a refund that came first"
        before = hmgets(world.redis)
        assert tool.verdict(refund("u", 1)) == "accepted"
        assert hmgets(world.redis) > before, "what is known to be there is verified"


@pytest.mark.parametrize("bound", [0, 100])
def test_beyond_the_bound_all_are_looked_up(world, bound):
    daemon = world.daemon({**CONFIG, "limits.known_orders": bound})
    with Tool(daemon) as tool:
        post_all(tool, orders("u", 150))
        before = hmgets(world.redis)
        for event in orders("v", 50):
            assert tool.verdict(event) == "accepted"
        assert hmgets(world.redis) - before >= 50
        assert not knows(daemon)[0]
        assert post_all(tool, orders("u", 150)) == (0, 150)


def test_a_restarted_daemon_knows_them_again(world, daemon):
    with Tool(daemon) as tool:
        post_all(tool, orders("u", 3000))
    daemon.kill()
    daemon.restart()
    with Tool(daemon) as tool:
        wait_knows(daemon)
        before = hmgets(world.redis)
        post_all(tool, orders("v", 1000))
        assert hmgets(world.redis) - before <= 5
        assert post_all(tool, orders("u", 3000)) == (0, 3000)
        assert sold(daemon) == 4000


# --- several daemons ------------------------------------------------------------------------------

def test_a_daemon_that_joins_later(world, daemon):
    with Tool(daemon) as tool:
        wait_knows(daemon)
        post_all(tool, orders("u", 50))
        other = world.daemon(CONFIG)
        with Tool(other) as newcomer:
            wait_knows(other)
            assert knows(daemon) == (True, True), "who only joins changes nothing"
            assert newcomer.verdict(order("v", 1)) == "accepted"
            assert tool.verdict(order("v", 1)) == "duplicate"
            assert newcomer.verdict(order("u", 7)) == "duplicate"
            assert tool.verdict(order("w", 1)) == "accepted"
            assert newcomer.verdict(order("w", 1)) == "duplicate"
        wait_knows(daemon)  # the other one fell silent
        before = hmgets(world.redis)
        for event in orders("x", 20):
            assert tool.verdict(event) == "accepted"
        assert hmgets(world.redis) - before <= 3, "of an id in a thousand it is not sure"
        assert tool.verdict(order("v", 1)) == "duplicate"


def test_the_first_commit_of_another_daemon_is_met_before_it_is_heard_of(world):
    """Its feed is not read yet, so only the script can tell."""
    deaf = world.daemon({**CONFIG, "redis.poll_ms": 10_000})
    other = world.daemon(CONFIG)
    with Tool(deaf) as tool, Tool(other) as elsewhere:
        wait_knows(deaf)
        assert elsewhere.verdict(order("u", 1)) == "accepted"
        assert tool.verdict(order("u", 1)) == "duplicate"
        assert tool.verdict(order("u", 2)) == "accepted"
        assert elsewhere.verdict(order("u", 2)) == "duplicate"
        assert metric(deaf, "commits_grown_total") <= 1, "at most once for what it then knows of"
        wait_for(lambda: sold(deaf) == 2, 20, "the totals")


def test_two_daemons_given_the_same_orders_at_once(world):
    daemons = [world.daemon(CONFIG) for _ in range(2)]
    for daemon in daemons:
        wait_knows(daemon)
    results = [[], []]

    def post(place):
        with Tool(daemons[place]) as tool:
            numbers = range(300) if place == 0 else reversed(range(300))
            for number in numbers:
                results[place].append((number, tool.verdict(order("u", number))))

    threads = [threading.Thread(target=post, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdicts = [dict(result) for result in results]
    for number in range(300):
        assert sorted(v[number] for v in verdicts) == ["accepted", "duplicate"], number
    assert looked_for(daemons[0]) > 0 and looked_for(daemons[1]) > 0
    for daemon in daemons:
        wait_for(lambda: sold(daemon) == 300, 10, "the totals")


def test_busy_daemons_look_up_without_being_refused(world):
    """Once they have heard of each other, no commit is sent twice for what the other one did."""
    daemons = [world.daemon({**CONFIG, "redis.feed_keep_ms": 60_000}) for _ in range(2)]
    with Tool(daemons[0]) as one, Tool(daemons[1]) as two:
        for number in range(100):
            assert one.verdict(order("u", number)) == "accepted"
            assert two.verdict(order("v", number)) == "accepted"
        for daemon in daemons:
            found = metrics(daemon)
            assert found["livetally_commits_grown_total"] <= 2
            assert found['livetally_order_lookups_total{generation="current"}'] >= 98
            assert knows(daemon) == (False, True)


# --- while it reads -------------------------------------------------------------------------------

def asks_ledger(world, daemon, name, **options):
    """A trap for such a command about the current generation."""
    key = ledger.key(ledger.generation(world.redis.client()))
    return daemon.redis.catch(name, when=lambda message: f"{key}\r\n".encode() in message, **options)


def test_killed_while_it_reads_what_stands_there(world, daemon):
    """Retries and new orders come all the while."""
    with Tool(daemon) as tool:
        assert post_all(tool, orders("u", MANY)) == (MANY, 0)
    for turn in range(3):
        daemon.kill()
        reads = asks_ledger(world, daemon, "hscan")
        daemon.restart()
        reads.wait()
        daemon.redis.answer("hscan", "*2\r\n$1\r\n5\r\n*0")  # empty pages without end
        daemon.redis.latency(lambda name, at: 0.01 if name == "hscan" else 0)
        reads.release()
        with Tool(daemon) as tool:
            assert post_all(tool, orders("u", 2 * MESSAGE)) == (0, 2 * MESSAGE)
            assert post_all(tool, orders(f"v{turn}", MESSAGE)) == (MESSAGE, 0)
            assert not knows(daemon)[0], "all that came while it was reading"
        daemon.redis.answer_no_more("hscan")
        daemon.redis.latency(None)
    daemon.kill()
    daemon.restart()
    wait_knows(daemon)
    with Tool(daemon) as tool:
        assert post_all(tool, orders("u", MANY)) == (0, MANY)
        for turn in range(3):
            assert post_all(tool, orders(f"v{turn}", MESSAGE)) == (0, MESSAGE)
    assert sold(daemon) == MANY + 3 * MESSAGE


def test_what_came_while_it_read_is_known(world, daemon):
    """Its own orders, posted at each step of the reading."""
    with Tool(daemon) as tool:
        post_all(tool, orders("u", MANY))
        wait_knows(daemon)
        held = asks_ledger(world, daemon, "hlen")
        daemon.redis.cut()
        for step, name in enumerate(["hscan", "hscan", "hscan", "hlen", None]):
            held.wait()
            tool.send_events(*orders(f"v{step}", 20))
            before, held = held, name and asks_ledger(world, daemon, name)
            before.release()
            tool.settle()
        wait_knows(daemon)
        looks = looked_for(daemon)
        for step in range(5):
            assert post_all(tool, orders(f"v{step}", 20)) == (0, 20)
        assert post_all(tool, orders("w", 100)) == (100, 0)
        assert looked_for(daemon) - looks <= 3
    assert sold(daemon) == MANY + 200


def test_another_daemon_writes_while_it_reads(world, daemon):
    other = world.daemon(CONFIG)
    with Tool(daemon) as tool, Tool(other) as elsewhere:
        post_all(tool, orders("u", MANY))
        held = asks_ledger(world, daemon, "hscan", nth=3)
        daemon.redis.cut()
        held.wait()
        assert post_all(elsewhere, orders("v", 100)) == (100, 0)
        held.release()
        assert post_all(tool, orders("v", 100)) == (0, 100)
        wait_knows(daemon)
        assert post_all(tool, orders("v", 100)) == (0, 100)


def test_a_commit_of_unknown_outcome_is_known_afterwards(world, daemon):
    with Tool(daemon) as tool:
        for number in range(5):
            wait_knows(daemon)
            held = daemon.redis.catch("commit", at="reply")
            tool.send_events(order("u", number))
            held.wait()
            held.cut()
            tool.settle()
            wait_knows(daemon)
            assert tool.verdict(order("u", number)) == "duplicate"
    assert sold(daemon) == 5


# --- what stands there is not what it was -----------------------------------------------------------

def test_a_record_put_there_by_hand_is_seen(world, daemon):
    client = world.redis.client()
    key = ledger.key(ledger.generation(client))
    with Tool(daemon) as tool:
        wait_knows(daemon)
        assert tool.verdict(order("u", 1)) == "accepted"
        client.hset(key, "u-o2", client.hget(key, "u-o1").encode(errors="replace"))
        assert tool.verdict(order("u", 2, amount=7)) == "conflict"
        assert not knows(daemon)[0]


def test_a_record_written_over_is_told(world, daemon):
    """One was taken out by hand and another put in, so that there are as many as the daemon knows: it
    learns by what it wrote that one of the new orders stood there."""
    raw = redis_client.Redis(unix_socket_path=str(world.redis.socket))
    key = ledger.key(ledger.generation(world.redis.client()))
    with Tool(daemon) as tool:
        post_all(tool, orders("u", 100))
        wait_knows(daemon)
        record = raw.hget(key, "u-o1")
        assert raw.hdel(key, "u-o1") == raw.hset(key, "v-o7", record) == 1
        assert post_all(tool, orders("v", 200)) == (200, 0)
        assert metric(daemon, "records_written_over_total") == 1
        assert daemon.log.count("a commit wrote over 1 records") == 1
        assert post_all(tool, orders("v", 200)) == (0, 200)
        wait_knows(daemon)
        assert post_all(tool, orders("w", 200)) == (200, 0)
        assert metric(daemon, "records_written_over_total") == 1
    assert sold(daemon) == 500


def test_a_ledger_deleted_by_hand(world, daemon):
    client = world.redis.client()
    with Tool(daemon) as tool:
        post_all(tool, orders("u", 100))
        wait_knows(daemon)
        client.delete(ledger.key(ledger.generation(client)))
        assert post_all(tool, orders("v", 100)) == (100, 0)
        assert post_all(tool, orders("v", 100)) == (0, 100)


def test_an_older_state_restored_under_an_open_connection(world, daemon):
    with Tool(daemon) as tool:
        wait_knows(daemon)
        post_all(tool, orders("u", 100))
        backup = Backup(world.redis)
        post_all(tool, orders("v", 100))
        backup.restore()
        assert post_all(tool, orders("u", 100)) == (0, 100)
        assert post_all(tool, orders("v", 100)) == (100, 0), "these were lost, and are told"
        wait_knows(daemon)
        assert post_all(tool, orders("u", 100) + orders("v", 100)) == (0, 200)
    assert metrics(daemon)["livetally_lost_writes_total"] == 1
    assert sold(daemon) == 200


# --- generations ----------------------------------------------------------------------------------

@pytest.fixture
def ending(folder, redis):
    """What ends the generation that daemons begin in, and a maker of such daemons."""
    clock = Clock(folder)
    now = clock.now() - clock.offset
    days = min(range(31, 200), key=lambda d: now % (d * DAY))  # ended lately
    clock.set(now - now % (days * DAY) - 900)
    daemons = []

    def make(**config):
        daemons.append(ClockedDaemon(clock, folder, Proxy(folder, redis), {
            **CONFIG, "data.generation_days": days, **config}))
        return daemons[-1]

    def end():
        before = ledger.generation(redis.client())
        clock.set(now)
        wait_for(lambda: ledger.generation(redis.client()) == before + 1, 10,
                 "the next generation")
    yield make, end
    for daemon in daemons:
        daemon.stop()


def test_what_is_known_goes_on_to_the_next_generation(redis, ending):
    make, end = ending
    daemon = make()
    with Tool(daemon) as tool:
        post_all(tool, orders("u", MANY))
        assert tool.verdict(refund("w", 1)) == "parked"
        wait_knows(daemon)
        ended = f"{ledger.key(ledger.generation(redis.client()))}\r\n".encode()
        read_again = daemon.redis.catch("hscan", when=lambda message: ended in message)
        end()
        assert post_all(tool, orders("v", 1000)) == (1000, 0)
        wait_knows(daemon)
        assert not read_again.caught()
        read_again.cancel()
        looks = hmgets(redis)
        assert post_all(tool, orders("x", 1000)) == (1000, 0)
        assert hmgets(redis) - looks <= 3
        assert post_all(tool, orders("u", MANY)) == (0, MANY)
        assert tool.verdict(order("w", 1)) == "accepted"  # the parked refund moves along
        assert tool.verdict(refund("w", 1)) == "duplicate"
        assert tool.verdict(order("w", 1)) == "duplicate"
    m = totals(daemon, "total")["topics"]["total"]["all"]
    assert (m["orders"], m["refunds"]) == (MANY + 2001, 1)


def test_another_daemon_writes_just_before_a_generation_ends(redis, ending):
    """Heard of or not: what it wrote is found in the generation that ended."""
    make, end = ending
    deaf, other = make(**{"redis.poll_ms": 10_000}), make()
    with Tool(deaf) as tool, Tool(other) as elsewhere:
        wait_knows(deaf)
        post_all(tool, orders("u", 50))
        assert post_all(elsewhere, orders("v", 50)) == (50, 0)
        end()
        assert post_all(tool, orders("v", 50)) == (0, 50)
        wait_knows(deaf)
        assert post_all(tool, orders("u", 50) + orders("v", 50)) == (0, 100)
        assert post_all(elsewhere, orders("u", 50) + orders("v", 50)) == (0, 100)
        assert tool.verdict(order("w", 1)) == "accepted"
        assert elsewhere.verdict(order("w", 1)) == "duplicate"


def test_killed_as_a_generation_ends(redis, ending):
    make, end = ending
    daemon = make()
    with Tool(daemon) as tool:
        post_all(tool, orders("u", 2000))
    daemon.kill()
    daemon.restart()
    end()
    daemon.kill()
    daemon.restart()
    with Tool(daemon) as tool:
        assert post_all(tool, orders("u", 2000)) == (0, 2000)
        wait_knows(daemon)
        assert post_all(tool, orders("u", 2000)) == (0, 2000)
        assert post_all(tool, orders("v", 100)) == (100, 0)
    assert sold(daemon) == 2100
