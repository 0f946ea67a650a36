"""Connections are limited by address, by token, and in all; and a place comes back however its
connection ends."""
import os
import socket

from clients import Tool, get
from events import order
from harness import Daemon, wait_for
from limits import goodbye_of, is_greeted, refused, sent_away
from tokens import bearer, nothing_shows_a_token, own, place, request
from wire import CLOSE, Raw, frame, handshake

# Of addresses on loopback that are nobody's proxy.
NO_PROXIES = {"listen.trusted_proxies": ""}


def http(daemon, source, path="/healthz", headers=""):
    """Status line and headers of a request from that address."""
    with Raw(daemon, shake=False, source=source) as peer:
        peer.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
        answer = b""
        while data := peer.socket.recv(65536):
            answer += data
        return answer.partition(b"\r\n\r\n")[0].decode()


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


# --- connections of an address --------------------------------------------------------------------

def test_connections_of_one_address(folder, redis):
    daemon = Daemon(folder, redis, {"limits.connections_per_address": 3, **NO_PROXIES},
                    listen=("127.0.0.1:0", "[::1]:0", f"unix:{folder.path}/s"))
    tools = [Raw(daemon, kind, source="127.0.0.2") for kind in ("ingest", "live", "ingest")]
    assert sent_away(daemon, source="127.0.0.2") == (4429, "too_many_connections")
    assert sent_away(daemon, source="127.0.0.2", kind="live") == (4429, "too_many_connections")
    answer = http(daemon, "127.0.0.2")
    assert answer.startswith("HTTP/1.1 429 ") and "Retry-After: " in answer
    assert refused(daemon, "address") == 3
    assert "connections_per_address address=127.0.0.2" in daemon.log
    # Others are none the worse for it: the next address, IPv6, a Unix socket.
    others = [Raw(daemon, source="127.0.0.3") for _ in range(3)]
    port = int(daemon.addresses[1].rpartition(":")[2])
    others += [Raw(daemon, to=("::1", port)) for _ in range(3)]
    assert sent_away(daemon, to=("::1", port)) == (4429, "too_many_connections")
    others += [Raw(daemon, path=f"{folder.path}/s") for _ in range(5)]
    for number, peer in enumerate(tools[::2] + others):
        peer.post(order("all", number))
        peer.settle()
    for peer in tools + others:
        peer.close()
    daemon.stop()


def test_only_few_of_an_address_are_told_so(folder, redis):
    """Who doesn't even ask is cut off at once, however many come."""
    daemon = Daemon(folder, redis, {"limits.connections_per_address": 2, **NO_PROXIES})
    held = [Raw(daemon, source="127.0.0.2") for _ in range(2)]
    idle = [Raw(daemon, shake=False, source="127.0.0.2") for _ in range(60)]
    wait_for(lambda: refused(daemon, "address") >= 52, 10, "the rest to be closed")
    assert descriptors(daemon) < 50
    assert get(daemon, "/healthz").status == 200
    for peer in held + idle:
        peer.close()
    daemon.stop()


def test_whoever_is_in_stays_while_others_are_refused(folder, redis):
    """Those over the limit of all connections come from the same address."""
    daemon = Daemon(folder, redis, {"limits.connections": 2, **NO_PROXIES})
    asks = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Raw(daemon, shake=False) as asking, Raw(daemon) as tool:
        extra = [Raw(daemon, shake=False) for _ in range(20)]
        for number, peer in enumerate(extra):
            asking.send(asks)
            assert asking.socket.recv(65536).startswith(b"HTTP/1.1 200 ")
            tool.post(order("in", number))
            tool.settle()
        extra[0].send(asks)
        assert extra[0].socket.recv(65536).startswith(b"HTTP/1.1 503 ")
        for peer in extra:
            peer.close()
    daemon.stop()


def end_by_close(peer):
    peer.send(frame(CLOSE, b"\x03\xe8"))
    assert peer.close_code() == 1000


def end_by_mistake(peer):
    peer.send(frame(2, b"binary"))
    assert goodbye_of(peer) == (1003, "bad_message")


def end_unasked(peer):
    peer.socket.shutdown(socket.SHUT_WR)
    peer.close_code()


def ask_and_close(peer):
    peer.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    while peer.socket.recv(65536):
        pass


WAYS = [(True, end_by_close), (True, Raw.close), (True, Raw.reset), (True, end_by_mistake),
        (True, end_unasked), (False, Raw.close), (False, Raw.reset), (False, ask_and_close),
        (False, lambda peer: peer.send(b"no request\r\n\r\n")),
        (False, lambda peer: peer.send(b"GET /v1/ingest HTTP/1.1\r\nUpgrade: x\r\n\r\n")),
        (False, lambda peer: (peer.send(handshake("ingest")[:-1]), peer.close()))]


def test_places_come_back_however_a_connection_ends(folder, redis):
    """After each way to end there is room for exactly as many as before."""
    daemon = Daemon(folder, redis, {"limits.connections_per_address": 4, **NO_PROXIES})
    sockets = descriptors(daemon)
    for shake, end in WAYS:
        peers = [Raw(daemon, shake=shake, source="127.0.0.2") for _ in range(4)]
        for peer in peers:
            end(peer)
        held = []

        def all_back():
            peer = Raw(daemon, shake=False, source="127.0.0.2")
            peer.send(handshake("ingest"))
            if is_greeted(peer):
                held.append(peer)
            else:
                peer.close()
            return len(held) == 4
        wait_for(all_back, 10, f"places after {end}")
        assert sent_away(daemon, source="127.0.0.2") == (4429, "too_many_connections")
        for peer in peers + held:
            peer.close()
        wait_for(lambda: descriptors(daemon) <= sockets, 10, "all of them to be gone")
    daemon.stop()


def test_the_client_behind_a_trusted_proxy_is_counted(folder, redis):
    """By X-Forwarded-For of each request; of IPv6 by the /64. The proxy itself is not."""
    daemon = Daemon(folder, redis, {"limits.connections_per_address": 2})
    held = []

    def come(client):
        return sent_away(daemon, headers=f"X-Forwarded-For: {client}\r\n")

    def stay(client):
        held.append(Raw(daemon, headers=f"X-Forwarded-For: {client}\r\n"))
    for n in range(10):
        stay(f"203.0.113.{n}")
    for client in ("203.0.113.1", "198.51.100.9, 203.0.113.1", "203.0.113.1:4711"):
        assert come(client) is None
    stay("198.51.100.9, 203.0.113.1")  # what it says of itself counts for nothing
    for client in ("203.0.113.1", "127.0.0.1, 203.0.113.1", "x, 203.0.113.1, 127.0.0.9"):
        assert come(client) == (4429, "too_many_connections")
    two_lines = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 203.0.113.1\r\n"
    assert sent_away(daemon, headers=two_lines) == (4429, "too_many_connections")
    assert "address=203.0.113.1 " in daemon.log and "address=127.0.0.1" not in daemon.log
    stay("2001:db8:1:2::5")
    stay("2001:db8:1:2:ffff::7")
    assert come("2001:db8:1:2::9") == (4429, "too_many_connections")
    assert come("2001:db8:1:3::9") is None
    # Without the header it is the proxy's own, and counts like anybody's.
    held += [Raw(daemon), Raw(daemon)]
    assert sent_away(daemon) == (4429, "too_many_connections")
    assert come("203.0.113.77") is None
    for peer in held:
        peer.close()
    daemon.stop()


def test_requests_of_many_clients_on_one_connection_of_a_proxy(folder, redis):
    daemon = Daemon(folder, redis, {"limits.connections_per_address": 1})
    busy = Raw(daemon, headers="X-Forwarded-For: 203.0.113.1\r\n")
    with Raw(daemon, shake=False) as proxy:
        for n in (2, 3, 2, 4):
            proxy.send(f"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.{n}\r\n"
                       "\r\n".encode())
            assert proxy.socket.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert sent_away(daemon, headers="X-Forwarded-For: 203.0.113.3\r\n") is None
        assert sent_away(daemon, headers="X-Forwarded-For: 203.0.113.4\r\n")[0] == 4429
        proxy.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n")
        assert proxy.socket.recv(65536).startswith(b"HTTP/1.1 429 ")
    busy.close()
    daemon.stop()


def test_who_is_not_trusted_is_not_believed(folder, redis):
    daemon = Daemon(folder, redis, {"limits.connections_per_address": 1,
                                    "listen.trusted_proxies": "127.0.0.8/30"})
    held = [Raw(daemon, source="127.0.0.2", headers="X-Forwarded-For: 203.0.113.1\r\n"),
            Raw(daemon, source="127.0.0.9", headers="X-Forwarded-For: 203.0.113.1\r\n")]
    for n in range(3):
        assert sent_away(daemon, source="127.0.0.2",
                         headers=f"X-Forwarded-For: 203.0.113.{n}\r\n")[0] == 4429
    assert sent_away(daemon, source="127.0.0.10", headers="X-Forwarded-For: 203.0.113.1\r\n")
    assert not sent_away(daemon, source="127.0.0.10", headers="X-Forwarded-For: 203.0.113.2\r\n")
    for peer in held:
        peer.close()
    daemon.stop()


# --- connections of a token -----------------------------------------------------------------------

def test_connections_of_one_token(own):
    daemon = own({"limits.connections_per_token": 2})
    token, other = own.keys.mint(), own.keys.mint(lasts="2h")
    by = {"headers": f"Authorization: Bearer {token}\r\n"}
    held = [Raw(daemon, kind, **by) for kind in ("ingest", "live")]
    assert sent_away(daemon, **by) == (4429, "too_many_connections")
    late = Tool(daemon)
    late.send({"type": "auth", "token": token})
    assert late.wait_closed() == 4429
    assert [m["code"] for m in late.messages] == ["too_many_connections"]
    assert "token" in late.messages[0]["message"] and token not in late.messages[0]["message"]
    answer = request(daemon, "GET", "/v1/totals?topic=total", token)
    assert answer.status == 429 and answer.headers["Retry-After"]
    assert refused(daemon, "token") == 3
    assert request(daemon, "GET", "/v1/totals?topic=total", other).status == 200
    with Tool(daemon, extra_headers=bearer(other)) as tool:
        assert tool.hello
    held.pop().reset()
    wait_for(lambda: sent_away(daemon, **by) is None, 10, "the place to come back")
    with Tool(daemon) as tool:
        tool.send({"type": "auth", "token": token})
        assert tool.hello
        assert sent_away(daemon, **by) == (4429, "too_many_connections")
    held.pop().close()
    for _ in range(5):  # one after the other they hold no place
        wait_for(lambda: request(daemon, "GET", "/v1/totals?topic=total", token).status == 200, 10)
