"""Stream: a Viewer by server-sent events, read by hand as the HTML standard says, byte by byte of it,
because what is promised is what stands on the wire."""
import json
import socket
import threading
from types import SimpleNamespace
from urllib.parse import quote

from clients import Viewer
from harness import PATIENCE

ENDED = "ended"  # stands for a close code: the server has no more to say


class Stream(Viewer):
    """Like a Viewer whose only subscribe is its URL. `events` has what stood around the messages."""

    def __init__(self, daemon, *topics, interval_ms=100, token=None, query="", headers=None,
                 read=True, rcvbuf=None, connected=None):
        """connected: a socket to use, such as one within TLS."""
        self.messages, self.events, self.values = [], [], {}
        self.close_code, self.close_reason = None, ""
        self.epoch, self.ver, self.stale, self.updates = None, 0, None, 0
        self._news = threading.Condition()
        self.retry_ms = None
        self.socket = connected or socket.socket()
        self.socket.settimeout(30 * PATIENCE)
        if not connected:
            if rcvbuf:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
            self.socket.connect(daemon.address)
        path = "/v1/live?" + "&".join(["topic=" + quote(t, safe="") for t in topics]
                                      + ([f"interval_ms={interval_ms}"] if interval_ms else [])
                                      + ([f"token={token}"] if token else [])
                                      + ([query] if query else []))
        fields = {"Host": "%s:%d" % daemon.address, "Accept": "text/event-stream",
                  **(headers or {})}
        self.socket.sendall("".join([f"GET {path} HTTP/1.1\r\n"]
                                    + [f"{k}: {v}\r\n" for k, v in fields.items()]
                                    + ["\r\n"]).encode())
        self._file = self.socket.makefile("rb")
        self._read_head()
        if read and self.status == 200:
            self.start_reading()

    def _read_head(self):
        self.status = int(self._file.readline().split()[1])
        self.headers = {}
        while line := self._file.readline().strip():
            name, value = line.decode().split(": ", 1)
            self.headers[name.lower()] = value

    def error(self):
        """Of a refusal."""
        return json.loads(self._file.read(int(self.headers["content-length"])))

    def start_reading(self):
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            fields = {}
            for line in self._file:
                if line != b"\n":
                    name, value = line.decode().rstrip("\n").split(": ", 1)
                    fields[name] = value
                    continue
                self._take(fields)
                fields = {}
            assert not fields, "it ends with a whole event"
        except (OSError, ValueError):
            pass  # closed by the test
        finally:
            with self._news:
                self.close_code = ENDED
                self._news.notify_all()

    def _take(self, fields):
        with self._news:
            if "retry" in fields:
                self.retry_ms = int(fields["retry"])
            if "data" in fields:
                message = json.loads(fields["data"])
                self.events.append(SimpleNamespace(event=fields["event"], id=fields.get("id"),
                                                   message=message))
                self.messages.append(message)
                self.on_message(message)
            self._news.notify_all()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended by itself
        self.socket.close()

    abort = close
