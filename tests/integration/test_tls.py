"""TLS from outside: what is agreed on and what is refused, certificates that change under live
connections, and that everything else works through it as it does in clear text."""
import json
import os
import re
import signal
import socket
import ssl

import pytest

from certificates import Authority, trusting
from clients import Tool, Viewer, get, http_request, metrics, totals
from events import order
from harness import (BUILD, PATIENCE, Daemon, Folder, Process, RedisServer, livetally, livetallyd,
                     popen, wait_for)
from stream import Stream
from wire import Raw, text

V11, V12, V13 = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
REFUSED = (ssl.SSLError, ConnectionError, EOFError)


class World:
    """Authorities, and a daemon that listens in clear text and by TLS."""

    def __init__(self, folder, redis=None, config=None, start=True):
        self.folder = folder
        self.root = Authority("Root")
        self.middle = Authority("Middle", via=self.root)
        self.pair = self.middle.issue()
        self.trust = trusting(self.root)
        self.root_file = self.root.write(folder.path / "root.pem")
        self.certificate = self.pair.write_certificate(folder.path / "certificate.pem")
        self.key = self.pair.write_key(folder.path / "key.pem")
        self.daemon = Daemon(folder, redis or RedisServer(folder),
                             listen=("127.0.0.1:0", "127.0.0.1:0 tls", "127.0.0.2:0 tls"),
                             start=start,
                             config={"tls.certificate": self.certificate, "tls.key": self.key,
                                     **(config or {})})

    @property
    def address(self):
        return tls_address(self.daemon)

    def tool(self, **options):
        return Tool(self.daemon, address=self.address, ssl=options.pop("trust", self.trust), **options)

    def viewer(self, **options):
        return Viewer(self.daemon, address=self.address, ssl=self.trust, **options)

    def socket(self, trust=None, rcvbuf=None):
        return tls_socket(self.address, trust or self.trust, rcvbuf)

    def serial(self):
        """Of the certificate that a new connection is shown."""
        with self.socket() as peer:
            return int(peer.getpeercert()["serialNumber"], 16)


def tls_address(daemon):
    return "127.0.0.1", int(re.search(r"https://127\.0\.0\.1:(\d+)",
                                      " ".join(daemon.addresses)).group(1))


def tls_socket(address, trust, rcvbuf=None):
    """After the handshake; address: (host, port) or the path of a Unix socket."""
    tcp = isinstance(address, tuple)
    raw = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
    raw.settimeout(10 * PATIENCE)
    if tcp:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if rcvbuf:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    try:
        raw.connect(address)
        return trust.wrap_socket(raw, server_hostname="localhost")
    except BaseException:
        raw.close()
        raise


class TlsRaw(Raw):
    """Raw within TLS."""

    def __init__(self, world, kind, rcvbuf=None):
        self.world = world
        super().__init__(world.daemon, kind, rcvbuf)

    def connect(self):
        return self.world.socket(rcvbuf=self.rcvbuf)


@pytest.fixture(scope="module")
def module_world():
    folder = Folder()
    world = World(folder)
    yield world
    world.daemon.stop()
    folder.close()


@pytest.fixture
def world(module_world):
    yield module_world
    assert module_world.daemon.running(), module_world.daemon.log[-3000:]


@pytest.fixture
def own(folder, redis):
    """A world that the test may change."""
    world = World(folder, redis)
    yield world
    world.daemon.stop()


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


def test_the_least_version_and_a_key_beside_its_certificate(folder, redis):
    root = Authority("Root")
    both = root.issue(kind="rsa").write_both(folder.path / "both.pem")
    daemon = Daemon(folder, redis, listen=(f"unix:{folder.path}/s tls",),
                    config={"tls.certificate": both, "tls.min_version": "1.3"})
    assert daemon.addresses == [f"unix+tls:{folder.path}/s"]
    with pytest.raises(REFUSED):
        tls_socket(f"{folder.path}/s", trusting(root, most=V12))
    with Viewer(daemon, address=f"{folder.path}/s", ssl=trusting(root)) as viewer:
        assert viewer.subscribe("total")["topics"]["total"]["all"]["orders"] == 0
    daemon.stop()


def test_a_client_has_to_show_its_certificate(folder, redis):
    guests, strangers = Authority("Guests"), Authority("Strangers")
    world = World(folder, redis, {"tls.client_ca": guests.write(folder.path / "guests.pem")})
    guest = guests.issue("ling").write_both(folder.path / "guest.pem")
    stranger = strangers.issue("ling").write_both(folder.path / "stranger.pem")
    for most in (V12, V13):
        with world.tool(trust=trusting(world.root, most=most, pair_file=guest)) as tool:
            assert tool.verdict(order(str(most.value))) == "accepted"
        for shown in (None, stranger):
            # TLS 1.3 tells a client of it only when it reads.
            with pytest.raises(REFUSED):
                with world.socket(trusting(world.root, most=most, pair_file=shown)) as peer:
                    peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert peer.recv(100) == b"", "nothing for who is not known"
                    raise EOFError
    url = "wss://localhost:%d" % world.address[1]
    trust = ("--ca", world.root_file)
    assert livetally("totals", url, *trust, "--cert", guest).returncode == 0
    refused = livetally("totals", url, *trust)
    assert refused.returncode == 3
    assert get(world.daemon, "/healthz").status == 200, "the address in clear text asks for none"
    world.daemon.stop()


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


def test_what_is_wrong_with_certificates_is_said(folder):
    root = Authority("Root")
    pair, other = root.issue(), root.issue(kind="rsa")
    certificate = pair.write_certificate(folder.path / "certificate.pem")
    key = pair.write_key(folder.path / "key.pem")
    same_kind = root.issue().write_key(folder.path / "same-kind.pem")
    other_kind = other.write_key(folder.path / "other-kind.pem")
    locked = pair.write_key(folder.path / "locked.pem", password=b"secret")
    empty = folder.path / "empty.pem"
    empty.write_text("nothing\n")
    cases = [
        (["127.0.0.1:0 tls"], [], "listen.address: 127.0.0.1:0 speaks TLS, which needs "
                                  "tls.certificate and tls.key"),
        (["127.0.0.1:0 tsl"], [], "only words of these: tls"),
        (["127.0.0.1:0 tls tls"], [], "only words of these"),
        ([], [("key", key)], "tls.key: needs tls.certificate"),
        ([], [("client_ca", certificate)], "tls.client_ca: needs tls.certificate"),
        ([], [("certificate", folder.path / "none")], "none: No such file"),
        ([], [("certificate", empty)], "tls.certificate: can't take the certificate"),
        ([], [("certificate", certificate)], "tls.certificate: can't take the private key"),
        ([], [("certificate", certificate), ("key", same_kind)], "tls.key: the key in"),
        ([], [("certificate", certificate), ("key", other_kind)], "is not that of the certificate"),
        ([], [("certificate", certificate), ("key", locked)], "is encrypted"),
        ([], [("certificate", certificate), ("key", key), ("client_ca", empty)], "tls.client_ca:"),
        ([], [("certificate", certificate), ("key", key), ("min_version", "1.1")], "1.2|1.3"),
    ]
    for listen, settings, complaint in cases:
        options = [part for address in listen for part in ("--listen", address)]
        options += [part for name, value in settings for part in ("-o", f"tls.{name}={value}")]
        checked = livetallyd("--check-config", *options)
        assert checked.returncode == 2 and complaint in checked.stderr, (options, checked.stderr)
    good = livetallyd("--check-config", "--listen", "127.0.0.1:0 tls", "-o",
                      f"tls.certificate={certificate}", "-o", f"tls.key={key}")
    assert good.returncode == 0, good.stderr


def test_operators_are_warned(folder, redis):
    root = Authority("Root")
    pair = root.issue(days=-1)
    pair.write_certificate(folder.path / "certificate.pem")
    daemon = Daemon(folder, redis, listen=("127.0.0.1:0 tls",), config={
        "tls.certificate": folder.path / "certificate.pem",
        "tls.key": pair.write_key(folder.path / "key.pem", mode=0o644)})
    assert "warning: the TLS key can be read or written by every user" in daemon.log
    assert "warning: the TLS certificate has expired" in daemon.log
    assert f"serial={pair.serial:X}" in daemon.log.replace("serial=0", "serial=")
    daemon.stop()


def link(folder, number, pair):
    """As certbot: numbered files in one folder, links to the newest in another, turned one by one."""
    archive, live = folder.path / "archive", folder.path / "live"
    archive.mkdir(exist_ok=True)
    live.mkdir(exist_ok=True)
    pair.write_certificate(archive / f"fullchain{number}.pem")
    pair.write_key(archive / f"privkey{number}.pem")
    for name in ("fullchain", "privkey"):
        (live / "new").symlink_to(f"../archive/{name}{number}.pem")
        os.rename(live / "new", live / f"{name}.pem")
    return {"tls.certificate": live / "fullchain.pem", "tls.key": live / "privkey.pem"}


def test_changed_files_are_loaded_and_bad_ones_are_not(folder, redis):
    world = World(folder, redis, start=False)
    world.daemon.config = link(folder, 1, world.middle.issue(serial=1001))
    world.daemon.start()
    with world.tool() as tool, world.viewer() as viewer:
        viewer.subscribe("total")
        assert world.serial() == 1001
        link(folder, 2, world.middle.issue(serial=1002))
        wait_for(lambda: world.serial() == 1002, 10, "the second certificate")
        # A key of another kind must leave nothing of the old pair behind.
        link(folder, 3, world.middle.issue(serial=1003, kind="rsa"))
        wait_for(lambda: world.serial() == 1003, 10, "the third certificate")
        bad = world.middle.issue(serial=1004)
        bad.write_certificate(folder.path / "archive" / "fullchain3.pem")
        wait_for(lambda: "the old one stays" in world.daemon.log, 10, "a word about the bad pair")
        assert "privkey.pem is not that of the certificate" in world.daemon.log
        assert world.serial() == 1003
        assert metrics(world.daemon)["livetally_tls_certificate_load_failures_total"] == 1
        bad.write_key(folder.path / "archive" / "privkey3.pem")
        wait_for(lambda: world.serial() == 1004, 10, "the pair to be whole again")
        figures = metrics(world.daemon)
        assert figures["livetally_tls_certificate_loads_total"] == 3
        ends = bad.chain[0].not_valid_after.timestamp()
        assert abs(figures["livetally_tls_certificate_expiry_timestamp_seconds"] - ends) < 86400
        assert world.daemon.log.count("the old one stays") == 1
        assert tool.verdict(order("later")) == "accepted", "connections stay"
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 1)
    world.daemon.stop()


def reload(daemon, good=True):
    name = "livetally_reloads_total" if good else "livetally_reload_failures_total"
    before = metrics(daemon)[name]
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: metrics(daemon)[name] > before, 10, name)


def test_a_reload_takes_a_pair_over_or_nothing_at_all(folder, redis):
    own, guests = World(folder, redis, start=False), Authority("Guests")
    settings = own.folder.path / "x.conf"
    common = f"[tls]\ncertificate = {own.certificate}\nkey = {own.key}\n"
    settings.write_text(common)
    own.daemon.config = {}
    own.daemon.args = ["--config", settings]
    own.daemon.start()
    with own.tool() as tool:
        first = own.serial()
        assert first == own.pair.serial
        fresh = own.middle.issue(kind="rsa")
        fresh.write_certificate(own.certificate)
        reload(own.daemon, good=False)
        assert "not reloaded, nothing has changed" in own.daemon.log
        assert own.serial() == first
        fresh.write_key(own.key)
        reload(own.daemon)
        assert own.serial() == fresh.serial
        settings.write_text(common + f"client_ca = {guests.write(own.folder.path / 'guests.pem')}\n")
        reload(own.daemon)
        guest = guests.issue("ling").write_both(own.folder.path / "guest.pem")
        with own.socket(trusting(own.root, pair_file=guest)) as peer:
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert peer.recv(12) == b"HTTP/1.1 200"
        with pytest.raises(REFUSED):
            own.socket(trusting(own.root, most=V12)).close()
        settings.write_text("[tls]\n")
        reload(own.daemon, good=False)
        assert "speaks TLS, which needs tls.certificate" in own.daemon.log
        settings.write_text(common + "min_version = 1.3\n")
        reload(own.daemon)
        with pytest.raises(REFUSED):
            own.socket(trusting(own.root, most=V12)).close()
        own.socket().close()
        assert "only a restart" not in own.daemon.log
        assert tool.verdict(order("later")) == "accepted", "who is in stays in"
    own.daemon.stop()


@pytest.mark.plain_build
def test_reloads_leak_nothing(own):
    """A loaded certificate goes with the last connection that began with it."""
    def resident_kb():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{own.daemon.pid}/status").read())[1])

    def rounds(count):
        for _ in range(count):
            own.socket().close()
            reload(own.daemon)
        return resident_kb()

    warm = rounds(40)
    assert rounds(120) - warm < 1500, "an SSL_CTX with its certificates takes 20 KB"


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
        while metrics(own.daemon)["livetally_updates_conflated_total"] < 10:
            tool.post(*(order(uid, count + n, product_id=f"{uid}-{n}") for n in range(100)))
            count += 100
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
