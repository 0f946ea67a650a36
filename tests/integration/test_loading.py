"""What is read from Redis is exact, whatever is written meanwhile: groups loaded on demand, the way
in of a daemon, data sets that lost writes. And what a daemon holds in memory stays bounded."""
import random
import shutil
import time
from collections import Counter

import pytest

import ledger
from clients import Endless, Tool, Viewer, feed_all, get, lines, metrics, totals
from events import host, order, session
from harness import EVENTS, PATIENCE, Daemon, RedisServer, livetallyd, now_ms, wait_for
from proxy import Proxy
from scene import CALM, resident_bytes

USAGE = 2
IN_MEMORY = ("--appendonly", "no")


def all_orders(daemon):
    return totals(daemon, "total")["topics"]["total"]["all"]["orders"]


def names_of(daemon, ids):
    """{host id: its name, or None}"""
    with Viewer(daemon) as viewer:
        for start in range(0, len(ids), 256):
            topics = [f"host/{i}" for i in ids[start:start + 256]]
            viewer.subscribe(*topics)
            viewer.send({"type": "unsubscribe", "topics": topics})
        return {t.split("/")[1]: value.get("name") for t, value in viewer.values.items()}


# --- groups loaded on demand ----------------------------------------------------------------------

HOT = 10  # products that sell while groups are loaded: as many rows as a board shows
BIG_GROUPS = {"host=u": "host+product:u", "session=s": "session+product:s",
              "county=422828": "county+product:422828"}


class Sales:
    """Of one host, one session, one county."""

    def __init__(self):
        self.sold = []  # products

    def message(self, products):
        first = len(self.sold)
        self.sold += products
        return lines(order("u", first + n, product_id=p, session_id="s")
                     for n, p in enumerate(products))


def wait_for_checkpoint(client):
    lane = "lt:{0}:lane:0:%s"
    wait_for(lambda: client.get(lane % "ckpt") == client.get(lane % "ver"), 20, "the checkpoint")


def test_groups_loaded_while_checkpoints_run_are_exact(folder):
    """A load read the feed from where the newest checkpoint had ended, also when that was after it
    had read the cells: what the checkpoint wrote in between was lost, in Redis too."""
    redis = RedisServer(folder, options=IN_MEMORY)
    daemon = Daemon(folder, redis, {"redis.checkpoint_ms": 10})
    chance, viewer, sales = random.Random(1), Viewer(daemon), Sales()
    messages = [sales.message([f"p{p}" for p in range(first, first + 500)])
                for first in range(0, EVENTS // 2, 500)]
    feed_all([(daemon, messages)])[0].result(60 * PATIENCE)
    for where in BIG_GROUPS:
        wait_for_checkpoint(redis.client())
        hot = Endless(lambda: sales.message([f"p{chance.randrange(HOT)}" for _ in range(20)]))
        acks = []
        posting = feed_all([(daemon, hot)], 4, acks.append)[0]
        wait_for(lambda: len(acks) > 3, 10, "some acks")
        viewer.subscribe(f"top/products?{where}&period=all&by=orders&n={HOT}")
        seen = len(acks)
        wait_for(lambda: len(acks) > seen + 20, 10, "more acks")
        hot.stop()
        posting.result(60 * PATIENCE)
    want = Counter(sales.sold)
    assert len(viewer.values) == len(BIG_GROUPS)
    for topic in viewer.values:
        viewer.wait_until(lambda v, t=topic: {r["id"]: r["orders"] for r in v[t]["rows"]}
                          == {f"p{p}": want[f"p{p}"] for p in range(HOT)})
    viewer.close()
    daemon.stop()
    for group in BIG_GROUPS.values():
        cells = redis.client().hgetall(f"lt:{{0}}:lane:0:all:{group}")
        got = Counter({p: int(value.split()[0]) for p, value in cells.items()})
        assert (want - got, got - want) == (Counter(), Counter()), group


# --- the way in -----------------------------------------------------------------------------------

FILL = """for i = 1, tonumber(ARGV[1]) do
  redis.call('HSET', KEYS[1], 'x' .. i, '{"time":1,"name":"Tea ' .. i .. '"}')
end"""


def fill_catalog(client):
    """Products, of which the way in reads a thousand at a time."""
    client.eval(FILL, 1, "lt:{0}:catalog:product", 10_000)


def test_the_lease_is_kept_on_a_long_way_in(folder):
    """It was renewed only once a daemon was live. With more to read than a lease is long, it found
    its seat lost each time, and began again for ever."""
    redis = RedisServer(folder, options=IN_MEMORY)
    proxy, held_s = Proxy(folder, redis), 0
    daemon = Daemon(folder, proxy, {"redis.lease_ms": 4000, "redis.reply_timeout_ms": 2000},
                    start=False)
    fill_catalog(redis.client())
    daemon.launch()
    for _ in proxy.each("hscan", "reply", daemon.listening, lambda page: b"Tea" in page):
        release = time.monotonic() + 0.5
        wait_for(lambda: time.monotonic() > release, 10, "half a second")
        held_s += 0.5
    assert held_s > 4, "longer than the lease, however fast the machine is"
    with Tool(daemon) as tool:
        assert tool.verdict(order("u")) == "accepted"
    assert "lease" not in daemon.log and "fenced" not in daemon.log
    assert metrics(daemon)["livetally_redis_connects_total"] == 1
    daemon.stop()


def test_names_registered_while_another_daemon_is_on_its_way_in_arrive_there(folder):
    """It read the names first and then the totals, and followed from where the totals ended: names
    registered in between were never seen."""
    redis = RedisServer(folder, options=IN_MEMORY)
    first = Daemon(folder, redis)
    proxy = Proxy(folder, redis)
    second = Daemon(folder, proxy, CALM, start=False)
    fill_catalog(redis.client())
    want = {}
    with Tool(first) as tool:
        second.launch()
        for _ in proxy.each("hscan", "reply", second.listening):
            ident, name = f"h{len(want)}", f"Name {len(want)}"
            assert tool.verdict(host(ident, name=name)) == "accepted"
            want[ident] = name
    assert len(want) > 10, "one while each page was held"
    wait_for(lambda: names_of(second, list(want)) == want, 10, "all names")
    first.stop()
    second.stop()


def test_of_two_names_from_two_daemons_the_newer_stays(folder, redis):
    """A third daemon reads the first one's changes and then the second one's, whichever came first
    in time; the one read last used to win."""
    daemons = [Daemon(folder, redis) for _ in range(3)]
    now = now_ms()
    with Tool(daemons[0]) as newer, Tool(daemons[1]) as older:
        daemons[2].freeze()
        for n in range(10):
            assert older.verdict(host(f"h{n}", name="old", time=now)) == "accepted"
            assert newer.verdict(host(f"h{n}", name="new", time=now + 1)) == "accepted"
        assert older.verdict(host("last", name="seen")) == "accepted"
        daemons[2].thaw()
    for daemon in daemons:
        wait_for(lambda d=daemon: names_of(d, ["last"]) == {"last": "seen"}, 10, "the last name")
        assert set(names_of(daemon, [f"h{n}" for n in range(10)]).values()) == {"new"}
        daemon.stop()


@pytest.mark.parametrize("days", [15, 32])
def test_a_data_set_of_another_generation_span_is_refused(folder, redis, days):
    """The number of a generation is time divided by its span. With another span the ledger began
    anew, and every order of the last weeks counted once more."""
    config = {"data.order_keep_days": 10}
    Daemon(folder, redis, config).stop()
    other = Daemon(folder, redis, {**config, "data.generation_days": days}, start=False)
    other.launch()
    assert other.wait_exit() == USAGE
    assert any("generation_span" in line and " error: " in line for line in other.log.splitlines())


# --- lost writes ----------------------------------------------------------------------------------

def check_loss_is_told(daemon, *words):
    assert metrics(daemon)["livetally_lost_writes_total"] == 1
    answer = get(daemon, "/readyz")
    assert answer.status == 200
    errors = [line for line in daemon.log.splitlines() if " error: " in line]
    told = [line for line in errors if "lost writes" in line]
    assert len(told) == 1
    for word in words:
        assert word in told[0] and word in answer.json()["lost_writes"]


def test_redis_restored_to_before_a_lane_existed(folder):
    """The other daemon stayed at the old place in that lane's feed, so that it never saw what was
    sold there until the lane was as long as it had been."""
    redis = RedisServer(folder, options=IN_MEMORY)
    first = Daemon(folder, redis)
    viewer = Viewer(first)
    viewer.subscribe("total")
    with Tool(first) as tool:
        assert tool.post(*(order("a", n) for n in range(5))).accepted == 5
    wait_for_checkpoint(redis.client())
    redis.client().save()
    shutil.copy(redis.data / "dump.rdb", folder.path / "old.rdb")
    second = Daemon(folder, redis)
    with Tool(second) as tool:
        for n in range(30):
            assert tool.verdict(order("b", n)) == "accepted"
    viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 35)
    epoch = viewer.epoch
    second.kill()
    redis.kill()
    shutil.copy(folder.path / "old.rdb", redis.data / "dump.rdb")
    redis.start()
    viewer.wait(lambda: viewer.epoch != epoch, 15, "the new epoch")
    viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 5)
    assert len(viewer.of_type("snapshot")) == 2, "a new epoch begins with a snapshot"
    check_loss_is_told(first, "lane 1", "30 commits are gone")
    second.restart()
    with Tool(second) as tool:
        assert tool.post(*(order("c", n) for n in range(10))).accepted == 10
        assert tool.verdict(order("b", 0)) == "accepted", "it is gone, so it counts again"
    viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 16)
    wait_for(lambda: all_orders(first) == all_orders(second) == 16, 10, "the totals")
    for daemon in (first, second):
        assert totals(daemon, "total")["epoch"] == viewer.epoch
    check_loss_is_told(first, "lane 1", "30 commits are gone")  # once, and not again
    viewer.close()
    first.stop()
    second.stop()


@pytest.mark.parametrize("schema", ["3", "2", "1"])
def test_redis_emptied_under_a_running_daemon(redis, daemon, schema):
    """All is lost, which is told; and then it goes on from zero. What is made anew is of the newest
    schema, whatever it was."""
    if schema != "3":
        daemon.stop()
        ledger.make_older(redis.client())
        redis.client().hset(ledger.HEAD + "meta", "schema", schema)
        daemon.restart()
    with Tool(daemon) as tool, Viewer(daemon) as viewer:
        viewer.subscribe("total", "top/hosts")
        assert tool.post(*(order("a", n) for n in range(5))).accepted == 5
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 5)
        epoch = viewer.epoch
        redis.client().flushall()
        viewer.wait(lambda: viewer.epoch not in (None, epoch), 10, "the new epoch")
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == v["top/hosts"]["of"] == 0)
        assert len(viewer.of_type("snapshot")) == 2
        check_loss_is_told(daemon, f"redis was empty: the data set of epoch {epoch} is gone")
        assert redis.client().hget(ledger.HEAD + "meta", "schema") == "3"
        assert tool.verdict(order("a", 1)) == "accepted"
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == v["top/hosts"]["of"] == 1)


# --- bounds ---------------------------------------------------------------------------------------

SMALL = {"limits.hosts": 50, "limits.products": 200, "limits.sessions": 10,
         "limits.platforms": 10, "limits.counties": 60, "limits.cells": 1000}


def test_too_few_cells_for_the_ids_are_a_config_error():
    """Some totals are always in memory; with room for fewer of them nothing was acked any more."""
    result = livetallyd("--check-config", "-o", "limits.cells=1000")
    assert result.returncode == USAGE and "limits.cells" in result.stderr
    options = [word for key, value in SMALL.items() for word in ("-o", f"{key}={value}")]
    assert livetallyd("--check-config", *options).returncode == 0
    result = livetallyd("--check-config", *options, "-o", "limits.hosts=54")
    assert result.returncode == USAGE and "limits.cells" in result.stderr


def test_viewers_who_want_more_cells_than_there_may_be_do_not_stop_orders(folder, redis):
    """What viewers watched counted too when the pipeline asked for room, so that many boards
    stopped all ingest."""
    daemon = Daemon(folder, redis, SMALL)
    boards = [f"top/products?host=h{h}&period=all" for h in range(50)]
    sales = [order("u", n, host_id=f"h{n % 50}", product_id=f"p{n // 50}") for n in range(2000)]
    with Tool(daemon) as tool, Viewer(daemon) as viewer:
        for start in range(0, 2000, 500):
            assert tool.post(*sales[start:start + 500]).accepted == 500
        answers = [viewer.subscribe(board) for board in boards]
        errors = [error for answer in answers for error in answer.get("errors", [])]
        assert 0 < len(errors) < 50 and {e["code"] for e in errors} == {"unavailable"}
        for start in range(0, 2000, 500):
            again = [order("v", n, host_id=f"h{n % 50}", product_id=f"p{n // 50}")
                     for n in range(start, start + 500)]
            assert tool.post(*again).accepted == 500
        assert all_orders(daemon) == 4000
        shown = list(viewer.values)
        viewer.wait_until(lambda v: all(sum(r["orders"] for r in v[b]["rows"]) == 20 and
                                        v[b]["of"] == 40 for b in shown))
        viewer.unsubscribe(*shown)
        wait_for(lambda: "errors" not in viewer.subscribe(errors[0]["topic"]), 10, "room")
    daemon.stop()


@pytest.mark.plain_build  # sanitizers hold freed memory back
def test_titles_with_escapes_leave_nothing_behind(daemon):
    """An order in one message with its session reads the session's new title, which is unescaped
    into a buffer; that was never emptied, and grew with every such order."""
    # Refused for its product, after a look at its session: so nothing else is remembered.
    sale = order("u", session_id="u-s", host_id=None, county=None)

    def post(tool, count):
        for n in range(count):
            title = '"' * 60 + str(tool.sent)
            result = tool.post(session("u", title=title), *[sale] * 999)
            assert (result.accepted, len(result.rejected)) == (1, 999)
            assert result.rejected[0]["code"] == "unknown_product"
            del tool.messages[:], tool.rejected[:]

    with Tool(daemon) as tool:
        post(tool, 30)
        before = resident_bytes(daemon)
        post(tool, 150)  # which is 9 MB of titles
        assert resident_bytes(daemon) - before < 3_000_000
