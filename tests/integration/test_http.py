"""PROTOCOL, "HTTP, same port": every row of the table."""
import contextlib
import http.client
import json
import os
import re
import select
import socket
from pathlib import Path
from urllib.parse import quote

import pytest

from clients import Tool, Viewer, get, http_request, lines, metrics, post_events, totals
from events import order, refund
from harness import PATIENCE, Daemon, wait_for

NDJSON = "application/x-ndjson"


def test_post_json(shared, uid):
    answer = post_events(shared, order(uid))
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    ack = answer.json()
    assert (ack["type"], ack["accepted"], ack["duplicates"], ack["parked"], ack["rejected"]) == (
        "ack", 1, 0, 0, [])
    assert post_events(shared, [order(uid), refund(uid)]).json()["duplicates"] == 1
    assert totals(shared, f"host/{uid}")["topics"][f"host/{uid}"]["all"]["net"] == 900


def test_post_ndjson(shared, uid):
    body = lines([order(uid, 1), order(uid, 2, amount=-1), order(uid, 3)]) + "\n"
    for content_type in (NDJSON, NDJSON + "; charset=utf-8"):
        ack = post_events(shared, body, content_type).json()
        assert ack["accepted"] + ack["duplicates"] == 2
        assert [(r["index"], r["code"]) for r in ack["rejected"]] == [(1, "bad_amount")]


def test_post_one_line_of_ndjson(shared, uid):
    assert post_events(shared, lines([order(uid)]) + "\n", NDJSON).json()["accepted"] == 1


def test_post_what_is_not_json(shared):
    ack = post_events(shared, "nonsense").json()
    assert [(r["index"], r["code"]) for r in ack["rejected"]] == [(None, "bad_json")]


def test_post_a_large_body_in_chunks(shared, uid):
    body = lines(order(uid, n, padding="x" * 700) for n in range(1000)).encode()
    assert 800_000 < len(body) <= 1024 * 1024
    pieces = (body[i:i + 50_000] for i in range(0, len(body), 50_000))
    ack = http_request(shared, "POST", "/v1/events", pieces,
                       {"Content-Type": NDJSON, "Content-Length": str(len(body))}).json()
    assert ack["accepted"] == 1000


def test_post_more_than_1_mib_is_413(shared):
    for size in (1024 * 1024 + 1, 5_000_000):
        with socket.create_connection(shared.address, timeout=10) as raw:
            raw.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                        b"Content-Length: %d\r\n\r\n" % size)
            assert b" 413 " in raw.recv(4096).split(b"\r\n")[0]


def test_post_of_another_type_is_415(shared, uid):
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        assert post_events(shared, order(uid), content_type).status == 415
    assert post_events(shared, order(uid), "application/json;charset=UTF-8").status == 200


def test_post_is_503_when_redis_stays_away(folder, redis):
    daemon = Daemon(folder, redis, {"limits.post_wait_ms": 300})
    redis.freeze()
    answer = post_events(daemon, order("a"))
    redis.thaw()
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    wait_for(lambda: post_events(daemon, order("a")).status == 200, 10, "200 again")
    assert totals(daemon, "total")["topics"]["total"]["all"]["orders"] == 1
    daemon.stop()


def test_totals_is_a_snapshot(shared, uid):
    post_events(shared, order(uid))
    snapshot = totals(shared, "total", f"host/{uid}", "top/hosts?period=today&n=10&by=gross", "nix")
    assert snapshot["type"] == "snapshot"
    assert set(snapshot) >= {"epoch", "ver", "time", "stale", "topics", "errors"}
    assert list(snapshot["topics"]) == ["total", f"host/{uid}", "top/hosts"]
    assert [(e["topic"], e["code"]) for e in snapshot["errors"]] == [("nix", "bad_topic")]
    assert snapshot["topics"][f"host/{uid}"]["today"]["gross"] == 1000
    with Viewer(shared) as viewer:
        assert viewer.hello["epoch"] == snapshot["epoch"]


def test_totals_decodes_urls_in_any_way(shared, uid):
    post_events(shared, order(f"{uid}:~@", 1, order_id=f"{uid}-1"))
    want = totals(shared, f"host/{uid}:~@")["topics"]
    for spelling in (f"host/{uid}:~@", f"host%2F{uid}%3a%7E%40", f"%68ost/{uid}:%7e@"):
        assert get(shared, f"/v1/totals?topic={spelling}").json()["topics"] == want, spelling


def test_totals_of_nothing_and_of_rubbish(shared):
    assert get(shared, "/v1/totals").status == 400
    assert get(shared, "/v1/totals?topic=").json()["errors"][0]["code"] == "bad_topic"
    assert get(shared, "/v1/totals?topic=%zz").status in (400, 403)
    for path in ("/v1/totals?topic=%00", "/v1/totals?topic=%ff", "/v1/totals?%", "/v1/totals?&&=&"):
        try:
            answer = get(shared, path)
            assert answer.status >= 400 or answer.json()["errors"], path
        except http.client.RemoteDisconnected:
            pass  # libwebsockets hangs up on some of these
    assert get(shared, "/healthz").status == 200


def test_healthz_and_readyz(shared):
    for path in ("/healthz", "/readyz"):
        answer = get(shared, path)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("application/json")
        assert isinstance(answer.json(), dict)


def test_readyz_is_503_and_healthz_200_while_redis_is_away(folder, redis):
    daemon = Daemon(folder, redis, {"redis.reply_timeout_ms": 300})
    redis.kill()
    wait_for(lambda: get(daemon, "/readyz").status == 503, 10, "503")
    assert get(daemon, "/healthz").status == 200
    redis.start()
    wait_for(lambda: get(daemon, "/readyz").status == 200, 10, "200")
    daemon.stop()


def test_metrics_are_an_exposition_and_count(folder, redis):
    daemon = Daemon(folder, redis)
    with Tool(daemon) as tool, Viewer(daemon) as viewer:
        viewer.subscribe("total")
        tool.post(order("a"), order("a"), refund("a"), order("a", 2, amount=-1),
                  refund("a", 9), {"type": "x"})
        viewer.wait_until(lambda v: v["total"]["all"]["refunds"] == 1)
        text = get(daemon, "/metrics").text
        got = metrics(daemon)
    check_exposition(text)
    want = {"orders_total": 1, "refunds_total": 1, "refunds_parked_total": 1,
            "duplicates_total": 1, "ingest_connections": 1, "live_connections": 1,
            "redis_connected": 1, "ingest_messages_total": 1, "topics": 1}
    assert {k: got[f"livetally_{k}"] for k in want} == want
    rejections = {k: v for k, v in got.items() if k.startswith("livetally_rejections_total{") and v}
    assert sorted(re.search(r'"(\w+)"', k).group(1) for k in rejections) == [
        "bad_amount", "bad_type"]
    assert got["livetally_ack_seconds_count"] == 1
    assert got["livetally_frames_pushed_total"] >= 2 and got["livetally_bytes_pushed_total"] > 100
    daemon.stop()


def check_exposition(text):
    """Each metric has HELP and TYPE before its samples, and histograms add up."""
    assert text.endswith("\n")
    types, helped, buckets = {}, set(), {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split(" ", 3)[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        else:
            match = re.fullmatch(r'([a-z_]+)(?:\{([a-z_]+)="([^"]*)"\})? (-?[0-9.e+-]+)', line)
            assert match, line
            name, _, value, sample = match.groups()
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert (types.get(name) or types.get(base)) and (name in helped or base in helped), line
            if name.endswith("_bucket"):
                buckets.setdefault(base, []).append((value, float(sample)))
    assert set(types.values()) == {"counter", "gauge", "histogram"}
    for name, rows in buckets.items():
        counts = [count for _, count in rows]
        assert counts == sorted(counts) and rows[-1][0] == "+Inf", name


def test_the_page(shared):
    answer = get(shared, "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    overlay = get(shared, "/overlay?token=x")
    assert overlay.status == 200 and overlay.headers["Referrer-Policy"] == "no-referrer"
    for page in (answer.text, overlay.text):
        assert page.lower().startswith("<!doctype html") and scripts_of(page)
    assert "/v1/live" in get(shared, "/livetally.js").text


def big_answer(shared, tool, uid):
    """The path of an answer that is larger than what libwebsockets sends at once, and than a socket
    of 4 KB takes."""
    tool.post(*(order(uid + "x" * 50, n, product_id=f"{uid}-{'p' * 50}-{n}") for n in range(100)))
    boards = (f"top/products?host={uid}{'x' * 50}&n=100&by={by}"
              for by in ("gross", "net", "orders", "units"))
    series = (f"series/host/{uid}-{n}?minutes=1440" for n in range(40))
    return "/v1/totals?" + "&".join("topic=" + quote(t, safe="") for t in (*boards, *series))


def test_large_answers_arrive_whole_also_slowly(shared, tool, uid):
    path = big_answer(shared, tool, uid)
    answer = get(shared, path)
    assert len(answer.text) > 300_000 and len(answer.json()["topics"]) == 44
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(10 * PATIENCE)
        slow.connect(shared.address)
        head = "Host: 127.0.0.1\r\n\r\n"
        for end in ("", "Connection: close\r\n"):
            slow.sendall(f"GET {path} HTTP/1.1\r\n{end}{head}".encode())
            got = b""
            while len(got) < len(answer.text):
                got += slow.recv(5000)
            assert got.startswith(b"HTTP/1.1 200") and got.endswith(b"}")
        assert slow.recv(1) == b""


def test_who_does_not_read_his_answer_is_not_waited_for(folder, redis):
    path = folder.path / "s"
    daemon = Daemon(folder, redis, {"limits.message_ms": 2000}, ("127.0.0.1:0", f"unix:{path}"))
    count = 'livetally_limit_used{name="connections"}'
    with Tool(daemon) as tool, contextlib.ExitStack() as stack:
        request = f"GET {big_answer(daemon, tool, 'h')} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        deaf = [stack.enter_context(before_answer(path, request)) for _ in range(3)]
        deaf[1].sendall(b"GET")
        deaf[2].shutdown(socket.SHUT_WR)
        assert metrics(daemon)[count] == 5, "tool, this one and those"
        for peer in deaf:
            look = select.poll()
            look.register(peer, 0)
            assert look.poll(10_000 * PATIENCE), "it is left"
        wait_for(lambda: metrics(daemon)[count] == 2, 10, "all to be gone")
    daemon.stop()


def before_answer(path, request):
    """A connection that has a large answer to read. By a Unix socket: those of TCP take megabytes,
    and then the answer is no longer ours."""
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(10 * PATIENCE)
    peer.connect(str(path))
    peer.sendall(request)
    assert peer.recv(4, socket.MSG_PEEK) == b"HTTP"
    return peer


def is_asleep(process):
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def read_answers(peer):
    """Bodies, as JSON, of all the answers that come until it is closed."""
    data = b"".join(iter(lambda: peer.recv(65536), b""))
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])
        assert head.startswith(b"HTTP/1.1 200 ") and len(data) >= size
        yield json.loads(data[:size])
        data = data[size:]


def test_what_comes_behind_a_large_answer_waits_for_its_end(folder, redis):
    """And keeps nobody busy meanwhile."""
    path = folder.path / "s"
    daemon = Daemon(folder, redis, {"limits.message_ms": 60_000}, ("127.0.0.1:0", f"unix:{path}"))
    body = json.dumps([{"type": "order", "id": "x" * 64}] * 1000)
    post = (f"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
            f"{body}").encode()
    with Tool(daemon) as tool:
        query = big_answer(daemon, tool, "h")
        for requests in (f"GET {query} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), post):
            with before_answer(path, requests) as peer:
                peer.sendall(requests[:20])
                wait_for(lambda: is_asleep(daemon), 10, "it to sleep")
                peer.sendall(requests[20:])
                peer.shutdown(socket.SHUT_WR)
                wait_for(lambda: is_asleep(daemon), 10, "it to sleep")
                first, second = read_answers(peer)
            assert first.keys() == second.keys()
    daemon.stop()


def scripts_of(html):
    return ["/" + p.lstrip("/") for p in re.findall(r'<script[^>]* src="([^":]+)"', html)]


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/events/x", "/v2/totals", "/..%2f..%2fetc",
                                  "/index.php"])
def test_unknown_paths_are_404(shared, path):
    assert get(shared, path).status == 404


@pytest.mark.parametrize("method, path, allowed", [
    ("GET", "/v1/events", "POST"), ("PUT", "/v1/events", "POST"), ("POST", "/v1/totals", "GET"),
    ("DELETE", "/metrics", "GET"), ("POST", "/healthz", "GET"), ("POST", "/", "GET")])
def test_other_methods_are_405(shared, method, path, allowed):
    answer = http_request(shared, method, path, body="" if method in ("POST", "PUT") else None)
    assert answer.status == 405
    assert allowed in answer.headers["Allow"]


def test_head_has_no_body(shared):
    answer = http_request(shared, "HEAD", "/healthz")
    assert answer.status in (200, 405) and answer.text == ""


@pytest.mark.parametrize("path", ["/v1/ingest", "/v1/live"])
def test_websocket_paths_ask_for_an_upgrade(shared, path):
    assert get(shared, path).status in (400, 426)


def test_several_requests_on_one_connection(shared):
    connection = http.client.HTTPConnection(*shared.address, timeout=10)
    for path in ("/healthz", "/nothing", "/v1/totals?topic=total", "/metrics", "/healthz"):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.read() and answer.status) == (404 if path == "/nothing" else 200)
    connection.request("POST", "/v1/events", body=json.dumps({"type": "x"}),
                       headers={"Content-Type": "application/json"})
    assert json.loads(connection.getresponse().read())["rejected"][0]["code"] == "bad_type"
    connection.close()


@pytest.mark.parametrize("raw", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000,
                                 b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
                                 b"\x16\x03\x01\x02\x00", b"\x00" * 500],
                         ids=["words", "headers", "path", "tls", "zeros"])
def test_what_is_not_http_hurts_nobody(shared, raw):
    with socket.create_connection(shared.address, timeout=10) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:
            pass
    assert get(shared, "/healthz").status == 200
