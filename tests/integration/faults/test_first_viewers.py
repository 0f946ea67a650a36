"""Daemons at which nobody looks while others sell: what their first viewers see is exact, and the ids
and the catalog that they know are those of all. Also how often they ask for what others sold."""
from clients import Tool, Viewer
from events import host, order, session
from harness import now_ms, wait_for
from scene import CALM, sold, wait_ready

# Its own seat too: nothing but what a test does makes it read all anew.
WATCHER = {**CALM, "redis.checkpoint_ms": 100}
DAY_MS = 24 * 3600_000


def test_first_viewers_come_in_the_middle(world):
    """Three daemons that all sell, and a fourth that only hears of it: viewers of every topic come
    under load, leave, and come back, and the fourth dies in between."""
    scene = world.scene(events=6000, daemons=3, watch=False, config=WATCHER).slow()
    with scene.load() as load:
        scene.daemons.append(world.daemon(WATCHER))
        load.wait_acks(20)
        scene.watch()
        load.wait_acks(20)
        scene.daemons[3].kill()
        scene.daemons[3].restart()
        wait_ready(scene.daemons[3])
        scene.watch_anew()
        load.wait_acks(20)
        load.hurry()
    scene.check_everything()


def test_two_dimensions_are_shown_for_a_while(world):
    """A viewer of what needs more than one value of an order comes beside one of what doesn't, and
    leaves; what it missed is in its next snapshot. Some orders are of another day."""
    writer, watcher = world.daemon(WATCHER), world.daemon(WATCHER)
    with Tool(writer) as tool, Viewer(watcher) as plain:
        plain.subscribe("total", "host/a", "top/products?period=all")
        for turn in range(1, 5):
            with Viewer(watcher) as paired:
                paired.subscribe("top/products?host=a&period=all", "series/total")
                for place, age_ms in enumerate((0, DAY_MS, 0)):
                    event = order("a", f"{turn}-{place}", time=now_ms() - age_ms)
                    assert tool.verdict(event) == "accepted"
                paired.wait_until(lambda v, n=4 * turn - 1: [n * 1000] == [
                    row["gross"] for row in v["top/products?host=a&period=all"]["rows"]])
            assert tool.verdict(order("a", f"{turn}-alone")) == "accepted"
            plain.wait_until(lambda v, n=4 * turn: v["total"]["all"]["orders"] == n
                             and v["host/a"]["all"]["gross"] == n * 1000
                             and v["top/products?period=all"]["rows"][0]["gross"] == n * 1000)


def test_ids_and_catalog_of_other_lanes(world):
    """Where nobody looks, ids of others count toward the bounds, and what they registered serves."""
    limits = {**CALM, "limits.hosts": 3}
    first, second, third = (world.daemon(limits) for _ in range(3))
    with Tool(first) as tool:
        assert tool.verdict(session("a")) == "accepted"
        assert tool.verdict(order("a")) == tool.verdict(order("b")) == "accepted"
    for daemon in (second, third):
        wait_for(lambda d=daemon: sold(d) == 2, 10, "the orders of the first")
    with Tool(third) as tool:
        event = order("a", "by-session", session_id="a-s")
        del event["host_id"]
        assert tool.verdict(event) == "accepted"
        assert tool.verdict(order("c")) == "accepted"
        assert tool.verdict(order("d")) == "too_many_ids"
    wait_for(lambda: sold(second) == 4, 10, "the orders of the third")
    with Tool(second) as tool:
        assert tool.verdict(order("d")) == "too_many_ids"
        assert tool.verdict(order("b", "again")) == "accepted"
        assert tool.verdict(host("d")) == "accepted", "a name alone counts nothing"


def test_feeds_are_read_at_a_pace(world):
    """What is more than an answer holds is asked for at once; after an answer that holds all there is
    the next one comes with poll_ms, whatever it held. Health checks, a second apart, tell the time."""
    writer, follower = world.daemon(WATCHER), world.daemon({**WATCHER, "redis.poll_ms": 5000})
    seen = follower.redis.seen
    asks = follower.redis.catch("xread").wait()
    with Tool(writer) as tool:
        for number in range(150):
            assert tool.verdict(order("a", number)) == "accepted"
    asked, checked = seen["xread"], seen["hget"]
    asks.release()
    wait_for(lambda: sold(follower) == 150, 10, "all orders")
    assert seen["hget"] - checked <= 2, "the rest was not read at once"
    checked = seen["hget"]
    wait_for(lambda: seen["hget"] > checked, 10, "the next health check")
    assert seen["xread"] - asked == 1
