"""Foreign clients (python3-websockets): Tool posts events, Viewer follows topics, http() asks.

The sockets live on one asyncio loop in a thread of its own, so that a test reads from top to
bottom; wait() blocks the test until a message made its predicate true.
"""
import asyncio
import http.client
import json
import threading
from types import SimpleNamespace
from urllib.parse import quote

import websockets

from harness import PATIENCE

INGEST = ("/v1/ingest", "livetally.ingest.v1")
LIVE = ("/v1/live", "livetally.live.v1")
TEXT, BINARY, CONTINUATION = 1, 2, 0


class _Background:
    """The loop that all sockets of a test run live on."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine, timeout=30):
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result(timeout * PATIENCE)

    def submit(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)


background = _Background()


def connect(address, path, subprotocol=None, **options):
    """address: (host, port), or the path of a Unix socket; ssl=CONTEXT: by TLS. Returns an
    awaitable."""
    scheme = "wss" if options.get("ssl") else "ws"
    options.setdefault("max_size", None)
    options.setdefault("max_queue", None)
    options.setdefault("ping_interval", None)
    if subprotocol:
        options["subprotocols"] = [subprotocol]
    if isinstance(address, tuple):
        return websockets.connect("%s://%s:%d%s" % (scheme, *address, path), **options)
    if scheme == "wss":
        options.setdefault("server_hostname", "localhost")
    return websockets.unix_connect(str(address), f"{scheme}://localhost{path}", **options)


def encode(message):
    if isinstance(message, (str, bytes)):
        return message
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def lines(events):
    return "\n".join(encode(e) for e in events)


class Connection:
    """One WebSocket. Messages are parsed as they come, and seen by on_message()."""

    def __init__(self, daemon, path, subprotocol=None, address=None, read=True, **options):
        self.messages = []
        self.close_code = None
        self.close_reason = ""
        self._news = threading.Condition()
        where = address or daemon.address
        self.ws = background.run(self._open(where, path, subprotocol, options))
        self._reading = None
        if read:
            self.start_reading()

    async def _open(self, address, path, subprotocol, options):
        return await connect(address, path, subprotocol, **options)

    def start_reading(self):
        self._reading = background.submit(self._read())

    async def _read(self):
        try:
            async for text in self.ws:
                message = json.loads(text)
                with self._news:
                    self.messages.append(message)
                    self.on_message(message)
                    self._news.notify_all()
        except websockets.ConnectionClosed:
            pass
        finally:
            with self._news:
                self.close_code = self.ws.close_code
                self.close_reason = self.ws.close_reason
                self._news.notify_all()

    def on_message(self, message):
        """For subclasses; called in order, under the lock."""

    def send(self, message):
        """Text as it is, anything else as JSON. Returns when the socket took it."""
        background.run(self.ws.send(encode(message)))

    def send_frame(self, opcode, data, fin=True):
        """Any bytes as one frame: also what a well-behaved client could not send."""
        background.run(self.ws.write_frame(fin, opcode, data))

    def wait(self, predicate, timeout=10, what="a message"):
        """Waits until predicate() is true; it is tried again after each message."""
        with self._news:
            def settled():
                return predicate() or self.close_code is not None
            self._news.wait_for(settled, timeout * PATIENCE)
            value = predicate()
            assert value, (f"waited in vain for {what}; closed={self.close_code}; "
                           f"last messages: {self.messages[-3:]}")
            return value

    def of_type(self, kind):
        return [m for m in self.messages if m["type"] == kind]

    def wait_type(self, kind, count=1, timeout=10):
        """The count-th message of that type."""
        self.wait(lambda: len(self.of_type(kind)) >= count, timeout, f"{count} × {kind}")
        return self.of_type(kind)[count - 1]

    def wait_closed(self, timeout=10):
        self.wait(lambda: self.close_code is not None, timeout, "the close")
        return self.close_code

    @property
    def hello(self):
        return self.wait_type("hello")

    def close(self):
        """Also when the daemon dies at this very moment, which the library takes amiss."""
        try:
            background.run(self.ws.close())
        except websockets.ConnectionClosed:
            pass

    def abort(self):
        """Ends without a word, as a crash does."""
        background.loop.call_soon_threadsafe(self.ws.transport.abort)
        self.wait_closed()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Tool(Connection):
    """Posts events. post() sends one message and returns what its ack says."""

    def __init__(self, daemon, **options):
        self.sent = 0
        self.upto = 0
        self.accepted = self.duplicates = self.parked = 0
        self.rejected = []
        path, subprotocol = INGEST
        options.setdefault("subprotocol", subprotocol)
        super().__init__(daemon, path, **options)

    def on_message(self, message):
        if message["type"] == "ack":
            assert message["upto"] > self.upto, "acks go forward"
            self.upto = message["upto"]
            self.accepted += message["accepted"]
            self.duplicates += message["duplicates"]
            self.parked += message["parked"]
            self.rejected += message["rejected"]

    def send(self, message):
        self.sent += 1
        super().send(message)

    def send_events(self, *events):
        self.send(lines(events))

    def settle(self, timeout=15):
        """Waits until all that was sent is acked."""
        self.wait(lambda: self.upto >= self.sent, timeout, f"ack of message {self.sent}")
        assert self.upto == self.sent

    def post_message(self, message):
        self.settle()
        before = (self.accepted, self.duplicates, self.parked, len(self.rejected))
        self.send(message)
        self.settle()
        return SimpleNamespace(accepted=self.accepted - before[0],
                               duplicates=self.duplicates - before[1],
                               parked=self.parked - before[2],
                               rejected=self.rejected[before[3]:])

    def post(self, *events):
        return self.post_message(lines(events))

    def verdict(self, event):
        """What became of one event: "accepted", "duplicate", "parked" or a code."""
        return verdict_of(self.post(event))


def verdict_of(result):
    verdicts = (["accepted"] * result.accepted + ["duplicate"] * result.duplicates
                + ["parked"] * result.parked + [r["code"] for r in result.rejected])
    assert len(verdicts) == 1, verdicts
    return verdicts[0]


class Viewer(Connection):
    """Follows topics and merges snapshots and updates into `values`, as PROTOCOL says."""

    def __init__(self, daemon, **options):
        self.values = {}
        self.epoch = None
        self.ver = 0
        self.stale = None
        self.updates = 0
        path, subprotocol = LIVE
        options.setdefault("subprotocol", subprotocol)
        super().__init__(daemon, path, **options)

    def on_message(self, message):
        if message["type"] not in ("snapshot", "update"):
            return
        if message["epoch"] != self.epoch:
            self.values.clear()
            self.epoch, self.ver = message["epoch"], 0
        assert message["ver"] >= self.ver, "ver never goes back"
        self.ver = message["ver"]
        self.stale = message["stale"]
        self.updates += message["type"] == "update"
        for topic, payload in message["topics"].items():
            fresh = message["type"] == "snapshot" or topic not in self.values
            if topic.startswith("series/"):
                self._merge_series(topic, payload, fresh)
            elif topic.startswith("ticker"):
                self._merge_ticker(topic, payload, fresh)
            else:
                self.values[topic] = payload

    def _merge_series(self, topic, payload, fresh):
        if fresh:
            self.values[topic] = {}
        self.values[topic].update(series_buckets(payload))

    def _merge_ticker(self, topic, payload, fresh):
        if fresh:
            self.values[topic] = {"orders": [], "lost": 0}
        self.values[topic]["orders"] += payload["orders"]
        self.values[topic]["lost"] += payload["lost"]

    def subscribe(self, *topics, interval_ms=100):
        """Returns the snapshot."""
        before = len(self.of_type("snapshot"))
        self.send({"type": "subscribe", "topics": list(topics), "interval_ms": interval_ms})
        return self.wait_type("snapshot", before + 1)

    def unsubscribe(self, *topics):
        self.send({"type": "unsubscribe", "topics": list(topics)})
        for topic in topics:
            self.values.pop(topic, None)

    def wait_until(self, predicate, timeout=10):
        """predicate(values)"""
        return self.wait(lambda: predicate(self.values), timeout, "the values")


def series_buckets(payload):
    """{minute's start: (orders, gross, refunded)} of the buckets that aren't empty."""
    assert payload["step_ms"] == 60000
    rows = list(zip(payload["orders"], payload["gross"], payload["refunded"], strict=True))
    return {payload["start"] + i * 60000: row for i, row in enumerate(rows) if any(row)}


def http_request(daemon, method, path, body=None, headers=None, timeout=20, address=None, ssl=None):
    """One request; .status, .headers, .text, and .json() of the answer. ssl=CONTEXT: by TLS."""
    where, timeout = address or daemon.address, timeout * PATIENCE
    if ssl:
        connection = http.client.HTTPSConnection(*where, timeout=timeout, context=ssl)
    else:
        connection = http.client.HTTPConnection(*where, timeout=timeout)
    try:
        if isinstance(body, str):
            body = body.encode()
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        return SimpleNamespace(status=answer.status, headers=answer.headers, text=text,
                               json=lambda: json.loads(text))
    finally:
        connection.close()


def get(daemon, path):
    return http_request(daemon, "GET", path)


def fetch(daemon, path, method="GET", **headers):
    """One request as it comes: .body is not decoded, and no header sent that isn't named."""
    connection = http.client.HTTPConnection(*daemon.address, timeout=20 * PATIENCE)
    try:
        connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=answer.read())
    finally:
        connection.close()


def post_events(daemon, body, content_type="application/json"):
    return http_request(daemon, "POST", "/v1/events", encode(body),
                        {"Content-Type": content_type})


def totals(daemon, *topics):
    """The snapshot object of GET /v1/totals."""
    answer = get(daemon, "/v1/totals?" + "&".join("topic=" + quote(t, safe="") for t in topics))
    assert answer.status == 200, answer.text
    return answer.json()


def metrics(daemon):
    """{name or name{labels}: value} of GET /metrics."""
    answer = get(daemon, "/metrics")
    assert answer.status == 200
    rows = [line.rsplit(" ", 1) for line in answer.text.splitlines() if line[:1] not in ("#", "")]
    return {name: float(value) for name, value in rows}


async def feed(daemon, messages, window=48, on_ack=None, pause=None):
    """Posts messages in order, windowed; reconnects, and sends again what was not acked. pause(n):
    seconds to wait before the nth message."""
    path, subprotocol = INGEST
    done = 0
    counts = {"accepted": 0, "duplicates": 0, "parked": 0}
    rejected = []
    while done < len(messages):
        try:
            async with connect(daemon.address, path, subprotocol) as ws:
                base = sent = done
                while done < len(messages):
                    while sent < min(len(messages), done + window):
                        if pause:
                            await asyncio.sleep(pause(sent))
                            if sent == len(messages):
                                break  # there were to be more when the pause began
                        await ws.send(messages[sent])
                        sent += 1
                    if sent == done:
                        break
                    message = json.loads(await ws.recv())
                    if message["type"] != "ack":
                        continue
                    done = base + message["upto"]
                    rejected += message["rejected"]
                    for key in counts:
                        counts[key] += message[key]
                    if on_ack:
                        on_ack(done)
        except (OSError, websockets.WebSocketException, FileNotFoundError, AssertionError,
                asyncio.TimeoutError):
            await asyncio.sleep(0.02)
    return SimpleNamespace(**counts, rejected=rejected)


class Endless:
    """Messages for feed(): there is always one more, as make() returns it, until stop()."""

    def __init__(self, make):
        self._make = make
        self._made = []
        self._open = True

    def __len__(self):
        return len(self._made) + self._open

    def __getitem__(self, number):
        if number == len(self._made):
            self._made.append(self._make())
        return self._made[number]

    def stop(self):
        self._open = False


def feed_all(streams, window=48, on_ack=None):
    """streams: (daemon, messages) of each connection, all at the same time. Returns futures."""
    return [background.submit(feed(daemon, messages, window, on_ack))
            for daemon, messages in streams]
