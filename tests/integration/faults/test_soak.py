"""Mixed load for long: memory and descriptors stay where they are, nothing leaks, sums stay exact.

A short run in `make check` (under LeakSanitizer too: what leaked makes the daemon's exit code
bad), the long one by `make soak SOAK_S=600`. The ledger cache and the ids are made small, so that
all that may grow has grown to its bound when the measuring begins.
"""
import os
import random
import statistics
import time

import pytest

from clients import (Connection, Tool, Viewer, feed_all, get, http_request, lines, post_events,
                     totals)
from events import host, order, product, refund, session
from harness import BUILD, PATIENCE, Process, now_ms, wait_for
from scene import metric, resident_bytes, sold, verify, wait_ready

SECONDS = float(os.environ.get("SOAK_S") or 8)
LONG = SECONDS >= 300  # then growth can be told from noise
WARM_UP = 0.3          # share of the time in which caches fill
GROWTH_BYTES = 3_000_000
CONFIG = {"limits.cached_orders": 4000, "redis.checkpoint_ms": 200}
RATE = 600  # orders a second from `livetally simulate`, beside our own
HOSTS, PRODUCTS = 20, 60
TOPICS = ["total", "top/hosts", "top/products?by=net", "top/counties?period=all", "top/sessions",
          "series/total", "ticker", "top/provinces"]


class Mix:
    """What clients do, well-behaved and not, one thing at a time. Counts what must be counted."""

    def __init__(self, daemon, chance):
        self.daemon, self.chance = daemon, chance
        self.orders = self.gross = self.number = 0
        self.viewers = []
        self.uid = f"soak{now_ms()}"

    def step(self):
        self.chance.choice(STEPS)(self)

    def new_order(self):
        self.number += 1
        ident = self.chance.randrange(HOSTS)
        return order(self.uid, self.number, host_id=f"soak-h{ident}",
                     product_id=f"p{self.chance.randrange(PRODUCTS)}",
                     amount=self.chance.randrange(1, 9999), session_id=f"soak-s{ident}")

    def count(self, events):
        self.orders += len(events)
        self.gross += sum(e["amount"] for e in events)

    def post_in_messages(self):
        sales = [self.new_order() for _ in range(400)]
        retried = sales + self.chance.sample(sales, 20)
        messages = [lines(retried[i:i + 50]) for i in range(0, len(retried), 50)]
        result = feed_all([(self.daemon, messages)], 4)[0].result(60 * PATIENCE)
        assert (result.accepted, result.duplicates, result.rejected) == (400, 20, [])
        self.count(sales)

    def post_by_http(self):
        sale = self.new_order()
        assert post_events(self.daemon, sale).json()["accepted"] == 1
        self.count([sale])

    def post_refunds_and_names(self):
        sale = self.new_order()
        with Tool(self.daemon) as tool:
            result = tool.post(refund(self.uid, self.number, amount=sale["amount"]), sale,
                               host("soak-h1", name=f"Name {self.number}"),
                               product("p1", name=f"Tea {self.number}"),
                               session(self.uid, host_id="soak-h1", title=f"Live {self.number}"))
        assert (result.parked, result.accepted, result.rejected) == (1, 4, [])
        self.count([sale])

    def post_rubbish(self):
        with Tool(self.daemon) as tool:
            for text in ('{"type":"order"', "[1,2", '"x"', lines([{"type": "order"}] * 90), ""):
                tool.send(text)
            tool.settle()
            assert len(tool.rejected) > 90

    def post_too_much(self):
        tool = Tool(self.daemon)
        tool.send("x" * 1_100_000)
        assert tool.wait_closed() == 1009

    def break_off(self):
        tool = Tool(self.daemon)
        tool.send_frame(1, b'{"type":', fin=False)
        tool.abort()

    def watch(self):
        viewer = Viewer(self.daemon)
        ident = self.chance.randrange(HOSTS)
        viewer.subscribe(*self.chance.sample(TOPICS, 4), f"host/soak-h{ident}", f"session/soak-s{ident}",
                         f"top/products?host=soak-h{ident}",
                         f"top/products?session=soak-s{ident}")
        self.viewers.append(viewer)
        if len(self.viewers) > 20:
            self.viewers.pop(self.chance.randrange(20)).close()

    def watch_other_things(self):
        if self.viewers:
            viewer = self.chance.choice(self.viewers)
            viewer.unsubscribe(*self.chance.sample(list(viewer.values), len(viewer.values) // 2))
            viewer.subscribe(*self.chance.sample(TOPICS, 3))
            del viewer.messages[:]

    def vanish(self):
        if self.viewers:
            self.viewers.pop().abort()

    def ask(self):
        for path in ("/", "/metrics", "/readyz", "/healthz", "/nothing",
                     "/v1/totals?topic=total&topic=top/hosts&topic=host/h1&topic=bad"):
            assert get(self.daemon, path).status in (200, 404)
        assert http_request(self.daemon, "POST", "/v1/events", "x" * 100).status in (200, 415)

    def be_refused(self):
        with pytest.raises(Exception):
            Connection(self.daemon, "/v1/nothing")

    def lose_redis(self):
        """Now and then: the way back takes longer than all the other steps."""
        if self.chance.random() < 0.1:
            before = metric(self.daemon, "redis_connects_total")
            self.daemon.redis.cut()
            wait_for(lambda: metric(self.daemon, "redis_connects_total") > before, 15, "Redis")
            wait_ready(self.daemon)


STEPS = [step for name, step in vars(Mix).items()
         if callable(step) and not name.startswith("_")
         and name not in ("step", "new_order", "count")] + 4 * [Mix.post_in_messages]


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def simulate(folder, daemon):
    """livetally simulate, as the load in the background."""
    simulation = Process(folder, "simulate")
    simulation.spawn([BUILD / "livetally", "simulate", daemon.url, "--rate", RATE,
                      "--seed", 1, "--hosts", HOSTS, "--products", PRODUCTS])
    return simulation


def test_mixed_load_for_long(world):
    daemon = world.daemon(CONFIG)
    assert get(daemon, "/metrics").status == 200
    open_before = descriptors(daemon)
    simulation = simulate(world.folder, daemon)
    mix = Mix(daemon, random.Random(SECONDS))
    begin, memory = time.monotonic(), []
    while time.monotonic() - begin < SECONDS:
        mix.step()
        memory.append((time.monotonic() - begin, resident_bytes(daemon)))
    simulation.process.terminate()
    simulation.wait_exit()
    for viewer in mix.viewers:
        viewer.close()
    check_memory(memory)
    wait_for(lambda: metric(daemon, "live_connections") == 0, 10, "the viewers to be gone")
    wait_for(lambda: descriptors(daemon) <= open_before, 15, "descriptors to be closed")
    check_sums(world.redis, daemon, mix)
    daemon.stop()  # and nothing leaked, where a sanitizer looks


def check_memory(memory):
    """Flat after the warm-up: by medians, as single values jump with buffers in use."""
    steady = [size for at, size in memory if at > SECONDS * WARM_UP]
    third = len(steady) // 3
    early, late = statistics.median(steady[:third]), statistics.median(steady[-third:])
    print(f"{len(memory)} steps; resident {early / 1e6:.1f} MB, later {late / 1e6:.1f} MB, "
          f"at most {max(steady) / 1e6:.1f} MB")
    if LONG:
        assert late - early < GROWTH_BYTES


def check_sums(redis, daemon, mix):
    """The whole data set by the ledger; our own share by what we counted."""
    verify(redis)
    topics = [f"host/soak-h{i}" for i in range(HOSTS)]
    shown = [p["all"] for p in totals(daemon, *topics)["topics"].values()]
    assert (sum(m["orders"] for m in shown), sum(m["gross"] for m in shown)) == (
        mix.orders, mix.gross)
    assert sold(daemon) > mix.orders > 0, "the simulation sold nothing"
