"""The heart of it: after much traffic, with whatever goes wrong in the middle, every topic's totals
equal the model's: as answered by /v1/totals, as pushed to viewers, and in the Redis hashes."""
import re

import pytest

from clients import Tool, Viewer, feed_all, get, lines, metrics, series_buckets, totals
from expected import every_topic, payload
from harness import EVENTS, PATIENCE, Daemon, RedisServer, now_ms, wait_for
from model import Model
from traffic import Traffic

CONNECTIONS = 8
SOME_EVENTS = max(EVENTS // 4, 10_000)
HASH_KEY = re.compile(r"lt:\{0\}:lane:\d+:((?:all|day|minute):.+)")


class Acks:
    """Counts the acks that feed() saw."""

    def __init__(self):
        self.count = 0

    def __call__(self, _):
        self.count += 1


class Scene:
    """Traffic, the model that has seen it all, and viewers that watch every topic of it."""

    def __init__(self, daemons, events, seed=20_24):
        self.now = now_ms()
        self.daemons = daemons
        self.traffic = Traffic(seed, events, self.now, CONNECTIONS)
        self.model = Model()
        self.model.apply_all(self.traffic.distinct, self.now)
        self.distinct = len(self.traffic.distinct) - len(self.traffic.catalog)
        self.topics = every_topic(self.model)
        self.viewers = []
        self.minute = None
        with Tool(daemons[0]) as tool:
            result = tool.post(*self.traffic.catalog)
            assert result.accepted == len(self.traffic.catalog)

    def watch(self):
        for daemon in self.daemons:
            for start in range(0, len(self.topics), 256):
                viewer = Viewer(daemon)
                topics = self.topics[start:start + 256]
                # A daemon that just lost Redis says "unavailable", which means: ask again.
                wait_for(lambda: "errors" not in viewer.subscribe(*topics), 10, "all topics")
                self.viewers.append(viewer)

    def feed(self, on_ack=None):
        messages = self.traffic.messages()
        targets = [self.daemons[i % len(self.daemons)] for i in range(CONNECTIONS)]
        return feed_all(list(zip(targets, messages)), on_ack=on_ack)

    def expected(self):
        """What stands on the screen only changes with the minute once all is counted."""
        now = now_ms()
        if self.minute != now // 60_000:
            self.minute = now // 60_000
            self.payloads = {t: payload(self.model, t, now) for t in self.topics}
        return self.payloads

    def check_everything(self):
        for daemon in self.daemons:
            self.check_totals(daemon)
        self.check_pushed()
        self.check_hashes()

    def check_totals(self, daemon):
        """Waits for the first topic, as other daemons' orders may still be on their way."""
        wait_for(lambda: self.differences(self.asked(daemon, self.topics[:1])) == [], 10,
                 "the grand total")
        assert self.differences(self.asked(daemon, self.topics)) == []

    def asked(self, daemon, topics):
        got = {}
        for start in range(0, len(topics), 20):
            answer = totals(daemon, *topics[start:start + 20])
            assert "errors" not in answer
            got.update(answer["topics"])
        return {t: series_buckets(p) if t.startswith("series/") else p for t, p in got.items()}

    def differences(self, got):
        expected = self.expected()
        found = [(t, unequal(t, got[t], expected[t])) for t in got]
        return [(t, what) for t, what in found if what]

    def check_pushed(self):
        for viewer in self.viewers:
            try:
                viewer.wait(lambda: not self.differences(viewer.values), 10, "the totals")
            except AssertionError:
                assert self.differences(viewer.values)[:3] == []
            assert viewer.close_code is None

    def check_hashes(self):
        """They follow with the next checkpoint, within about a second."""
        client = self.daemons[0].redis.client()
        expected = self.model.redis_hashes()

        def settled():
            return redis_hashes(client) == expected
        try:
            wait_for(settled, 10, "the checkpoint")
        except AssertionError:
            got = redis_hashes(client)
            assert sorted(got) == sorted(expected)
            wrong = [(k, got[k], expected[k]) for k in expected if got[k] != expected[k]]
            assert wrong[:3] == []

    def stop(self):
        for viewer in self.viewers:
            viewer.close()
        for daemon in self.daemons:
            daemon.stop()


def unequal(topic, got, want):
    """What differs, as (got, want), or None. A series' oldest minutes leave the window while we
    look: they are not compared."""
    if topic.startswith("series/"):
        oldest = now_ms() - (int(topic.partition("minutes=")[2] or 120) - 2) * 60_000
        minutes = [m for m in {**got, **want} if m > oldest and got.get(m) != want.get(m)]
        got, want = ({m: side.get(m) for m in minutes} for side in (got, want))
    return None if got == want else (got, want)


def redis_hashes(client):
    """The sum over all lanes: {rest of the key: {field: metrics}}."""
    sums = {}
    keys = [key for key in client.scan_iter("lt:{0}:lane:*:*", count=5000) if HASH_KEY.match(key)]
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.hgetall(key)
    for key, fields in zip(keys, pipe.execute()):
        rows = sums.setdefault(HASH_KEY.match(key).group(1), {})
        for field, text in fields.items():
            *values, version = map(int, text.split())
            assert len(values) == 6 and version > 0
            rows[field] = tuple(a + b for a, b in zip(rows.get(field, (0,) * 6), values))
    return sums


def finish(futures):
    results = [f.result(120 * PATIENCE) for f in futures]
    assert [r for result in results for r in result.rejected] == []
    return results


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


def test_killed_in_the_middle_and_started_again(folder, redis):
    """SIGKILL three times; the tools send again what was not acked."""
    daemon = Daemon(folder, redis, {"redis.lease_ms": 1000, "redis.reply_timeout_ms": 500})
    scene = Scene([daemon], 2 * SOME_EVENTS)
    acks = Acks()
    total = sum(map(len, scene.traffic.messages()))
    futures = scene.feed(on_ack=acks)
    for part in (1, 2, 3):
        wait_for(lambda: acks.count > total * part / 20 or all(f.done() for f in futures), 60,
                 "some acks")
        daemon.kill()
        daemon.restart()
    assert not all(f.done() for f in futures), "the kills came too late to prove anything"
    finish(futures)
    scene.watch()
    scene.check_everything()
    scene.stop()


def test_redis_killed_in_the_middle(folder):
    redis = RedisServer(folder, options=("--appendfsync", "always"))
    scene = Scene([Daemon(folder, redis)], SOME_EVENTS)
    scene.watch()
    acks = Acks()
    futures = scene.feed(on_ack=acks)
    wait_for(lambda: acks.count > 5, 60, "some acks")
    redis.kill()
    redis.start()
    results = finish(futures)
    assert sum(r.accepted + r.parked for r in results) == scene.distinct, "none came twice"
    scene.check_everything()
    scene.stop()


def test_redis_frozen_in_the_middle(folder, redis):
    """For longer than a reply may take: what became of the commits under way, nobody knows."""
    config = {"redis.reply_timeout_ms": 200, "redis.connect_timeout_ms": 200,
              "redis.backoff_max_ms": 100, "redis.lease_ms": 5000}
    scene = Scene([Daemon(folder, redis, config), Daemon(folder, redis, config)], SOME_EVENTS)
    scene.watch()
    acks = Acks()
    futures = scene.feed(on_ack=acks)
    for _ in range(3):
        seen = acks.count
        wait_for(lambda: acks.count > seen + 4 or all(f.done() for f in futures), 60, "some acks")
        redis.freeze()
        for daemon in scene.daemons:
            wait_for(lambda: metrics(daemon)["livetally_redis_connected"] == 0, 10, "the time-out")
        redis.thaw()
    finish(futures)
    scene.check_everything()
    scene.stop()


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


def test_one_of_two_daemons_killed_and_the_other_frozen_for_longer_than_its_lease(folder, redis):
    config = {"redis.lease_ms": 500, "redis.reply_timeout_ms": 250}
    daemons = [Daemon(folder, redis, config), Daemon(folder, redis, config)]
    scene = Scene(daemons, SOME_EVENTS)
    lane = metrics(daemons[1])["livetally_lane"]
    acks = Acks()
    futures = scene.feed(on_ack=acks)
    wait_for(lambda: acks.count > 5, 60, "some acks")
    daemons[1].freeze()
    daemons[0].kill()
    daemons[0].restart()
    owners = "lt:{0}:lane:*:owner"
    wait_for(lambda: len(redis.client().keys(owners)) == 1, 10, "the frozen one's lease to end")
    third = Daemon(folder, redis, config)
    assert metrics(third)["livetally_lane"] == lane, "it took the seat of the frozen one"
    daemons[1].thaw()
    finish(futures)
    scene.daemons = [*daemons, third]
    scene.watch()
    scene.check_everything()
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
        connects = metrics(daemon)["livetally_redis_connects_total"]
        redis.stop()
        redis.start()
        wait_for(lambda: metrics(daemon)["livetally_redis_connects_total"] > connects, 10)
        wait_for(lambda: get(daemon, "/readyz").status == 200, 10, "the daemon to be ready")
    scene.watch()
    scene.check_everything()
    scene.stop()
