"""PROTOCOL's rules about retries, conflicts, refunds and defaults, each checked with the totals."""
import random

import pytest

from clients import Tool, totals
from events import host, order, product, refund, session
from expected import payload
from harness import Daemon, now_ms
from model import Model


def all_of(daemon, topic):
    return totals(daemon, topic)["topics"][topic]["all"]


def sums(daemon, uid):
    m = all_of(daemon, f"host/{uid}")
    return (m["orders"], m["units"], m["gross"], m["refunds"], m["refunded"], m["returned"],
            m["net"])


def test_a_retry_counts_once(shared, tool, uid):
    event = order(uid, quantity=3, session_id="s", platform="douyin", time=now_ms())
    assert tool.verdict(event) == "accepted"
    assert tool.verdict(event) == "duplicate"
    assert tool.post(event, event).duplicates == 2
    with Tool(shared) as other:
        assert other.verdict(event) == "duplicate"
    assert sums(shared, uid) == (1, 3, 1000, 0, 0, 0, 1000)


def test_both_in_one_message(shared, tool, uid):
    result = tool.post(order(uid), order(uid), refund(uid), refund(uid))
    assert (result.accepted, result.duplicates) == (2, 2)
    assert sums(shared, uid) == (1, 1, 1000, 1, 100, 0, 900)


def test_a_retry_may_leave_out_fields(tool, uid):
    full = order(uid, session_id="s", platform="douyin", time=now_ms())
    assert tool.verdict(full) == "accepted"
    for field in ("session_id", "platform", "time", "county"):
        assert tool.verdict({k: v for k, v in full.items() if k != field}) == "duplicate", field
    assert tool.verdict(order(uid, session_id="s", host_id=None)) == "duplicate"


def test_an_order_without_time_is_recognised(tool, uid):
    assert tool.verdict(order(uid)) == "accepted"
    assert tool.verdict(order(uid)) == "duplicate"
    assert tool.verdict(order(uid, time=now_ms() - 1000)) == "conflict"


@pytest.mark.parametrize("field, value", [
    ("host_id", "other"), ("product_id", "other"), ("county", "422827"), ("quantity", 2),
    ("amount", 999), ("session_id", "other"), ("platform", "other"), ("time", 1)])
def test_other_content_is_a_conflict(shared, tool, uid, field, value):
    event = order(uid, session_id="s", platform="p", time=now_ms() - 5000)
    assert tool.verdict(event) == "accepted"
    value = event["time"] + 1 if field == "time" else value
    rejection = tool.post({**event, field: value}).rejected[0]
    assert (rejection["code"], rejection["field"], rejection["final"]) == ("conflict", field, True)
    assert sums(shared, uid)[:3] == (1, 1, 1000)


def test_stating_what_the_record_lacks_is_a_conflict(tool, uid):
    assert tool.verdict(order(uid)) == "accepted"
    assert tool.verdict(order(uid, session_id="s")) == "conflict"
    assert tool.verdict(order(uid, platform="p")) == "conflict"


def test_refunds_in_parts_then_no_more(shared, tool, uid):
    assert tool.verdict(order(uid, amount=1000, quantity=2)) == "accepted"
    assert tool.verdict(refund(uid, refund_id="a", amount=300)) == "accepted"
    assert tool.verdict(refund(uid, refund_id="b", amount=500, quantity=1)) == "accepted"
    rejection = tool.post(refund(uid, refund_id="c", amount=201)).rejected[0]
    assert (rejection["code"], rejection["field"], rejection["final"]) == (
        "refund_exceeds_order", "amount", True)
    rejection = tool.post(refund(uid, refund_id="d", amount=1, quantity=2)).rejected[0]
    assert (rejection["code"], rejection["field"]) == ("refund_exceeds_order", "quantity")
    assert tool.verdict(refund(uid, refund_id="e", amount=200, quantity=1)) == "accepted"
    assert sums(shared, uid) == (1, 2, 1000, 3, 1000, 2, 0)


def test_a_refunds_retry_and_conflict(shared, tool, uid):
    event = refund(uid, quantity=1, time=now_ms())
    assert tool.post(order(uid), event).accepted == 2
    assert tool.verdict(event) == "duplicate"
    assert tool.verdict(refund(uid)) == "duplicate"
    assert tool.verdict(refund(uid, host_id=uid)) == "duplicate"
    for change in ({"amount": 101}, {"quantity": 0}, {"time": event["time"] + 1},
                   {"host_id": "other"}):
        assert tool.verdict({**event, **change}) == "conflict", change
    assert sums(shared, uid) == (1, 1, 1000, 1, 100, 1, 900)


def test_a_new_refund_of_another_host_is_a_conflict(tool, uid):
    assert tool.verdict(order(uid)) == "accepted"
    assert tool.post(refund(uid, host_id="other")).rejected[0]["field"] == "host_id"
    assert tool.verdict(refund(uid, host_id=uid)) == "accepted"


def test_the_same_refund_id_of_two_orders_is_two_refunds(shared, tool, uid):
    assert tool.post(order(uid, 1), order(uid, 2), refund(uid, 1), refund(uid, 2)).accepted == 4
    assert sums(shared, uid)[3:5] == (2, 200)


def test_a_refund_before_its_order_is_parked(shared, tool, uid):
    assert tool.verdict(refund(uid, amount=400, quantity=1)) == "parked"
    assert tool.verdict(refund(uid, amount=400)) == "duplicate"
    assert tool.verdict(refund(uid, amount=401)) == "conflict"
    assert sums(shared, uid) == (0,) * 7
    assert tool.verdict(order(uid)) == "accepted"
    assert sums(shared, uid) == (1, 1, 1000, 1, 400, 1, 600)
    assert tool.verdict(refund(uid, amount=400)) == "duplicate"


def test_parked_refunds_apply_in_order_of_arrival_while_they_fit(shared, tool, uid):
    for refund_id, amount in (("a", 600), ("b", 500), ("c", 400)):
        assert tool.verdict(refund(uid, refund_id=refund_id, amount=amount)) == "parked"
    assert tool.verdict(order(uid, amount=1000)) == "accepted"
    assert sums(shared, uid) == (1, 1, 1000, 2, 1000, 0, 0)
    assert tool.verdict(refund(uid, refund_id="b", amount=500)) == "refund_exceeds_order"
    assert tool.verdict(refund(uid, refund_id="a", amount=600)) == "duplicate"


def test_parked_and_settled_in_one_message(shared, tool, uid):
    result = tool.post(refund(uid, amount=400), order(uid), refund(uid, refund_id="r2", amount=600))
    assert (result.accepted, result.parked, result.rejected) == (2, 1, [])
    assert sums(shared, uid) == (1, 1, 1000, 2, 1000, 0, 0)


@pytest.mark.parametrize("order_first", [True, False])
def test_at_most_64_refunds_an_order(shared, tool, uid, order_first):
    if order_first:
        assert tool.verdict(order(uid)) == "accepted"
    result = tool.post(*(refund(uid, refund_id=f"r{n}", amount=1) for n in range(64)))
    assert (result.accepted, result.parked) == ((64, 0) if order_first else (0, 64))
    rejection = tool.post(refund(uid, refund_id="r64", amount=1)).rejected[0]
    assert (rejection["code"], rejection["final"]) == ("too_many_refunds", True)
    assert tool.verdict(refund(uid, refund_id="r0", amount=1)) == "duplicate"
    if not order_first:
        assert tool.verdict(order(uid)) == "accepted"
    assert sums(shared, uid)[3:5] == (64, 64)


def test_parked_refunds_of_another_host_take_no_place(shared, tool, uid):
    """They were acked as parked, and are the order's no more than if they came now."""
    others = [refund(uid, refund_id=f"r{n}", amount=1, host_id="other") for n in range(60)]
    own = [refund(uid, refund_id=f"r{n}", amount=2, host_id=uid) for n in range(60)]
    parked = [refund(uid, refund_id="a", amount=600), refund(uid, refund_id="b", amount=500),
              *others, refund(uid, refund_id="c", amount=100, host_id=uid)]
    assert tool.post(*parked).parked == 63
    assert {r["code"] for r in tool.post(*own).rejected} == {"conflict"}, "the ids are taken"
    assert tool.verdict(order(uid, amount=1000)) == "accepted"
    assert sums(shared, uid) == (1, 1, 1000, 2, 700, 0, 300)
    assert [(r["code"], r["field"]) for r in tool.post(*others).rejected] == [
        ("conflict", "host_id")] * 60
    assert tool.verdict(refund(uid, refund_id="b", amount=500)) == "refund_exceeds_order"
    assert tool.post(*own).accepted == 60
    assert tool.post(*own, parked[0], parked[-1]).duplicates == 62
    assert sums(shared, uid) == (1, 1, 1000, 62, 820, 0, 180)
    assert tool.verdict(refund(uid, refund_id="r60", amount=1)) == "accepted"
    assert tool.verdict(refund(uid, refund_id="r61", amount=1)) == "too_many_refunds"


def test_a_refund_counts_on_its_own_day(shared, tool, uid):
    now = now_ms()
    yesterday = now - 86_400_000
    assert tool.post(order(uid, time=yesterday), refund(uid, time=now)).accepted == 2
    value = totals(shared, f"host/{uid}")["topics"][f"host/{uid}"]
    assert (value["today"]["orders"], value["today"]["refunded"], value["today"]["net"]) == (
        0, 100, -100)
    assert (value["all"]["orders"], value["all"]["refunded"]) == (1, 100)


def test_an_order_takes_the_sessions_host_and_platform_and_the_products_county(shared, tool, uid):
    assert tool.post(session(uid, platform=f"{uid}-pf"), product(uid, county="530102"),
                     order(uid, host_id=None, county=None, session_id=f"{uid}-s")).accepted == 3
    for topic in (f"host/{uid}", f"platform/{uid}-pf", f"session/{uid}-s", f"product/{uid}-p"):
        assert all_of(shared, topic)["gross"] == 1000, topic
    board = f"top/counties?platform={uid}-pf"
    assert [r["id"] for r in totals(shared, board)["topics"][board]["rows"]] == ["530102"]


def test_what_an_order_states_wins_over_the_defaults(shared, tool, uid):
    tool.post(session(uid, platform="douyin"), product(uid, county="530102"))
    assert tool.verdict(order(uid, session_id=f"{uid}-s", platform=f"{uid}-pf")) == "accepted"
    assert all_of(shared, f"platform/{uid}-pf")["orders"] == 1
    board = f"top/counties?platform={uid}-pf"
    assert [r["id"] for r in totals(shared, board)["topics"][board]["rows"]] == ["422828"]


def test_session_host_mismatch(tool, uid):
    assert tool.verdict(session(uid)) == "accepted"
    rejection = tool.post(order(uid, host_id="other", session_id=f"{uid}-s")).rejected[0]
    assert (rejection["code"], rejection["final"]) == ("session_host_mismatch", True)
    assert tool.verdict(order(uid, session_id=f"{uid}-s")) == "accepted"


def test_registrations_newest_time_wins_and_what_is_left_out_stays(shared, tool, uid):
    now = now_ms()
    topic = f"session/{uid}-s"
    assert tool.verdict(session(uid, title="new", goal=500, time=now)) == "accepted"
    assert tool.verdict(session(uid, title="new", goal=500, time=now)) == "duplicate"
    assert tool.verdict(session(uid, title="old", time=now - 1000)) == "duplicate"
    assert tool.verdict(session(uid, starts_at=now, ends_at=now + 9, time=now + 1)) == "accepted"
    value = totals(shared, topic)["topics"][topic]
    assert {k: v for k, v in value.items() if k != "all"} == {
        "host_id": uid, "title": "new", "goal": 500, "starts_at": now, "ends_at": now + 9}
    assert tool.verdict(host(uid, name="One", time=now)) == "accepted"
    assert tool.verdict(host(uid, name="Two", time=now + 1)) == "accepted"
    assert totals(shared, f"host/{uid}")["topics"][f"host/{uid}"]["name"] == "Two"


def test_a_sessions_host_and_a_products_county_are_fixed(tool, uid):
    tool.post(session(uid), product(uid, county="422828"))
    rejections = tool.post(session(uid, host_id="other"), product(uid, county="530102")).rejected
    assert [(r["code"], r["field"], r["index"], r["final"]) for r in rejections] == [
        ("conflict", "host_id", 0, True), ("conflict", "county", 1, True)]
    assert tool.verdict(product(uid, county="422828", name="Tea", time=now_ms() + 5)) == "accepted"


def test_every_event_has_one_outcome(tool, uid):
    events = [order(uid, 1), order(uid, 1), order(uid, 1, amount=5), refund(uid, 2), refund(uid, 1),
              order(uid, 3, amount=-1), {"type": "x"}, session(uid), session(uid)]
    result = tool.post(*events)
    assert (result.accepted + result.duplicates + result.parked + len(result.rejected)
            == len(events))
    assert sorted(r["index"] for r in result.rejected) == [2, 5, 6]


def test_random_events_are_judged_as_the_model_does(folder, redis):
    """Few ids and small numbers, so that everything collides with everything."""
    seed = random.randrange(10**9)
    chance, now, model = random.Random(seed), now_ms(), Model()
    daemon = Daemon(folder, redis)

    def event():
        kind = chance.choices(["order", "refund", "session", "product"], [40, 40, 3, 3])[0]
        uid = f"h{chance.randrange(3)}"
        common = {"time": now - chance.randrange(3)}
        if kind == "session":
            return session(uid, session_id=f"s{chance.randrange(4)}", title=chance.choice("ab"),
                           platform=chance.choice([None, "p"]), **common)
        if kind == "product":
            return product(uid, product_id=f"p{chance.randrange(4)}", name=chance.choice("ab"),
                           county=chance.choice([None, "422828", "530102"]), **common)
        number = chance.randrange(600)
        order_id = f"o{number}"
        if kind == "refund":
            return refund(uid, order_id=order_id, refund_id=chance.choice("abc"),
                          amount=chance.choice([300, 400]), host_id=chance.choice([None] * 9 + [uid]),
                          quantity=chance.choice([None, 0, 1]), **common)
        return order(uid, order_id=order_id, host_id=chance.choice([None, f"h{number % 3}"]),
                     session_id=f"s{number % 4}", product_id=f"p{number % 5}",
                     county=chance.choice([None, "422828"]), quantity=number % 2 + 1,
                     amount=chance.choice([1000, 1000, 700]), time=now - number)

    with Tool(daemon) as tool:
        for _ in range(120):
            batch = [event() for _ in range(60)]
            want = [model.apply(e, now) for e in batch]
            got = tool.post(*batch)
            codes = {r["index"]: r["code"] for r in got.rejected}
            wanted = {i: v for i, v in enumerate(want)
                      if v not in ("accepted", "duplicate", "parked")}
            assert codes == wanted, f"seed {seed}"
            assert (got.accepted, got.duplicates, got.parked) == tuple(
                want.count(v) for v in ("accepted", "duplicate", "parked")), f"seed {seed}"
        topics = ["total", "host/h0", "session/s1", "product/p2", "county/422828", "platform/p",
                  "top/products?session=s0", "top/hosts?county=422828&by=net", "province/53"]
        got = totals(daemon, *topics)["topics"]
        for topic in topics:
            assert got[topic] == payload(model, topic, now), f"seed {seed}, {topic}"
    daemon.stop()
