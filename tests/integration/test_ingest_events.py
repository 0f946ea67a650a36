"""PROTOCOL, "Ingest: events": every field's rule, and every code: rejected alone, code and field."""
import json

import pytest

from clients import Tool, totals
from events import host, order, product, refund, session
from harness import Daemon, now_ms

MINUTE, DAY = 60_000, 86_400_000

# what is changed of an order, code, field
BAD_ORDERS = [
    ({"order_id": None}, "missing_field", "order_id"),
    ({"product_id": None}, "missing_field", "product_id"),
    ({"quantity": None}, "missing_field", "quantity"),
    ({"amount": None}, "missing_field", "amount"),
    ({"host_id": None}, "missing_field", "host_id"),
    ({"order_id": ""}, "bad_field", "order_id"),
    ({"order_id": "x" * 65}, "bad_field", "order_id"),
    ({"order_id": 6917}, "bad_field", "order_id"),
    ({"host_id": "a b"}, "bad_field", "host_id"),
    ({"host_id": "主播"}, "bad_field", "host_id"),
    ({"host_id": "a/b"}, "bad_field", "host_id"),
    ({"product_id": ["p"]}, "bad_field", "product_id"),
    ({"session_id": {}}, "bad_field", "session_id"),
    ({"session_id": False}, "bad_field", "session_id"),
    ({"platform": "a,b"}, "bad_field", "platform"),
    ({"county": "42"}, "bad_county", "county"),
    ({"county": 422828}, "bad_county", "county"),
    ({"county": "422800"}, "bad_county", "county"),
    ({"county": "992828"}, "bad_county", "county"),
    ({"county": "42282a"}, "bad_county", "county"),
    ({"county": "4228280"}, "bad_county", "county"),
    ({"county": ""}, "bad_county", "county"),
    ({"quantity": 0}, "bad_quantity", "quantity"),
    ({"quantity": -1}, "bad_quantity", "quantity"),
    ({"quantity": 100_001}, "bad_quantity", "quantity"),
    ({"quantity": "1"}, "bad_quantity", "quantity"),
    ({"quantity": 1.5}, "bad_quantity", "quantity"),
    ({"quantity": True}, "bad_quantity", "quantity"),
    ({"amount": -1}, "bad_amount", "amount"),
    ({"amount": 10**10 + 1}, "bad_amount", "amount"),
    ({"amount": 2**63}, "bad_amount", "amount"),
    ({"amount": "1000"}, "bad_amount", "amount"),
    ({"amount": 10.0}, "bad_amount", "amount"),
    ({"amount": {"v": 1}}, "bad_amount", "amount"),
    ({"currency": "USD"}, "currency_mismatch", "currency"),
    ({"currency": "cny"}, "bad_field", "currency"),
    ({"currency": 156}, "bad_field", "currency"),
    ({"time": "yesterday"}, "bad_field", "time"),
    ({"time": 1.5}, "bad_field", "time"),
    ({"time": -1}, "bad_field", "time"),
    ({"type": "sale"}, "bad_type", "type"),
    ({"type": 1}, "bad_type", "type"),
    ({"type": None}, "missing_field", "type"),
]

BAD_REFUNDS = [
    ({"order_id": None}, "missing_field", "order_id"),
    ({"refund_id": None}, "missing_field", "refund_id"),
    ({"amount": None}, "missing_field", "amount"),
    ({"refund_id": "a b"}, "bad_field", "refund_id"),
    ({"amount": 0}, "bad_amount", "amount"),
    ({"amount": -5}, "bad_amount", "amount"),
    ({"amount": 10**10 + 1}, "bad_amount", "amount"),
    ({"quantity": -1}, "bad_quantity", "quantity"),
    ({"quantity": 100_001}, "bad_quantity", "quantity"),
    ({"host_id": "a b"}, "bad_field", "host_id"),
]

BAD_REGISTRATIONS = [
    ({"type": "session"}, "missing_field", "session_id"),
    ({"type": "session", "session_id": "s", "host_id": "h", "title": "x" * 129}, "bad_field",
     "title"),
    ({"type": "session", "session_id": "s", "host_id": "h", "title": "a\u0007b"}, "bad_field",
     "title"),
    ({"type": "session", "session_id": "s", "host_id": "h", "starts_at": "now"}, "bad_field",
     "starts_at"),
    ({"type": "session", "session_id": "s", "host_id": "h", "ends_at": -1}, "bad_field",
     "ends_at"),
    ({"type": "session", "session_id": "s", "host_id": "h", "goal": 1.5}, "bad_field", "goal"),
    ({"type": "session", "session_id": "s"}, "missing_field", "host_id"),
    ({"type": "product"}, "missing_field", "product_id"),
    ({"type": "product", "product_id": "p", "county": "42"}, "bad_county", "county"),
    ({"type": "product", "product_id": "p", "name": 7}, "bad_field", "name"),
    ({"type": "product", "product_id": "p", "unit": "x" * 129}, "bad_field", "unit"),
    ({"type": "host"}, "missing_field", "host_id"),
    ({"type": "host", "host_id": "h", "name": ["x"]}, "bad_field", "name"),
]


def rejected_alone(tool, uid, bad):
    """Posts `bad` between two good orders, which must count; returns the rejection."""
    result = tool.post(order(uid, "before"), bad, order(uid, "after"))
    assert result.accepted + result.duplicates == 2, result
    assert len(result.rejected) == 1, result
    rejection = result.rejected[0]
    assert rejection["message"] == tool.upto
    assert rejection["index"] == 1
    assert isinstance(rejection["error"], str) and rejection["error"]
    return rejection


def case_name(value):
    return json.dumps(value)[:50] if isinstance(value, dict) else None


@pytest.mark.parametrize("change, code, field", BAD_ORDERS, ids=case_name)
def test_bad_order(tool, uid, change, code, field):
    rejection = rejected_alone(tool, uid, order(uid, **change))
    assert (rejection["code"], rejection["final"]) == (code, True), rejection
    assert rejection["field"] == field, rejection


@pytest.mark.parametrize("change, code, field", BAD_REFUNDS, ids=case_name)
def test_bad_refund(tool, uid, change, code, field):
    rejection = rejected_alone(tool, uid, refund(uid, "before", **change))
    assert (rejection["code"], rejection["field"], rejection["final"]) == (code, field, True)


@pytest.mark.parametrize("event, code, field", BAD_REGISTRATIONS, ids=case_name)
def test_bad_registration(tool, uid, event, code, field):
    rejection = rejected_alone(tool, uid, event)
    assert (rejection["code"], rejection["field"], rejection["final"]) == (code, field, True)


def test_a_null_is_not_the_same_as_leaving_out(tool, uid):
    text = json.dumps(order(uid)).replace('"county": "422828"', '"county": null')
    assert rejected_alone(tool, uid, text)["field"] == "county"


def test_largest_values_are_fine(tool, uid):
    assert tool.verdict(order(uid, order_id="x" * (64 - len(uid)) + uid, quantity=100_000,
                              amount=10**10, currency="CNY")) == "accepted"
    assert tool.verdict(order(uid, "A.z_0~:@-", amount=0)) == "accepted"
    assert tool.verdict(host(uid, name="名" * 42 + "é")) == "accepted"  # 128 bytes


@pytest.mark.parametrize("text", [
    '{"type":"order","x":[[[[[[[[1]]]]]]]]}',  # with the object itself: nine deep
    '{"type":"host","host_id":"h","name":"\\ud800"}',
    '{"type":"host","host_id":"h","name":"\\udc00x"}',
    '{"type":"host","host_id":"h","host_id":"i"}',
    '{"type":"host","host_id":"h","x":1,"\\u0078":2}',
    '{"type":"host","host_id":"h",}',
    '{"type":"host","host_id":"h"} x',
    '{"type":"host","host_id":"h","x":012}',
    '{"type":"host","host_id":"h","x":NaN}',
    '{"type":"host","host_id":"h","x":+1}',
    "{'type':'host'}",
    '{"type":"host","host_id":"h","name":"a\tb"}',
    '\ufeff{"type":"host","host_id":"h"}',
    "{" * 5000,
], ids=range(14))
def test_what_is_not_strict_json(tool, uid, text):
    rejection = rejected_alone(tool, uid, text)
    assert (rejection["code"], rejection["final"]) == ("bad_json", True), rejection
    alone = tool.post_message(text).rejected
    assert [(r["code"], r["index"]) for r in alone] == [("bad_json", None)]
    assert tool.verdict(order(uid)) == "accepted"


@pytest.mark.parametrize("number", ["1e3", "1" + "0" * 299, "1.0", "1E0", "-0.0",
                                    "9223372036854775808"], ids=lambda n: n[:20])
def test_numbers_that_are_no_int64(tool, uid, number):
    text = json.dumps(order(uid)).replace("1000", number)
    assert rejected_alone(tool, uid, text)["code"] == "bad_amount"
    ignored = json.dumps(order(uid))[:-1] + f', "anything": {number}' + "}"
    assert tool.post(ignored).accepted == 1


def test_unknown_fields_of_any_kind_are_ignored(tool, uid):
    event = order(uid, x=None, y=[1, {"a": [None, True]}], note={"deep": [[[[[1]]]]]})
    assert tool.verdict({**event, "x": None}) == "accepted"


def test_keys_and_values_may_be_escaped(tool, uid):
    text = json.dumps(order(uid)).replace('"type"', '"\\u0074ype"').replace("422828", "42282\\u0038")
    assert tool.post(text).accepted == 1
    assert tool.verdict(order(uid)) == "duplicate"


def test_echoed_input_is_cut_at_64_bytes(tool, uid):
    rejection = rejected_alone(tool, uid, order(uid, county="é" * 100))
    assert "é" * 20 in rejection["error"] and "é" * 33 not in rejection["error"]
    assert len(rejected_alone(tool, uid, order(uid, order_id="y" * 200))["id"]) <= 64


def test_the_rejections_id_is_the_events(tool, uid):
    assert rejected_alone(tool, uid, order(uid, 5, amount=-1))["id"] == f"{uid}-o5"
    assert rejected_alone(tool, uid, order(uid, 5, amount=-1, order_id=None)).get("id") is None


def test_time_in_the_future_may_succeed_later(tool, uid):
    rejection = rejected_alone(tool, uid, order(uid, time=now_ms() + 7 * MINUTE))
    assert (rejection["code"], rejection["field"], rejection["final"]) == (
        "time_in_future", "time", False)
    assert tool.verdict(order(uid, time=now_ms() + 3 * MINUTE)) == "accepted"


def test_too_old(tool, uid):
    rejection = rejected_alone(tool, uid, order(uid, time=now_ms() - 30 * DAY - MINUTE))
    assert (rejection["code"], rejection["field"], rejection["final"]) == ("too_old", "time", True)
    assert tool.verdict(order(uid, time=now_ms() - 30 * DAY + 5 * MINUTE)) == "accepted"
    assert rejected_alone(tool, uid, refund(uid, time=1))["code"] == "too_old"


def test_form_is_judged_before_time_and_time_before_the_ledger(tool, uid):
    assert tool.verdict(order(uid)) == "accepted"
    assert tool.verdict(order(uid, time=1, amount=-1)) == "bad_amount"
    assert tool.verdict(order(uid, time=1, amount=5)) == "too_old"
    assert tool.verdict(order(uid, amount=5, county=None)) == "conflict"


def test_unknown_session_and_product_may_succeed_later(tool, uid):
    event = order(uid, host_id=None, county=None, session_id=f"{uid}-s")
    rejection = rejected_alone(tool, uid, event)
    assert (rejection["code"], rejection["final"]) == ("unknown_session", False)
    assert tool.verdict(session(uid)) == "accepted"
    rejection = rejected_alone(tool, uid, event)
    assert (rejection["code"], rejection["final"]) == ("unknown_product", False)
    assert tool.verdict(product(uid, name="Tea")) == "accepted"
    assert tool.verdict(event) == "unknown_product"  # known, but without a county
    assert tool.verdict(product(uid, county="530102")) == "accepted"
    assert tool.verdict(event) == "accepted"


def test_too_many_ids(folder, redis):
    limits = {"limits.hosts": 2, "limits.products": 3, "limits.catalog_entries": 2}
    daemon = Daemon(folder, redis, limits)
    with Tool(daemon) as tool:
        for number in range(2):
            assert tool.verdict(order(f"h{number}", product_id="p")) == "accepted"
        rejection = tool.post(order("h2", product_id="p")).rejected[0]
        assert (rejection["code"], rejection["field"], rejection["final"]) == (
            "too_many_ids", "host_id", True)
        assert tool.verdict(order("h1", 2, product_id="q")) == "accepted"
        assert tool.verdict(host("a")) == tool.verdict(host("b")) == "accepted"
        assert tool.verdict(host("c")) == "too_many_ids"
        assert tool.verdict(host("b", name="B", time=now_ms())) == "accepted"
    daemon.stop()


def test_county_list_and_successors_of_retired_codes(folder, redis):
    counties, aliases = folder.path / "counties.csv", folder.path / "aliases.csv"
    counties.write_text("code,name\n422828,鹤峰县\n110101,东城区\n")
    aliases.write_text("old_code,primary_code\n110103,110101\n")
    daemon = Daemon(folder, redis, {"data.county_file": counties, "data.county_alias_file": aliases})
    with Tool(daemon) as tool:
        assert tool.verdict(order("a", 1)) == "accepted"
        assert tool.verdict(order("a", 2, county="530102")) == "bad_county"
        assert tool.verdict(order("a", 3, county="110103")) == "accepted"
        assert tool.verdict(order("a", 3, county="110101")) == "duplicate"
        assert tool.verdict(product("a", county="110103")) == "accepted"
        assert tool.verdict(product("a", county="110101")) == "duplicate"
    daemon.stop()


def test_a_county_that_is_retired_later(folder, redis):
    """What was recorded before counts as its successor from then on: retries, registrations and
    the counties that products stand for."""
    counties, aliases = folder.path / "counties.csv", folder.path / "aliases.csv"
    counties.write_text("code,name\n110103,崇文区\n110101,东城区\n")
    aliases.write_text("old_code,primary_code\n")
    daemon = Daemon(folder, redis, {"data.county_file": counties, "data.county_alias_file": aliases})
    with Tool(daemon) as tool:
        assert tool.verdict(order("a", 1, county="110103")) == "accepted"
        assert tool.verdict(product("a", county="110103")) == "accepted"
    daemon.stop()
    counties.write_text("code,name\n110101,东城区\n")
    aliases.write_text("old_code,primary_code\n110103,110101\n")
    daemon.restart()
    with Tool(daemon) as tool:
        for county in ("110103", "110101"):
            assert tool.verdict(order("a", 1, county=county)) == "duplicate"
            assert tool.verdict(product("a", county=county)) == "duplicate"
        assert tool.verdict(order("a", 1, county="422828")) == "bad_county"
        assert tool.verdict(order("a", 2, county=None)) == "accepted"
        assert tool.verdict(refund("a", 1)) == "accepted"
        topics = totals(daemon, "county/110101", "county/110103")["topics"]
        assert topics["county/110101"]["all"]["orders"] == 1, "what is sold now"
        assert topics["county/110103"]["all"]["orders"] == 1, "what was counted stays"
        assert topics["county/110103"]["all"]["refunded"] == 100
        assert tool.verdict(product("a", county="110101", name="n")) == "accepted"
    daemon.stop()
