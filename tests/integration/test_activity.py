"""What a connection has only while something is under way: it comes, goes and comes again, and no
limit is forgotten with it."""
import http.client
import json

import pytest

from events import order
from harness import PATIENCE, Daemon, wait_for
from limits import goodbye_of, refused
from wire import CONTINUATION, PING, PONG, TEXT, Raw, frame, header, text

SUBSCRIBE = {"live": {"type": "subscribe", "topics": ["total"]}}


class Watch:
    """Reads the figures over one connection, which is always active itself."""

    def __init__(self, daemon):
        self.connection = http.client.HTTPConnection(*daemon.address, timeout=20 * PATIENCE)

    def metrics(self):
        self.connection.request("GET", "/metrics")
        lines = self.connection.getresponse().read().decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if line.startswith("livetally_"))

    def figures(self):
        """How many others are active, and bytes that wait for peers to read."""
        found = self.metrics()
        return (int(found["livetally_active_connections"]) - 1,
                int(found['livetally_memory_bytes{kind="send_queue"}']))

    def arriving_bytes(self):
        """Of messages of which a part is here."""
        return int(self.metrics()['livetally_memory_bytes{kind="assembly"}'])

    def others(self):
        return self.figures()[0]

    def wait(self, count, what):
        wait_for(lambda: self.others() == count, 10, what)

    def close(self):
        self.connection.close()


@pytest.fixture
def daemon(folder, redis):
    started = Daemon(folder, redis)
    yield started
    started.stop()


@pytest.fixture
def watch(daemon):
    made = Watch(daemon)
    yield made
    made.close()


def answered(peer, kind):
    if kind == "live":
        return peer.message("snapshot")
    peer.sent += 1
    peer.settle()
    return True


@pytest.mark.parametrize("kind", ["ingest", "live"])
def test_only_a_message_under_way_makes_a_websocket_active(daemon, watch, kind):
    whole = text(SUBSCRIBE.get(kind) or order("x", 1))
    with Raw(daemon, kind) as peer:
        watch.wait(0, "the handshake to be over")
        for cut in (1, 4, len(whole) - 1):  # in a header's bytes, and in the content's
            peer.send(whole[:cut])
            watch.wait(1, "a part of a message")
            peer.send(whole[cut:])
            assert answered(peer, kind)
            watch.wait(0, "the message's end")
        peer.send(whole)
        assert answered(peer, kind)
        watch.wait(0, "a whole message to leave nothing")


@pytest.mark.parametrize("kind", ["ingest", "live"])
def test_a_message_in_fragments_is_under_way_until_the_last(daemon, watch, kind):
    words = json.dumps(SUBSCRIBE.get(kind) or order("x", 1))
    with Raw(daemon, kind) as peer:
        for _ in range(2):
            watch.wait(0, "nothing to be under way")
            peer.send(frame(TEXT, words[:9].encode(), fin=False))
            watch.wait(1, "the first fragment")
            peer.send(frame(PING, b"between"))
            assert peer.next_frame_of(PONG) == b"between"
            assert watch.others() == 1, "a ping is no end"
            peer.send(frame(CONTINUATION, words[9:].encode()))
            assert answered(peer, kind)
        watch.wait(0, "the last fragment")


@pytest.mark.parametrize("kind", ["ingest", "live"])
def test_fragments_that_come_at_once_are_a_message(daemon, watch, kind):
    """All of them are looked at first, so that no frame is under way when the first is handled."""
    words = json.dumps(SUBSCRIBE.get(kind) or order("x", 1)).encode()
    fragments = frame(TEXT, words[:9], fin=False) + frame(CONTINUATION, words[9:])
    with Raw(daemon, kind) as peer:
        for _ in range(3):
            watch.wait(0, "nothing to be under way")
            peer.send(fragments)
            assert answered(peer, kind)
            assert watch.arriving_bytes() == 0
        watch.wait(0, "the last message's end")


@pytest.mark.parametrize("kind", ["ingest", "live"])
def test_a_fault_right_behind_a_message_is_remembered(daemon, watch, kind):
    """Seen before the message is handled, after which nothing seems to be under way."""
    whole = text(SUBSCRIBE.get(kind) or order("x", 1))
    with Raw(daemon, kind) as peer:
        watch.wait(0, "the handshake to be over")
        peer.send(whole + b"\xf1" + whole)  # reserved bits
        assert goodbye_of(peer) == (1002, "bad_frame")
    watch.wait(0, "its end")


def test_who_leaves_in_the_middle_leaves_nothing(daemon, watch):
    peers = [Raw(daemon, kind) for kind in ("ingest", "live") * 3]
    for peer in peers:
        peer.send(header(TEXT, 100) + b"x")
    watch.wait(6, "a part of each message")
    for peer in peers:
        peer.reset()
    watch.wait(0, "their end")


def test_acks_that_are_not_read_are_under_way_until_they_are(daemon, watch):
    bad = text("\n".join(json.dumps({"type": "order", "order_id": "!" * 60}) for _ in range(100)))

    def stuck():
        tool.send(bad)
        tool.sent += 1
        active, queued_bytes = watch.figures()
        assert active or not queued_bytes
        return queued_bytes
    with Raw(daemon, rcvbuf=4096) as tool:
        watch.wait(0, "nothing to be under way")
        wait_for(stuck, 20, "its socket to be full")
        first_bytes = stuck()
        wait_for(lambda: stuck() > first_bytes, 20, "more acks to wait behind those")
        tool.settle()
        watch.wait(0, "all acks to be read")
        assert watch.figures() == (0, 0)


def test_limits_hold_over_it(folder, redis):
    """A rate, and for how long it was exceeded, outlast messages that came in parts."""
    daemon = Daemon(folder, redis, {"limits.messages_per_s": 5, "limits.burst_ms": 1000,
                                    "limits.rate_close_ms": 700})
    watch = Watch(daemon)
    for kind in ("ingest", "live"):
        whole = text({"type": "auth"})
        with Raw(daemon, kind) as peer:
            for _ in range(3):
                watch.wait(0, "nothing to be under way")
                peer.send(whole[:5])
                watch.wait(1, "a part")
                peer.send(whole[5:])
            peer.send(whole * 200)
            assert goodbye_of(peer) == (4429, "too_fast")
    assert refused(daemon, "rate") == 2
    watch.close()
    daemon.stop()


def test_who_was_held_back_is_forgiven_when_it_is_over(folder, redis):
    daemon = Daemon(folder, redis, {"limits.messages_per_s": 1, "limits.burst_ms": 1000})
    watch = Watch(daemon)
    with Raw(daemon, "live") as peer:
        peer.send(text({"type": "auth"}) * 6)
        watch.wait(1, "it to be held back")

        def forgiven():
            peer.send(frame(PING, b""))
            return peer.next_frame_of(PONG) == b"" and watch.others() == 0
        wait_for(forgiven, 30, "it to be over")
    watch.close()
    daemon.stop()
