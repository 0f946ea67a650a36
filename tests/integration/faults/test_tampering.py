"""Somebody changes, deletes or replaces what is in Redis: totals stay exact where that can be, and
where data was destroyed it is told loudly."""
import shutil
import threading

import pytest
import redis as redis_client

import ledger
from backup import Backup
from clients import Tool, totals
from events import order, refund
from harness import Daemon, RedisServer, livetally, wait_for
from scene import CALM, World, errors_told, finish, metric, sold, verify, wait_ready
from trouble import Trouble, logged

EVENTS = 10_000
USAGE = 2
PREFIX = "lt:{0}:"


# --- keys -----------------------------------------------------------------------------------------

def ledger_key(client):
    return ledger.key(ledger.generation(client))


@pytest.mark.parametrize("key, named", [
    ("lane:0:all:host", "lane:0:all:host"), ("lane:0:feed", "feed"), ("lane:0:ver", "keys"),
    ("orders", "key"), ("catalog:session", "key"), ("meta", "keys")])
def test_a_key_overwritten_under_load_and_restored(world, key, named):
    """As from a backup: with all that was in it."""
    scene = world.scene(EVENTS, config={"redis.checkpoint_ms": 50}).slow()
    client = world.redis.client()
    key = ledger_key(client) if key == "orders" else PREFIX + key
    with scene.load() as load:
        trouble = Trouble(scene, "restore it from a backup", named)
        load.wait_acks(20)
        wait_for(lambda: client.exists(key), 10, "the key")
        pipe = client.pipeline()
        pipe.rename(key, "saved")
        pipe.sadd(key, "of another kind")
        pipe.execute()
        if key.endswith("session"):
            scene.proxy.cut()  # it is looked at on the way in only
        trouble.wait_problem()
        trouble.wait_unavailable()
        client.rename("saved", key)
        load.hurry()
    trouble.check_over()
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()


@pytest.mark.parametrize("key", ["lane:0:ver", "lane:0:ckpt", "lane:0:owner",
                                 "generation", "meta"])
def test_a_key_deleted_under_load(world, key):
    """None of these holds what stands nowhere else, as long as the daemon lives: all goes on, for
    another daemon too."""
    scene = world.scene(EVENTS, daemons=2, config={"redis.checkpoint_ms": 50}).slow()
    client = world.redis.client()
    with scene.load() as load:
        for _ in range(3):
            load.wait_acks(3)
            wait_for(lambda: client.delete(PREFIX + key), 10, "the key to be there")
        load.hurry()
    for daemon in scene.daemons:
        wait_ready(daemon)
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()


def test_the_feed_deleted_before_a_checkpoint(world):
    """What it held stands in no hash yet: nobody is shown totals without it until it is restored.

    A feed that came back between two steps of the way in cost all facts in it that no viewer
    watched: what the feed touches was read once, and not held against the lane's version."""
    scene = world.scene(EVENTS)
    client, feed = world.redis.client(), PREFIX + "lane:0:feed"
    with scene.load() as load:
        trouble = Trouble(scene, "the feed of lane 0 lacks commits", "restore redis from a backup")
        load.wait_acks(5)
        held = scene.proxy.catch("commit")
        held.wait()
        assert int(client.get(PREFIX + "lane:0:ver")) > int(client.get(PREFIX + "lane:0:ckpt") or 0)
        client.rename(feed, "saved")
        held.cut()
        trouble.endure()
        client.rename("saved", feed)
    trouble.check_over()
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()


@pytest.mark.parametrize("key", ["lane:0:all:host", "lane:0:all:total", "orders"])
def test_what_was_deleted_for_good_is_found_by_an_audit(world, key):
    """The daemon itself may not look at it for months."""
    scene = world.scene(3000)
    scene.load().finish()
    scene.check_everything()
    scene.stop()
    client = world.redis.client()
    assert client.delete(ledger_key(client) if key == "orders" else PREFIX + key) == 1
    result = livetally("verify", "--redis", world.redis.target, timeout=60)
    assert result.returncode == 1, result.stdout + result.stderr
    assert (key.split(":")[-1] in result.stdout + result.stderr), result.stdout


# --- data sets ------------------------------------------------------------------------------------

def test_the_epoch_changed_by_hand_under_load(world):
    """A new epoch says: forget all. Nothing was lost, so the same totals come again."""
    scene = world.scene(EVENTS).slow()
    viewer = scene.viewers[0]
    with scene.load() as load:
        load.wait_acks(5)
        held = scene.daemon.redis.catch("commit")
        held.wait()
        world.redis.client().hset(PREFIX + "meta", "epoch", "feedfacefeedface")
        held.release()
        viewer.wait(lambda: viewer.epoch == "feedfacefeedface", 10, "the epoch")
        load.hurry()
    assert logged(scene.daemon, ["epoch changed from", "to feedfacefeedface"])
    assert metric(scene.daemon, "commits_fenced_total") >= 1
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()


def state_everything(traffic):
    """Orders that say what their session and product would supply: they mean the same when those
    are gone. Retries that leave something out are dropped."""
    catalog = {kind: {e[f"{kind}_id"]: e for e in traffic.catalog if e["type"] == kind}
               for kind in ("session", "product")}

    def state(event):
        if event["type"] == "order":
            session = catalog["session"].get(event.get("session_id"), {})
            product = catalog["product"].get(event["product_id"], {})
            for supplier, field in ((session, "host_id"), (session, "platform"),
                                    (product, "county")):
                if field in supplier:
                    event.setdefault(field, supplier[field])
    traffic.plain(state)


def test_redis_emptied_under_load(world):
    """FLUSHALL, twice. All before it is gone, which is told; when the tools send everything again,
    what was lost counts again, and what was not does not."""
    scene = world.scene(EVENTS).slow()
    state_everything(scene.traffic)
    viewer, epochs = scene.viewers[0], []
    with scene.load() as load:
        for _ in range(2):
            load.wait_acks(5)
            epochs.append(viewer.epoch)
            world.redis.client().flushall()
            viewer.wait(lambda: viewer.epoch not in (None, *epochs), 10, "a new epoch")
        load.hurry()
    assert len(logged(scene.daemon, ["lost writes"])) == 2
    assert metric(scene.daemon, "lost_writes_total") == 2
    with Tool(scene.daemon) as tool:
        assert tool.post(*scene.traffic.catalog).accepted == len(scene.traffic.catalog)
    again = finish(scene.feed())
    lost = sum(r.accepted + r.parked for r in again)
    assert 0 < lost < scene.distinct
    scene.check_everything()


@pytest.mark.parametrize("field, theirs, advice", [
    ("schema", "4", "use the version of livetallyd that made it"),
    ("partitions", "4", "use the version of livetallyd that made it"),
    ("currency", "USD", "configure the same"), ("time_zone", "+09:00", "configure the same")])
def test_a_data_set_of_another_kind_at_start(folder, redis, field, theirs, advice):
    Daemon(folder, redis).stop()
    redis.client().hset(PREFIX + "meta", field, theirs)
    before = Backup(redis)
    daemon = Daemon(folder, redis, start=False)
    daemon.launch()
    assert daemon.wait_exit() == USAGE
    said = errors_told(daemon)
    assert len(said) == 1
    assert all(word in said[0] for word in (field, theirs, advice, "redis.prefix"))
    assert Backup(redis) == before, "untouched"


def swap_data(redis, other):
    """While both are stopped."""
    spare = redis.data.with_name("spare")
    for source, target in ((redis.data, spare), (other.data, redis.data), (spare, other.data)):
        shutil.move(source / "appendonlydir" if source != spare else spare,
                    target / "appendonlydir" if target != spare else spare)


def test_another_data_set_when_redis_comes_back(folder):
    """With another currency: the daemon says so and ends, and counts nothing in it. Acked is what
    was acked: once the right one is back, the tools' resends make it whole."""
    world = World(folder, redis_options=("--appendfsync", "always"))
    other = RedisServer(folder)
    Daemon(folder, other, {"data.currency": "USD"}).stop()
    other.stop()
    scene = world.scene(EVENTS, config={"limits.shutdown_ms": 1000})
    load = scene.load()
    load.wait_acks(5)
    world.redis.stop()
    swap_data(world.redis, other)
    world.redis.start()
    assert scene.daemon.wait_exit() == USAGE
    said = errors_told(scene.daemon)
    assert len(said) == 1 and all(w in said[0] for w in ("currency", "USD", "configure the same"))
    theirs = world.redis.client()
    assert theirs.get(PREFIX + "lane:0:ver") == "0" and not theirs.keys(PREFIX + "orders:*")
    world.redis.stop()
    swap_data(world.redis, other)
    world.redis.start()
    scene.daemon.restart()
    load.finish()
    scene.watch_anew()
    scene.check_everything()
    world.stop()


@pytest.mark.parametrize("size", [0, 300, 65_536])
def test_an_order_that_stands_in_the_ledger_as_nonsense(world, size):
    """Whatever its size: it is told with the order, and is in nobody else's way."""
    daemon = world.daemon(CALM)
    client = redis_client.Redis(unix_socket_path=world.redis.target.removeprefix("unix:"))
    number = ledger.generation(world.redis.client())
    client.hset(ledger.key(number), order("u")["order_id"], b"\xff" * size)
    with Tool(daemon) as tool:
        assert tool.verdict(order("u")) == "conflict"
        assert tool.verdict(refund("u")) == "conflict"
        assert tool.verdict(order("v")) == "accepted"
        result = tool.post(order("u"), order("w"), refund("w"))
        assert (result.accepted, len(result.rejected)) == (2, 1)
    assert client.hstrlen(ledger.key(number), order("u")["order_id"]) == size


def test_a_checkpoint_on_its_way_when_an_older_state_is_restored(world):
    """The restored owner of the lane is the same, and so is the epoch; but what the checkpoint
    brings counts commits that are gone."""
    daemon = world.daemon({**CALM, "redis.checkpoint_ms": 60_000})
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "accepted"
        wait_for(lambda: metric(daemon, "checkpoints_total") == 1, 10, "a checkpoint")
        backup = Backup(world.redis)
        assert tool.verdict(order("u", 2)) == "accepted"
        held = daemon.redis.catch("checkpoint")
        stopping = threading.Thread(target=daemon.stop)
        stopping.start()
        held.wait()
        backup.restore()
        held.release()
        stopping.join()
    daemon.restart()
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 2)) == "accepted", "it was lost"
    assert sold(daemon) == 2
    verify(world.redis)


def test_a_state_restored_that_lacks_a_checkpoint_and_no_commit(world):
    """Nothing but the checkpoint's version tells it: what it had written is not there."""
    daemon = world.daemon({**CALM, "redis.checkpoint_ms": 200})
    with Tool(daemon) as tool:
        assert tool.verdict(order("u")) == "accepted"
        wait_for(lambda: metric(daemon, "checkpoints_total") == 1, 10, "a checkpoint")
        held = daemon.redis.catch("checkpoint")
        assert tool.verdict(order("v")) == "accepted"
        held.wait()
        backup = Backup(world.redis)
        held.release()
        wait_for(lambda: metric(daemon, "checkpoints_total") == 2, 10, "the next one")
        backup.restore()
        assert tool.verdict(order("w")) == "accepted"
        wait_for(lambda: metric(daemon, "checkpoints_total") == 3, 10, "another one")
    daemon.stop()
    daemon.restart()
    for uid in "uvw":
        assert totals(daemon, f"host/{uid}")["topics"][f"host/{uid}"]["all"]["orders"] == 1
    verify(world.redis)
