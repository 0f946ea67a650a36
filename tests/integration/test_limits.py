"""What one client can take from the others in time, size and memory is limited. Each limit is met
from outside, and so is its change while connections are open. Limits on connections and on rates
have files of their own."""
import json
import signal
import socket
import time
from pathlib import Path

import pytest

from clients import Viewer, get, metrics, post_events, totals
from events import order
from harness import PATIENCE, Daemon, livetallyd, wait_for
from limits import KIB, goodbye_of, refused, sent_away
from wire import CONTINUATION, PING, PONG, TEXT, Raw, frame, header, text

USAGE = 2


def reload(daemon, conf, limits):
    conf.write_text("[limits]\n" + "".join(f"{k} = {v}\n" for k, v in limits.items()))
    before = len(daemon.log)
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in daemon.log[before:], 10, "the reload")
    return daemon.log[before:]


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


def test_memory_of_heads_under_way_is_counted(folder, redis):
    daemon = Daemon(folder, redis, listen=("127.0.0.1:0", "127.0.0.1:0 proxy"))

    def held():
        return metrics(daemon)['livetally_memory_bytes{kind="heads"}']
    assert held() == 0
    heads = [Raw(daemon, shake=False) for _ in range(40)]
    for peer in heads:
        peer.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 4000)
    wait_for(lambda: 40 * 4000 <= held() <= 40 * 16 * KIB, 10, "parts of heads in the account")
    heads[0].send(b"\r\n\r\n")
    assert heads[0].socket.recv(12) == b"HTTP/1.1 200"
    heads[1].send(b"\0\r\n\r\n")
    assert heads[1].socket.recv(12) == b"HTTP/1.1 400"
    for peer in heads[2:]:
        peer.close()
    wait_for(lambda: held() == 0, 10, "all of it to be given back")
    port = int(daemon.addresses[1].rpartition(":")[2])
    with Raw(daemon, shake=False, to=("127.0.0.1", port)) as proxy:
        proxy.send(b"PROXY TCP4 203.0.113.1 ")
        wait_for(lambda: held() > 0, 10, "part of a proxy's head in the account")
        proxy.send(b"127.0.0.1 4711 8090\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert proxy.socket.recv(12) == b"HTTP/1.1 200"
        assert held() == 0
    for peer in heads[:2]:
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
