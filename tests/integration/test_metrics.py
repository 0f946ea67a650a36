"""What /metrics shows of a daemon at work, and what the log makes of a flood."""
import re
import socket
import ssl

import pytest

from certificates import Authority, trusting
from clients import Tool, Viewer, get, metrics
from events import order
from harness import Daemon, wait_for


def family(daemon, name, label):
    """{value of the label: sample}"""
    found = re.compile(rf'livetally_{name}\{{{label}="(\w+)"\}}')
    return {match[1]: value for key, value in metrics(daemon).items()
            if (match := found.fullmatch(key))}


def observed(daemon, name):
    return metrics(daemon)[f"livetally_{name}_seconds_count"]


def test_figures_of_a_daemon_at_work(folder, redis):
    daemon = Daemon(folder, redis, {"redis.checkpoint_ms": 20})
    with Tool(daemon) as tool, Viewer(daemon) as viewer:
        viewer.subscribe("total", "top/hosts")
        for number in range(3):
            assert tool.verdict(order("h1", number)) == "accepted"
            viewer.wait_until(lambda v, n=number: v["total"]["all"]["orders"] == n + 1)
        assert observed(daemon, "ack_to_push") == 3, "also for ids that sold before"
        wait_for(lambda: observed(daemon, "checkpoint") > 0, 10, "a checkpoint")
        for name in ("redis_roundtrip", "loop_lag", "ack", "commit"):
            assert observed(daemon, name) > 0, name
            assert 0 < metrics(daemon)[f"livetally_{name}_seconds_sum"] < 60, name
        memory = family(daemon, "memory_bytes", "kind")
        for kind in ("cells", "ids", "cached_orders", "known_orders", "waiting", "topics", "catalog",
                     "other"):
            assert memory[kind] > 0, kind
        got = metrics(daemon)
        kinds = sum(v for k, v in got.items() if k.startswith("livetally_memory_bytes"))
        assert kinds == got["process_resident_memory_bytes"]
        assert got["livetally_ready"] == 1
        assert got["process_cpu_seconds_total"] > 0
        assert 0 < got["process_open_fds"] < got["process_max_fds"]
    follower = Daemon(folder, redis)
    wait_for(lambda: metrics(daemon)["livetally_seats_taken"] == 2, 10, "both seats to be seen")
    follower.stop()
    wait_for(lambda: metrics(daemon)["livetally_seats_taken"] == 1, 10, "one to be free again")
    daemon.stop()


def test_what_is_used_stands_beside_each_limit(folder, redis):
    config = {"limits.connections": 40, "limits.hosts": 7, "limits.topics": 9,
              "limits.waiting_bytes": 5000000}
    daemon = Daemon(folder, redis, config)
    with Tool(daemon) as tool, Viewer(daemon) as viewer:
        tool.post(order("h1"), order("h2"))
        viewer.subscribe("total", "host/h1", "host/h2")
        limit, used = (family(daemon, name, "name") for name in ("limit", "limit_used"))
        assert limit.keys() == used.keys()
        assert all(used[name] <= limit[name] for name in limit)
        assert limit | {"connections": 40, "hosts": 7, "topics": 9, "cells": 4000000, "seats": 16,
                        "waiting_bytes": 5000000} == limit
        assert (used["connections"], used["hosts"], used["topics"]) == (3, 2, 3)
        assert used["cells"] > 5
    daemon.stop()


def has_room(daemon):
    try:
        return get(daemon, "/healthz").status == 200
    except OSError:
        return False


def test_a_flood_of_connections_is_counted_and_does_not_flood_the_log(folder, redis):
    daemon = Daemon(folder, redis, {"limits.connections": 5})
    crowd = [socket.create_connection(daemon.address) for _ in range(5)]
    before = daemon.log
    for _ in range(300):
        with socket.create_connection(daemon.address) as peer:
            peer.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            try:
                peer.recv(100)
            except ConnectionResetError:
                pass
    for peer in crowd:
        peer.close()
    wait_for(lambda: "reason=total" in daemon.log, 5, "the log to tell")
    wait_for(lambda: has_room(daemon), 5, "room again")
    refused = family(daemon, "connections_refused_total", "reason")
    # Only some are told so politely: of all, and of one address, as which the others may count.
    assert refused["total"] > 0
    assert refused["total"] + refused["address"] == sum(refused.values()) >= 300
    lines = daemon.log[len(before):].splitlines()
    assert len(lines) <= 8, lines
    count = int(re.search(r"connections refused reason=total count=(\d+)", daemon.log)[1])
    assert 0 < count <= refused["total"]
    assert 0 < family(daemon, "http_requests_total", "code")["503"] <= refused["total"]
    daemon.stop()


def test_a_handshake_that_fails_is_missing_among_those_completed(folder, redis):
    root = Authority("root")
    pair = root.issue().write_both(folder.path / "pair")
    daemon = Daemon(folder, redis, {"tls.certificate": pair}, listen=("127.0.0.1:0 tls",))

    def knock(context):
        with socket.create_connection(daemon.address) as peer:
            with context.wrap_socket(peer, server_hostname="localhost") as wrapped:
                wrapped.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                text = b""
                while part := wrapped.recv(65536):
                    text += part
        return tuple(int(re.search(rb"livetally_tls_handshakes%s (\d+)" % name, text)[1])
                     for name in (b"_begun_total", b"_total"))

    assert knock(trusting(root)) == (1, 1)
    with pytest.raises(ssl.SSLCertVerificationError):
        knock(trusting(Authority("another")))
    assert knock(trusting(root)) == (3, 2)
    daemon.stop()
