"""A process of its own that holds idle connections: descriptors are limited by process.
`idle.py HOST PORT KIND COUNT` opens them, prints "open", holds them until its stdin ends, and then
prints how many are still open. KIND: a WebSocket's, or "head" for requests that never end."""
import resource
import socket
import sys

from wire import handshake

UNFINISHED = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "


def open_one(address, kind):
    peer = socket.create_connection(address, timeout=60)
    if kind == "head":
        peer.sendall(UNFINISHED)
        return peer
    offer = f"Sec-WebSocket-Protocol: livetally.{kind}.v1\r\n\r\n".encode()
    peer.sendall(handshake(kind).removesuffix(b"\r\n") + offer)
    heard = b""
    while b'"hello"' not in heard or not heard.endswith(b"}"):
        data = peer.recv(65536)
        assert data, f"refused: {heard}"
        heard += data
    return peer


def is_open(peer):
    """Also answers what pings have come."""
    peer.setblocking(False)
    try:
        return bool(peer.recv(65536))
    except BlockingIOError:
        return True
    except OSError:
        return False


def main(host, port, kind, count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    peers = [open_one((host, int(port)), kind) for _ in range(int(count))]
    print("open", flush=True)
    sys.stdin.read()
    print(sum(map(is_open, peers)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
