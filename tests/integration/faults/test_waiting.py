"""What waits for Redis is bounded over all connections, also those that are gone."""
import pytest

from clients import Tool, background, http_request, lines, metrics, post_events
from events import order
from harness import wait_for
from scene import metric, resident_bytes, sold, verify

MiB = 1 << 20
LIMIT = 8 * MiB
CONFIG = {"limits.waiting_bytes": LIMIT}
# Of an event in a message: its text and what it is decoded into. Beside the limit itself, buffers.
SLACK = 12 * MiB
SALES = [order("w", n) for n in range(1000)]


def post_and_give_up(daemon, number):
    """A tool that resends on a new connection, as it may. Its events are the same each time."""
    tool = Tool(daemon)
    for _ in range(8):
        tool.send(lines(SALES))
    tool.abort()


@pytest.mark.plain_build  # sanitizers hold freed memory back
def test_tools_that_give_up_and_come_back_while_redis_is_frozen(world):
    """What they had posted stayed queued, with nobody to answer: 80 returns held 200 MB."""
    daemon = world.daemon(CONFIG)
    with Tool(daemon) as steady:
        assert steady.verdict(order("a", 1)) == "accepted"
        before = resident_bytes(daemon)
        world.redis.freeze()
        for number in range(60):
            post_and_give_up(daemon, number)
        assert http_request(daemon, "POST", "/v1/events", lines(SALES),
                            {"Content-Type": "application/x-ndjson"}).status == 503
        assert resident_bytes(daemon) - before < LIMIT + SLACK
        steady.send_events(order("a", 2))  # it has a window of its own, but must wait like all
        world.redis.thaw()
        steady.settle(60)
    assert (steady.accepted, steady.rejected) == (2, [])
    wait_for(lambda: metric(daemon, "queued_events") == 0, 30, "the queue to be worked off")
    assert sold(daemon) in (2, 2 + len(SALES)), "whole messages, each event once"
    verify(world.redis)


def test_connections_held_back_go_on_by_themselves(world):
    daemon = world.daemon(CONFIG)
    tools = [Tool(daemon) for _ in range(12)]
    world.redis.freeze()
    posted = 0
    for number, tool in enumerate(tools):  # each within its own window; together far over the limit
        for part in range(8):
            events = [order(f"t{number}", 1000 * part + n) for n in range(1000)]
            background.submit(tool.ws.send(lines(events)))
            tool.sent += 1
            posted += len(events)
    wait_for(lambda: metric(daemon, "queued_events") > 8192, 30, "the queue to fill")
    assert metrics(daemon)["livetally_queued_events"] < posted
    world.redis.thaw()
    for tool in tools:
        tool.settle(60)
        assert (tool.accepted, tool.rejected) == (8000, [])
        tool.close()
    assert sold(daemon) == posted
    assert post_events(daemon, order("a")).json()["accepted"] == 1
    verify(world.redis)
