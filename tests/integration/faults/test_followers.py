"""A daemon that slept longer than the feed goes back, and daemons that only watch when writes are
lost: they notice by themselves, and everybody sees the right totals."""
import signal

import pytest

from clients import Tool, Viewer
from events import host, order
from harness import wait_for
from losses import check_epochs, check_loss_is_told, cut_log, log_size, losses_told
from scene import World, metric, sold, wait_ready

LANE = "lt:{0}:lane:0:%s"
# Neither its seat nor its connection must end with the sleep: for that alone it reads all anew.
KEEP_SEAT = {"redis.lease_ms": 600_000, "redis.reply_timeout_ms": 30_000,
             "redis.feed_keep_ms": 1000, "redis.checkpoint_ms": 100}


# --- a feed trimmed past a follower ---------------------------------------------------------------

def feed_begins_at(client):
    return int(client.xinfo_stream(LANE % "feed")["first-entry"][0].split("-")[0])


def wait_trimmed_past(client, version):
    """More than one entry after it: what it read last is not followed by the next."""
    wait_for(lambda: feed_begins_at(client) > version + 1, 30, "the feed to be trimmed")


def wait_checkpoint(client):
    wait_for(lambda: client.get(LANE % "ckpt") == client.get(LANE % "ver"), 20, "the checkpoint")


def asleep_under_load(world):
    """A scene whose load goes to one daemon while another, which has viewers too, is asleep. It
    lasts some seconds, as the feed is trimmed by the second."""
    scene = world.scene(events=5000, watch=False, config=KEEP_SEAT).slow()
    scene.size = 4
    load = scene.load()
    scene.daemons.append(world.daemon(KEEP_SEAT))
    scene.watch()
    load.wait_acks(5)
    scene.daemons[1].freeze()
    return scene, load


@pytest.mark.parametrize("then", ["traffic", "idle", "idle, and the feed emptied"])
def test_feed_trimmed_past_a_follower_that_slept(world, then):
    """Woken up under load or when all is over. The daemon leaves the newest entry, which shows the
    gap; when not even that is there, the lane's version does."""
    scene, load = asleep_under_load(world)
    writer, follower = scene.daemons
    client = world.redis.client()
    wait_trimmed_past(client, int(client.get(LANE % "ver")))
    if then == "traffic":
        follower.thaw()
    load.hurry()
    load.finish()
    if "emptied" in then:
        wait_checkpoint(client)
        client.xtrim(LANE % "feed", maxlen=0)
    follower.thaw()
    wait_for(lambda: metric(follower, "resyncs_total") == 2, 20, "all to be read anew")
    wait_ready(follower)
    assert ("a lane is ahead of its feed: it was trimmed" if "emptied" in then
            else "the feed of another lane has a gap") in follower.log
    if "emptied" in then:
        with Tool(writer) as tool:  # what comes next is followed
            assert tool.verdict(host("late")) == "accepted"
    scene.check_everything()
    assert metric(follower, "lost_writes_total") == 0, "nothing was lost"
    assert all(len(check_epochs(viewer)) == 1 for viewer in scene.viewers)
    assert metric(writer, "resyncs_total") == 1, "nobody else was disturbed"


# --- lost writes with nothing going on ------------------------------------------------------------

@pytest.fixture
def quiet(folder):
    """A daemon that sold and rests, and one that only serves viewers. Redis may be told to read its
    log anew: it loses writes, and no connection breaks."""
    world = World(folder, redis_options=("--enable-debug-command", "local",
                                         "--appendfsync", "always"))
    writer, _ = world.daemon(KEEP_SEAT), world.daemon(KEEP_SEAT)
    with Tool(writer) as tool:
        for number in range(20):
            assert tool.verdict(order("kept", number)) == "accepted"
        wait_checkpoint(world.redis.client())
        size = log_size(world.redis)
        for number in range(20):
            assert tool.verdict(order("lost", number)) == "accepted"
    wait_checkpoint(world.redis.client())
    for daemon in world.daemons:
        wait_for(lambda d=daemon: sold(d) == 40, 10, "all orders")
    yield world, size
    for daemon in world.daemons:
        daemon.signal(signal.SIGCONT)
    world.stop()


def lose(redis, size):
    """Without a connection breaking. Returns how many commits are left."""
    cut_log(redis, size, "between transactions")
    redis.client().execute_command("DEBUG", "LOADAOF")
    left = int(redis.client().get(LANE % "ver"))
    assert 20 <= left < 40
    return left


def noticing(daemon):
    """A trap for what a daemon does about lost writes."""
    return daemon.redis.catch("advance")


@pytest.mark.parametrize("alone", ["the daemon whose lane it is",
                                   "a daemon that only serves viewers"])
def test_lost_writes_on_an_idle_lane(quiet, alone):
    """Noticed by the second of the health checks, which are a second apart, also while the other
    daemon is asleep; which tells the same when it wakes up, though the epoch is new already."""
    world, size = quiet
    notices, sleeper = world.daemons if "whose" in alone else reversed(world.daemons)
    viewers = [Viewer(daemon) for daemon in (notices, sleeper)]
    for viewer in viewers:
        viewer.subscribe("total", "host/lost")
    sleeper.freeze()
    trap = noticing(notices)
    left = lose(world.redis, size)
    checks = notices.redis.seen["hget"]  # one of them may have been answered since the loss
    trap.wait()
    assert notices.redis.seen["hget"] - checks <= 2, "noticed within two health checks"
    trap.release()
    viewers[0].wait_until(lambda v: v["total"]["all"]["orders"] == left)
    check_loss_is_told(notices)
    sleeper.thaw()
    for viewer in viewers:
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == left
                          and v["host/lost"]["all"]["orders"] == left - 20)
        assert len(check_epochs(viewer)) == 2
    for daemon in world.daemons:
        check_loss_is_told(daemon)
    assert viewers[0].epoch == viewers[1].epoch
    with Tool(sleeper) as tool:
        assert tool.post(*(order("lost", n) for n in range(20))).accepted == 40 - left
    for viewer in viewers:
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 40)
        viewer.close()


def test_lost_writes_noticed_by_two_daemons_at_once(quiet):
    """Both want to change the epoch; one does, the other takes it over, and each tells it once."""
    world, size = quiet
    viewers = [Viewer(daemon) for daemon in world.daemons]
    for viewer in viewers:
        viewer.subscribe("total")
    traps = [noticing(daemon) for daemon in world.daemons]
    left = lose(world.redis, size)
    for trap in traps:
        trap.wait()
    for trap in traps:
        trap.release()
    for daemon, viewer in zip(world.daemons, viewers):
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == left)
        assert len(check_epochs(viewer)) == 2
        wait_ready(daemon)
        check_loss_is_told(daemon)
    assert viewers[0].epoch == viewers[1].epoch


def test_a_way_in_cut_off_after_the_epoch_changed_tells_the_loss_once(quiet):
    """The daemon does not learn that it changed the epoch, and finds another one than it knew."""
    world, size = quiet
    notices, sleeper = world.daemons
    sleeper.freeze()
    held = notices.redis.catch("advance", at="reply")
    left = lose(world.redis, size)
    held.wait()
    held.cut()
    wait_ready(notices)
    assert sold(notices) == left and len(losses_told(notices)) == 1
    check_loss_is_told(notices)


def test_a_daemon_that_was_not_running_when_writes_were_lost(quiet):
    """Its lane was taken over and is longer than ever when it comes back, so that no version tells
    it; how far the lane was when the epoch ended does."""
    world, size = quiet
    gone, watcher = world.daemons
    gone.kill()
    left = lose(world.redis, size)
    world.redis.client().delete(LANE % "owner")  # its lease has run out
    wait_for(lambda: losses_told(watcher), 15, "the loss to be noticed")
    with Tool(world.daemon(KEEP_SEAT)) as tool:
        for number in range(30):
            assert tool.verdict(order("new", number)) == "accepted"
    assert int(world.redis.client().get(LANE % "ver")) == left + 30 > 40
    gone.restart()
    check_loss_is_told(gone)
    assert f"lane 0 was at version 40, redis has it up to {left}:" in losses_told(gone)[0]
    wait_for(lambda: [sold(d) for d in world.daemons] == [left + 30] * 3, 10, "the totals")
