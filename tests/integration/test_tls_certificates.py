"""Certificates and keys: what is wrong with them is said, whose are asked for, and how they change
under live connections."""
import os
import re
import signal
import time

import pytest

from certificates import Authority, trusting
from clients import Viewer, get, metrics
from events import order
from harness import Daemon, livetally, livetallyd, wait_for
from tls import REFUSED, V12, V13, World, own, tls_socket


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
        told = time.monotonic()
        wait_for(lambda: time.monotonic() > told + 2.5, 10, "two looks at the files")
        assert "the old one stays" not in own.daemon.log, "once is enough"
        assert metrics(own.daemon)["livetally_tls_certificate_load_failures_total"] == 1
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
