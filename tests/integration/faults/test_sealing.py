"""Closed days are packed while everything goes on: whatever comes in between, each total is in its
hash or in a page, and late orders open a day again. Every test ends with all totals, as sums of
hashes and pages, and with `livetally verify`."""
import scene as scene_module
from clients import totals
from events import order
from expected import payload
from harness import wait_for
from proxy import Proxy
from scene import QUICK, ClockedDaemon, Scene, metric, redis_hashes
from sealed import sealed_keys
from test_clock import DAY, Clock

EVENTS = 3000
# A pass begins sixty checkpoints after going live.
SOON = {"redis.checkpoint_ms": 10}
CALM = {**SOON, "redis.reply_timeout_ms": 10_000, "redis.lease_ms": 20_000}
CLOSED_DAYS = 4


def open_hashes(scene, closed=CLOSED_DAYS):
    """Hashes of days that are over for so long."""
    newest = int(scene.model.day(scene.now - closed * DAY * 1000))
    keys = scene.redis.client().scan_iter("lt:{0}:lane:*:day:*", count=5000)
    return [key for key in keys if int(key.split(":")[5]) <= newest]


def wait_sealed(scene, closed=CLOSED_DAYS):
    try:
        wait_for(lambda: not open_hashes(scene, closed), 20, "all closed days to be sealed")
    except AssertionError:
        assert open_hashes(scene, closed)[:5] == []


def late_orders(scene, name, days=(5, 9)):
    """For cells that are sealed, and for some that are nowhere yet."""
    known = next(e for e in scene.traffic.distinct if "county" in e and "product_id" in e)
    known = {k: known[k] for k in ("product_id", "county")}
    return [order(*who, f"{name}-{day}-{n}", time=scene.now - day * DAY * 1000, **what)
            for day in days
            for n, (who, what) in enumerate([(("h-late",), known), ((f"h-{name}",), {})])]


def sealed_scene(world, schema=3):
    """A scene whose closed days are all sealed, and its daemon, started again."""
    scene = world.scene(EVENTS, config=CALM, watch=False)
    scene.load().finish()
    scene.daemon.stop()
    world.redis.client().hset("lt:{0}:meta", "schema", schema)
    scene.daemon.restart()
    wait_sealed(scene)
    return scene


def test_late_orders_open_a_day_again(world):
    scene = sealed_scene(world, schema=1)
    client = world.redis.client()
    assert len(sealed_keys(client)) > 10
    assert client.hget("lt:{0}:meta", "schema") == "2", "who can't read it keeps away"
    scene.check_everything()
    scene.sell(scene.daemon, *late_orders(scene, "a"))
    wait_for(lambda: open_hashes(scene), 10, "the checkpoint")
    scene.check_everything()
    pages = {key: client.hlen(key) for key in sealed_keys(client)}
    scene.daemon.kill()
    scene.daemon.restart()
    wait_sealed(scene)
    assert {key: client.hlen(key) for key in sealed_keys(client)} == pages, "put together"
    scene.sell(scene.daemon, *late_orders(scene, "b"))
    scene.check_everything()


def test_killed_at_every_step(world):
    """While it lists days, lists pages, reads hashes, reads a page to put it together with what is
    new, moves cells, or has moved them."""
    scene = world.scene(1000, config=CALM, watch=False)
    scene.load().finish()
    client = world.redis.client()
    for number, (name, at, nth) in enumerate([
            ("hlen", "reply", 3), ("hkeys", "reply", 2), ("hscan", "reply", 9),
            ("seal", "request", 1), ("seal", "reply", 7), ("hget", "reply", 5)]):
        scene.sell(scene.daemon, *late_orders(scene, f"k{number}"))
        scene.daemon.stop()
        scene.daemon.launch()
        held = scene.proxy.catch(name, at=at, nth=nth)
        held.wait()
        scene.daemon.kill()
        held.cut()
        assert redis_hashes(client) == scene.model.redis_hashes(), name
        scene.daemon.restart()
    wait_sealed(scene)
    scene.check_everything()


def test_late_and_lost_messages(world):
    """Of a connection that is gone: what comes late is void; what was done and not told, is done."""
    scene = world.scene(EVENTS, config=CALM, watch=False)
    scene.load().finish()
    scene.daemon.stop()
    scene.daemon.launch()
    held = scene.proxy.catch("seal")
    held.wait()
    held.hang_up()
    wait_for(lambda: metric(scene.daemon, "resyncs_total") == 2, 15, "a new claim")
    scene.sell(scene.daemon, *late_orders(scene, "late"))
    assert b"fence" in held.deliver_late()
    for nth in (1, 2, 3):
        held = scene.proxy.catch("seal", at="reply", nth=nth)
        held.wait()
        held.cut()
    wait_sealed(scene)
    scene.check_everything()


def test_a_cell_that_moved_on_stays(world):
    """What was packed is compared: a day that an order changes meanwhile is sealed later."""
    scene = world.scene(EVENTS, config=CALM, watch=False)
    scene.load().finish()
    scene.daemon.stop()
    scene.daemon.launch()
    held = scene.proxy.catch("seal")
    held.wait()
    key = next(k for k in open_hashes(scene) if k.encode() in held.message)
    client = world.redis.client()
    field, value = next(iter(client.hgetall(key).items()))
    client.hset(key, field, value.replace(" ", " 0", 1))
    held.release()
    wait_for(lambda: sealed_keys(client), 10, "another page")
    assert client.hget(key, field) == value.replace(" ", " 0", 1)
    client.hset(key, field, value)
    scene.check_everything()


def test_another_daemon_reads_while_it_is_sealed(folder, redis, monkeypatch):
    """A daemon whose clock stands on a closed day shows it: read from hashes, from both while they
    are moved, and from pages alone."""
    clock = Clock(folder)
    monkeypatch.setattr(scene_module, "now_ms", lambda: int(clock.now() * 1000))
    now = clock.now()
    proxy = Proxy(folder, redis)
    config = {**QUICK, **CALM}
    sealer = ClockedDaemon(clock, folder, proxy, config)
    scene = Scene([sealer], EVENTS, redis=redis, size=16, window=4)
    topics = ["total", "top/hosts?n=100", "top/products?n=100", "top/counties?n=100"]
    scene.load().finish()
    closed_ms = scene.now - 6 * DAY * 1000
    other_clock = Clock(folder)
    other_clock.file = folder.path / "clock-past"
    other_clock.set(closed_ms / 1000)
    reader = ClockedDaemon(other_clock, folder, redis, {**config, "redis.seal_after_days": 0})
    want = {topic: payload(scene.model, topic, closed_ms) for topic in topics}
    assert want["total"]["today"]["orders"] > 0

    def shown():
        return totals(reader, *topics)["topics"]
    assert shown() == want
    sealer.stop()
    proxy.latency(lambda what, at: 0.02 if (what, at) == ("seal", "request") else 0)
    sealer.launch()
    while not sealed_keys(redis.client()) or open_hashes(scene, 5):
        reader.kill()
        reader.restart()
        assert shown() == want
    reader.kill()
    reader.restart()
    assert shown() == want
    clock.set(now + 2 * DAY)  # midnight: two days more are closed
    wait_sealed(scene, 3)
    assert redis_hashes(redis.client()) == scene.model.redis_hashes()
    for daemon in (reader, sealer):
        daemon.stop()
