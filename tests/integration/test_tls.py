"""TLS from outside: what is agreed on and what is refused, and that everything else works through
it as it does in clear text. Certificates have a file of their own."""
import json
import os
import re
import signal
import socket
import ssl

import pytest

from certificates import Authority, trusting
from clients import http_request, metrics, totals
from events import order
from harness import BUILD, PATIENCE, Process, livetally, popen, wait_for
from stream import Stream
from tls import REFUSED, V11, V12, V13, TlsRaw, World, module_world, own, tls_socket, world
from wire import text


def ask(world, path, **options):
    return http_request(world.daemon, "GET", path, address=world.address, ssl=world.trust, **options)


def test_orders_go_in_and_totals_come_out(world, uid):
    topic = f"host/{uid}"
    with world.tool() as tool, world.viewer() as viewer:
        assert viewer.subscribe(topic)["topics"][topic]["all"]["orders"] == 0
        assert tool.verdict(order(uid)) == "accepted"
        viewer.wait_until(lambda v: v[topic]["all"]["orders"] == 1)
        batch = [order(uid, n) for n in range(2, 1001)]
        assert len(json.dumps(batch)) > 100_000, "many TLS records in one message"
        assert tool.post(batch).accepted == 999
        viewer.wait_until(lambda v: v[topic]["all"]["orders"] == 1000)
    body = json.dumps([order(uid, n) for n in range(1001, 2001)])
    answer = http_request(world.daemon, "POST", "/v1/events", body,
                          {"Content-Type": "application/json"}, address=world.address,
                          ssl=world.trust)
    assert answer.json()["accepted"] == 1000
    assert ask(world, f"/v1/totals?topic={topic}").json()["topics"][topic]["all"]["orders"] == 2000
    assert totals(world.daemon, topic)["topics"][topic]["all"]["orders"] == 2000


def test_one_connection_serves_request_after_request(world):
    with world.socket() as peer:
        for path in ("/healthz", "/v1/totals?topic=total", "/metrics", "/"):
            peer.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += peer.recv(1)
            assert head.startswith(b"HTTP/1.1 200"), head
            size = int(re.search(rb"Content-Length: (\d+)", head).group(1))
            while size:
                size -= len(peer.recv(size))
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while peer.recv(4096):
            pass  # the end comes within TLS, or this would raise


def test_what_is_agreed_on(world):
    for least, ciphers, suite in ((V13, None, "TLS_AES_128_GCM_SHA256"),
                                  (V12, "ECDHE+AESGCM", "ECDHE-ECDSA-AES256-GCM-SHA384"),
                                  (V12, "ECDHE+CHACHA20", "ECDHE-ECDSA-CHACHA20-POLY1305")):
        most = V12 if ciphers else V13
        trust = trusting(world.root, least=least, most=most, ciphers=ciphers,
                         alpn=["h2", "http/1.1"])
        with world.socket(trust) as peer:
            assert peer.cipher()[0] == suite
            assert peer.selected_alpn_protocol() == "http/1.1"
            assert peer.compression() is None
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert peer.recv(12) == b"HTTP/1.1 200"
            session = peer.session
        raw = socket.create_connection(world.address)
        with trust.wrap_socket(raw, server_hostname="localhost", session=session) as again:
            assert not again.session_reused


@pytest.mark.parametrize("why, wish", [
    ("TLS 1.1", {"least": V11, "most": V11, "ciphers": "ALL:@SECLEVEL=0"}),
    ("CBC", {"most": V12, "ciphers": "ECDHE-ECDSA-AES128-SHA256"}),
    ("no forward secrecy", {"most": V12, "ciphers": "AES128-GCM-SHA256"}),
    ("HTTP/2 alone", {"alpn": ["h2"]}),
])
def test_what_is_refused(world, why, wish):
    with pytest.raises(REFUSED):
        world.socket(trusting(world.root, **wish)).close()
    world.socket().close()


def test_a_client_cannot_renegotiate(world):
    host, port = world.address
    client = popen(["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2", "-CAfile",
                    world.root_file], stdin=-1, stdout=-1, stderr=-2)
    said, _ = client.communicate(b"R\n", timeout=20 * PATIENCE)
    assert b"RENEGOTIATING" in said and b"no renegotiation" in said, said.decode()


def test_nobody_is_hurt_by_who_does_not_speak_tls(folder, redis):
    world = World(folder, redis, {"limits.handshake_ms": 500})
    greeting = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with world.tool() as tool:
        for first in (greeting, b"\x16\x03\x01\xff\xff" + b"\xff" * 200, os.urandom(4000), b"\x80"):
            with socket.create_connection(world.address, timeout=10 * PATIENCE) as peer:
                peer.sendall(first)
                assert b"HTTP" not in drain(peer)
        with socket.create_connection(world.address, timeout=10 * PATIENCE) as silent:
            assert drain(silent) == b""
        hello = client_hello(world.trust)
        with socket.create_connection(world.address, timeout=10 * PATIENCE) as slow:
            slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with pytest.raises(OSError):
                for byte in hello[:-1]:
                    slow.sendall(bytes([byte]))
                    wait_readable(slow, 0.1)
                raise AssertionError("a trickle was waited for until its end")
        with world.socket() as shaken:
            assert drain(shaken) == b"", "TLS, and no request"
        assert tool.verdict(order("o")) == "accepted"
    wait_for(lambda: metrics(world.daemon)["livetally_ingest_connections"] == 0, 5, "it to be gone")
    world.daemon.stop()


def drain(peer):
    """All there is until the other side closes, however it does."""
    said = b""
    try:
        while data := peer.recv(4096):
            said += data
    except ConnectionError:
        pass
    return said


def wait_readable(peer, timeout):
    """Raises as soon as the other side has hung up."""
    peer.settimeout(timeout)
    try:
        if peer.recv(4096) == b"":
            raise ConnectionError("closed")
    except TimeoutError:
        pass


def client_hello(trust):
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(into, out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def test_the_client_program(world, folder, uid):
    url, clear = "wss://localhost:%d" % world.address[1], "ws://127.0.0.1:%d" % world.address[1]
    trust = ("--ca", world.root_file)
    posted = livetally("post", url, *trust, input="".join(json.dumps(order(uid, n)) + "\n"
                                                          for n in range(3000)))
    assert posted.returncode == 0 and "accepted 3000" in posted.stderr, posted.stderr
    for at in (url, url.replace("wss", "https"), url.replace("localhost", "127.0.0.1")):
        shown = livetally("totals", at, *trust, "--json", f"host/{uid}")
        assert json.loads(shown.stdout)["topics"][f"host/{uid}"]["all"]["orders"] == 3000, shown
    watched = livetally("watch", url, *trust, "--count", "1", f"host/{uid}")
    assert watched.returncode == 0 and '"orders":3000' in watched.stdout, watched
    distrusted = livetally("totals", url)
    assert distrusted.returncode == 3 and "not trusted" in distrusted.stderr
    wrong_name = livetally("totals", world.daemon.addresses[2], *trust)
    assert wrong_name.returncode == 3 and "mismatch" in wrong_name.stderr, wrong_name.stderr
    deaf = livetally("totals", clear)
    assert deaf.returncode == 3 and "closed the connection" in deaf.stderr
    mute = livetally("totals", world.daemon.url.replace("http", "wss"), *trust)
    assert mute.returncode == 3 and "does not speak TLS" in mute.stderr
    for wrong, word in ((("totals", clear, *trust), "wss://"),
                        (("totals", url, "--ca", folder.path / "none"), "No such file"),
                        (("totals", url, "--key", world.key), "--cert")):
        usage = livetally(*wrong)
        assert usage.returncode == 2 and word in usage.stderr, usage.stderr


def test_messages_that_are_too_big_get_their_goodbye(world):
    with TlsRaw(world, "ingest") as raw:
        raw.send(text("[" + " " * 1_200_000 + "]"))
        goodbye = raw.message("goodbye")
        assert goodbye and goodbye["code"] == "message_too_big"
        assert raw.close_code() == 1009


def test_a_tool_that_was_not_read_from_is_read_again(folder, redis):
    """What TLS had decrypted when reading stopped is news to nobody: it must be looked for."""
    world = World(folder, redis, {"limits.window_events": 1000, "redis.reply_timeout_ms": 60000,
                                  "redis.lease_ms": 120000})
    with world.tool() as tool:
        redis.freeze()
        # Messages far smaller than a TLS record, many in each record.
        burst = b"".join(text(order("w", n)) for n in range(6000))
        with TlsRaw(world, "ingest") as raw:
            raw.socket.settimeout(0.2)
            sent = 0
            try:
                while sent < len(burst):
                    sent += raw.socket.send(burst[sent:sent + 16384])
            except (TimeoutError, ssl.SSLWantWriteError):
                pass
            redis.thaw()
            raw.socket.settimeout(20 * PATIENCE)
            raw.send(burst[sent:])
            raw.sent = 6000
            raw.settle()
            assert raw.counts["accepted"] == 6000
        assert tool.verdict(order("last")) == "accepted"
    world.daemon.stop()


def test_a_viewer_that_does_not_read_slows_nobody(own):
    topics = ["top/products?n=100", "top/hosts?n=100", "ticker", "series/total?minutes=1440"]
    with TlsRaw(own, "live", rcvbuf=4096) as slow, own.viewer() as quick, own.tool() as tool:
        slow.send(text({"type": "subscribe", "topics": topics + ["total"], "interval_ms": 100}))
        quick.subscribe("total")
        count = 0

        def conflated():
            nonlocal count
            batch = [order(f"h{n % 100}", count + n, product_id=f"p{n % 500}") for n in range(200)]
            assert tool.post(batch).accepted == 200
            count += 200
            quick.wait_until(lambda v: v["total"]["all"]["orders"] == count)
            return metrics(own.daemon)["livetally_updates_conflated_total"] > 20

        wait_for(conflated, 60, "a full socket")
        seen = 0
        while seen != count:
            message = slow.message("update")
            assert message, "the slow one lost its connection"
            seen = message["topics"].get("total", {"all": {"orders": seen}})["all"]["orders"]


def test_events_within_tls_also_slowly(own, uid):
    topics = [f"top/products?host={uid}&n=100", "series/total?minutes=1440", f"host/{uid}"]
    with (Stream(own.daemon, *topics, read=False, connected=own.socket(rcvbuf=4096)) as slow,
          Stream(own.daemon, *topics, connected=own.socket()) as quick, own.tool() as tool):
        count = 0

        def conflated():
            nonlocal count
            tool.post(*(order(uid, count + n, product_id=f"{uid}-{n}") for n in range(100)))
            count += 100
            return metrics(own.daemon)["livetally_updates_conflated_total"] >= 10

        wait_for(conflated, 60, "a full socket")
        for stream in (quick, slow):
            if stream is slow:
                slow.start_reading()
            stream.wait_until(lambda v: v.get(topics[2], {"all": {"orders": 0}})["all"]["orders"]
                              == count)
        assert slow.updates < quick.updates and slow.values == quick.values
    wait_for(lambda: metrics(own.daemon)["livetally_live_connections"] == 0, 10, "them to be gone")


def test_many_connections_end_in_order(folder, redis):
    own = World(folder, redis)
    viewers = [TlsRaw(own, "live") for _ in range(100)]
    tools = [TlsRaw(own, "ingest") for _ in range(20)]
    half_shaken = [socket.create_connection(own.address) for _ in range(20)]
    for peer in half_shaken:
        peer.sendall(client_hello(own.trust)[:50])
    for viewer in viewers:
        viewer.send(text({"type": "subscribe", "topics": ["total"]}))
    for viewer in viewers:
        assert viewer.message("snapshot")
    for n, tool in enumerate(tools):
        tool.post(order("h", n))
        tool.settle()
    for viewer in viewers[:30]:
        viewer.reset()
    own.daemon.signal(signal.SIGTERM)
    for peer in viewers[30:] + tools:
        assert peer.close_code() == 1001
    assert own.daemon.wait_exit() == 0, own.daemon.log[-3000:]
    for peer in half_shaken:
        peer.close()


def test_sockets_of_systemd_are_told_apart_by_name(folder, redis):
    root = Authority("Root")
    both = root.issue().write_both(folder.path / "both.pem")

    def activated(path, name, *options):
        helper = Process(folder, f"activated-{path.name}")
        state = folder.path / f"state-{path.name}"
        helper.spawn(["systemd-socket-activate", "-l", path, f"--fdname={name}",
                      BUILD / "livetallyd", "--state-dir", state, "--redis", redis.target, *options])
        wait_for(lambda: "Listening on" in helper.log, 10, "the socket")
        return helper, state

    path = folder.path / "s"
    helper, state = activated(path, "tls", "-o", f"tls.certificate={both}")
    with tls_socket(str(path), trusting(root)) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.recv(12) == b"HTTP/1.1 200"
    assert (state / "listen").read_text() == f"unix+tls:{path}\n"
    helper.signal(signal.SIGTERM)
    assert helper.wait_exit() == 0
    for name, options, word in (("tls", (), "needs tls.certificate"),
                                ("web", ("-o", f"tls.certificate={both}"),
                                 "FileDescriptorName=web: \"web\" is not known")):
        path = folder.path / f"s-{name}"
        helper, _ = activated(path, name, *options)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            assert helper.wait_exit() == 1
        assert word in helper.log, helper.log


@pytest.mark.parametrize("kind", ["ingest", "live"])
def test_frames_are_looked_at_within_tls_too(world, uid, kind):
    """Unmasked ones, in records of a byte each and after good ones; and what follows is read by
    nobody, however much it is."""
    with TlsRaw(world, kind) as peer:
        for byte in text({"type": "nothing"}) + b"\x81\x02{}":
            peer.send(bytes([byte]))
        assert peer.message("goodbye")["code"] == "bad_frame"
        try:
            peer.send(b"x" * 1_000_000)
        except OSError:
            pass  # hung up on
    assert ask(world, "/readyz").status == 200


def test_heads_are_looked_at_within_tls_too(world):
    for head, status in ((b"GET /readyz HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", b"200"),
                         (b"GET /readyz HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", b"400")):
        for size in (1, 7, len(head)):
            with world.socket() as peer:
                for at in range(0, len(head), size):
                    peer.sendall(head[at:at + size])
                assert peer.recv(4096).startswith(b"HTTP/1.1 " + status), (head, size)
