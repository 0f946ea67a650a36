"""The heart of it: after much traffic every topic's totals equal the model's: as answered by
/v1/totals, as pushed to viewers, and in the Redis hashes. With faults in the middle: faults/."""
import pytest

from clients import feed_all, lines
from harness import EVENTS, Daemon, wait_for
from scene import SOME_EVENTS, Scene, finish, metric, redis_hashes, wait_ready


def test_100_000_events_from_8_connections(folder, redis, daemon):
    scene = Scene([daemon], EVENTS)
    scene.watch()
    results = finish(scene.feed())
    assert sum(r.accepted + r.parked for r in results) == scene.distinct
    assert sum(r.duplicates for r in results) == EVENTS - scene.distinct
    assert sum(r.parked for r in results) > 0
    scene.check_everything()
    scene.stop()
    assert redis_hashes(redis.client()) == scene.model.redis_hashes()


def test_two_daemons_on_one_redis(folder, redis):
    """Each is fed half of the traffic, and some events go to both."""
    daemons = [Daemon(folder, redis), Daemon(folder, redis)]
    scene = Scene(daemons, 2 * SOME_EVENTS)
    scene.watch()
    both = scene.traffic.distinct[len(scene.traffic.catalog)::23]
    futures = scene.feed()
    again = [lines(both[i:i + 64]) for i in range(0, len(both), 64)]
    futures += feed_all([(daemon, again) for daemon in daemons])
    finish(futures)
    scene.check_everything()
    lanes = {k.split(":")[3] for k in redis.client().scan_iter("lt:{0}:lane:*:all:total")}
    assert len(lanes) == 2
    scene.stop()


@pytest.mark.parametrize("kind", ["restart", "redis restart"])
def test_totals_survive(folder, redis, kind):
    daemon = Daemon(folder, redis)
    scene = Scene([daemon], 3000)
    finish(scene.feed())
    if kind == "restart":
        daemon.stop()
        daemon.restart()
    else:
        connects = metric(daemon, "redis_connects_total")
        redis.stop()
        redis.start()
        wait_for(lambda: metric(daemon, "redis_connects_total") > connects, 10, "the way back")
        wait_ready(daemon)
    scene.watch()
    scene.check_everything()
    scene.stop()
