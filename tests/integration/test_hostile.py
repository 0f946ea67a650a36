"""What must not be taken from a peer: heads of requests that can be read in two ways, frames that
break the rules, pages of strangers' sites. Each is told so, and nothing of it gets in."""
import json
import socket

import pytest

from clients import Connection, totals
from events import order
from harness import PATIENCE, Daemon, Folder, RedisServer
from tokens import guarded, place, refusal
from wire import CLOSE, CONTINUATION, PING, TEXT, Raw, frame, handshake, text


def unmasked(opcode, data):
    return bytes([0x80 | opcode, len(data)]) + data


def told_1002(peer):
    return peer.next_frame_of(CLOSE)[:2] == (1002).to_bytes(2, "big")


def ask(daemon, data):
    """(status, body) of the answer to these bytes, and that the server closes then."""
    with socket.create_connection(daemon.address, timeout=20 * PATIENCE) as raw:
        raw.sendall(data)
        answer = b""
        while more := raw.recv(65536):
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


# --- frames ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["ingest", "live"])
@pytest.mark.parametrize("opcode, data", [(TEXT, b"{}"), (TEXT, b""), (PING, b"x"), (CLOSE, b"")],
                         ids=["text", "empty", "ping", "close"])
def test_frames_that_are_not_masked_are_refused(shared, kind, opcode, data):
    """RFC 6455, 5.1."""
    with Raw(shared, kind) as peer:
        peer.send(unmasked(opcode, data))
        assert "masked" in peer.message("goodbye")["message"]
        assert told_1002(peer)


def test_the_server_closes_by_itself_however_long_the_peer_stays(shared):
    """And whatever it goes on to send, which is read by nobody."""
    with Raw(shared) as peer:
        peer.send(unmasked(TEXT, b"{}") + text("x" * 100_000) * 3 + unmasked(TEXT, b"{}"))
        assert peer.close_code() == 1002


def test_an_unmasked_frame_counts_nothing_and_takes_nothing_back(shared, uid):
    """Behind a good message, within one, and followed by another."""
    event = json.dumps(order(uid, 2))
    with Raw(shared) as peer:
        peer.post(order(uid, 1))
        peer.settle()
        peer.send(frame(TEXT, event[:50].encode(), fin=False)
                  + unmasked(CONTINUATION, event[50:150].encode()) + text(order(uid, 3)))
        assert told_1002(peer)
        assert peer.upto == 1
    assert totals(shared, f"host/{uid}")["topics"][f"host/{uid}"]["all"]["orders"] == 1


def test_a_bad_frame_is_seen_however_it_is_cut(shared, uid):
    """Byte by byte, each in a packet of its own; the good ones before it are taken."""
    with Raw(shared) as peer:
        for byte in text(order(uid, 1)) + frame(PING, b"x"):
            peer.send(bytes([byte]))
        peer.sent = 1
        peer.settle()
        for byte in unmasked(TEXT, b"{}"):
            peer.send(bytes([byte]))
        assert told_1002(peer)


def test_lengths_are_written_as_short_as_can_be(shared, uid):
    event = json.dumps(order(uid)).encode()
    for width, mark in ((2, 126), (8, 127)):
        with Raw(shared) as peer:
            data = event[:100] if width == 2 else event
            peer.send(bytes([0x81, 0x80 | mark]) + len(data).to_bytes(width, "big") + b"\0" * 4
                      + data)
            assert told_1002(peer)
            assert peer.upto == 0


# --- heads ----------------------------------------------------------------------------------------

START = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("data, status, says", [
    (b"GET /v1/totals?topic=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "hexadecimal"),
    (b"GET /v1/totals?topic=%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "%00"),
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "Host"),
    (START + b"Host: b\r\n\r\n", 400, "twice"),
    (START + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "contradict"),
    (START + b"X: a\r\n b\r\n\r\n", 400, "continued"),
    (START + b"X : a\r\n\r\n", 400, "name"),
    (START + b"X: a\0b\r\n\r\n", 400, "control"),
    (b"GET /healthz HTTP/1.1\nHost: localhost\n\n", 400, "CR LF"),
    (START + b"X: a\r\n" * 101 + b"\r\n", 431, "larger"),
    (START + b"X: " + b"a" * 8192, 431, "larger"),
    (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method"),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP/1.1"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "not HTTP")],
    ids=["percent", "nul", "hostless", "hosts", "lengths", "folded", "space", "control", "bare-lf",
         "many", "long", "method", "version", "tls"])
def test_bad_heads_are_told_what_is_wrong(shared, data, status, says):
    """At once, in our own words, also while the peer might still send more."""
    got, body = ask(shared, data)
    assert got == status and says in body["error"], body


def test_a_request_hidden_behind_another_end_counts_nothing(shared, uid):
    """What ends for one program with a bare line feed, and for another goes on."""
    body = json.dumps(order(uid)).encode()
    inner = b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    for end in (b"X: y\n\n", b"X: y\n\r\n", b"X: y\r\n\n"):
        assert ask(shared, START + end + inner)[0] == 400
    assert totals(shared, f"host/{uid}")["topics"][f"host/{uid}"]["all"]["orders"] == 0


def test_a_head_is_taken_in_any_pieces_and_each_of_a_connection_is_looked_at(shared):
    request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nX: y\r\n\r\n"
    with socket.create_connection(shared.address, timeout=20 * PATIENCE) as raw:
        for byte in request:
            raw.sendall(bytes([byte]))
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")
        raw.sendall(request)
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")
        raw.sendall(request.replace(b"X:", b"X :"))
        assert raw.recv(65536).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("name", ["X", "A", "Content", "X-Auth", "Sec-WebSocket", "Get", "h"])
def test_no_header_hides_the_next_one(shared, uid, name):
    """lws loses the header behind one whose name is the beginning of one it knows: here the length
    of a body, so that a request within the body would be the next one."""
    body = json.dumps(order(uid)).encode()
    inner = b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    first = b"PUT /v1/events HTTP/1.1\r\nHost: a\r\n%s: y\r\n" % name.encode()
    status, _ = ask(shared, first + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(inner)
                    + inner)
    assert status == 405
    with socket.create_connection(shared.address, timeout=20 * PATIENCE) as raw:
        raw.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n%s: y\r\n\r\n" % name.encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert totals(shared, f"host/{uid}")["topics"][f"host/{uid}"]["all"]["orders"] == 0


def test_no_header_hides_that_somebody_comes_through_a_proxy(guarded):
    """Who does so is not at this machine, and learns no figures."""
    for name in ("X", "X-Forwarded", "Via", "Y"):
        status, _ = ask(guarded, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n%s: y\r\n"
                        b"X-Forwarded-For: 192.0.2.7\r\nConnection: close\r\n\r\n" % name.encode())
        assert status == 401, name


@pytest.mark.parametrize("key", ["", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ==x",
                                 "dGhlIHNhbXBsZSBub25j!Q==", "d" * 24, "d" * 500])
def test_a_handshake_has_a_key_of_16_bytes(shared, key):
    shake = handshake("live").replace(b"dGhlIHNhbXBsZSBub25jZQ==", key.encode())
    status, body = ask(shared, shake)
    assert status == 400 and body["code"] == "bad_upgrade"


def test_frames_do_not_come_before_the_answer_to_the_handshake(shared, uid):
    status, _ = ask(shared, handshake("ingest") + text(order(uid)))
    assert status == 400


# --- pages of strangers' sites --------------------------------------------------------------------

@pytest.fixture(scope="module")
def listed():
    """A daemon without tokens, and with a site that is listed."""
    folder = Folder()
    daemon = Daemon(folder, RedisServer(folder), {"auth.origins": "https://listed.example"})
    yield daemon
    daemon.stop()
    folder.close()


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1:8090", 200), ("[::1]:8090", 200), ("localhost", 200), ("till.localhost:80", 200),
    ("till", 200), ("192.168.1.7", 200), ("evil.example", 403), ("evil.example:8090", 403),
    ("127.0.0.1.evil.example", 403), ("localhost.evil.example", 403), ("1.2.3", 403),
    ("[::1].evil.example", 403), ("listed.example", 200), ("listed.example:8443", 403)])
def test_an_open_daemon_does_not_go_by_names_of_others(listed, host, status):
    """DNS rebinding: a stranger's name that points to 127.0.0.1 makes his page ours by Origin."""
    data = f" HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n".encode()
    for request in (b"GET /v1/totals?topic=total" + data, b"GET /metrics" + data,
                    b"POST /v1/events" + data + b"Content-Length: 0\r\n"):
        with socket.create_connection(listed.address, timeout=20 * PATIENCE) as raw:
            raw.sendall(request + b"\r\n")
            assert raw.recv(4096).startswith(b"HTTP/1.1 %d " % status), request
    shake = handshake("live").replace(b"localhost", host.encode())
    with socket.create_connection(listed.address, timeout=20 * PATIENCE) as raw:
        raw.sendall(shake)
        assert raw.recv(4096).startswith(b"HTTP/1.1 %d " % (101 if status == 200 else 403))


@pytest.mark.parametrize("origin, status", [
    ("https://evil.example", 403), ("http://127.0.0.1.evil.example", 403), ("null", 403),
    ("http://localhost:3000", 0), ("http://127.0.0.1:5500", 0), ("http://till:80", 0)])
def test_pages_of_strangers_do_not_watch_an_open_daemon(shared, origin, status):
    """While no site is listed. With tokens, a page needs one (test_auth_reload.py)."""
    headers = {"Origin": origin}
    if status:
        assert refusal(shared, "/v1/live", None, extra_headers=headers) == status
    else:
        with Connection(shared, "/v1/live", extra_headers=headers) as page:
            assert page.hello
    assert refusal(shared, "/v1/ingest", None, extra_headers=headers) == 403
