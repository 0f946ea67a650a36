"""The tools of the tests themselves: a model or harness that errs would prove nothing."""
import contextlib
import random
import threading

import pytest
import redis as redis_client

from burst import Burst
from events import order, product, refund, session
from expected import every_topic, payload
from harness import now_ms, process_alive, wait_for
from model import AMOUNT_FIELDS, METRICS, Model
from proxy import Proxy, Splitter, words
from traffic import HOUR, Traffic


def test_redis_can_be_frozen_killed_and_started_again_with_its_data(redis):
    client = redis.client()
    client.set("key", "value")
    redis.freeze()
    assert process_alive(redis.pid)
    redis.thaw()
    redis.kill()
    assert not process_alive(redis.pid)
    redis.start()
    assert redis.client().get("key") == "value"
    redis.stop()
    assert redis.process.returncode == 0


def test_wait_for_returns_what_became_true():
    values = iter([0, None, "yes"])
    assert wait_for(lambda: next(values)) == "yes"


def test_model_by_hand():
    now, model = 1_700_000_000_000, Model()
    verdicts = [model.apply(e, now) for e in [
        order("a", amount=1000, quantity=2),
        order("a", amount=1000, quantity=2),
        order("a", amount=1001, quantity=2),
        refund("a", refund_id="x", amount=600, quantity=1),
        refund("a", refund_id="x", amount=600),
        refund("a", refund_id="y", amount=401),
        refund("a", 2, "x", amount=300),
        refund("a", 2, "y", amount=300),
        refund("a", 2, "z", amount=200),
        order("a", 2, amount=500),
        refund("a", 2, "y", amount=300),
        order("a", 3, county=None),
        order("a", 3, host_id=None, session_id="s"),
    ]]
    assert verdicts == ["accepted", "duplicate", "conflict", "accepted", "duplicate",
                        "refund_exceeds_order", "parked", "parked", "parked", "accepted",
                        "refund_exceeds_order", "unknown_product", "unknown_session"]
    assert payload(model, "host/a", now)["all"] == {
        "orders": 2, "units": 3, "gross": 1500, "refunds": 3, "refunded": 1100, "returned": 1,
        "net": 400}


def test_model_takes_defaults_and_cuts_days_at_the_business_midnight():
    midnight = 1_700_064_000_000  # 2023-11-16 00:00 +08:00
    model = Model()
    model.apply(session("a", platform="douyin"), midnight)
    model.apply(product("a", county="110105"), midnight)
    for number, time in enumerate([midnight - 1, midnight]):
        model.apply(order("a", number, host_id=None, county=None, session_id="a-s", time=time),
                    midnight)
    assert payload(model, "county/110105", midnight)["today"]["orders"] == 1
    assert payload(model, "platform/douyin", midnight - 1)["today"]["orders"] == 1
    assert payload(model, "platform/douyin", midnight)["all"]["orders"] == 2


def test_traffic_means_the_same_in_whatever_order_it_comes():
    now = now_ms()
    traffic = Traffic(seed=7, events=3000, now=now)
    straight, shuffled = Model(), Model()
    straight.apply_all(traffic.distinct, now)
    shuffled.apply_all(traffic.catalog, now)
    streams = [iter(s) for s in traffic.streams]
    chance = random.Random(8)
    verdicts = []
    while streams:
        stream = chance.choice(streams)
        event = next(stream, None)
        if event is None:
            streams.remove(stream)
        else:
            verdicts.append(shuffled.apply(event, now))
    assert straight.redis_hashes() == shuffled.redis_hashes()
    assert {v: verdicts.count(v) > 20 for v in verdicts} == {
        "accepted": True, "duplicate": True, "parked": True}
    assert any(e["time"] < now - 72 * HOUR for e in traffic.distinct)
    assert len(every_topic(straight)) > 200


def test_a_series_may_be_late_in_a_burst_when_an_hour_has_begun_and_only_then():
    burst = Burst([], None, size=1)
    assert all(burst[number] for number in range(3))
    before = burst.now // HOUR * HOUR + HOUR - 1
    after = before + 1

    def update(k, time, series=True):
        total = dict(zip(METRICS, burst.value_at("total", k)))
        topics = {"total": {"all": total}}
        if series:
            topics["series/total"] = {"step_ms": 60_000, "start": burst.now // 60_000 * 60_000,
                                      **{name: [total[name]] for name in AMOUNT_FIELDS}}
        return {"type": "update", "ver": k, "time": time, "topics": topics}

    def shown(*updates):
        snapshot = {**update(1, before), "type": "snapshot"}
        return burst.check_history(["total", "series/total"], [snapshot, *updates])
    late = update(2, after, series=False)
    assert shown(update(2, before)) == 2
    assert shown(late) == 1, "it is still to come"
    assert shown(late, update(2, after)) == 2
    assert shown(late, update(2, after), update(2, after, series=False)) == 2, "no change"
    for bad in ([update(2, before, series=False)], [late, update(1, after)],
                [late, update(2, after), update(3, after, series=False)]):
        with pytest.raises(AssertionError):
            shown(*bad)


def test_the_proxy_finds_where_requests_and_replies_end():
    values = [b"*2\r\n$3\r\nGET\r\n$5\r\na\r\nbc\r\n", b":1\r\n", b"+OK\r\n", b"$-1\r\n", b"*-1\r\n",
              b"*3\r\n*1\r\n:7\r\n$0\r\n\r\n*0\r\n", b"-OOM no memory\r\n"]
    stream, chance = b"".join(values), random.Random(7)
    for _ in range(200):
        splitter, found, at = Splitter(), [], 0
        while at < len(stream):
            step = chance.choice((1, 2, 3, 9, 100))
            found += splitter.feed(stream[at:at + step])
            at += step
        assert found == values
    assert words(values[0]) == [b"GET", b"a\r\nbc"]


def test_the_proxy_takes_a_transaction_for_one_request(folder, redis):
    proxy = Proxy(folder, redis)
    client = redis_client.Redis(unix_socket_path=proxy.target.removeprefix("unix:"))
    pipe = client.pipeline(transaction=True)
    assert pipe.set("a", 1).incr("a").execute() == [True, 2]
    assert (proxy.seen["set"], proxy.seen["multi"], proxy.seen["incr"]) == (1, 0, 0)


def test_the_proxy_stops_the_world_at_the_moment_asked_for(folder, redis):
    proxy = Proxy(folder, redis)
    client = redis_client.Redis(unix_socket_path=proxy.target.removeprefix("unix:"),
                                decode_responses=True, retry_on_error=[])
    assert client.set("n", 1)
    proxy.answer("incrby", "-OOM no memory", times=1)
    with pytest.raises(redis_client.ResponseError):
        client.incrby("n")
    assert client.get("n") == "1"

    @contextlib.contextmanager
    def asking(at):
        """Counts in the background; the one who asks must learn nothing of it."""
        held, errors = proxy.catch("incrby", at), []

        def ask():
            try:
                client.incrby("n")
            except redis_client.ConnectionError as error:
                errors.append(error)
        thread = threading.Thread(target=ask)
        thread.start()
        yield held.wait()
        thread.join()
        assert errors

    with asking("request") as held:
        held.cut()
    assert redis.client().get("n") == "1", "it never arrived"
    with asking("reply") as held:
        held.cut()
    assert redis.client().get("n") == "2", "it was done"
    with asking("request") as held:
        held.hang_up()
        assert redis.client().get("n") == "2"
        assert held.deliver_late() == b":3\r\n"
    assert client.get("n") == "3"
