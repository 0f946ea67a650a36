"""Behind proxies: PROXY headers on listeners marked so, before TLS too; who is then counted and who
is trusted. What comes through a proxy is never taken for somebody at this machine."""
import json
import socket
import ssl
import struct

import pytest

from certificates import Authority, trusting
from clients import get, metrics
from events import order
from harness import Daemon, wait_for
from tokens import nothing_shows_a_token, own, place
from wire import CLOSE, Raw, handshake

V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source="203.0.113.7"):
    family = "TCP6" if ":" in source else "TCP4"
    target = "2001:db8::1" if ":" in source else "198.51.100.1"
    return f"PROXY {family} {source} {target} 56324 443\r\n".encode()


def v2(source=None, command=0x21, rest=b""):
    """source None: LOCAL, what a proxy sends of itself."""
    if source is None:
        return V2 + struct.pack("!BBH", 0x20, 0, len(rest)) + rest
    v6 = ":" in source
    family = socket.AF_INET6 if v6 else socket.AF_INET
    target = "2001:db8::1" if v6 else "198.51.100.1"
    addresses = b"".join(socket.inet_pton(family, a) for a in (source, target)) + b"\xdc\x04\x01\xbb"
    return (V2 + struct.pack("!BBH", command, 0x21 if v6 else 0x11, len(addresses + rest))
            + addresses + rest)


def proxy_address(daemon):
    """host and port of the second address, the one for proxies."""
    host, _, port = daemon.addresses[1].partition("//")[2].rpartition(":")
    return host, int(port)


def start(folder, redis, config=None):
    return Daemon(folder, redis, config, listen=("127.0.0.1:0", "127.0.0.1:0 proxy",
                                                 f"unix:{folder.path}/p proxy"))


@pytest.fixture(scope="module")
def behind(module_daemon):
    """On the Redis of the module's daemon."""
    daemon = start(module_daemon.folder, module_daemon.redis, {"limits.handshake_ms": 500})
    yield daemon
    daemon.stop()


def through(daemon, head, **options):
    return Raw(daemon, to=proxy_address(daemon), first=head, **options)


def proxy_refusals(daemon):
    return metrics(daemon)['livetally_connections_refused_total{reason="proxy"}']


def test_orders_come_through_a_proxy(behind, uid):
    heads = [v1(), v1("2001:db8::7"), b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN some thing\r\n",
             v2("203.0.113.7"), v2("2001:db8::7"), v2(), v2(rest=b"what a proxy likes"),
             v2("203.0.113.7", rest=b"\x04\x00\x03xyz\x20\x04\x00" + bytes(1024))]
    for number, head in enumerate(heads):
        with through(behind, head) as tool:
            tool.post(order(uid, number))
            tool.settle()
            assert tool.counts["accepted"] == 1
    with Raw(behind, path=f"{behind.folder.path}/p", first=v1()) as tool:
        tool.post(order(uid, len(heads)))
        tool.settle()


@pytest.mark.parametrize("head", [v1("2001:db8::7"), v2("203.0.113.7", rest=b"\x04\x00\x01x")],
                         ids=["1", "2"])
def test_headers_may_come_in_pieces(behind, head):
    """Cut at every byte: what has been looked at is not left to lws, nor is anything of lws's."""
    data = head + handshake("live")
    for cut in range(1, len(head) + 3):
        with Raw(behind, to=proxy_address(behind), shake=False) as peer:
            peer.send(data[:cut])
            peer.send(data[cut:])
            assert peer.message("hello")
    with Raw(behind, to=proxy_address(behind), shake=False) as peer:
        for byte in data:
            peer.send(bytes([byte]))
        assert peer.message("hello")


BAD = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", v1().replace(b"TCP4", b"TCP6"), v1()[:-2] + b"\n\n",
       b"PROXY TCP4 203.0.113.7\r\n", b"PROXY " + b"x" * 200, v2("203.0.113.7", command=0x2F),
       v2("203.0.113.7", rest=b"\x04\x00\x09x"), V2 + b"\x21\x11\xff\xff", b"\x16\x03\x01\x02\x00",
       b"PROXY TCP4 203.0.113.7 198.51.100.1 1 2 3\r\n"]


def test_what_is_no_header_is_hung_up_on(behind):
    before = proxy_refusals(behind)
    for head in BAD:
        with Raw(behind, to=proxy_address(behind), shake=False) as peer:
            peer.send(head)
            assert peer.next_frame() is None and peer.frames.answer is None, head
    half = [Raw(behind, to=proxy_address(behind), shake=False) for _ in range(5)]
    for peer, head in zip(half, (b"", b"P", v1()[:-1], V2, v2("203.0.113.7")[:-1])):
        peer.send(head)
    for peer in half:  # nothing more comes of them, and there is a time for it
        assert peer.next_frame() is None
        peer.close()
    with Raw(behind, to=proxy_address(behind), shake=False) as peer:
        peer.send(v1()[:10])
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.next_frame() is None
    wait_for(lambda: proxy_refusals(behind) - before == len(BAD) + 6, 5, "all to be counted")
    assert get(behind, "/healthz").status == 200


def test_only_trusted_proxies_may_say_who_it_is(folder, redis):
    daemon = start(folder, redis, {"listen.trusted_proxies": "127.0.0.2"})
    with Raw(daemon, to=proxy_address(daemon), shake=False) as peer:
        peer.send(v1() + handshake("live"))
        assert peer.next_frame() is None
    assert proxy_refusals(daemon) == 1
    with through(daemon, v1(), source="127.0.0.2"):
        pass
    daemon.stop()


def test_those_behind_a_proxy_are_counted(folder, redis):
    """Not the proxy. A client that sends X-Forwarded-For itself is not believed."""
    daemon = start(folder, redis, {"limits.connections_per_address": 1})
    held = [through(daemon, v1(f"203.0.113.{n}")) for n in range(5)]
    held += [through(daemon, v2("2001:db8:0:7::1")),
             through(daemon, v1("203.0.113.77"), headers="X-Forwarded-For: 203.0.113.78\r\n")]

    def come(head, headers=""):
        with Raw(daemon, to=proxy_address(daemon), shake=False) as peer:
            peer.send(head + handshake("ingest", headers))
            if peer.next_frame() is None:
                return None
            return peer.next_frame_of(CLOSE)
    busy = struct.pack("!H", 4429)
    for head in (v2("203.0.113.3"), v1("2001:db8:0:7::2"), v1("203.0.113.77")):
        assert come(head) == busy
    assert come(v1("203.0.113.77"), "X-Forwarded-For: 203.0.113.99\r\n") == busy
    assert "address=203.0.113.3" in daemon.log and "127.0.0.1 " not in daemon.log.split("live:")[1]
    held.append(through(daemon, v1("203.0.113.78")))
    # Behind two proxies, both of them trusted: the second one's word counts.
    held.append(through(daemon, v1("127.0.0.5"), headers="X-Forwarded-For: 203.0.113.200\r\n"))
    assert come(v1("203.0.113.200")) == busy
    for peer in held:
        peer.close()
    daemon.stop()


def ask(daemon, path, headers="", head=None):
    """Status and body of a request, through the proxy when there is a head."""
    to = proxy_address(daemon) if head is not None else None
    with Raw(daemon, to=to, shake=False) as peer:
        peer.send((head or b"") + f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                  f"{headers}\r\n".encode())
        answer = b""
        while data := peer.socket.recv(65536):
            answer += data
    top, _, body = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), body.decode()


FORWARDED = ["X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: x",
             "X-Real-IP: 127.0.0.1", "Via: 1.1 proxy", "Forwarded: for=127.0.0.1",
             "X-Forwarded-Proto: https", "X-Forwarded-Host: localhost"]


def test_whoever_comes_through_a_proxy_is_not_at_this_machine(own, folder):
    """Also when the proxy is, and says that its client is."""
    daemon = own(listen=("127.0.0.1:0", "127.0.0.1:0 proxy"))
    admin = f"Authorization: Bearer {own.keys.mint('admin')}\r\n"
    assert ask(daemon, "/metrics")[0] == 200 and "lane" in ask(daemon, "/readyz")[1]
    ways = [(None, f"{line}\r\n") for line in FORWARDED]
    ways += [(head, "") for head in (v1(), v1("127.0.0.1"), v2("127.0.0.1"), v2(), v2("::1"),
                                     b"PROXY UNKNOWN\r\n")]
    for head, headers in ways:
        assert ask(daemon, "/metrics", headers, head)[0] == 401, (head, headers)
        assert json.loads(ask(daemon, "/readyz", headers, head)[1]) == {"ready": True}
        assert ask(daemon, "/metrics", headers + admin, head)[0] == 200


class WrappedAfterHeader(Raw):
    """TLS that begins right behind a PROXY header."""

    def __init__(self, daemon, head, trust):
        self.head, self.trust = head, trust
        super().__init__(daemon, to=proxy_address(daemon))

    def connect(self):
        raw = super().connect()
        raw.sendall(self.head)
        return self.trust.wrap_socket(raw, server_hostname="localhost")


def test_the_header_stands_before_tls(folder, redis, uid):
    root = Authority("Root")
    pair = root.issue()
    daemon = Daemon(folder, redis, listen=("127.0.0.1:0", "127.0.0.1:0 proxy tls"), config={
        "tls.certificate": pair.write_certificate(folder.path / "certificate.pem"),
        "tls.key": pair.write_key(folder.path / "key.pem"), "limits.connections_per_address": 1})
    held = [WrappedAfterHeader(daemon, head, trusting(root))
            for head in (v1(), v2("203.0.113.8", rest=b"\x04\x00\x03xyz"))]
    for number, tool in enumerate(held):
        tool.post(order(uid, number))
        tool.settle()
    with pytest.raises(AssertionError):  # it is told no hello
        WrappedAfterHeader(daemon, v1(), trusting(root))
    with pytest.raises((ssl.SSLError, OSError)):  # without a header
        WrappedAfterHeader(daemon, b"", trusting(root))
    wait_for(lambda: proxy_refusals(daemon) == 1, 5, "it to be counted")
    for tool in held:
        tool.close()
    daemon.stop()


def test_stopping_waits_for_no_header(folder, redis):
    daemon = start(folder, redis)
    peers = [Raw(daemon, to=proxy_address(daemon), shake=False) for _ in range(3)]
    peers[0].send(v1()[:20])
    assert get(daemon, "/healthz").status == 200
    daemon.stop(timeout=5)
    for peer in peers:
        peer.close()
