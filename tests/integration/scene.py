"""The stage of the fault tests: daemons under load, a model that knows what the sums must be, and
viewers that watch every topic. What is left for a test is to say what breaks, and when:

    def test_a_lost_reply(world):
        scene = world.scene(events=5000)
        with scene.load() as load:  # goes on until we are done here
            load.wait_acks(5)
            held = scene.proxy.catch("commit", at="reply")
            held.wait()
            held.cut()
        scene.check_everything()
"""
import re
from urllib.parse import quote

import redis as redis_client

from clients import (Tool, Viewer, background, feed, feed_all, get, lines, metrics, series_buckets,
                     totals)
from expected import every_topic, payload
from harness import EVENTS, PATIENCE, Daemon, RedisServer, livetally, now_ms, wait_for
from model import Model
from proxy import Proxy
from sealed import sealed_cells
from traffic import Traffic

CONNECTIONS = 8
MOST_EVENTS = 1_000_000
PAUSE_S = 0.1
SOME_EVENTS = max(EVENTS // 4, 10_000)
HASH_KEY = re.compile(r"lt:\{0\}:(lane:\d+):((?:all|day|minute):.+)")
# Time-outs so short that a fault and the way back from it fit into a test.
QUICK = {"redis.reply_timeout_ms": 300, "redis.connect_timeout_ms": 300,
         "redis.backoff_max_ms": 100, "redis.lease_ms": 2000}
# Those that no busy machine reaches: for tests that say themselves when a connection breaks.
CALM = {"redis.reply_timeout_ms": 10_000, "redis.connect_timeout_ms": 10_000,
        "redis.lease_ms": 20_000}


class EmbeddedRedis:
    """The private redis-server of a daemon, as a Scene asks for it."""

    def __init__(self, daemon):
        self.target = f"unix:{daemon.state}/redis.sock"

    def client(self):
        return redis_client.Redis(unix_socket_path=self.target.removeprefix("unix:"),
                                  decode_responses=True, encoding_errors="replace")


class ClockedDaemon(Daemon):
    """Its clock is the test's (test_clock.Clock)."""

    def __init__(self, clock, *args, **options):
        self.clock = clock
        super().__init__(*args, **options)

    def spawn(self, command, stdout=None):
        super().spawn(self.clock.command(command), stdout)


class World:
    """One Redis and the daemons on it, each behind a proxy of its own."""

    def __init__(self, folder, redis_options=(), tcp=False):
        self.folder = folder
        self.redis = RedisServer(folder, options=redis_options, tcp=tcp)
        self.daemons = []

    def daemon(self, config=None, **options):
        """A daemon more. Its proxy is daemon.redis."""
        daemon = Daemon(self.folder, Proxy(self.folder, self.redis), {**QUICK, **(config or {})},
                        **options)
        self.daemons.append(daemon)
        return daemon

    def scene(self, events=SOME_EVENTS, daemons=1, seed=20_24, watch=True, config=None):
        """Small messages and few of them on their way: many commits, so that there is always one
        more for a fault to meet."""
        while len(self.daemons) < daemons:
            self.daemon(config)
        scene = Scene(self.daemons[:daemons], events, seed, self.redis, size=16, window=4)
        if watch:
            scene.watch()
        return scene

    def stop(self):
        for daemon in self.daemons:
            if daemon.running():
                daemon.stop()


class Stream:
    """What one connection of a load posts: to feed() a list of messages that has always one more,
    until it is closed."""

    def __init__(self, traffic, place, size):
        self.open = True
        self.acks = 0
        self.acked = 0  # messages
        self.size = size
        self._traffic, self._place = traffic, place
        self._first = len(self.events)

    @property
    def events(self):
        return self._traffic.streams[self._place]

    def __len__(self):
        whole, rest = divmod(len(self.events), self.size)
        return whole + (self.open or rest > 0)

    def __getitem__(self, number):
        while self.open and len(self.events) < (number + 1) * self.size:
            self._traffic.more(self._place)
            self.open = len(self._traffic.distinct) < MOST_EVENTS
        return lines(self.events[number * self.size:(number + 1) * self.size])

    def pause(self, number):
        """What comes beyond what was asked for only has to go on, not to be much."""
        return PAUSE_S if number * self.size >= self._first else 0

    def note(self, done):
        self.acks += 1
        self.acked = done

    def passed(self):
        """Whether all is acked that there was in the beginning."""
        return self.acked * self.size >= self._first


class Load:
    """Connections that post a scene's traffic, and more of the kind until finish() is called, and
    resend what was not acked when cut off."""

    def __init__(self, scene):
        self.results = []
        self._scene = scene
        self._known = len(scene.traffic.distinct)
        self.streams = [Stream(scene.traffic, place, scene.size) for place in range(CONNECTIONS)]
        self._futures = [background.submit(feed(scene.daemons[place % len(scene.daemons)], stream,
                                                scene.window, stream.note, stream.pause))
                         for place, stream in enumerate(self.streams)]
        scene.daemon.folder.on_exit(self.cancel)

    @property
    def acks(self):
        return sum(stream.acks for stream in self.streams)

    def passed(self):
        """Whether all is acked that there was in the beginning: so it may go on, or end."""
        return all(stream.passed() for stream in self.streams)

    def wait_acks(self, count=5, timeout=60):
        """That many acks more."""
        goal = self.acks + count
        wait_for(lambda: self.acks >= goal or any(f.done() for f in self._futures), timeout,
                 "some acks")
        assert self.acks >= goal, "a connection gave up"

    def hurry(self):
        """After Scene.slow(): the faults are over, and the load is not."""
        self.wait_acks(1)
        for daemon in self._scene.daemons:
            daemon.redis.latency(None)

    def finish(self):
        """Nothing more is made; waits for the last ack. Nothing may have been rejected."""
        background.loop.call_soon_threadsafe(self._close)
        self.results = finish(self._futures)
        self._scene.count(self._scene.traffic.distinct[self._known:])
        return self.results

    def _close(self):
        for stream in self.streams:
            stream.open = False

    def cancel(self):
        """Whatever became of the test, nobody goes on."""
        for future in self._futures:
            future.cancel()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.finish()
        else:
            self.cancel()


class Scene:
    """Traffic, the model that has seen it all, and viewers that watch every topic of it."""

    def __init__(self, daemons, events, seed=20_24, redis=None, size=64, window=48,
                 offset_minutes=480):
        """size: events a message; window: messages a connection has on their way."""
        self.now = now_ms()
        self.size, self.window = size, window
        self.daemons = daemons
        self.redis = redis or daemons[0].redis
        self.traffic = Traffic(seed, events, self.now, CONNECTIONS)
        self.model = Model(offset_minutes)
        self.model.apply_all(self.traffic.distinct, self.now)
        self.topics = every_topic(self.model)
        self.viewers = []
        self.minute = None
        with Tool(daemons[0]) as tool:
            result = tool.post(*self.traffic.catalog)
            assert result.accepted == len(self.traffic.catalog)

    @property
    def distinct(self):
        """How many events the traffic has, without those that come again."""
        return len(self.traffic.distinct) - len(self.traffic.catalog)

    @property
    def daemon(self):
        return self.daemons[0]

    @property
    def proxy(self):
        """Between the first daemon and Redis."""
        return self.daemons[0].redis

    def watch(self):
        for daemon in self.daemons:
            for start in range(0, len(self.topics), 256):
                viewer = Viewer(daemon)
                topics = self.topics[start:start + 256]
                # A daemon that just lost Redis says "unavailable", which means: ask again.
                wait_for(lambda: "errors" not in viewer.subscribe(*topics), 10, "all topics")
                self.viewers.append(viewer)

    def watch_anew(self):
        """After daemons were ended: their viewers went with them."""
        for viewer in self.viewers:
            viewer.close()
        self.viewers = []
        self.watch()

    def feed(self):
        """All of the traffic, and no more. Returns futures, for finish()."""
        messages = self.traffic.messages(self.size)
        targets = [self.daemons[i % len(self.daemons)] for i in range(CONNECTIONS)]
        return feed_all(list(zip(targets, messages)), self.window)

    def load(self):
        """All of the traffic, and more until its finish()."""
        return Load(self)

    def slow(self):
        """Makes its load one of many commits, each a while on its way: there are not too many."""
        self.window = 1
        for daemon in self.daemons:
            daemon.redis.latency(lambda *what: 0.02 if what == ("commit", "request") else 0)
        return self

    def sell(self, daemon, *events):
        """More than the traffic; the model sees it too. Each event has its own time."""
        with Tool(daemon) as tool:
            result = tool.post(*events)
        assert result.accepted == len(events)
        self.count(events)

    def count(self, events):
        """The model sees them."""
        self.model.apply_all(events, self.now)
        self.minute = None

    def expected(self):
        """What stands on the screen only changes with the minute once all is counted."""
        now = now_ms()
        if self.minute != now // 60_000:
            self.minute = now // 60_000
            self.payloads = {t: payload(self.model, t, now) for t in self.topics}
        return self.payloads

    def check_everything(self):
        """Every topic on every daemon, as asked and as pushed; what stands in Redis as a person
        reads it; and that it all follows from the ledger."""
        for daemon in self.daemons:
            self.check_totals(daemon)
        self.check_pushed()
        self.check_hashes()
        verify(self.redis)

    def check_totals(self, daemon):
        """Waits for the first topic, as other daemons' orders may still be on their way."""
        first = self.topics[:1]
        try:
            wait_for(lambda: self.differences(self.asked(daemon, first)) == [], 10,
                     "the grand total")
        finally:
            wrong = self.differences(self.asked(daemon, first))
            assert not wrong, f"{daemon.name} (got, want): {wrong}"
        wrong = self.differences(self.asked(daemon, self.topics))
        assert not wrong, f"{daemon.name} (got, want): {wrong[:3]}"

    def asked(self, daemon, topics):
        got = {}
        for start in range(0, len(topics), 20):
            part = topics[start:start + 20]
            got.update(wait_for(lambda some=part: answered(daemon, some), 10, "an answer"))
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
        client = self.redis.client()
        expected = self.model.redis_hashes()

        def settled():
            return redis_hashes(client) == expected
        try:
            wait_for(settled, 10, "the checkpoint")
        except AssertionError:
            got = redis_hashes(client)
            assert sorted(set(got) - set(expected)) == sorted(set(expected) - set(got)) == []
            wrong = [(k, got[k], expected[k]) for k in expected if got[k] != expected[k]]
            assert wrong[:3] == []

    def stop(self):
        for viewer in self.viewers:
            viewer.close()
        for daemon in self.daemons:
            daemon.stop()


def answered(daemon, topics):
    """What it shows of them; None while it says that it misses Redis: with QUICK time-outs that may
    be for a moment, on a busy machine."""
    answer = get(daemon, "/v1/totals?" + "&".join("topic=" + quote(t, safe="") for t in topics))
    if answer.status == 503:
        assert answer.json()["code"] == "unavailable"
        return None
    assert answer.status == 200, answer.text
    errors = answer.json().get("errors", [])
    assert {error["code"] for error in errors} <= {"unavailable"}, errors
    return None if errors else answer.json()["topics"]


def finish(futures):
    """What feed_all() gave: waits for the last ack. Nothing may have been rejected."""
    results = [f.result(120 * PATIENCE) for f in futures]
    assert [r for result in results for r in result.rejected] == []
    return results


def verify(redis):
    """`livetally verify`: what the lanes count is what the ledger holds."""
    result = livetally("verify", "--redis", redis.target, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def unequal(topic, got, want):
    """What differs, as (got, want), or None. A series' oldest minutes leave the window while we
    look: they are not compared."""
    if topic.startswith("series/"):
        oldest = now_ms() - (int(topic.partition("minutes=")[2] or 120) - 2) * 60_000
        minutes = [m for m in {**got, **want} if m > oldest and got.get(m) != want.get(m)]
        got, want = ({m: side.get(m) for m in minutes} for side in (got, want))
    return None if got == want else (got, want)


def redis_hashes(client):
    """The sum over all lanes: {rest of the key: {field: metrics}}. Hashes first, then what is sealed:
    cells move that way. What is in both counts as its newer version."""
    cells = {}
    keys = [key for key in client.scan_iter("lt:{0}:lane:*:*", count=5000) if HASH_KEY.match(key)]
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.hgetall(key)
    for key, fields in zip(keys, pipe.execute()):
        rows = cells.setdefault(HASH_KEY.match(key).groups(), {})
        for field, text in fields.items():
            *values, version = map(int, text.split())
            assert len(values) == 6 and version > 0
            rows[field] = (version, tuple(values))
    for group, fields in sealed_cells(client).items():
        rows = cells.setdefault(group, {})
        for field, cell in fields.items():
            rows[field] = max(rows.get(field, (0,)), cell)
    sums = {}
    for (_, group), fields in cells.items():
        rows = sums.setdefault(group, {})
        for field, (_, values) in fields.items():
            rows[field] = tuple(a + b for a, b in zip(rows.get(field, (0,) * 6), values))
    return {group: rows for group, rows in sums.items() if rows}


# What more than one test of faults asks.

def sold(daemon):
    """All orders ever, as this daemon answers."""
    return totals(daemon, "total")["topics"]["total"]["all"]["orders"]


def ready(daemon):
    return get(daemon, "/readyz").status == 200


def wait_ready(daemon, timeout=15):
    wait_for(lambda: ready(daemon), timeout, f"{daemon.name} to be ready")


def metric(daemon, name):
    return metrics(daemon)[f"livetally_{name}"]


def resident_bytes(process):
    """Memory of a process that is really there."""
    with open(f"/proc/{process.pid}/status") as status:
        return int(status.read().split("VmRSS:")[1].split()[0]) * 1024


def errors_told(daemon):
    """The lines of a daemon's log that an operator is alarmed by."""
    return [line for line in daemon.log.splitlines() if " error: " in line]
