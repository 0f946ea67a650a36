"""Tokens while the rules change: keys rotate, topics become public, a reload fails; and who may come
from which page and address. Nobody has to restart anything."""
import signal
import socket
import time

import pytest

from clients import Connection, Tool, Viewer, get, metrics, totals
from events import order
from harness import PATIENCE, Daemon, livetallyd, wait_for
from tokens import (bearer, by_header, check_no_token, errors, guarded, keys, nothing_shows_a_token,
                    own, place, refusal, refusals, request, sent_away)

USAGE = 2


def reload(daemon):
    """Returns what the log says of it."""
    before = len(daemon.log)
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in daemon.log[before:], 10, "the reload")
    return daemon.log[before:]


def test_keys_rotate_without_a_restart(own):
    keys, daemon = own.keys, own()
    old = by_header(Viewer, daemon, keys.mint("view"))
    keys.add("b", "ES256")
    fresh = keys.mint("view", key="b.key")
    assert old.hello and refusal(daemon, "/v1/live", fresh) == 401
    assert "closed_connections=0" in reload(daemon)
    with by_header(Viewer, daemon, fresh) as viewer:
        assert viewer.hello and old.subscribe("total")
        (keys.path / "a.hs256").unlink()
        assert "closed_connections=1" in reload(daemon)
        assert old.wait_closed() == 4401 and old.messages[-1]["code"] == "token_revoked"
        assert viewer.subscribe("total")
    assert refusal(daemon, "/v1/live", keys.tokens[0]) == 401
    assert metrics(daemon)["livetally_reloads_total"] == 2


def test_a_reload_that_fails_changes_nothing(own, folder):
    conf = folder.path / "l.conf"
    conf.write_text("[log]\nlevel = info\n")
    keys, daemon = own.keys, own(args=["--config", conf])
    with by_header(Viewer, daemon, keys.mint("view")) as viewer:
        assert viewer.hello
        (keys.path / "z.hs256").write_text("too short\n")
        assert "not reloaded" in (said := reload(daemon)) and "z.hs256" in said
        assert "too short\n" not in said
        (keys.path / "z.hs256").unlink()
        conf.write_text("[log]\nlevel = loud\n")
        assert "not reloaded" in (said := reload(daemon)) and "l.conf:2" in said
        assert viewer.subscribe("total")
        assert metrics(daemon)["livetally_reload_failures_total"] == 2
        conf.write_text("[log]\nlevel = error\n[limits]\nhosts = 7\n[redis]\npoll_ms = 30\n")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: metrics(daemon)["livetally_reloads_total"] == 1, 10, "the reload")
        assert "configuration reloaded" not in daemon.log, "it speaks of errors only, from now on"
        conf.write_text("[log]\nlevel = info\n[limits]\nhosts = 7\n[redis]\npoll_ms = 30\n")
        assert "configuration reloaded" in reload(daemon)
        wait_for(lambda: "redis.poll_ms, limits.hosts" in daemon.log, 5, "what needs a restart")


def test_public_topics(own, folder, uid):
    conf = folder.path / "l.conf"
    conf.write_text("[auth]\npublic_topics = total\npublic_topics = top/*\n")
    keys, daemon = own.keys, own({"limits.auth_ms": 300}, args=["--config", conf])
    viewer = Viewer(daemon)
    assert viewer.hello
    shown = viewer.subscribe("total", "top/hosts?n=3", "ticker")
    assert set(shown["topics"]) == {"total", "top/hosts?n=3"}
    assert errors(shown) == {"ticker": "forbidden_topic"}
    assert set(totals(daemon, "total", "ticker")["topics"]) == {"total"}
    with Tool(daemon) as tool:
        assert sent_away(tool) == (4408, "auth_timeout")
    assert request(daemon, "POST", "/v1/events", body=order(uid)).status == 401
    with Viewer(daemon) as other:
        assert other.hello
        other.send({"type": "auth", "token": keys.mint("view")})
        assert other.subscribe("ticker")["topics"] and len(other.of_type("hello")) == 1
    with Viewer(daemon) as other:
        assert other.hello
        other.send({"type": "auth", "token": keys.keep("nonsense-from-somebody")})
        assert other.wait_closed() == 4401
    with by_header(Viewer, daemon, keys.ending(30)) as named:
        assert named.hello and "closed_connections=0" in reload(daemon)
        conf.write_text("[auth]\npublic_topics = total\n")
        assert "closed_connections=1" in reload(daemon)
        assert viewer.wait_closed() == 1012 and viewer.messages[-1]["code"] == "access_changed"
        assert named.subscribe("ticker")["topics"]


def test_from_open_to_keys_and_back(folder, place):
    """Only addresses of this machine may be without."""
    conf = folder.path / "l.conf"
    conf.write_text("")
    daemon = Daemon(folder, place.redis, args=["--config", conf])
    with Tool(daemon, extra_headers=bearer("whatever")) as tool:
        assert tool.hello, "an open daemon doesn't look at tokens"
        conf.write_text(f"[auth]\nkeys = {place.keys.path}\n")
        assert "closed_connections=1" in reload(daemon)
        assert tool.wait_closed() == 4401
    assert get(daemon, "/v1/totals?topic=total").status == 401
    conf.write_text("")
    assert "no tokens are asked for" in reload(daemon)
    assert totals(daemon, "total")
    check_no_token(daemon, place.keys)
    daemon.stop()


def test_on_a_network_only_with_keys(folder, place):
    without = livetallyd("--listen", "0.0.0.0:0", "--check-config")
    assert without.returncode == USAGE and "auth.keys" in without.stderr
    conf = folder.path / "l.conf"
    conf.write_text(f"[auth]\nkeys = {place.keys.path}\n")
    daemon = Daemon(folder, place.redis, listen=("127.0.0.1:0", "0.0.0.0:0"),
                    args=["--config", conf])
    conf.write_text("[listen]\naddress = 127.0.0.1:0\n")
    assert "not reloaded" in (said := reload(daemon)) and "auth.keys" in said
    assert get(daemon, "/v1/totals?topic=total").status == 401
    daemon.stop()


@pytest.mark.parametrize("args, said", [
    (["-o", "auth.mode=none"], "auth.mode"), (["-o", "auth.keys=/no/such/key"], "/no/such"),
    (["-o", "auth.public_topics=totals"], "auth.public_topics"),
    (["-o", "auth.keys=", "-o", "auth.public_topics=total"], "auth.keys"),
    (["-o", "auth.origins=example.com"], "auth.origins"),
    (["-o", "auth.url_hours=0"], "auth.url_hours")], ids=lambda a: str(a))
def test_what_makes_no_sense_is_refused(keys, args, said):
    result = livetallyd("--check-config", "-o", f"auth.keys={keys.path}", *args)
    assert result.returncode == USAGE and said in result.stderr, result


def test_pages_of_other_sites(own, guarded, keys, uid):
    ours = "http://%s:%d" % guarded.address
    token, evil = keys.mint(), "https://evil.example"
    for path, origin, status in (("/v1/ingest", evil, 403), ("/v1/ingest", ours, 0),
                                 ("/v1/live", evil, 0)):
        check_origin(guarded, path, origin, token, status)
    own_keys, daemon = own.keys, own({"auth.origins": "https://shop.example"})
    token = own_keys.mint()
    ours = "http://%s:%d" % daemon.address
    for path in ("/v1/ingest", "/v1/live"):
        for origin, status in ((evil, 403), ("null", 403), ("https://shop.example:8443", 403),
                               ("https://shop.example", 0), (ours, 0)):
            check_origin(daemon, path, origin, token, status)
    for origin, status in ((evil, 403), ("https://shop.example", 200)):
        assert request(daemon, "POST", "/v1/events", token, order(uid),
                       Origin=origin).status == status
    assert refusals(daemon, "origin") == 7


def check_origin(daemon, path, origin, token, status):
    if status:
        assert refusal(daemon, path, token, extra_headers={"Origin": origin}) == status, origin
        return
    headers = {**bearer(token), "Origin": origin}
    with Connection(daemon, path, extra_headers=headers) as connection:
        assert connection.hello, origin


def test_systemd_is_told_of_reloads(own, folder, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder.path / "notify"))
        manager.settimeout(10 * PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder.path / "notify"))
        daemon = own()
        while b"READY=1" not in manager.recv(4096):
            pass
        reload(daemon)
        while b"RELOADING=1" not in (told := manager.recv(4096)):
            pass
        began = int(told.split(b"MONOTONIC_USEC=")[1].split(b"\n")[0])
        assert 0 <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - began < 60e6
        while b"READY=1" not in manager.recv(4096):
            pass
