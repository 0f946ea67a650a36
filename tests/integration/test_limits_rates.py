"""Who sends more than it may is slowed, told so, and in the end sent away, by connection and by
token; nothing of it is lost."""
import json
import time

import pytest

from clients import post_events
from events import order
from harness import Daemon, wait_for
from limits import KIB, goodbye_of, refused
from tokens import nothing_shows_a_token, own, place, request
from wire import Raw, text

RATE = {"limits.messages_per_s": 20, "limits.burst_ms": 1000}


def test_over_its_rate_a_tool_is_slowed_and_nothing_is_lost(folder, redis):
    daemon = Daemon(folder, redis, RATE)
    fast, calm = Raw(daemon), Raw(daemon)
    began = time.monotonic()
    for number in range(60):
        fast.post(order("fast", number))
    for number in range(5):
        calm.post(order("calm", number))
    calm.settle()
    assert fast.upto < 60, "the other one is not slowed"
    fast.settle()
    assert time.monotonic() - began > 1.5, "20 at once, and 40 more at 20 a second"
    assert fast.counts["accepted"] == 60 and refused(daemon, "rate") == 0
    fast.close()
    calm.close()
    daemon.stop()


@pytest.mark.parametrize("limits", [
    {"limits.messages_per_s": 5, "limits.burst_ms": 1000},
    {"limits.bytes_per_s": 2 * KIB, "limits.message_bytes": KIB, "limits.burst_ms": 1000}],
    ids=["messages", "bytes"])
def test_who_stays_over_its_rate_is_sent_away(folder, redis, limits):
    daemon = Daemon(folder, redis, {**limits, "limits.rate_close_ms": 700})
    for kind in ("ingest", "live"):
        with Raw(daemon, kind) as peer:
            peer.send(text(json.dumps(order("x", 1))) * 200)
            assert goodbye_of(peer) == (4429, "too_fast")
    assert refused(daemon, "rate") == 2
    assert "over its rate of messages or bytes address=127.0.0.1" in daemon.log
    daemon.stop()


def test_bursts_with_pauses_are_nobodys_business(folder, redis):
    """Over the rate now and then is not over it all the time."""
    daemon = Daemon(folder, redis, {"limits.messages_per_s": 20, "limits.burst_ms": 200,
                                    "limits.rate_close_ms": 900})
    with Raw(daemon) as tool:
        for turn in range(2):
            done = time.monotonic()
            wait_for(lambda: time.monotonic() > done + 1.8 * turn, 10, "a pause")
            for number in range(10):
                tool.post(order(f"turn{turn}", number))
            tool.settle()
        assert tool.counts["accepted"] == 20
    daemon.stop()


def test_connections_of_a_token_share_its_rate(own, uid):
    daemon = own({"limits.token_messages_per_s": 20, "limits.burst_ms": 1000})
    first, other = own.keys.mint(), own.keys.mint(lasts="2h")
    tools = [Raw(daemon, headers=f"Authorization: Bearer {first}\r\n") for _ in range(3)]
    began = time.monotonic()
    for n, tool in enumerate(tools):
        for number in range(20):
            tool.post(order(f"{uid}:{n}", number))
    answer = None

    def slowed():
        nonlocal answer
        answer = request(daemon, "GET", "/v1/totals?topic=total", first)
        return answer.status == 429
    wait_for(slowed, 10, "the token's rate to be used up")
    assert answer.json()["code"] == "too_fast" and int(answer.headers["Retry-After"]) >= 1
    assert request(daemon, "GET", "/v1/totals?topic=total", other).status == 200
    for tool in tools:
        tool.settle()
        tool.close()
    assert time.monotonic() - began > 1.5
    assert sum(tool.counts["accepted"] for tool in tools) == 60


def test_a_token_is_not_forgotten_between_requests(own, uid):
    """Each on a connection of its own, so that only the token knows."""
    daemon, token = own({"limits.token_messages_per_s": 1, "limits.burst_ms": 5000}), own.keys.mint()
    statuses = []
    while 429 not in statuses and len(statuses) < 100:
        answer = request(daemon, "POST", "/v1/events", token, order(uid, len(statuses)))
        statuses.append(answer.status)
    assert statuses[:5] == [200] * 5 and statuses[-1] == 429


def test_requests_over_the_rate_are_told_when_to_come_again(folder, redis, uid):
    daemon = Daemon(folder, redis, {"limits.messages_per_s": 2, "limits.burst_ms": 1000})
    body = json.dumps(order(uid))
    post = (f"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
    statuses = []
    with Raw(daemon, shake=False) as peer:
        while b"429" not in statuses and len(statuses) < 100:
            peer.send(post)
            statuses.append(peer.socket.recv(65536)[9:12])
    assert statuses[:2] == [b"200", b"200"] and statuses[-1] == b"429"
    assert post_events(daemon, order(uid)).status == 200, "another connection has its own"
    daemon.stop()
