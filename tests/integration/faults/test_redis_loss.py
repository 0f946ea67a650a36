"""Redis killed under load; Redis come back with less than it acknowledged: what is gone is told to
everybody, the totals are what the ledger holds, and what is sent again counts again."""
import pytest

from clients import Tool, totals
from harness import wait_for
from losses import (CUTS, check_epochs, check_loss_is_told, check_survivors, cut_log, log_size,
                    losses_told, prepare, wait_epoch_seen, wait_for_commits)
from scene import World, finish, metric, ready, wait_ready

KILLS = 5
SOME_COMMITS_BYTES = 20_000


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_redis_killed_five_times_under_load(folder, fsync):
    """With `always` nothing acked is missing. With `everysec` Redis may hold back what it writes
    while the disk is busy, and answers all the same: then some is missing, and that is told."""
    world = World(folder, redis_options=("--appendfsync", fsync))
    scene = world.scene(events=5000)
    prepare(scene)
    connects = metric(scene.daemon, "redis_connects_total")
    with scene.load() as load:
        for _ in range(KILLS):
            load.wait_acks(5)
            world.redis.kill()
            wait_for(lambda: not ready(scene.daemon), 10, "the daemon to notice")
            world.redis.start()
            wait_ready(scene.daemon)
            wait_epoch_seen(scene)
        load.hurry()
    assert metric(scene.daemon, "redis_connects_total") >= connects + KILLS
    losses = len(losses_told(scene.daemon))
    assert metric(scene.daemon, "lost_writes_total") == losses
    assert all(len(check_epochs(viewer)) == 1 + losses for viewer in scene.viewers)
    missing = check_survivors(scene, world.redis)
    if fsync == "always" or not losses:
        assert (missing, losses) == (0, 0)
        assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    else:
        check_loss_is_told(scene.daemon, losses)
        resent = finish(scene.feed())
        assert sum(r.accepted + r.parked for r in resent) == missing
        scene.check_everything()
    world.stop()


def stores(tool):
    return [message["store"] for message in tool.of_type("status")]


def lose_power(world, load, where):
    """Redis comes back with its log as it was a few commits ago, cut off somewhere there."""
    load.wait_acks(5)
    size = log_size(world.redis)
    wait_for_commits(world.daemons[0], 5)
    wait_for(lambda: log_size(world.redis) > size + SOME_COMMITS_BYTES, 30, "the log to grow")
    load.wait_acks(1)
    world.redis.kill()
    cut_log(world.redis, size, where)
    world.redis.start()


def test_the_last_second_of_the_log_is_lost_under_load(world):
    """Thrice: cut off between two transactions, in the middle of one, and in that of a command."""
    scene = world.scene(events=8000)
    prepare(scene)
    with Tool(scene.daemon) as bystander:
        with scene.load() as load:
            for round_number, where in enumerate(CUTS, 1):
                lose_power(world, load, where)
                wait_for(lambda n=round_number: metric(scene.daemon, "lost_writes_total") == n, 15,
                         "the loss to be noticed")
                wait_ready(scene.daemon)
                assert totals(scene.daemon, "total")["epoch"] != scene.viewers[0].hello["epoch"]
                wait_epoch_seen(scene)
            load.hurry()
        bystander.wait(lambda: stores(bystander)[-1:] == ["available"])
    told = stores(bystander)  # a slow machine may add pairs of its own
    assert told == ["unavailable", "available"] * (len(told) // 2)
    assert len(told) >= 2 * len(CUTS)
    missing = check_survivors(scene, world.redis)
    counted = sum(r.accepted + r.parked for r in load.results)
    assert 0 < missing and counted > scene.distinct - missing, "what was acked was not lost"
    check_loss_is_told(scene.daemon, len(CUTS))
    assert all(len(check_epochs(viewer)) == 1 + len(CUTS) for viewer in scene.viewers)
    resent = finish(scene.feed())
    assert sum(r.accepted + r.parked for r in resent) == missing
    scene.check_everything()
    check_loss_is_told(scene.daemon, len(CUTS))
