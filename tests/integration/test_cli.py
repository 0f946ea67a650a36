"""livetally, the command line client, against the real daemon."""
import json
import os
import pty
import re
import signal
import subprocess
import threading
from datetime import datetime, timezone

import pytest

from clients import Tool, get, lines, metrics, totals
from events import order, refund, session
from harness import BUILD, PATIENCE, Daemon, free_port, livetally, now_ms, popen, wait_for


def start(*args, **options):
    return popen((BUILD / "livetally", *args), text=True, stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE, **options)


def test_help_teaches_by_example():
    text = livetally("--help").stdout
    for command in ("post", "watch", "totals", "simulate"):
        assert command in text
        help_text = livetally(command, "--help").stdout
        assert f"livetally {command}" in help_text, help_text
    assert re.match(r"livetally \d+\.\d+\.\d+\n", livetally("--version").stdout)


@pytest.mark.parametrize("args", [[], ["frobnicate"], ["post", "--nonsense"],
                                  ["post", "/no/such/file"], ["simulate", "--rate", "fast"],
                                  ["watch", "--interval", "0"], ["post", "--batch", "1001"]],
                         ids=" ".join)
def test_wrong_use_exits_with_2(args):
    result = livetally(*args, input="")
    assert result.returncode == 2, result
    assert result.stderr and not result.stdout


def test_post_from_stdin_and_from_files(shared, folder, uid):
    one, two = folder.path / "one.ndjson", folder.path / "two.ndjson"
    one.write_text(lines([order(uid, 1), order(uid, 2)]) + "\n")
    two.write_text(lines([order(uid, 3), order(uid, 1)]))  # no newline at its end
    result = livetally("post", shared.url, one, two)
    assert result.returncode == 0, result.stderr
    result = livetally("post", shared.url, input=lines([order(uid, 3), "", order(uid, 4)]) + "\n")
    assert result.returncode == 0, result.stderr
    assert totals(shared, f"host/{uid}")["topics"][f"host/{uid}"]["all"]["orders"] == 4


def test_post_tells_rejections_with_their_lines(shared, folder, uid):
    path = folder.path / "events.ndjson"
    path.write_text("\n".join(["", json.dumps(order(uid, 1)), "nonsense", "",
                               json.dumps(order(uid, 2, amount=-1)), json.dumps(order(uid, 3))]))
    result = livetally("post", shared.url, path)
    assert result.returncode == 1, result
    assert rejected_lines(result) == [3, 5]
    assert "bad_amount" in result.stderr
    assert totals(shared, f"host/{uid}")["topics"][f"host/{uid}"]["all"]["orders"] == 2
    assert rejected_lines(livetally("post", shared.url, input="\n{}\n")) == [2]


def test_post_of_several_files_tells_which(shared, folder, uid):
    paths = [folder.path / f"{name}.ndjson" for name in ("good", "bad")]
    paths[0].write_text(lines([order(uid, 1), order(uid, 2)]) + "\n")
    paths[1].write_text(lines([order(uid, 3), order(uid, 4, county="42")]) + "\n")
    result = livetally("post", shared.url, *paths)
    assert result.returncode == 1
    assert rejected_lines(result) == [2] and "bad.ndjson" in result.stderr, result.stderr


def test_post_of_line_numbers_in_a_long_input(shared, uid):
    events = [json.dumps(order(uid, n)) for n in range(5000)]
    for line in (0, 63, 64, 2500, 4999):
        events[line] = json.dumps(order(uid, line, county="42"))
    result = livetally("post", shared.url, input="\n".join(events))
    assert result.returncode == 1
    assert rejected_lines(result) == [1, 64, 65, 2501, 5000]


def rejected_lines(result):
    return [int(n) for n in re.findall(r"^(?:.*[ :])?line (\d+)|:(\d+): ", result.stderr, re.M)
            for n in n if n]


def test_post_over_a_unix_socket(folder, redis, uid):
    path = folder.path / "in.sock"
    daemon = Daemon(folder, redis, listen=(f"unix:{path}", "127.0.0.1:0"))
    assert livetally("post", f"unix:{path}", input=lines([order(uid)])).returncode == 0
    assert livetally("totals", f"unix:{path}", f"host/{uid}").returncode == 0
    daemon.stop()


def test_post_resends_across_a_kill_of_the_daemon(folder, redis, uid):
    daemon = Daemon(folder, redis)
    port = daemon.address[1]
    daemon.listen = (f"127.0.0.1:{port}",)
    events = [order(uid, n, amount=n) for n in range(30_000)]
    posting = start("post", daemon.url, stdin=subprocess.PIPE)
    posting.stdin.write(lines(events[:5000]) + "\n")
    posting.stdin.flush()
    wait_for(lambda: totals(daemon, "total")["topics"]["total"]["all"]["orders"] > 1000, 20)
    redis.freeze()
    writing = threading.Thread(target=posting.stdin.write, args=(lines(events[5000:]),))
    writing.start()
    wait_for(lambda: metrics(daemon)["livetally_queued_events"] > 1000, 20, "some to be under way")
    daemon.kill()
    redis.thaw()
    daemon.restart()
    writing.join()
    out, err = posting.communicate(timeout=60 * PATIENCE)
    assert posting.returncode == 0, (out, err)
    m = totals(daemon, "total")["topics"]["total"]["all"]
    assert (m["orders"], m["gross"]) == (30_000, sum(range(30_000)))
    daemon.stop()


def test_post_waits_for_a_daemon_until_told_to_give_up():
    event = lines([order("a")]) + "\n"
    result = livetally("post", f"127.0.0.1:{free_port()}", "--give-up", "1", input=event)
    assert result.returncode == 3
    assert "no connection" in result.stderr


def test_post_starts_when_the_daemon_does(folder, redis, uid):
    daemon = Daemon(folder, redis, listen=(f"127.0.0.1:{free_port()}",), start=False)
    path = folder.path / "events.ndjson"
    path.write_text(lines([order(uid)]))
    posting = start("post", daemon.listen[0], path)
    assert "no connection" in posting.stderr.readline()
    daemon.start()
    out, err = posting.communicate(timeout=20 * PATIENCE)
    assert posting.returncode == 0, (out, err)
    daemon.stop()


def test_totals(shared, uid):
    with Tool(shared) as tool:
        tool.post(order(uid, 1, amount=123456), refund(uid, 1))
    result = livetally("totals", shared.url, "--json", f"host/{uid}")
    assert result.returncode == 0, result.stderr
    got = json.loads(result.stdout)
    assert got["topics"][f"host/{uid}"]["all"]["net"] == 123356
    readable = livetally("totals", shared.url, f"host/{uid}", f"top/products?host={uid}")
    assert readable.returncode == 0 and f"{uid}-p" in readable.stdout
    assert "1,234.56" in readable.stdout or "1234.56" in readable.stdout, readable.stdout
    bad = livetally("totals", shared.url, "nonsense")
    assert bad.returncode == 2 and "nonsense" in bad.stderr
    assert livetally("totals", f"127.0.0.1:{free_port()}").returncode == 3


def next_of(watching, kind):
    """The next message of that type on a `watch --json`."""
    while True:
        message = json.loads(watching.stdout.readline())
        if message["type"] == kind:
            return message


def test_watch_ends_after_a_count(shared):
    result = livetally("watch", shared.url, "total", "--count", "1")
    assert result.returncode == 0
    assert [json.loads(line)["type"] for line in result.stdout.splitlines()][-1] == "snapshot"


def watch_on_a_terminal(daemon, topic, *wanted):
    """Watches until all of `wanted` was shown; returns what was."""
    terminal, ours = pty.openpty()
    watching = popen((BUILD / "livetally", "watch", daemon.url, topic), stdin=ours, stdout=ours,
                     stderr=ours)
    os.close(ours)
    seen = b""
    while not all(text.encode() in seen for text in wanted):
        seen += os.read(terminal, 65536)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(10) == 0
    os.close(terminal)
    return seen.decode(errors="replace")


def test_watch_on_a_terminal_is_readable(shared, uid):
    with Tool(shared) as tool:
        tool.post(order(uid, amount=123456))
    seen = watch_on_a_terminal(shared, f"host/{uid}", "1,234.56")
    assert uid in seen and "\x1b[" in seen


LARGEST = 10**10  # minor units, of an order


@pytest.mark.parametrize("currency, zone, shift_ms, gross, one", [
    ("KWD", "+05:45", 20_700_000, "KWD 400,000,000.000", "KWD 10,000,000.000"),
    ("JPY", "UTC", 0, "JPY 400,000,000,000", "JPY 10,000,000,000"),
    ("CNY", "+08:00", 28_800_000, "¥4,000,000,000.00", "¥100,000,000.00")])
def test_totals_are_in_the_currency_and_time_of_the_data(folder, redis, currency, zone, shift_ms,
                                                         gross, one):
    """Whole, also the largest ones: an amount that is cut is another amount."""
    daemon = Daemon(folder, redis, {"data.currency": currency, "data.time_zone": zone})
    now = now_ms()
    with Tool(daemon) as tool:
        tool.post(session("x", session_id="night", host_id="ling", goal=LARGEST),
                  *(order("x", n, host_id="ling", session_id="night", quantity=100_000,
                          amount=LARGEST, time=now) for n in range(40)))
    shown = livetally("totals", daemon.url, "total", "session/night", "top/hosts", "ticker").stdout
    rows = {line.split()[0]: line for line in shown.splitlines() if line}
    for row in ("total", "session/night", "1"):
        assert rows[row].count(gross) == 2, shown  # gross and net
    assert f"goal {one}, reached 4,000 %" in shown
    clock = datetime.fromtimestamp((now + shift_ms) // 1000, timezone.utc).strftime("%H:%M:%S")
    assert re.search(rf"{clock} +{re.escape(one)}  ×100000 ", shown), shown
    watch_on_a_terminal(daemon, "host/ling", gross, f" {zone}  ● live")
    daemon.stop()


def test_watch_json(shared, uid):
    watching = start("watch", shared.url, "--json", f"host/{uid}")
    first = next_of(watching, "snapshot")
    assert f"host/{uid}" in first["topics"]
    with Tool(shared) as tool:
        tool.post(order(uid))
    update = next_of(watching, "update")
    assert update["topics"][f"host/{uid}"]["all"]["orders"] == 1
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=10)
    assert watching.returncode == 0


def test_watch_comes_back_after_a_restart(folder, redis):
    daemon = Daemon(folder, redis)
    daemon.listen = ("127.0.0.1:%d" % daemon.address[1],)
    watching = start("watch", daemon.url, "--json", "total")
    next_of(watching, "snapshot")
    daemon.kill()
    daemon.restart()
    with Tool(daemon) as tool:
        tool.post(order("a"))
    while json.loads(watching.stdout.readline()).get("topics", {}).get(
            "total", {}).get("all", {}).get("orders") != 1:
        pass
    watching.terminate()
    watching.communicate(timeout=10)
    daemon.stop()


def test_simulate_prints_the_same_for_the_same_seed():
    command = ("simulate", "--print", "--orders", "500", "--seed", "7")
    one, two = livetally(*command), livetally(*command)
    assert one.returncode == 0, one.stderr

    def timeless(text):
        events = [json.loads(line) for line in text.splitlines()]
        return [{k: v for k, v in e.items() if k not in ("time", "starts_at", "ends_at")}
                for e in events]
    assert timeless(one.stdout) == timeless(two.stdout)
    assert timeless(one.stdout) != timeless(livetally(*command[:-1], "8").stdout)
    kinds = [e["type"] for e in timeless(one.stdout)]
    assert {"order", "refund", "session", "product", "host"} <= set(kinds)


def test_what_simulate_prints_is_all_accepted(folder, redis):
    daemon = Daemon(folder, redis)
    text = livetally("simulate", "--print", "--orders", "2000", "--seed", "3").stdout
    result = livetally("post", daemon.url, input=text)
    assert result.returncode == 0, result.stderr
    orders = {e["order_id"]: e for e in map(json.loads, text.splitlines()) if e["type"] == "order"}
    m = totals(daemon, "total")["topics"]["total"]["all"]
    assert (m["orders"], m["gross"]) == (len(orders), sum(e["amount"] for e in orders.values()))
    assert m["orders"] == 2000 and m["refunds"] > 0
    again = livetally("post", daemon.url, input=text)
    assert again.returncode == 0
    assert totals(daemon, "total")["topics"]["total"]["all"] == m
    daemon.stop()


def test_simulate_posts(folder, redis):
    daemon = Daemon(folder, redis)
    result = livetally("simulate", daemon.url, "--orders", "3000", "--seed", "5", "--rate", "0")
    assert result.returncode == 0, result.stderr
    assert totals(daemon, "total")["topics"]["total"]["all"]["orders"] == 3000
    assert get(daemon, "/readyz").status == 200
    daemon.stop()
