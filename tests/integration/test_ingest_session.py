"""PROTOCOL, "Session of a connection" and "acknowledgement": greeting, numbering, limits, closes."""
import json
import signal

from clients import (BINARY, CONTINUATION, INGEST, LIVE, TEXT, Connection, Tool, Viewer, background,
                     metrics)
from events import host, order
from harness import Daemon, now_ms, wait_for

MIB = 1024 * 1024


def test_hello_of_ingest_states_its_limits(tool):
    hello = tool.hello
    assert hello["protocol"] == "livetally.ingest.v1"
    assert hello["server"].startswith("livetally/")
    assert hello["limits"] == {"message_bytes": MIB, "batch_events": 1000, "window_events": 8192}
    assert abs(hello["time"] - now_ms()) < 60_000
    assert hello["epoch"]
    assert (hello["currency"], hello["time_zone"]) == ("CNY", "+08:00")


def test_hello_of_live_states_its_limits_and_the_same_epoch(tool, viewer):
    assert viewer.hello["protocol"] == "livetally.live.v1"
    assert viewer.hello["limits"] == {"topics": 256, "min_interval_ms": 100}
    assert viewer.hello["epoch"] == tool.hello["epoch"]


def test_hello_names_the_currency_and_the_business_time_zone(folder, redis):
    daemon = Daemon(folder, redis, {"data.currency": "JPY", "data.time_zone": "-09:30"})
    for kind in (Tool, Viewer):
        with kind(daemon) as client:
            assert (client.hello["currency"], client.hello["time_zone"]) == ("JPY", "-09:30")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: metrics(daemon)["livetally_reloads_total"] == 1, 10, "the reload")
    with Viewer(daemon) as viewer:
        assert (viewer.hello["currency"], viewer.hello["time_zone"]) == ("JPY", "-09:30")
    daemon.stop()


def test_subprotocol_is_echoed_when_offered_and_not_otherwise(shared):
    for path, name in (INGEST, LIVE):
        with Connection(shared, path, name) as offered:
            assert offered.hello["protocol"] == name
            assert offered.ws.subprotocol == name
        with Connection(shared, path) as plain:
            assert plain.hello["protocol"] == name
            assert plain.ws.subprotocol is None


def test_other_subprotocols_are_refused(shared):
    import websockets
    for name in ("livetally.ingest.v2", "livetally.live.v1", "chat"):
        try:
            Connection(shared, "/v1/ingest", name).close()
        except websockets.InvalidHandshake:
            continue
        raise AssertionError(f"{name} was accepted on /v1/ingest")


def test_unknown_path_is_no_websocket(shared):
    import websockets
    try:
        Connection(shared, "/v1/nothing").close()
    except websockets.InvalidStatusCode as refusal:
        assert refusal.status_code == 404
    else:
        raise AssertionError("accepted")


def test_messages_are_numbered_from_1_and_acks_are_cumulative(shared, uid):
    with Tool(shared) as tool:
        for number in range(1, 41):
            tool.send(order(uid, number))
        tool.settle()
        assert (tool.upto, tool.accepted, tool.rejected) == (40, 40, [])
        assert sum(a["accepted"] for a in tool.of_type("ack")) == 40
    with Tool(shared) as again:
        again.send(order(uid, 1))
        again.settle()
        assert (again.upto, again.duplicates) == (1, 1)


def test_empty_and_unparsable_messages_count(tool, uid):
    for text in ("", " \n ", "nonsense", "[]"):
        tool.send(text)
    tool.send(order(uid))
    tool.settle()
    assert (tool.upto, tool.accepted) == (5, 1)
    assert [(r["message"], r["index"], r["code"], r["final"]) for r in tool.rejected] == [
        (3, None, "bad_json", True)]


def test_auth_to_an_open_daemon_is_ignored_and_not_counted(tool, uid):
    Connection.send(tool, {"type": "auth", "token": "anything"})
    assert tool.verdict(order(uid)) == "accepted"
    assert tool.upto == 1


def test_object_array_and_lines_mean_the_same(tool, uid):
    one, two, three = (order(uid, n) for n in (1, 2, 3))
    assert tool.post_message(one).accepted == 1
    assert tool.post_message([one, two]).duplicates == 1
    assert tool.post_message("\n".join(map(json.dumps, (one, two, three))) + "\n").accepted == 1
    pretty = tool.post_message(json.dumps([one, two, three], indent=2).replace("\n", "\r\n"))
    assert pretty.duplicates == 3


def test_an_object_over_several_lines_is_one_event(tool, uid):
    assert tool.post_message(json.dumps(order(uid), indent=1)).accepted == 1


def test_an_event_sees_those_before_it_in_its_message(tool, uid):
    result = tool.post({"type": "session", "session_id": f"{uid}-s", "host_id": uid},
                       {"type": "product", "product_id": f"{uid}-p", "county": "530102"},
                       order(uid, host_id=None, county=None, session_id=f"{uid}-s"),
                       order(uid),
                       {"type": "refund", "order_id": f"{uid}-o1", "refund_id": "r", "amount": 1})
    assert (result.accepted, [r["field"] for r in result.rejected]) == (4, ["county"])


def test_bad_lines_reject_themselves_alone(tool, uid):
    texts = [json.dumps(order(uid, 1)), "{not json", "", json.dumps(order(uid, 2)), "[1]", "7",
             json.dumps(order(uid, 3))]
    result = tool.post_message("\n".join(texts))
    assert result.accepted == 3
    codes = [(r["index"], r["code"]) for r in result.rejected]
    assert [code for _, code in codes] == ["bad_json", "bad_type", "bad_type"], codes
    assert codes[0][0] == 1


def test_elements_that_are_no_objects_reject_themselves_alone(tool, uid):
    result = tool.post_message([order(uid, 1), 7, None, "x", [order(uid, 2)], order(uid, 3)])
    assert result.accepted == 2
    assert [(r["index"], r["code"], r["final"]) for r in result.rejected] == [
        (index, "bad_type", True) for index in (1, 2, 3, 4)]


def test_an_array_that_breaks_off_rejects_the_whole_message(tool, uid):
    result = tool.post_message("[" + json.dumps(order(uid, 1)) + "," + json.dumps(order(uid, 2)))
    assert result.accepted == 0
    assert [(r["index"], r["code"]) for r in result.rejected] == [(None, "bad_json")]
    assert tool.verdict(order(uid, 1)) == "accepted"


def test_1000_events_a_message_and_not_one_more(tool, uid):
    events = [order(uid, n) for n in range(1001)]
    for message in (events, "\n".join(map(json.dumps, events))):
        result = tool.post_message(message)
        assert [(r["index"], r["code"], r["final"]) for r in result.rejected] == [
            (None, "batch_too_large", True)]
        assert result.accepted == result.duplicates == 0
    assert tool.post_message(events[:1000]).accepted == 1000


def test_at_most_1000_rejections_an_ack(tool):
    for _ in range(4):
        tool.send([{"type": "nothing"}] * 1000)
    tool.settle()
    assert len(tool.rejected) == 4000
    assert all(len(a["rejected"]) <= 1000 for a in tool.of_type("ack"))


def padded_order(uid, size):
    event = json.dumps(order(uid, ignored=""))
    return event.replace('"ignored": ""', '"ignored": "' + "x" * (size - len(event)) + '"')


def test_a_message_of_1_mib_is_fine(tool, uid):
    message = padded_order(uid, MIB)
    assert len(message) == MIB
    assert tool.post_message(message).accepted == 1


def test_a_byte_more_is_told_and_closed_with_1009(shared, uid):
    tool = Tool(shared)
    tool.send(order(uid, 1))
    tool.settle()
    tool.send(padded_order(uid, MIB + 1))
    assert tool.wait_closed() == 1009
    goodbye = tool.of_type("goodbye")[0]
    assert set(goodbye) >= {"type", "code", "message"}
    assert tool.accepted == 1


def test_a_message_too_big_in_pieces_is_closed_with_1009_too(shared):
    tool = Tool(shared)

    async def endless():
        for _ in range(40):
            yield "x" * 65536

    try:
        background.run(tool.ws.send(endless()))
    except Exception:  # the server may close while we are still sending
        pass
    assert tool.wait_closed() == 1009
    assert tool.of_type("goodbye")


def test_fragments_are_put_together(tool, uid):
    data = json.dumps(order(uid)).encode()
    tool.hello
    tool.sent += 1
    tool.send_frame(TEXT, data[:20], fin=False)
    for byte in data[20:40]:
        tool.send_frame(CONTINUATION, bytes([byte]), fin=False)
    tool.send_frame(CONTINUATION, b"", fin=False)
    tool.send_frame(CONTINUATION, data[40:], fin=True)
    tool.settle()
    assert tool.accepted == 1


def test_text_that_is_not_utf8_is_closed_with_1007(shared):
    for bad in (b'{"type":"\xff"}', b"\xc0\xaf", b"\xed\xa0\x80", b'"\xe4\xb8'):
        tool = Tool(shared)
        tool.hello
        tool.send_frame(TEXT, bad)
        assert tool.wait_closed() == 1007, bad
        assert tool.of_type("goodbye"), bad


def test_binary_messages_are_told_and_closed(shared, uid):
    tool = Tool(shared)
    tool.hello
    tool.send_frame(BINARY, json.dumps(order(uid)).encode())
    assert tool.wait_closed() == 1003
    assert tool.of_type("goodbye")


def test_100_bad_messages_in_a_row_are_closed_with_4400(shared, uid):
    tool = Tool(shared)
    for number in range(99):
        tool.send("nonsense")
    tool.send(order(uid))  # a good one starts the count anew
    tool.settle()
    for number in range(100):
        tool.send("nonsense")
    assert tool.wait_closed() == 4400
    assert tool.of_type("goodbye")
    assert tool.accepted == 1
    assert len(tool.rejected) >= 198


def test_100_bad_messages_end_a_viewer_too(shared):
    viewer = Viewer(shared)
    for number in range(100):
        viewer.send("{}")
    assert viewer.wait_closed() == 4400
    assert viewer.of_type("goodbye") and len(viewer.of_type("error")) >= 99


def test_silent_connections_are_pinged_and_live_ones_stay(folder, redis):
    limits = {"limits.ping_idle_ms": 300, "limits.ping_wait_ms": 2000}  # a busy one gets around to it
    daemon = Daemon(folder, redis, limits)
    alive = Tool(daemon)
    silent = Tool(daemon)
    silent.hello

    async def ignore(*_):
        return None
    silent.ws.pong = ignore  # answers no ping any more
    assert silent.wait_closed(10) is not None
    assert alive.verdict(host("a")) == "accepted"
    alive.close()
    daemon.stop()


def test_a_connection_that_asks_for_nothing_is_dropped(folder, redis):
    import socket
    daemon = Daemon(folder, redis, {"limits.handshake_ms": 300})
    with socket.create_connection(daemon.address, timeout=10) as idle:
        assert idle.recv(100) == b""
    daemon.stop()


def test_over_the_connection_limit_is_refused_and_room_comes_back(folder, redis):
    daemon = Daemon(folder, redis, {"limits.connections": 3})
    tools = [Tool(daemon) for _ in range(3)]
    assert all(t.hello for t in tools)
    for _ in range(3):
        extra = Tool(daemon)
        assert extra.wait_closed() == 4429
        assert [m["type"] for m in extra.messages] == ["goodbye"]
    tools.pop().close()

    def welcome():
        tools.append(Tool(daemon))
        tools[-1].wait(lambda: tools[-1].messages)
        return tools[-1].of_type("hello") or tools.pop().close()
    wait_for(welcome, 10, "room for one more")
    for tool in tools:
        assert tool.verdict(host("a", name="A", time=5)) in ("accepted", "duplicate")
        tool.close()
    daemon.stop()


def test_unix_socket_listener(folder, redis, uid):
    path = folder.path / "in.sock"
    daemon = Daemon(folder, redis, listen=(f"unix:{path}", "127.0.0.1:0"))
    with Tool(daemon, address=path) as tool:
        assert tool.verdict(order(uid)) == "accepted"
    daemon.stop()
    assert not path.exists()
