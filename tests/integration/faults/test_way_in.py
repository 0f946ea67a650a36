"""What is watched stays loaded over a loss of Redis: nothing is shown of two moments."""
from clients import Tool, Viewer, totals
from events import order
from harness import wait_for
from scene import metric, wait_ready

CUTS = 60
HOSTS = 60


def test_what_is_watched_is_read_once_on_each_way_in(world):
    """Groups loaded on the way in looked idle until the hub watched them again, and were dropped if
    the clock ticked just then (once in some dozens of cuts): topics over them lagged behind the total until read once more."""
    daemon = world.daemon()
    proxy, topics = daemon.redis, [f"top/products?host=h{n}" for n in range(HOSTS)]
    with Tool(daemon) as tool, Viewer(daemon) as viewer:
        assert tool.post(*(order("u", n, host_id=f"h{n}") for n in range(HOSTS))).accepted == HOSTS
        viewer.subscribe("total", "series/total", *topics)
        client, lane = world.redis.client(), "lt:{0}:lane:0:%s"
        wait_for(lambda: client.get(lane % "ckpt") == client.get(lane % "ver"), 10, "a checkpoint")
        scans = []
        for number in range(CUTS):
            before = proxy.seen["hscan"]
            connects = metric(daemon, "redis_connects_total")
            proxy.cut()
            wait_for(lambda c=connects: metric(daemon, "redis_connects_total") > c, 10, "Redis")
            wait_ready(daemon)
            assert tool.verdict(order("v", number, host_id="h1")) == "accepted"
            viewer.wait_until(lambda v, n=number: v["total"]["all"]["orders"] == HOSTS + n + 1)
            assert "errors" not in totals(daemon, *topics)
            scans.append(proxy.seen["hscan"] - before)
    assert max(scans) - min(scans) < HOSTS / 2, str(scans)
