"""/v1/live as server-sent events: the same messages as on a WebSocket, the same rules for who may see
what, for slow viewers and for the end."""
import itertools
import socket

from clients import Viewer, feed_all, http_request, lines, metrics, totals
from events import order
from harness import PATIENCE, Daemon, wait_for
from stream import ENDED, Stream
from tokens import (bearer, errors, guarded, keys, nothing_shows_a_token, own, place, refusals)

ACCEPT = {"Accept": "text/event-stream"}


def live_connections(daemon):
    return metrics(daemon)["livetally_live_connections"]


def streams_begun(daemon):
    return metrics(daemon)["livetally_live_connections_total"]


def wait_alone(daemon):
    """Nobody reads from a stream: that it has ended is noticed within two seconds or so."""
    wait_for(lambda: live_connections(daemon) == 0, 5, "all streams to be gone")


# --- the form --------------------------------------------------------------------------------


def test_hello_snapshot_updates(shared, tool, uid):
    topic = f"host/{uid}"
    with Stream(shared, topic, "top/hosts?n=10&by=gross", interval_ms=200) as stream:
        snapshot = stream.wait_type("snapshot")
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["cache-control"].startswith("no-store")
        assert stream.headers["connection"] == "close"
        assert set(snapshot["topics"]) == {topic, "top/hosts"} and snapshot["interval_ms"] == 250
        tool.post(order(uid))
        stream.wait_until(lambda v: v[topic]["all"]["orders"] == 1)
        assert [e.event for e in stream.events[:3]] == ["hello", "snapshot", "update"]
        assert [m["type"] for m in stream.messages[:3]] == ["hello", "snapshot", "update"]
        for event in stream.events[1:3]:
            assert event.id == f'{event.message["epoch"]}:{event.message["ver"]}'
        assert stream.events[0].id is None, "nothing was seen yet"
        assert stream.messages[0]["protocol"] == "livetally.live.v1"
        assert 1000 <= stream.retry_ms < 5000, "so that a crash doesn't bring all back at once"


def test_the_same_as_on_a_websocket(shared, viewer, tool, uid):
    topics = [f"host/{uid}", f"top/products?host={uid}", f"series/host/{uid}", "ticker"]
    viewer.subscribe(*topics)
    with Stream(shared, *topics) as stream:
        stream.wait_type("snapshot")
        tool.post(*(order(uid, n) for n in range(3)))
        for one in (stream, viewer):
            one.wait_until(lambda v: v[topics[0]]["all"]["orders"] == 3)
        assert {t: stream.values[t] for t in topics[:3]} == {t: viewer.values[t] for t in topics[:3]}
        assert stream.values["ticker"]["orders"][-3:] == viewer.values["ticker"]["orders"][-3:]
        update = stream.of_type("update")[-1]
        assert update in viewer.of_type("update"), "viewers share frames"


def test_the_interval_is_250_ms_unless_said(shared):
    with Stream(shared, "total", interval_ms=None) as stream:
        assert stream.wait_type("snapshot")["interval_ms"] == 250
    with Stream(shared, "total", interval_ms=999_999_999) as stream:
        assert stream.wait_type("snapshot")["interval_ms"] == 5000


def test_topics_that_are_none_stand_under_errors(shared):
    names = ["total", "nonsense", "host/a b", "host/\u00e9", 'host/"\\', "host/" + "x" * 900]
    with Stream(shared, *names) as stream:
        snapshot = stream.wait_type("snapshot")
        assert list(snapshot["topics"]) == ["total"]
        assert {e["code"] for e in snapshot["errors"]} == {"bad_topic"}
        assert len(snapshot["errors"]) == len(names) - 1
        assert 'host/"\\' in errors(snapshot)


def test_what_is_asked_wrongly_is_told(shared):
    before = streams_begun(shared)
    for query, code in (("?interval_ms=100", "bad_topic"), ("", "bad_topic"), ("?topic=total&interval_ms=0", "bad_parameter"),
                        ("?topic=total&interval_ms=1.5", "bad_parameter"),
                        ("?topic=total&interval_ms=", "bad_parameter"),
                        ("?topic=total&interval_ms=-1", "bad_parameter"),
                        ("?topic=total&interval_ms=1234567890", "bad_parameter"),
                        ("?topic=total&interval_ms=100&interval_ms=100", "bad_parameter"),
                        ("?topic=total&interval=100", "bad_parameter"), ("?total", "bad_parameter")):
        answer = http_request(shared, "GET", "/v1/live" + query, headers=ACCEPT)
        assert (answer.status, answer.json()["code"]) == (400, code), query
        assert answer.json()["error"]
    assert streams_begun(shared) == before


def test_only_who_accepts_events_gets_them(shared):
    path = "/v1/live?topic=total"
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "text/html,application/json;q=0.9"}):
        assert http_request(shared, "GET", path, headers=headers).status == 426
    assert http_request(shared, "HEAD", path, headers=ACCEPT).status == 426
    assert http_request(shared, "POST", path, body="", headers=ACCEPT).status == 405
    assert http_request(shared, "GET", "/v1/ingest", headers=ACCEPT).status == 426
    with Stream(shared, "total",
                headers={"Accept": "text/html, TEXT/Event-Stream;q=0.9"}) as stream:
        assert stream.wait_type("snapshot")
    with Stream(shared, "total", headers={"Last-Event-ID": "x:7"}) as stream:
        assert stream.wait_type("snapshot")["topics"]["total"], "values are absolute"


def test_a_request_behind_others_on_its_connection(shared):
    """And one that has something behind it, which nobody will look at."""
    with socket.create_connection(shared.address, 10 * PATIENCE) as raw:
        head = b"Host: x\r\nAccept: text/event-stream\r\n\r\n"
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        raw.sendall(b"GET /v1/live?topic=total HTTP/1.1\r\n" + head)
        got = b""
        while b"event: snapshot" not in got:
            got += raw.recv(65536)
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            while data := raw.recv(65536):
                assert b"HTTP/1.1" not in data
        except ConnectionResetError:
            pass  # what it said was never read
    wait_alone(shared)


# --- counted, limited and ended like others --------------------------------------------------


def test_counted_while_it_lasts(shared):
    wait_alone(shared)
    before = streams_begun(shared)
    streams = [Stream(shared, "total") for _ in range(30)]
    for stream in streams:
        stream.wait_type("snapshot")
    assert live_connections(shared) == 30
    for stream in streams:
        stream.close()
    wait_alone(shared)
    assert streams_begun(shared) == before + 30


def test_goodbye_when_the_server_ends(folder, redis):
    daemon = Daemon(folder, redis, {"limits.connections": 3})
    with Stream(daemon, "total") as one, Stream(daemon, "total") as two, Viewer(daemon) as three:
        assert three.hello and one.hello and two.hello
        with Stream(daemon, "total") as refused:
            assert (refused.status, refused.error()["code"]) == (503, "too_many_connections")
        daemon.stop()
        retries = set()
        for stream in (one, two):
            assert stream.wait_closed() == ENDED
            assert stream.events[-1].event == "goodbye"
            assert stream.messages[-1]["code"] == "shutting_down"
            assert stream.retry_ms == stream.messages[-1]["retry_after_ms"]
            retries.add(stream.retry_ms)
        assert len(retries) == 2, "spread, so that they don't return all at once"


def test_who_does_not_read_gets_less_and_hurts_nobody(shared, uid):
    topics = [f"top/products?host={uid}&n=100"] + [f"series/host/{uid}?minutes=1440"]
    with Stream(shared, *topics, read=False, rcvbuf=4096) as slow, Stream(shared, *topics) as quick:
        quick.wait_type("snapshot")
        before = metrics(shared)["livetally_updates_conflated_total"]
        numbers = itertools.count(0, 100)

        def conflated():
            number = next(numbers)
            events = [order(uid, number + n, product_id=f"{uid}-p{n}") for n in range(100)]
            feed_all([(shared, [lines(events)])])[0].result(30 * PATIENCE)
            return metrics(shared)["livetally_updates_conflated_total"] >= before + 20
        wait_for(conflated, 60, "updates to be skipped")
        with Viewer(shared) as viewer:
            viewer.subscribe(*topics)
            slow.start_reading()
            for one in (quick, slow):
                one.wait_until(lambda values: values == viewer.values)
        assert slow.updates < quick.updates


def test_exact_after_traffic(shared, uid):
    topics = ["total", f"host/{uid}", "top/hosts?n=100", f"top/counties?n=100", "top/platforms"]
    with Stream(shared, *topics) as stream:
        stream.wait_type("snapshot")
        streams = [(shared, [lines([order(uid, 1000 * c + n)]) for n in range(300)])
                   for c in range(4)]
        for future in feed_all(streams):
            assert future.result(60 * PATIENCE).accepted == 300
        stream.wait_until(lambda v: v[f"host/{uid}"]["all"]["orders"] == 1200)
        expected = totals(shared, *topics)["topics"]
        stream.wait_until(lambda v: v == expected)


def test_the_dead_and_the_deaf_are_noticed(folder, redis):
    """One that takes nothing for as long as a silent WebSocket would be given; others stay."""
    daemon = Daemon(folder, redis, {"limits.ping_idle_ms": 500, "limits.ping_wait_ms": 500})
    topic = "series/total?minutes=1440"
    with Stream(daemon, topic, read=False, rcvbuf=4096), Stream(daemon, topic) as quick:
        numbers = itertools.count()

        def gone():
            sale = order("h", next(numbers), time=None)
            feed_all([(daemon, [lines([sale])])])[0].result(30 * PATIENCE)
            return live_connections(daemon) < 2
        wait_for(gone, 60, "one that takes nothing to be gone")
        quick.wait_until(lambda v: v)
        assert quick.close_code is None
    daemon.stop()


# --- who may see what ------------------------------------------------------------------------


def test_tokens_by_header_and_url(guarded, keys):
    token = keys.mint("view", topics=["total", "host/a"])
    for options in ({"token": token}, {"headers": bearer(token)}):
        with Stream(guarded, "total", "host/a", "ticker", **options) as stream:
            snapshot = stream.wait_type("snapshot")
            assert set(snapshot["topics"]) == {"total", "host/a"}
            assert errors(snapshot) == {"ticker": "forbidden_topic"}


def test_without_a_good_token_nothing(guarded, keys):
    begun = streams_begun(guarded)
    before = refusals(guarded, "missing"), refusals(guarded, "url")
    for options, status in (({}, 401), ({"token": "rubbish"}, 401), ({"query": "token="}, 401),
                            ({"token": keys.mint("ingest")}, 401),
                            ({"headers": bearer(keys.mint("ingest"))}, 403),
                            ({"token": keys.mint("view", lasts="48h")}, 401),
                            ({"headers": bearer("rubbish")}, 401)):
        with Stream(guarded, "total", **options) as stream:
            assert stream.status == status, options
            assert "topics" not in stream.error()
    assert streams_begun(guarded) == begun
    assert (refusals(guarded, "missing"), refusals(guarded, "url")) == (
        before[0] + 1, before[1] + 2)


def test_ended_when_the_token_expires(guarded, keys):
    with Stream(guarded, "total", headers=bearer(keys.ending(4, scope="view"))) as stream:
        assert stream.wait_type("snapshot")
        assert stream.wait_closed() == ENDED
        assert stream.messages[-1]["code"] == "token_expired"


def test_public_topics_and_pages_of_other_sites(own):
    daemon = own({"auth.public_topics": "total", "auth.origins": "https://good.example"})
    good, bad = {"Origin": "https://good.example"}, {"Origin": "https://bad.example"}
    with Stream(daemon, "total", "ticker", headers=good) as stream:
        assert errors(stream.wait_type("snapshot")) == {"ticker": "forbidden_topic"}
        assert stream.headers["access-control-allow-origin"] == "https://good.example"
        assert stream.headers["vary"] == "Origin"
    with Stream(daemon, "total", headers=bad) as stream:
        assert (stream.status, stream.error()["code"]) == (403, "bad_origin")
    with Stream(daemon, "total") as stream:
        assert stream.wait_type("snapshot")
        assert "access-control-allow-origin" not in stream.headers
