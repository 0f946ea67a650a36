"""Redis frozen or away: nothing is dropped, memory stays bounded, and everybody is told."""
import asyncio
import json

import pytest

from clients import (INGEST, Connection, Tool, Viewer, background, connect, lines, metrics, totals)
from events import order
from harness import PATIENCE, Daemon, wait_for

QUICK = {"redis.reply_timeout_ms": 300, "redis.connect_timeout_ms": 300,
         "redis.backoff_max_ms": 200}


@pytest.fixture
def quick(folder, redis):
    daemon = Daemon(folder, redis, QUICK, listen=("127.0.0.1:0", f"unix:{folder.path}/in"))
    yield daemon
    if daemon.running():
        daemon.stop()


def stores(tool):
    return [m["store"] for m in tool.of_type("status")]


@pytest.mark.parametrize("how", ["freeze", "kill"])
def test_status_then_acks_when_redis_returns(quick, redis, how):
    away, back = (redis.freeze, redis.thaw) if how == "freeze" else (redis.kill, redis.start)
    with Tool(quick) as tool, Tool(quick) as other:
        tool.post(order("a", 0))
        away()
        for number in range(1, 20):
            tool.send(order("a", number))
        tool.wait(lambda: stores(tool) == ["unavailable"])
        other.wait(lambda: stores(other) == ["unavailable"])
        assert tool.upto == 1
        back()
        tool.settle()
        tool.wait(lambda: stores(tool) == ["unavailable", "available"])
        other.wait(lambda: stores(other) == ["unavailable", "available"])
        assert (tool.accepted + tool.duplicates, tool.rejected) == (20, [])
        assert tool.duplicates == 0, "the daemon itself never makes a duplicate of what it resends"
    assert totals(quick, "total")["topics"]["total"]["all"]["orders"] == 20


def test_a_tool_that_connects_meanwhile_is_told_and_served_later(quick, redis):
    with Tool(quick) as first:
        first.hello
        redis.freeze()
        first.send(order("a", 1))
        first.wait(lambda: stores(first) == ["unavailable"])
        with Tool(quick) as late:
            late.send(order("a", 2))
            late.wait(lambda: stores(late) == ["unavailable"])
            redis.thaw()
            late.settle()
            assert late.accepted == 1


def test_viewers_see_stale_then_not(quick, redis):
    with Viewer(quick) as viewer, Tool(quick) as tool:
        tool.post(order("a"))
        viewer.subscribe("total")
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 1)
        redis.freeze()
        viewer.wait(lambda: viewer.stale, 10, "stale: true")
        assert viewer.values["total"]["all"]["orders"] == 1
        redis.thaw()
        viewer.wait(lambda: not viewer.stale, 10, "stale: false")
        tool.post(order("a", 2))
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 2)
        assert len(viewer.of_type("hello")) == 1


def test_a_topic_that_needs_redis_is_unavailable_meanwhile(quick, redis):
    topic = "top/products?host=a"
    with Viewer(quick) as viewer, Tool(quick) as tool:
        tool.post(order("a"))
        viewer.subscribe("total")
        redis.freeze()
        viewer.wait(lambda: viewer.stale, 10, "stale: true")
        snapshot = viewer.subscribe(topic, "total")
        assert [(e["topic"], e["code"]) for e in snapshot["errors"]] == [(topic, "unavailable")]
        assert snapshot["stale"] and list(snapshot["topics"]) == ["total"]
        redis.thaw()
        viewer.wait(lambda: not viewer.stale, 10, "stale: false")
        assert viewer.subscribe(topic)["topics"][topic]["rows"][0]["orders"] == 1


class Stall:
    """True when a count did not change for 100 looks at the daemon's metrics."""

    def __init__(self, daemon, count):
        self.daemon, self.count = daemon, count
        self.last, self.looks = 0, 0

    def __call__(self):
        self.looks = self.looks + 1 if self.count() == self.last else 0
        self.last = self.count()
        metrics(self.daemon)
        return self.looks > 100 and self.last > 0


def flood(address):
    """Sends orders in messages of 64 until state["stop"], and reads nothing but acks; returns what
    a test looks at."""
    state = {"sent": 0, "upto": 0, "rejected": [], "stop": False}

    async def run():
        async with connect(address, *INGEST, write_limit=2**14) as ws:
            async def read():
                while not state["stop"] or state["upto"] < state["sent"]:
                    message = json.loads(await ws.recv())
                    if message["type"] == "ack":
                        state["upto"] = message["upto"]
                        state["rejected"] += message["rejected"]
            reading = asyncio.create_task(read())
            while not state["stop"]:
                await ws.send(lines(order("a", 64 * state["sent"] + i) for i in range(64)))
                state["sent"] += 1
            await reading
    state["done"] = background.submit(run())
    return state


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_past_its_window_a_tool_is_not_read_from(folder, quick, redis, kind):
    """What stays unsent, stays with the tool; all of it is counted once Redis is back."""
    redis.freeze()
    state = flood(quick.address if kind == "tcp" else f"{folder.path}/in")
    wait_for(Stall(quick, lambda: state["sent"]), 30, "the socket to take no more")
    state["stop"] = True
    queued = metrics(quick)["livetally_queued_events"]
    assert queued <= 8192 + 64
    redis.thaw()
    state["done"].result(60 * PATIENCE)
    assert (state["upto"], state["rejected"]) == (state["sent"], [])
    assert totals(quick, "total")["topics"]["total"]["all"]["orders"] == 64 * state["sent"]


def test_a_tool_that_does_not_read_its_acks_is_not_read_from(folder, quick):
    """Rejections make acks long: a thousand of them in each."""
    deaf = Connection(quick, *INGEST, address=f"{folder.path}/in", read=False, max_queue=1,
                      read_limit=4096, write_limit=4096)
    text = lines([{"type": "order", "order_id": "x" * 65}] * 1000)
    sent = []

    async def pour():
        for number in range(3000):
            await deaf.ws.send(text)
            sent.append(number)
    pouring = background.submit(pour())
    wait_for(Stall(quick, lambda: len(sent)), 40, "the socket to take no more")
    assert len(sent) < 3000
    with Tool(quick) as other:
        assert other.verdict(order("a")) == "accepted"
    pouring.cancel()
    background.loop.call_soon_threadsafe(deaf.ws.transport.abort)
