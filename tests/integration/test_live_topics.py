"""PROTOCOL, "Live: topics": every kind of topic, its options, its canonical name, its errors."""
import pytest

from clients import Viewer, post_events, series_buckets, totals
from events import host, order, product, refund, session
from expected import payload
from harness import now_ms
from model import Model

HOUR = 3600_000


@pytest.fixture(scope="module")
def sold(module_daemon):
    """A small, known set of sales; returns its model. Topics of no other ids are asked for."""
    now, model = now_ms(), Model()
    events = [host("lt-a", name="主播 A"), session("lt-a", title="Tea", goal=500000,
                                                 platform="lt-tv", starts_at=now, ends_at=now + HOUR),
              product("lt-a", name="Tea", county="422828", unit="box")]
    amounts = [500, 700, 700, 900, 0, 1200, 300]
    for number, amount in enumerate(amounts):
        who = "lt-" + "abc"[number % 3]
        events.append(order(who, number, amount=amount, quantity=number + 1,
                            county=["422828", "422827", "530102"][number % 3],
                            platform="lt-tv" if number % 2 else None,
                            session_id="lt-a-s" if who == "lt-a" else None,
                            time=now - number * 60_000))
    events += [refund("lt-a", 0, amount=500, quantity=1, time=now), refund("lt-b", 1, amount=1)]
    for event in events:
        event.setdefault("time", now)
    ack = post_events(module_daemon, events).json()
    assert ack["accepted"] == len(events), ack
    model.apply_all(events, now)
    return model


SCOPES = ["host/lt-a", "host/lt-b", "product/lt-a-p", "session/lt-a-s", "platform/lt-tv"]
BOARDS = ["top/products?session=lt-a-s", "top/products?host=lt-a", "top/counties?platform=lt-tv",
          "top/counties?platform=lt-tv&by=net", "top/counties?platform=lt-tv&by=orders",
          "top/counties?platform=lt-tv&by=units&period=all&n=1", "top/products?host=lt-b&n=100"]


@pytest.mark.parametrize("topic", SCOPES + BOARDS)
def test_payload_over_websocket_and_http(shared, viewer, sold, topic):
    want = payload(sold, topic, now_ms())
    assert viewer.subscribe(topic)["topics"] == {topic: want}
    assert totals(shared, topic)["topics"] == {topic: want}


def test_scopes_that_never_sold_are_zeros(viewer):
    zeros = dict.fromkeys(("orders", "units", "gross", "refunds", "refunded", "returned", "net"), 0)
    topics = ["host/no-one", "product/none", "platform/none", "county/650102", "prefecture/6501",
              "province/65"]
    got = viewer.subscribe(*topics, "session/none")["topics"]
    for topic in topics:
        assert {k: got[topic][k] for k in ("today", "all")} == {"today": zeros, "all": zeros}
    assert got["session/none"]["all"] == zeros


def test_empty_boards(viewer):
    got = viewer.subscribe("top/products?host=no-one", "top/hosts?county=650102&by=net")["topics"]
    assert got == {
        "top/products?host=no-one": {"by": "gross", "period": "today", "of": 0, "rows": []},
        "top/hosts?county=650102&by=net": {"by": "net", "period": "today", "of": 0, "rows": []}}


def test_province_and_prefecture_are_sums_of_their_counties(shared, uid):
    before = totals(shared, "province/46", "prefecture/4601", "prefecture/4690")["topics"]
    post_events(shared, [order(uid, 1, county="460105"), order(uid, 2, county="460106", amount=1),
                         order(uid, 3, county="469001")])
    after = totals(shared, "province/46", "prefecture/4601", "prefecture/4690", "top/provinces",
                   "top/counties?province=46")["topics"]
    grown = {t: after[t]["all"]["gross"] - before[t]["all"]["gross"] for t in before}
    assert grown == {"province/46": 2001, "prefecture/4601": 1001, "prefecture/4690": 1000}
    assert {r["id"] for r in after["top/counties?province=46"]["rows"]} == {
        "460105", "460106", "469001"}
    row = [r for r in after["top/provinces"]["rows"] if r["id"] == "46"]
    assert row[0]["gross"] == after["province/46"]["today"]["gross"]


@pytest.mark.parametrize("asked, canonical", [
    ("top/hosts?by=gross&period=today&n=10", "top/hosts"),
    ("top/hosts?n=5&by=net", "top/hosts?by=net&n=5"),
    ("top/hosts?n=5&period=all&by=units", "top/hosts?by=units&period=all&n=5"),
    ("top/hosts?by=net&county=422828", "top/hosts?county=422828&by=net"),
    ("top/products?n=10&host=x&by=orders", "top/products?host=x&by=orders"),
    ("top/products?period=all&session=x", "top/products?session=x"),
    ("top/sessions?period=all", "top/sessions"),
    ("top/sessions?period=today", "top/sessions?period=today"),
    ("top/counties?n=1&province=42", "top/counties?province=42&n=1"),
    ("top/provinces?n=100&period=all", "top/provinces?period=all&n=100"),
    ("series/total?minutes=120", "series/total"),
    ("series/host/x?minutes=60", "series/host/x?minutes=60"),
    ("ticker/session/x", "ticker/session/x"),
])
def test_replies_use_the_canonical_name(viewer, asked, canonical):
    snapshot = viewer.subscribe(asked)
    assert list(snapshot["topics"]) == [canonical], snapshot


@pytest.mark.parametrize("topic", [
    "", "totals", "total/", "total/x", "host", "host/", "host/a b", "host/" + "x" * 65, "county/42",
    "county/422800", "county/992828", "prefecture/42", "prefecture/9901", "province/4",
    "province/99", "top", "top/", "top/orders", "top/hosts?", "top/hosts?by=price",
    "top/hosts?period=week", "top/hosts?n=0", "top/hosts?n=101", "top/hosts?n=1e1",
    "top/hosts?n=01", "top/hosts?n=5&n=6", "top/hosts?by", "top/hosts?x=1", "top/hosts?session=x",
    "top/products?session=x&county=422828", "top/products?session=x&period=today",
    "top/counties?host=x", "top/counties?province=99", "top/hosts?county=42", "top/provinces?host=x",
    "series", "series/x", "series/product/x", "series/platform/x", "series/total?minutes=0",
    "series/total?minutes=1441", "series/total?n=1", "ticker/", "ticker/host/x", "ticker?n=1",
    "TOTAL", " total", "total ", "host/%41", "x" * 500, "host/名",
])
def test_bad_topics(viewer, topic):
    snapshot = viewer.subscribe(topic, "total")
    assert list(snapshot["topics"]) == ["total"]
    assert [e["code"] for e in snapshot["errors"]] == ["bad_topic"]
    assert snapshot["errors"][0]["error"]
    assert topic.startswith(snapshot["errors"][0]["topic"][:40])


def test_equal_values_rank_by_id(shared, uid):
    ids = [f"{uid}-{c}" for c in "dbacf"]
    post_events(shared, [order(uid, n, product_id=i) for n, i in enumerate(ids)])
    topic = f"top/products?host={uid}"
    assert [r["id"] for r in totals(shared, topic)["topics"][topic]["rows"]] == sorted(ids)
    assert totals(shared, topic + "&n=2")["topics"][topic + "&n=2"]["of"] == 5


def test_a_board_can_rank_what_only_lost_today(shared, uid):
    now = now_ms()
    post_events(shared, [order(uid, 1, product_id=f"{uid}-x", time=now - 86_400_000),
                         refund(uid, 1, amount=1000, time=now),
                         order(uid, 2, product_id=f"{uid}-y", time=now, amount=1)])
    topic = f"top/products?host={uid}&by=net"
    rows = totals(shared, topic)["topics"][topic]["rows"]
    assert [(r["id"], r["net"]) for r in rows] == [(f"{uid}-y", 1), (f"{uid}-x", -1000)]


def test_series(shared, uid):
    now = now_ms()
    this_minute = now // 60_000 * 60_000
    events = [order(uid, n, amount=100 + n, time=this_minute - n * 60_000) for n in range(5)]
    events += [refund(uid, 1, amount=50, time=this_minute - 60_000),
               order(uid, 99, time=now - 5 * HOUR)]
    post_events(shared, events)
    topics = [f"series/host/{uid}?minutes=10", f"series/host/{uid}", f"series/host/{uid}?minutes=1440"]
    got = totals(shared, *topics)["topics"]
    first = got[topics[0]]
    assert first["step_ms"] == 60_000
    assert len(first["orders"]) == len(first["gross"]) == len(first["refunded"]) == 10
    assert first["start"] % 60_000 == 0
    assert first["start"] + 9 * 60_000 in (this_minute, this_minute + 60_000)
    five = {this_minute - n * 60_000: (1, 100 + n, 50 if n == 1 else 0) for n in range(5)}
    assert series_buckets(first) == series_buckets(got[topics[1]]) == five
    assert len(got[topics[2]]["orders"]) == 1440
    assert len(series_buckets(got[topics[2]])) == 6


def test_series_updates_carry_the_buckets_that_changed(shared, viewer, uid):
    now = now_ms()
    topic = f"series/county/{'%d' % (429000 + 4)}"
    viewer.subscribe(topic)
    before = dict(viewer.values[topic])
    seen = len(viewer.of_type("update"))
    post_events(shared, order(uid, county="429004", amount=7, time=now - 600_000))
    minute = (now - 600_000) // 60_000 * 60_000
    viewer.wait_until(lambda v: minute in v[topic])
    update = viewer.of_type("update")[seen]["topics"][topic]
    assert (update["start"], update["orders"], update["gross"]) == (minute, [1], [7])
    assert {k: v for k, v in viewer.values[topic].items() if k != minute} == before


def test_ticker(shared, viewer, uid):
    topic = f"ticker/session/{uid}-s"
    viewer.subscribe(topic, "ticker")
    event = order(uid, session_id=f"{uid}-s", quantity=3, time=now_ms())
    post_events(shared, event)
    viewer.wait_until(lambda v: v[topic]["orders"] and v["ticker"]["orders"])
    want = {k: event[k] for k in ("time", "host_id", "county", "product_id", "quantity", "amount")}
    assert viewer.values[topic] == {"orders": [want], "lost": 0}
    assert want in viewer.values["ticker"]["orders"]
    post_events(shared, [order(uid, n, session_id=f"{uid}-other") for n in range(5, 9)])
    viewer.wait_until(lambda v: len(v["ticker"]["orders"]) >= 5)
    assert len(viewer.values[topic]["orders"]) == 1


def test_a_ticker_says_how_many_it_left_out(shared, uid):
    with Viewer(shared) as viewer:
        topic = f"ticker/session/{uid}-s"
        post_events(shared, order(uid, "first", session_id=f"{uid}-s"))
        before = viewer.subscribe(topic, interval_ms=1000)["topics"][topic]
        assert before["lost"] == 0
        count = len(before["orders"]) + 100
        post_events(shared, [order(uid, n, session_id=f"{uid}-s", amount=n) for n in range(100)])
        viewer.wait_until(lambda v: len(v[topic]["orders"]) + v[topic]["lost"] == count)
        assert all(len(u["topics"][topic]["orders"]) <= 20 for u in viewer.of_type("update"))
        assert viewer.values[topic]["orders"][-1]["amount"] == 99
        assert viewer.values[topic]["lost"] >= 60


def test_names_come_with_the_registration(shared, viewer, uid):
    topics = [f"host/{uid}", f"product/{uid}-p", f"session/{uid}-s", f"top/products?host={uid}"]
    post_events(shared, order(uid, session_id=f"{uid}-s"))
    viewer.subscribe(*topics)
    post_events(shared, [host(uid, name="Ling"), product(uid, name="\"Tea\" <b>"),
                         session(uid, title="今夜")])
    viewer.wait_until(lambda v: v[topics[0]].get("name") == "Ling"
                      and v[topics[1]].get("name") == '"Tea" <b>'
                      and v[topics[2]].get("title") == "今夜"
                      and v[topics[3]]["rows"][0].get("name") == '"Tea" <b>')
