"""Tools that vanish, stop in the middle of a message, come and go by the thousand, crawl, flood or
never read their acks. Each costs a bounded piece of memory and only itself; all along a healthy
tool posts, gets its acks, and its orders, and those of all others, are exact in the end."""
import json
import os
import signal
import socket
import struct
import threading
import time

import pytest

from crowd import Crowd
from events import order
from harness import PATIENCE, Daemon, RedisServer, wait_for
from scene import metric, resident_bytes
from wire import CLOSE, CONTINUATION, PING, PONG, TEXT, Raw, frame, handshake, header, text
from witness import Witness, descriptors

MIB = 1 << 20
QUICK_PINGS = {"limits.ping_idle_ms": 1000, "limits.ping_wait_ms": 1000,
               "limits.handshake_ms": 1000}


# However slow the machine is, nobody takes too long by that alone.
AT_LEISURE = {"limits.handshake_ms": 120_000, "limits.message_ms": 120_000}


@pytest.fixture
def witness(folder):
    witness = Witness(Daemon(folder, RedisServer(folder), AT_LEISURE))
    yield witness
    witness.stop()


# --- half-open connections ------------------------------------------------------------------------

def test_half_open_connections_are_dropped(folder):
    """Peers that are there for TCP and for nobody else: a machine that hangs, a process that is
    stopped, a client that sent half of a request, or of a message, and was never heard of again."""
    daemon = Daemon(folder, RedisServer(folder), QUICK_PINGS)
    witness, crowd = Witness(daemon), Crowd(folder)
    crowd.join("frozen", daemon, 100, [["total"]])
    crowd.wait("frozen", lambda s: s["snapshots"] == 100)
    os.kill(crowd.pid, signal.SIGSTOP)  # its kernel still takes what is sent
    whole = text(order("half", 1))
    silent = [Raw(daemon, shake=False) for _ in range(50)]
    for n, peer in enumerate(silent):
        peer.send(handshake("ingest")[:n])
    silent += [Raw(daemon, "ingest") for _ in range(50)]
    silent += [Raw(daemon, "live") for _ in range(50)]
    for n, peer in enumerate(silent[50:]):
        peer.send(whole[:n])
    full = [Raw(daemon, "live", rcvbuf=4096) for _ in range(20)]  # with data that can't be sent
    boards = [f"host/{'x' * 60}{n}" for n in range(256)]
    for peer in full:
        peer.send(text({"type": "subscribe", "topics": boards}))
    assert metric(daemon, "ingest_connections_total") == 51
    all_there = time.monotonic()

    def all_gone():
        witness.post()
        return descriptors(daemon) <= witness.descriptors
    wait_for(all_gone, 30, "half-open connections to be dropped")
    witness.wait_gone()
    assert all(peer.close_code() is None for peer in silent), "no goodbye to nobody"
    assert time.monotonic() - all_there > 0.9, "they can't have been found silent"
    witness.check()
    os.kill(crowd.pid, signal.SIGCONT)  # it finds itself cut off
    crowd.wait("frozen", lambda s: s["closes"] == 100)
    for peer in full:
        peer.close()
    witness.stop()


# --- messages that end in the middle --------------------------------------------------------------

def test_messages_cut_in_the_middle_count_nothing(witness):
    """At every byte of a message, in and after a fragment: by FIN, and by RST. The same events
    posted again in full then count once each."""
    events = [order("cut", n) for n in range(len(text(order("cut", 100))))]
    fragmented = [frame(TEXT, json.dumps(order("cut", 0))[:40].encode(), fin=False)
                  + frame(CONTINUATION, b" " * n, fin=False) for n in range(20)]
    for n, event in enumerate(events):
        peer = Raw(witness.daemon)
        peer.send(text(event)[:min(n, len(text(event)) - 1)])
        peer.reset() if n % 2 else peer.close()
    for n, data in enumerate(fragmented):
        peer = Raw(witness.daemon)
        peer.send(data)
        peer.reset() if n % 2 else peer.close()
    witness.wait_gone()
    witness.check()
    with Raw(witness.daemon) as peer:
        peer.post(*events)
        peer.settle()
        assert peer.counts["accepted"] == len(events), "none of them had counted"
    witness.check(others=len(events))


# --- ten thousand connections ---------------------------------------------------------------------

WAVE, WAVES = 500, 20
LEFT_BYTES = 4 * MIB  # what ten thousand connections may leave behind, of allocators and tables


def come_and_go(daemon, number):
    """One connection of each kind that there is."""
    kind = number % 8
    if kind == 0:  # not a word
        return Raw(daemon, shake=False).close
    if kind == 1:  # in the middle of the handshake
        peer = Raw(daemon, shake=False)
        peer.send(handshake("ingest")[:number % 150])
        return peer.reset if number % 16 < 8 else peer.close
    if kind == 2:  # a request that is none
        peer = Raw(daemon, shake=False)
        peer.send(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        return peer.close
    if kind == 3:  # gone before it read the answer
        peer = Raw(daemon, shake=False)
        peer.send(handshake("live"))
        return peer.reset
    peer = Raw(daemon, "live" if kind == 4 else "ingest")
    if kind == 4:  # a viewer
        peer.send(text({"type": "subscribe", "topics": ["total", f"host/h{number % 20}"]}))
        return peer.reset if number % 16 < 8 else peer.close
    if kind == 5:  # in the middle of a message
        peer.send(text(order("wave", number))[:number % 100])
        return peer.reset
    peer.post(order("wave", number))
    if kind == 6:  # acked, or not: the test posts it again
        return peer.reset
    peer.settle()
    peer.send(frame(CLOSE, struct.pack("!H", 1000)))
    return peer.close_code


@pytest.mark.plain_build  # sanitizers hold freed memory back
def test_ten_thousand_connections_come_and_go(witness):
    """In waves that are open together, and end all at once."""
    orders, after = [], []
    for wave in range(WAVES):
        numbers = range(wave * WAVE, (wave + 1) * WAVE)
        ends = [come_and_go(witness.daemon, number) for number in numbers]
        witness.post()
        for end in ends:
            end()
        witness.post()
        orders += [order("wave", n) for n in numbers if n % 8 in (6, 7)]
        if wave % 5 == 4:
            witness.wait_gone()
            after.append(resident_bytes(witness.daemon))
    for reason in ("total", "descriptors", "upgrade"):
        assert metric(witness.daemon, f'connections_refused_total{{reason="{reason}"}}') == 0
    assert after[-1] - after[0] < LEFT_BYTES, after
    with Raw(witness.daemon) as peer:
        for start in range(0, len(orders), 500):
            peer.post(*orders[start:start + 500])
        peer.settle()
        counts = peer.counts
    assert counts["accepted"] + counts["duplicates"] == len(orders)
    assert counts["duplicates"] >= len(orders) // 2, "what had been acked is known"
    witness.check(others=len(orders))
    print(f"{WAVES * WAVE} connections; grown from {after[0] >> 10} to {after[-1] >> 10} KiB "
          f"over {WAVES - 5} waves; {counts}")


# --- slow senders ---------------------------------------------------------------------------------

def test_two_hundred_tools_that_send_a_byte_at_a_time(witness):
    """Every byte comes alone, and after it somebody else's order is posted and acked."""
    peers = [Raw(witness.daemon) for _ in range(200)]
    messages = [text(order("slow", n, host_id=f"h{n}", product_id=f"p{n}")) for n in range(200)]
    before = resident_bytes(witness.daemon)
    for place in range(max(map(len, messages))):
        for peer, message in zip(peers, messages):
            peer.send(message[place:place + 1])
        witness.post()
    for peer in peers:
        peer.sent = 1
        peer.settle()
        assert peer.counts["accepted"] == 1
        peer.close()
    assert resident_bytes(witness.daemon) - before < 16 * MIB
    witness.wait_gone()
    witness.check(others=200)


def test_a_handshake_a_byte_at_a_time(witness):
    """Slow but steady gets in, within the time for it; then an order, one byte after the other."""
    peer = Raw(witness.daemon, shake=False)
    for byte in handshake("ingest"):
        peer.send(bytes([byte]))
        witness.post()
    assert peer.message("hello")
    peer.post(order("slow", 1))
    peer.settle()
    peer.close()
    witness.check(others=1)


# --- floods of bad messages -----------------------------------------------------------------------

BAD = ["nonsense", "{", '{"type":"order",}', '"text', "\\", "[1,2", "{]" * 2000]


def flood(daemon, kind, number):
    """1,000 bad messages; as much of it as the daemon takes, which is more than a hundred."""
    peer = Raw(daemon, kind)
    peer.socket.setblocking(False)
    try:
        peer.send(b"".join(text(BAD[(number + n) % len(BAD)]) for n in range(1000)))
    except BlockingIOError:
        pass
    peer.socket.settimeout(20 * PATIENCE)
    return peer


def test_floods_of_bad_messages_are_cut_off(witness):
    """From 100 connections at once: the hundredth message ends it, those behind it are not even
    looked at, nor kept. What the first wave needed is enough for the second."""
    bad, memory = metric(witness.daemon, "bad_messages_total"), []
    for _ in range(2):
        peers = [flood(witness.daemon, ("ingest", "live")[n % 2], n) for n in range(100)]
        witness.post()
        assert [peer.close_code() for peer in peers] == [4400] * 100
        assert {(peer.upto, len(peer.rejected)) for peer in peers[::2]} == {(100, 100)}
        witness.wait_gone()
        memory.append(resident_bytes(witness.daemon))
    assert metric(witness.daemon, "bad_messages_total") - bad == 2 * 100 * 100
    assert memory[1] - memory[0] < 16 * MIB, "of more than 50 that were sent"
    witness.check()


# --- acks that nobody reads -----------------------------------------------------------------------

DEAF = 200
WINDOW = 1000  # limits.window_events
# Of one that doesn't read: what is wrong with each event of its window, and one message of 1,000
# events on top that was begun before; what the kernel holds is the kernel's.
DEAF_BYTES = MIB


class Deaf(Raw):
    """Sends without end, and reads nothing until the test wants it to. One event of each message is
    an order; the others are wrong, so that acks are long."""

    def __init__(self, path, number, size, joined):
        """size: events of a message; joined: messages made at once."""
        super().__init__(None, path=path)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # little waits on the way
        self.number, self.size, self.joined = number, size, joined
        self._rest = b""

    def _messages(self):
        data = b""
        for _ in range(self.joined):
            good = order(f"deaf{self.number}", self.sent)
            wrong = ['{"type":"order"}'] * (self.size - 1)
            data += text("\n".join([json.dumps(good), *wrong]))
            self.sent += 1
        return data

    def pour(self):
        """Whether the socket took anything."""
        self._rest = self._rest or self._messages()
        self.socket.setblocking(False)
        try:
            self._rest = self._rest[self.socket.send(self._rest):]
            return True
        except BlockingIOError:
            return False
        finally:
            self.socket.settimeout(20 * PATIENCE)

    def hear(self):
        """Sends the rest of what it began, and reads all acks."""
        pouring = threading.Thread(target=self.send, args=(self._rest,))
        pouring.start()
        self.settle()
        pouring.join()


@pytest.mark.plain_build  # sanitizers hold freed memory back
def test_two_hundred_tools_that_never_read_their_acks(folder):
    """What they send is no longer read when their windows are full, and costs nobody else anything.
    When they read at last, no ack is missing, and each order counts once."""
    path = f"{folder.path}/in"
    witness = Witness(Daemon(folder, RedisServer(folder), {"limits.window_events": WINDOW},
                             listen=("127.0.0.1:0", f"unix:{path}")))
    before = resident_bytes(witness.daemon)
    peers = [Deaf(path, n, *((2, 100) if n % 4 == 1 else (1000, 1))) for n in range(DEAF)]
    stuck = 0
    while stuck < 20:  # orders of another tool, posted and acked, in which nobody got anywhere
        stuck = 0 if sum([peer.pour() for peer in peers]) else stuck + 1
        witness.post()
    grown = resident_bytes(witness.daemon) - before
    print(f"grown by {grown >> 10} KiB, {grown // DEAF >> 10} KiB each, with "
          f"{peers[0].sent} and {peers[1].sent} messages sent by each")
    assert grown < DEAF * DEAF_BYTES
    assert metric(witness.daemon, "ingest_connections") == 1 + DEAF, "none was sent away"
    for peer in peers:
        peer.hear()
        assert peer.counts == {"accepted": peer.sent, "duplicates": 0, "parked": 0}
        assert len(peer.rejected) == peer.sent * (peer.size - 1)
        peer.close()
    witness.wait_gone()
    witness.check(others=sum(peer.sent for peer in peers))
    witness.stop()


# --- fragments and pings --------------------------------------------------------------------------

def pieces(data, size):
    """A message in fragments of `size` bytes."""
    parts = [data[at:at + size] for at in range(0, len(data), size)]
    return [frame(CONTINUATION if n else TEXT, part, fin=n == len(parts) - 1)
            for n, part in enumerate(parts)]


def padded(event, size):
    data = json.dumps({**event, "note": ""})
    return data.replace('"note": ""', '"note": "' + "x" * (size - len(data)) + '"').encode()


def test_giant_fragments_and_thousands_of_tiny_ones(witness):
    """A message is one in two fragments of half a MiB, in 5,000, or byte by byte, with empty ones
    and pings between them. What gets too long is refused, whatever it says of its length."""
    largest = [padded(order("big", n), MIB) for n in range(2)]
    with Raw(witness.daemon) as peer:
        peer.send(b"".join(pieces(largest[0], MIB // 2)))
        for fragment in pieces(largest[1], 210):
            peer.send(fragment)
        tiny = pieces(json.dumps(order("big", 2)).encode() + b" " * 3000, 1)
        tiny.insert(1, frame(CONTINUATION, b"", fin=False) * 1000)
        for n in range(0, len(tiny), 50):
            peer.send(b"".join(tiny[n:n + 50]))
            if n + 50 < len(tiny):
                peer.send(frame(PING, b"between %d" % n))
                assert peer.next_frame_of(PONG) == b"between %d" % n
        peer.sent = 3
        peer.settle()
        assert (peer.counts["accepted"], peer.rejected) == (3, [])
    too_big = (header(TEXT, MIB + 1) + b"x" * (MIB + 1), header(TEXT, 1 << 40) + b"x" * 2 * MIB,
               b"".join(pieces(b"x" * (MIB + 1), 4096)))
    peers = [Raw(witness.daemon) for _ in too_big]
    for peer, data in zip(peers, too_big):
        peer.send(data)
    assert [peer.close_code() for peer in peers] == [1009] * len(too_big)
    witness.wait_gone()
    witness.check(others=3)


def test_frames_that_break_the_rules_end_their_connection_alone(witness):
    """A new message within another, fragments of none, pings in fragments or too long, reserved
    bits and codes: said goodbye to and closed, also when the peer stays and talks on. What was
    before is answered, what comes after isn't read."""
    begun = frame(TEXT, json.dumps(order("rule", 1)).encode()[:50], fin=False)
    broken = [begun + begun, begun + text(order("rule", 1)), frame(CONTINUATION, b"{}"),
              frame(PING, b"x", fin=False), frame(PING, b"x" * 126), frame(3, b"x"), frame(11, b""),
              b"\xf1" + frame(TEXT, b"{}")[1:], frame(CLOSE, b"x")]
    peers = [Raw(witness.daemon) for _ in broken]
    for peer, data in zip(peers, broken):
        peer.send(data)
        peer.post(order("rule", 1))
        witness.post()
        assert peer.message("goodbye")["code"] == "bad_frame", data
    assert [peer.close_code() for peer in peers] == [1002] * len(peers)
    assert [peer.upto for peer in peers] == [0] * len(peers)
    witness.wait_gone()
    witness.check()


PINGS = 5000


def test_floods_of_pings_from_who_reads_no_pongs(witness):
    """100 connections of both kinds. Pongs are not queued up for them."""
    flood, before = frame(PING, b"x" * 125) * PINGS, resident_bytes(witness.daemon)
    peers = [Raw(witness.daemon, ("ingest", "live")[n % 2], rcvbuf=4096) for n in range(100)]
    left = {peer: flood for peer in peers}
    stuck = 0
    while left and stuck < 20:
        stuck += 1
        for peer in list(left):
            peer.socket.setblocking(False)
            try:
                left[peer] = left[peer][peer.socket.send(left[peer]):]
                stuck = 0
            except BlockingIOError:
                pass
            except OSError:
                left[peer] = b""  # sent away
            if not left[peer]:
                del left[peer]
        witness.post()
    grown = resident_bytes(witness.daemon) - before
    print(f"grown by {grown >> 10} KiB")
    assert not left, "all are read, and answered as far as somebody listens"
    assert grown < 16 * MIB
    for peer in peers:
        peer.reset()
    witness.wait_gone()
    witness.check()
