"""WebSocket by hand, for what no well-behaved library would send: bytes at any pace, cut anywhere,
and thousands of sockets at so little cost that the client is not what a test measures."""
import json
import os
import socket
import struct

from harness import PATIENCE

TEXT, CONTINUATION, CLOSE, PING, PONG = 1, 0, 8, 9, 10
PATHS = {"ingest": "/v1/ingest", "live": "/v1/live"}


def handshake(kind, headers=""):
    return (f"GET {PATHS[kind]} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n").encode()


def header(opcode, size, fin=True, mask=b"\0\0\0\0"):
    first = opcode | (0x80 if fin else 0)
    if size < 126:
        return struct.pack("!BB", first, 0x80 | size) + mask
    if size < 1 << 16:
        return struct.pack("!BBH", first, 0xFE, size) + mask
    return struct.pack("!BBQ", first, 0xFF, size) + mask


def frame(opcode, data, fin=True):
    """As a client has to send it: masked."""
    mask = os.urandom(4)
    repeated = int.from_bytes((mask * (len(data) // 4 + 1))[:len(data)], "big")
    masked = (int.from_bytes(data, "big") ^ repeated).to_bytes(len(data), "big")
    return header(opcode, len(data), fin, mask) + masked


def text(message):
    """A message in one frame: text as it is, anything else as JSON."""
    if not isinstance(message, str):
        message = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return frame(TEXT, message.encode())


class Frames:
    """What a server sends, cut into frames: the answer to the handshake, then (opcode, data)."""

    def __init__(self):
        self.answer = None  # the head of the HTTP answer
        self._data = bytearray()

    def feed(self, data):
        self._data += data
        if self.answer is None:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return []
            self.answer, self._data = bytes(head).decode(), rest
        found, at = [], 0
        while (frame_end := self._end(at)) is not None:
            start, end = frame_end
            found.append((self._data[at] & 15, bytes(self._data[start:end])))
            at = end
        del self._data[:at]
        return found

    def _end(self, at):
        """Where the content of the frame at `at` starts and ends, when all of it is here."""
        if len(self._data) < at + 2:
            return None
        assert self._data[at] & 0x80, "the server doesn't fragment"
        size, start = self._data[at + 1], at + 2
        for mark, width in ((126, 2), (127, 8)):
            if size == mark:
                size = int.from_bytes(self._data[start:start + width], "big")
                start += width
                break
        return (start, start + size) if len(self._data) >= start + size else None


class Raw:
    """A client of bytes. It reads only when asked to."""

    def __init__(self, daemon, kind="ingest", rcvbuf=None, shake=True, path=None, to=None,
                 source=None, first=b"", headers=""):
        """path: of a Unix socket, instead of TCP. to: host and port, source: our own host, where
        those matter. first: sent before the handshake, headers: more of its lines."""
        self.daemon, self.path, self.rcvbuf = daemon, path, rcvbuf
        self.to, self.source = to, source
        self.socket = self.connect()
        self.socket.settimeout(20 * PATIENCE)
        self.frames = Frames()
        self.waiting = []  # frames read and not asked for yet
        self.sent = 0      # messages
        self.upto = 0
        self.counts = {"accepted": 0, "duplicates": 0, "parked": 0}
        self.rejected = []
        if shake:
            self.send(first + handshake(kind, headers))
            assert self.message("hello")

    def connect(self):
        """A socket that is connected; for subclasses to do it otherwise."""
        where = self.path or self.to or self.daemon.address
        peer = socket.socket(socket.AF_UNIX if self.path else
                             socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
        if self.rcvbuf:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.rcvbuf)
        peer.settimeout(20 * PATIENCE)
        if self.source:
            peer.bind((self.source, 0))
        peer.connect(where)
        if not self.path:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer

    def send(self, data):
        self.socket.sendall(data)

    def post(self, *events):
        self.send(text("\n".join(json.dumps(e) for e in events)))
        self.sent += 1

    def next_frame(self):
        """(opcode, data), or None when the server has closed."""
        while not self.waiting:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.waiting = self.frames.feed(data)
        return self.waiting.pop(0)

    def next_frame_of(self, opcode):
        """Its content; None when the server closes before it."""
        while found := self.next_frame():
            if found[0] == opcode:
                return found[1]
            self._see(*found)
        return None

    def message(self, kind):
        """The next message of that type; None when the server closes before it."""
        while found := self.next_frame():
            message = self._see(*found)
            if message and message["type"] == kind:
                return message
        return None

    def _see(self, opcode, data):
        """The message, if it is one; acks are counted."""
        message = json.loads(data) if opcode == TEXT else None
        if message and message["type"] == "ack":
            assert message["upto"] > self.upto, "acks go forward"
            self.upto = message["upto"]
            self.rejected += message["rejected"]
            for name in self.counts:
                self.counts[name] += message[name]
        return message

    def settle(self):
        """Reads until all that was posted is acked."""
        while self.upto < self.sent:
            assert self.message("ack"), f"closed after message {self.upto} of {self.sent}"
        assert self.upto == self.sent

    def close_code(self):
        """Reads to the end: the code the server closes with; None without one."""
        code = None
        while found := self.next_frame():
            self._see(*found)
            if found[0] == CLOSE:
                code = int.from_bytes(found[1][:2], "big")
        self.close()
        return code

    def reset(self):
        """Ends with RST, as a crashed machine's router may say it; nothing more is read."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
