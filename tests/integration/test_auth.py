"""Tokens: who gets in, what that lets him do, and for how long. Whoever is refused gets nothing in
and nothing out, and no token ever stands in a log or a metric."""
import json
import socket
import time

from clients import INGEST, LIVE, Connection, Tool, Viewer, get, metrics
from events import host, order, product, refund, session
from harness import PATIENCE, livetally, wait_for
from tokens import (Keys, by_header, errors, far, guarded, keys, nothing_shows_a_token, own, place,
                    refusal, refusals, request, sent_away)

USAGE = 2


def bad_tokens(keys):
    now = int(time.time())
    stranger = Keys(keys.path.parent / f"strangers-{len(keys.tokens)}")
    stranger.add("a")
    good = keys.sign()
    return {
        "rubbish": keys.keep("rubbish-that-is-no-token"),
        "empty": "",
        "another's key": keys.keep(stranger.sign()),
        "an unknown key": keys.sign(header={"alg": "HS256", "kid": "nobody"}),
        "none": keys.sign(header={"alg": "none", "kid": "a"}),
        "cut": good[:-4],
        "expired": keys.sign(exp=now - 61),
        "not yet": keys.sign(nbf=now + 120),
        "without end": keys.sign(exp=None),
    }


# --- getting in ------------------------------------------------------------------------------


def test_by_header_or_first_message(guarded, keys, uid):
    token = keys.mint()
    with by_header(Tool, guarded, token) as tool:
        assert tool.hello["protocol"] == "livetally.ingest.v1"
        assert tool.verdict(order(uid)) == "accepted"
    with Tool(guarded) as tool:
        Connection.send(tool, {"type": "auth", "token": token})
        assert tool.verdict(order(uid, 2)) == "accepted" and tool.upto == 1, "auth is not counted"
        assert [m["type"] for m in tool.messages] == ["hello", "ack"]
    with by_header(Viewer, guarded, token) as viewer:
        assert viewer.subscribe(f"host/{uid}")["topics"][f"host/{uid}"]["all"]["orders"] == 2
    with Viewer(guarded) as viewer:
        viewer.send({"more": [{"token": 1}], "token": token, "type": "auth"})
        assert viewer.hello
        viewer.send({"type": "auth", "token": "once is enough"})
        assert viewer.subscribe(f"host/{uid}")["topics"]


def test_a_token_in_pieces(guarded, keys):
    with Viewer(guarded) as viewer:
        text = json.dumps({"type": "auth", "token": keys.mint("view")}).encode()
        viewer.send_frame(1, text[:50], fin=False)
        viewer.send_frame(0, text[50:], fin=True)
        assert viewer.hello


def test_bad_tokens_get_nowhere(guarded, keys, uid):
    before = refusals(guarded, "bad"), refusals(guarded, "expired")
    tokens = bad_tokens(keys)
    for what, token in tokens.items():
        header = {"extra_headers": {"Authorization": f"Bearer {token}"}}
        for path, subprotocol in (INGEST, LIVE):
            assert refusal(guarded, path, subprotocol=subprotocol, **header) == 401, what
            with Connection(guarded, path, subprotocol) as connection:
                connection.send({"type": "auth", "token": token})
                assert sent_away(connection) == (4401, "unauthorized"), what
        headers = {"Authorization": f"Bearer {token}"}
        answer = request(guarded, "POST", "/v1/events", body=order(uid), **headers)
        assert answer.status == 401 and "invalid_token" in answer.headers["WWW-Authenticate"], what
        answer = request(guarded, "GET", "/v1/totals?topic=total", **headers)
        assert answer.status == 401 and "topics" not in answer.text, what
    after = refusals(guarded, "bad"), refusals(guarded, "expired")
    assert after == (before[0] + 6 * (len(tokens) - 1), before[1] + 6)
    assert orders_of(guarded, keys, uid) == 0


def orders_of(daemon, keys, uid):
    answer = request(daemon, "GET", f"/v1/totals?topic=host/{uid}", keys.mint("view"))
    return answer.json()["topics"][f"host/{uid}"]["all"]["orders"]


def test_nothing_comes_in_before_the_token(guarded, keys, uid):
    with Tool(guarded) as tool:
        tool.send_events(order(uid))
        assert sent_away(tool) == (4401, "unauthorized")
    with Viewer(guarded) as viewer:
        viewer.send({"type": "subscribe", "topics": ["total"]})
        assert sent_away(viewer) == (4401, "unauthorized")
    with Viewer(guarded) as viewer:
        viewer.send("x" * 20000)
        assert sent_away(viewer) == (1009, "message_too_big")
    for path in ("/v1/totals?topic=total", "/v1/totals"):
        answer = get(guarded, path)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    answer = request(guarded, "POST", "/v1/events", body=order(uid))
    assert answer.status == 401 and answer.json()["code"] == "unauthorized"
    assert get(guarded, "/").status == 200, "the page itself tells nothing"
    assert orders_of(guarded, keys, uid) == 0


def test_a_body_without_a_token_is_not_asked_for(guarded):
    with socket.create_connection(guarded.address, 10 * PATIENCE) as raw:
        raw.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
                    b"Expect: 100-continue\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 401 ")


def test_no_token_in_time(own):
    daemon = own({"limits.auth_ms": 300})
    with Tool(daemon) as tool, Viewer(daemon) as viewer:
        assert sent_away(tool) == sent_away(viewer) == (4408, "auth_timeout")
    assert refusals(daemon, "late") == 2


def test_the_scope_decides(guarded, keys, uid):
    view, ingest = keys.mint("view"), keys.mint("ingest")
    assert refusal(guarded, "/v1/ingest", view) == refusal(guarded, "/v1/live", ingest) == 403
    for kind, token in ((Tool, view), (Viewer, ingest)):
        with kind(guarded) as connection:
            Connection.send(connection, {"type": "auth", "token": token})
            assert sent_away(connection) == (4403, "forbidden")
    answer = request(guarded, "POST", "/v1/events", view, order(uid))
    assert answer.status == 403 and "insufficient_scope" in answer.headers["WWW-Authenticate"]
    assert request(guarded, "GET", "/v1/totals?topic=total", ingest).status == 403
    assert request(guarded, "POST", "/v1/events", ingest, order(uid)).json()["accepted"] == 1
    assert orders_of(guarded, keys, uid) == 1


# --- limits of a token -----------------------------------------------------------------------


def test_a_tool_posts_for_its_hosts_only(guarded, keys, uid):
    token = keys.mint("ingest", hosts=[uid])
    other = f"{uid}x"
    with by_header(Tool, guarded, keys.mint("ingest")) as tool:
        assert tool.verdict(order(other)) == "accepted"
    with by_header(Tool, guarded, token) as tool:
        for event, verdict in (
                (order(uid), "accepted"), (order(uid), "duplicate"),
                (order(uid, 2, host_id=other), "forbidden_host"),
                (refund(uid, host_id=uid), "accepted"),
                (refund(uid, refund_id="r2"), "missing_field"),
                (refund(other, host_id=other), "forbidden_host"),
                (refund(other, host_id=uid), "conflict"), (host(other, name="x"), "forbidden_host"),
                (session(other), "forbidden_host"), (product(uid, name="x"), "accepted")):
            assert tool.verdict(event) == verdict, event
    answer = request(guarded, "POST", "/v1/events", token, order(uid, 3, host_id=other)).json()
    assert [r["code"] for r in answer["rejected"]] == ["forbidden_host"]
    assert not answer["rejected"][0]["final"], "another token may"
    assert orders_of(guarded, keys, other) == 1 and orders_of(guarded, keys, uid) == 1


def test_a_limit_outlives_the_connection(guarded, keys, place, uid):
    """What waits for Redis is judged when the tool has gone, by what its token allowed."""
    place.redis.freeze()
    try:
        with by_header(Tool, guarded, keys.mint("ingest", hosts=[uid])) as tool:
            tool.send_events(order(uid), order(uid, 2, host_id=f"{uid}x"), order(uid, 3))
            wait_for(lambda: metrics(guarded)["livetally_queued_events"] == 3, 5, "them to wait")
            tool.abort()
        wait_for(lambda: metrics(guarded)["livetally_ingest_connections"] == 0, 5, "its end")
    finally:
        place.redis.thaw()
    wait_for(lambda: orders_of(guarded, keys, uid) == 2, 10, "what it may post")
    assert orders_of(guarded, keys, f"{uid}x") == 0


def test_a_viewer_sees_its_topics_only(guarded, keys, uid):
    token = keys.mint("view", topics=[f"host/{uid}", "top/products?host=" + uid, "series/*"])
    ours = [f"host/{uid}", f"top/products?host={uid}", "series/total"]
    theirs = ["total", f"host/{uid}x", "top/products", f"top/products?host={uid}x",
              f"top/products?host={uid}&n=5", "ticker"]
    with by_header(Viewer, guarded, token) as viewer:
        shown = viewer.subscribe(*ours, *theirs)
    for snapshot in (shown, request(guarded, "GET", "/v1/totals?" + "&".join(
            "topic=" + t.replace("&", "%26") for t in ours + theirs), token).json()):
        assert set(snapshot["topics"]) == set(ours)
        assert errors(snapshot) == {topic: "forbidden_topic" for topic in theirs}
    with by_header(Viewer, guarded, token) as viewer:  # other ways to write the same
        snapshot = viewer.subscribe(f"top/products?by=gross&host={uid}&n=10", f"host/{uid}")
        assert errors(snapshot) == {} and set(snapshot["topics"]) == set(ours[:2])
    with by_header(Viewer, guarded, token) as viewer:
        viewer.subscribe("total")
        with by_header(Tool, guarded, keys.mint("ingest")) as tool:
            assert tool.verdict(order(uid)) == "accepted"
        viewer.subscribe(f"host/{uid}")
        viewer.wait_until(lambda v: v[f"host/{uid}"]["all"]["orders"] == 1)
        assert list(viewer.values) == [f"host/{uid}"]


def test_the_end_of_a_token_is_the_end_of_its_connections(guarded, keys, uid):
    token = keys.ending(4)
    with by_header(Tool, guarded, token) as tool, by_header(Viewer, guarded, token) as viewer, \
            Viewer(guarded) as late:
        late.send({"type": "auth", "token": token})
        assert late.hello and viewer.subscribe("total")
        assert tool.verdict(order(uid)) == "accepted"
        for connection in (tool, viewer, late):
            assert connection.wait_closed() == 4401
            assert connection.wait_type("goodbye")["code"] == "token_expired"
    assert refusal(guarded, "/v1/live", token) == 401
    assert request(guarded, "POST", "/v1/events", token, order(uid, 2)).status == 401


def test_in_a_url_only_short_lived_and_for_viewing(guarded, keys):
    with Connection(guarded, "/v1/live?token=" + keys.mint("view", lasts="23h")) as viewer:
        assert viewer.hello
    for token in (keys.mint("view", lasts="25h"), keys.mint("view ingest"), keys.mint("ingest"),
                  keys.keep("nonsense-in-a-url")):
        assert refusal(guarded, "/v1/live?token=" + token) == 401
    with Connection(guarded, "/v1/ingest?token=" + keys.mint("ingest")) as tool:
        tool.send(order("u"))
        assert sent_away(tool) == (4401, "unauthorized")
    assert get(guarded, "/v1/totals?topic=total&token=" + keys.mint("view")).status == 401
    assert get(guarded, "/?token=" + keys.mint("view")).status == 200, "handed on by the page"


def test_what_concerns_the_operator(guarded, keys):
    assert "lane" in get(guarded, "/readyz").json(), "from this machine"
    assert far(guarded, "/metrics").status == 401
    assert far(guarded, "/metrics", keys.mint("view ingest")).status == 403
    assert "livetally_orders_total" in far(guarded, "/metrics", keys.mint("admin")).text
    assert far(guarded, "/readyz").text == far(guarded, "/readyz", keys.mint("view")).text \
        == '{"ready":true}'
    assert "lane" in far(guarded, "/readyz", keys.mint("admin")).json()
    assert far(guarded, "/healthz").status == 200


# --- our own client --------------------------------------------------------------------------


def test_the_client_brings_tokens(guarded, keys, folder, uid):
    ingest, view = keys.mint("ingest"), folder.path / "view.token"
    view.write_text(keys.mint("view", topics=[f"host/{'x' * i}{uid}" for i in range(40)]) + "\n")
    assert view.stat().st_size > 1100
    posted = livetally("post", guarded.url, input=json.dumps(order(uid)),
                       env={"LIVETALLY_TOKEN": ingest})
    assert posted.returncode == 0 and "accepted 1" in posted.stdout + posted.stderr, posted
    for command in (["totals", "--json"], ["watch", "--json", "--count", "1"]):
        shown = livetally(*command, guarded.url, "--token", f"@{view}", f"host/{uid}")
        assert shown.returncode == 0, shown
        said = json.loads(shown.stdout.splitlines()[-1])
        assert said["topics"][f"host/{uid}"]["all"]["orders"] == 1
    simulated = livetally("simulate", guarded.url, "--token", ingest, "--orders", "20", "--rate",
                          "1000")
    assert simulated.returncode == 0, simulated
    for args in ([], ["--token", keys.keep("nonsense-of-ours")], ["--token", ingest]):
        refused = livetally("totals", guarded.url, *args, f"host/{uid}")
        assert refused.returncode == 3 and "token" in refused.stderr, refused
        assert not refused.stdout and not any(t in refused.stderr for t in keys.tokens)
    assert livetally("totals", guarded.url, "--token", "@/no/such/file").returncode == USAGE
