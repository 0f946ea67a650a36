"""What one client can take from the others is limited, by address, by token, in all; and what was
taken comes back however a connection ends. Each limit is met from outside, and so is its change
while connections are open."""
import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from clients import Tool, Viewer, get, http_request, metrics, post_events, totals
from events import order
from harness import PATIENCE, Daemon, livetallyd, wait_for
from tokens import bearer, nothing_shows_a_token, own, place, request
from wire import CLOSE, CONTINUATION, PING, PONG, TEXT, Raw, frame, handshake, header, text

USAGE = 2
KIB = 1 << 10
# Of addresses on loopback that are nobody's proxy.
NO_PROXIES = {"listen.trusted_proxies": ""}


def refused(daemon, reason):
    return metrics(daemon)[f'livetally_connections_refused_total{{reason="{reason}"}}']


def goodbye_of(connection):
    """(close code, goodbye's code) of one that gets nothing but goodbye."""
    message = connection.message("goodbye")
    code = connection.next_frame_of(CLOSE)
    connection.close()  # else the server would wait for our answer
    return code and int.from_bytes(code[:2], "big"), message and message["code"]


def sent_away(daemon, **options):
    """Of a new connection; None when it is let in."""
    peer = Raw(daemon, shake=False, **options)
    peer.send(handshake(options.get("kind", "ingest"), options.get("headers", "")))
    if not is_greeted(peer):
        return goodbye_of(peer)
    peer.close()
    return None


def is_greeted(peer):
    """Looks at its first message, and leaves it to be read again."""
    first = peer.next_frame()
    if first:
        peer.waiting.insert(0, first)
    return bool(first) and json.loads(first[1])["type"] == "hello"


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


def reload(daemon, conf, limits):
    conf.write_text("[limits]\n" + "".join(f"{k} = {v}\n" for k, v in limits.items()))
    before = len(daemon.log)
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in daemon.log[before:], 10, "the reload")
    return daemon.log[before:]


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
    daemon = Daemon(folder, redis, {"limits.connections_per_address": 4,
                                    "limits.handshake_ms": 300, **NO_PROXIES})
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


# --- time for heads, bodies and messages ----------------------------------------------------------

def drip(peer, data, pause=0.02):
    """Byte by byte until it is closed; True when the server closed first."""
    peer.socket.settimeout(pause)
    for byte in data:
        try:
            peer.socket.send(bytes([byte]))
            if not peer.socket.recv(1, socket.MSG_PEEK):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
        else:
            return True  # it answers before it has all
    return False


def test_heads_bodies_and_messages_have_to_arrive_in_time(folder, redis):
    daemon = Daemon(folder, redis, {"limits.handshake_ms": 400, "limits.message_ms": 400})
    endless = b"x" * 100_000
    with Raw(daemon, shake=False) as peer:
        assert drip(peer, b"GET /healthz HTTP/1.1\r\nX: " + endless)
        peer.socket.settimeout(10)
        assert peer.next_frame() is None, "dropped without a word"
    for path in ("/v1/events", "/nothing"):
        with Raw(daemon, shake=False) as peer:
            peer.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n".encode())
            assert drip(peer, endless)
            peer.socket.settimeout(10)
            assert peer.socket.recv(12) == b"HTTP/1.1 408"
    for kind in ("ingest", "live"):
        with Raw(daemon, kind) as peer:
            peer.send(header(TEXT, 50_000))
            assert drip(peer, endless)
            peer.socket.settimeout(10 * PATIENCE)
            assert goodbye_of(peer) == (4408, "message_timeout")
        with Raw(daemon, kind) as peer:  # in fragments it is one message too
            peer.send(b"".join(frame(CONTINUATION if n else TEXT, b" ", fin=False)
                               for n in range(100)))
            assert goodbye_of(peer) == (4408, "message_timeout")
    assert totals(daemon, "total")
    daemon.stop()


# --- rates ----------------------------------------------------------------------------------------

RATE = {"limits.messages_per_s": 20, "limits.burst_ms": 1000}


def test_over_its_rate_a_tool_is_slowed_and_nothing_is_lost(folder, redis):
    daemon = Daemon(folder, redis, RATE)
    fast, calm = Raw(daemon), Raw(daemon)
    began = time.monotonic()
    for number in range(60):
        fast.post(order("fast", number))
    for number in range(5):
        calm.post(order("calm", number))
    calm.settle()
    assert fast.upto < 60, "the other one is not slowed"
    fast.settle()
    assert time.monotonic() - began > 1.5, "20 at once, and 40 more at 20 a second"
    assert fast.counts["accepted"] == 60 and refused(daemon, "rate") == 0
    fast.close()
    calm.close()
    daemon.stop()


@pytest.mark.parametrize("limits", [
    {"limits.messages_per_s": 5, "limits.burst_ms": 1000},
    {"limits.bytes_per_s": 2 * KIB, "limits.message_bytes": KIB, "limits.burst_ms": 1000}],
    ids=["messages", "bytes"])
def test_who_stays_over_its_rate_is_sent_away(folder, redis, limits):
    daemon = Daemon(folder, redis, {**limits, "limits.rate_close_ms": 700})
    for kind in ("ingest", "live"):
        with Raw(daemon, kind) as peer:
            peer.send(text(json.dumps(order("x", 1))) * 200)
            assert goodbye_of(peer) == (4429, "too_fast")
    assert refused(daemon, "rate") == 2
    assert "over its rate of messages or bytes address=127.0.0.1" in daemon.log
    daemon.stop()


def test_bursts_with_pauses_are_nobodys_business(folder, redis):
    """Over the rate now and then is not over it all the time."""
    daemon = Daemon(folder, redis, {"limits.messages_per_s": 20, "limits.burst_ms": 200,
                                    "limits.rate_close_ms": 900})
    with Raw(daemon) as tool:
        for turn in range(2):
            done = time.monotonic()
            wait_for(lambda: time.monotonic() > done + 1.8 * turn, 10, "a pause")
            for number in range(10):
                tool.post(order(f"turn{turn}", number))
            tool.settle()
        assert tool.counts["accepted"] == 20
    daemon.stop()


def test_connections_of_a_token_share_its_rate(own, uid):
    daemon = own({"limits.token_messages_per_s": 20, "limits.burst_ms": 1000})
    first, other = own.keys.mint(), own.keys.mint(lasts="2h")
    tools = [Raw(daemon, headers=f"Authorization: Bearer {first}\r\n") for _ in range(3)]
    began = time.monotonic()
    for n, tool in enumerate(tools):
        for number in range(20):
            tool.post(order(f"{uid}:{n}", number))
    answer = None

    def slowed():
        nonlocal answer
        answer = request(daemon, "GET", "/v1/totals?topic=total", first)
        return answer.status == 429
    wait_for(slowed, 10, "the token's rate to be used up")
    assert answer.json()["code"] == "too_fast" and int(answer.headers["Retry-After"]) >= 1
    assert request(daemon, "GET", "/v1/totals?topic=total", other).status == 200
    for tool in tools:
        tool.settle()
        tool.close()
    assert time.monotonic() - began > 1.5
    assert sum(tool.counts["accepted"] for tool in tools) == 60


def test_a_token_is_not_forgotten_between_requests(own, uid):
    """Each on a connection of its own, so that only the token knows."""
    daemon, token = own({"limits.token_messages_per_s": 1, "limits.burst_ms": 5000}), own.keys.mint()
    answers = [request(daemon, "POST", "/v1/events", token, order(uid, n)) for n in range(8)]
    statuses = [answer.status for answer in answers]
    assert statuses[:5] == [200] * 5 and 429 in statuses[5:]


def test_requests_over_the_rate_are_told_when_to_come_again(folder, redis, uid):
    daemon = Daemon(folder, redis, {"limits.messages_per_s": 2, "limits.burst_ms": 1000})
    body = json.dumps(order(uid))
    post = (f"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    statuses, seen = [], b""
    with Raw(daemon, shake=False) as peer:
        for _ in range(6):
            peer.send(post)
            seen = peer.socket.recv(65536)
            statuses.append(seen[9:12])
    assert statuses[:2] == [b"200", b"200"] and b"429" in statuses
    assert post_events(daemon, order(uid)).status == 200, "another connection has its own"
    daemon.stop()


# --- viewers --------------------------------------------------------------------------------------

def test_topics_of_a_viewer_and_sizes_of_what_they_show(folder, redis):
    daemon = Daemon(folder, redis, {"limits.topics_per_viewer": 3})
    with Viewer(daemon) as viewer:
        assert viewer.hello["limits"]["topics"] == 3
        shown = viewer.subscribe("total", "series/total?minutes=1440", "top/hosts?n=100", "ticker")
        assert len(shown["topics"]) == 3
        assert [(e["topic"], e["code"]) for e in shown["errors"]] == [("ticker", "too_many_topics")]
        assert len(shown["topics"]["series/total?minutes=1440"]["gross"]) == 1440
    for bad in ("series/total?minutes=1441", "series/total?minutes=0", "top/hosts?n=101",
                "top/hosts?n=0", "top/hosts?n=99999999999999999999"):
        answer = totals(daemon, bad)
        assert not answer["topics"] and answer["errors"][0]["code"] == "bad_topic", bad
    daemon.stop()


def test_more_than_twenty_subscriptions_a_second_are_answered_late(shared):
    with Viewer(shared) as viewer:
        assert viewer.hello
        began = time.monotonic()
        for _ in range(25):
            viewer.send({"type": "subscribe", "topics": ["total"]})
        viewer.wait_type("snapshot", 20)
        viewer.wait_type("snapshot", 25)
        assert time.monotonic() - began > 0.6, "the last five belong to the next second"


def test_totals_of_too_many_topics(shared):
    for count in (65, 66, 68, 69, 75, 80, 100, 200, 500):
        answer = get(shared, "/v1/totals?" + "&".join(f"topic=host/h{n}" for n in range(count)))
        assert answer.status == 400 and answer.json()["code"] == "too_many_topics", count
    assert len(totals(shared, *(f"host/h{n}" for n in range(64)))["topics"]) == 64


# --- memory ---------------------------------------------------------------------------------------

def test_who_reads_too_slowly_is_cut_off_when_memory_runs_out(folder, redis, uid):
    daemon = Daemon(folder, redis, {"limits.send_queue_bytes": 512 * KIB})
    boards = [f"host/{'x' * 60}{n}" for n in range(256)]
    stuck = [Raw(daemon, "live", rcvbuf=4096) for _ in range(60)]
    with Viewer(daemon) as viewer:
        viewer.subscribe("total")
        for peer in stuck:
            try:
                peer.send(15 * text({"type": "subscribe", "topics": boards}))
            except ConnectionError:
                break  # by now some are cut off
        wait_for(lambda: refused(daemon, "queue") > 0, 20, "somebody to be cut off")
        assert post_events(daemon, order(uid)).status == 200
        viewer.wait_until(lambda v: v["total"]["today"]["orders"] == 1)
        gone = refused(daemon, "queue")
        wait_for(lambda: metrics(daemon)["livetally_live_connections"] <= 61 - gone, 10, "their end")
        assert "limits.send_queue_bytes" in daemon.log
        assert len([line for line in daemon.log.splitlines() if "send_queue" in line]) < 20
    for peer in stuck:
        peer.close()
    daemon.stop()


def unread(peer):
    """Bytes that its server's kernel has and the server hasn't read."""
    here, there = peer.socket.getsockname(), peer.socket.getpeername()

    def spelled(address):
        return f"{socket.inet_aton(address[0])[::-1].hex().upper()}:{address[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines():
        fields = line.split()
        if fields[1:3] == [spelled(there), spelled(here)]:
            return int(fields[4].partition(":")[2], 16)
    raise AssertionError("no such connection")


def test_parts_of_messages_wait_when_memory_runs_out(folder, redis):
    """Whole messages of others pass; those that wait go on when there is room again."""
    daemon = Daemon(folder, redis, {"limits.message_bytes": 64 * KIB,
                                    "limits.assembly_bytes": 64 * KIB})
    body = json.dumps([order("body", n) for n in range(100)])
    long = " " * (62 * KIB) + json.dumps(order("long", 1))
    data = text(long)
    first, second, third, small = (Raw(daemon) for _ in range(4))
    first.send(data[:60 * KIB])
    wait_for(lambda: post_events(daemon, body).status == 503, 10, "no room for a body")
    second.send(data[:30 * KIB])  # beyond the bound; one may
    wait_for(lambda: not unread(second), 10, "the second to be read from")
    third.send(data[:60 * KIB])
    for number in range(20):
        small.post(order("small", number))
        small.settle()
    third.send(data[60 * KIB:])
    small.post(order("small", 20))
    small.settle()
    assert unread(third) > 30 * KIB, "it is not read from"
    for peer, rest in ((first, data[60 * KIB:]), (second, data[30 * KIB:]), (third, b"")):
        peer.send(rest)
        peer.sent = 1
        peer.settle()
    assert [peer.counts["duplicates"] for peer in (first, second, third)] == [0, 1, 1]
    assert post_events(daemon, body).status == 200
    for peer in (first, second, third, small):
        peer.close()
    daemon.stop()


# --- reload ---------------------------------------------------------------------------------------

def test_limits_change_while_connections_are_open(folder, redis):
    conf = folder.path / "l.conf"
    conf.write_text("[limits]\nmessages_per_s = 1\nburst_ms = 1000\n")
    daemon = Daemon(folder, redis, args=["--config", conf])
    slow, part = Raw(daemon), Raw(daemon)
    for number in range(100):
        slow.post(order("slow", number))
    assert slow.message("ack")
    reload(daemon, conf, {})
    slow.settle()  # it would have taken 100 s
    with Viewer(daemon) as viewer:
        assert len(viewer.subscribe("total", "ticker", "top/hosts")["topics"]) == 3
        part.send(frame(TEXT, b" " * 3000, fin=False))
        part.send(frame(PING, b"x"))
        assert part.next_frame_of(PONG) == b"x", "the part has been read"
        said = reload(daemon, conf, {"connections": 5, "topics_per_viewer": 3, "ping_idle_ms": 100,
                                     "message_bytes": 2048, "assembly_bytes": 2048})
        assert "restart" not in said
        assert viewer.subscribe("top/products")["errors"][0]["code"] == "too_many_topics"
        more = [Raw(daemon), Raw(daemon)]
        assert sent_away(daemon) == (4429, "too_many_connections")
        slow.send(text(" " * 3000))
        assert goodbye_of(slow)[0] == 1009
        part.send(frame(CONTINUATION, b" " * 3000, fin=False))
        assert goodbye_of(part)[0] == 1009, "also of what began under the old limit"
        assert more[0].next_frame_of(9) is not None, "a ping"
        said = reload(daemon, conf, {"connections": 1_000_000, "hosts": 50_000})
        assert "only a restart applies it" in said and "limits.connections (" in said
        assert "limits.hosts" in said and "messages_per_s" not in said
        for _ in range(20):
            more.append(Raw(daemon))
        reload(daemon, conf, {"connections_per_address": 5})
        assert sent_away(daemon) == (4429, "too_many_connections"), "those there are stay"
        for peer in more:
            peer.close()
        assert viewer.subscribe("top/sessions")
    daemon.stop()


@pytest.mark.parametrize("args, said", [
    (["-o", "listen.share=yes"], "listen.share"),
    (["-o", "limits.bytes_per_s=1000"], "limits.bytes_per_s"),
    (["-o", "limits.token_bytes_per_s=1000"], "limits.token_bytes_per_s"),
    (["-o", "limits.assembly_bytes=2000"], "limits.assembly_bytes"),
    (["-o", "listen.trusted_proxies=10.0.0.1/8"], "listen.trusted_proxies"),
    (["-o", "listen.trusted_proxies=proxy.example"], "listen.trusted_proxies")],
    ids=lambda a: str(a))
def test_what_makes_no_sense_is_refused(args, said):
    result = livetallyd("--check-config", *args)
    assert result.returncode == USAGE and said in result.stderr, result
