"""livetally verify: says "exact" of what is right, whatever was going on, and finds and names each
single thing that was changed behind the daemons' backs."""
import itertools
import json
import re
import time
from types import SimpleNamespace

import pytest
import redis as redis_client

import ledger
from clients import Tool, feed_all, lines
from events import order, refund
from harness import (BUILD, Daemon, Folder, Process, RedisServer, free_port, livetally, now_ms,
                     wait_for)
from proxy import Proxy
from test_clock import DAY, ClockedDaemon, clock  # noqa: F401  (a fixture)
from traffic import Traffic

EXACT, DIFFERS, USAGE, UNAVAILABLE, BUSY = range(5)
HEAD = "lt:{0}:"
METRICS = ("orders", "units", "gross", "refunds", "refunded", "returned")


def verify(redis, *args):
    """The exit code, and what --json says."""
    target = redis.target if isinstance(redis, RedisServer) else redis
    result = livetally("verify", "--redis", target, "--json", *args, timeout=60)
    return result.returncode, json.loads(result.stdout)


def assert_exact(redis, *args):
    code, report = verify(redis, *args)
    assert (code, report["outcome"], report["findings"]) == (EXACT, "exact", [])
    return report["checked"], report["unchecked"]


def raw_client(server):
    return redis_client.Redis(unix_socket_path=str(server.socket))


# Right, while things go on.

@pytest.fixture(scope="module")
def played():
    """Two daemons that took traffic with refunds, retries, late days and a parked refund; then one
    was stopped, and the other killed between its newest commits and the checkpoint of them."""
    folder = Folder()
    server = RedisServer(folder)
    daemons = [Daemon(folder, server), Daemon(folder, server)]
    now = now_ms()
    traffic = Traffic(7, 1500, now, 4, hosts=6, sessions=5, products=12, counties=10)
    with Tool(daemons[0]) as tool:
        tool.post(*traffic.catalog)
        tool.post(refund("early", 9, amount=50), refund("early", 9, "r2", amount=70))
    targets = [daemons[i % 2] for i in range(4)]
    for feed in feed_all(list(zip(targets, traffic.messages(16)))):
        feed.result(60)
    while_live = verify(server)
    daemons[0].stop()
    for number in range(50):  # until it is caught before a checkpoint
        with Tool(daemons[1]) as tool:
            for part in range(3):
                tool.post(order("late", number * 3 + part, time=now))
        daemons[1].freeze()
        if verify(server)[1]["checked"]["facts_after_checkpoints"] > 1:
            break
        daemons[1].thaw()
    daemons[1].kill()
    yield SimpleNamespace(server=server, traffic=traffic, while_live=while_live,
                          client=server.client(), raw=raw_client(server))
    folder.close()


def test_traffic_of_two_daemons_is_exact_while_they_run(played):
    code, report = played.while_live
    assert (code, report["outcome"]) == (EXACT, "exact"), report
    assert report["checked"]["lanes"] == 2


def test_a_killed_daemons_feed_counts(played):
    checked, unchecked = assert_exact(played.server)
    assert checked["facts_after_checkpoints"] > 1
    assert checked["orders"] >= 1500 * 0.77 and checked["refunds"] >= 300
    assert (checked["stubs"], checked["refunds_parked"]) == (1, 2)
    assert checked["days_exact"] >= 5 and checked["days_at_least"] == 0
    assert checked["totals"] > 1000 and checked["sums"] > 1000
    assert len(unchecked) == 1 and "minutes older" in unchecked[0]


def test_the_report_for_people(played):
    result = livetally("verify", "--redis", played.server.target)
    assert result.returncode == EXACT and result.stderr == ""
    assert result.stdout.splitlines()[-1] == "exact"
    assert "orders" in result.stdout and "not checked" in result.stdout


# One thing wrong at a time.

class Vandal:
    """Changes keys, and puts them back when the test is over."""

    def __init__(self, played):
        self.client, self.raw = played.client, played.raw
        self.saved = {}
        self.generation = ledger.generation(self.client)
        self.orders = f"orders:{self.generation}"
        self.order_ids = sorted(ledger.id_of(i) for i in self.raw.hkeys(HEAD + self.orders)
                                if not i.startswith(b"early"))

    def key(self, name):
        """The whole key; what is in it is kept for later."""
        self.saved.setdefault(name, self.raw.dump(HEAD + name))
        return HEAD + name

    def restore(self):
        for name, dump in self.saved.items():
            self.client.delete(HEAD + name)
            if dump is not None:
                self.raw.restore(HEAD + name, 0, dump)

    def lane(self):
        """The number of the lane whose daemon was killed."""
        return next(lane for lane in (0, 1) if self.version(lane, "ckpt") < self.version(lane))

    def version(self, lane, part="ver"):
        return int(self.client.get(f"{HEAD}lane:{lane}:{part}"))

    def cell(self, group):
        """A lane's key and a field of that group, where something was sold."""
        for lane in (0, 1):
            cells = self.client.hgetall(f"{HEAD}lane:{lane}:{group}")
            for field in sorted(cells):
                if cells[field].split()[2] != "0":
                    return f"lane:{lane}:{group}", field
        raise AssertionError(f"nothing in {group}")

    def first_group(self, pattern):
        keys = sorted(k[len(HEAD):] for k in self.client.scan_iter(f"{HEAD}lane:*"))
        return next(k.split(":", 2)[2] for k in keys if re.search(pattern, k))

    def add(self, group, metric, step=1):
        name, field = self.cell(group)
        values = self.client.hget(self.key(name), field).split()
        values[METRICS.index(metric)] = str(int(values[METRICS.index(metric)]) + step)
        self.client.hset(HEAD + name, field, " ".join(values))
        return field


@pytest.fixture
def vandal(played):
    vandal = Vandal(played)
    yield vandal
    vandal.restore()
    assert_exact(played.server)


def found(played, check=None):
    """The first finding; of a kind, if one is given."""
    code, report = verify(played.server, "--show", "1000")
    assert (code, report["outcome"]) == (DIFFERS, "differs")
    assert report["differences"] >= len(report["findings"]) > 0
    return next(f for f in report["findings"] if check in (None, f["check"]))


@pytest.mark.parametrize("metric", METRICS)
def test_one_too_many_of_a_metric(played, vandal, metric):
    field = vandal.add("all:host", metric)
    finding = found(played)
    assert finding["check"] == "ledger"
    assert (finding["key"], finding["field"]) == ("lane:*:all:host", field)
    assert finding["metric"] == metric
    assert finding["lanes"] == finding["expected"] + 1


@pytest.mark.parametrize("pattern", [
    "all:session$", r"day:\d+:county$", r"day:\d+:county.host:", "all:session.product:",
    "all:platform.county:", r"day:\d+:host.product:"])
def test_one_too_few_in_any_rollup(played, vandal, pattern):
    group = vandal.first_group(pattern)
    field = vandal.add(group, "gross", -1)
    finding = found(played)
    assert (finding["key"], finding["field"]) == (f"lane:*:{group}", field)
    assert finding["lanes"] == finding["expected"] - 1


def test_one_too_many_of_a_recent_minute(played, vandal):
    hours = played.client.scan_iter(HEAD + "lane:*:minute:*:total")
    group = max(key.split(":", 4)[4] for key in hours)
    field = vandal.add(group, "orders")
    assert found(played)["key"] == f"lane:*:{group}"
    assert found(played)["field"] == field


def test_a_cell_removed(played, vandal):
    name, field = vandal.cell("all:product")
    vandal.client.hdel(vandal.key(name), field)
    finding = found(played)
    assert (finding["key"], finding["field"]) == ("lane:*:all:product", field)


def test_a_cell_added(played, vandal):
    vandal.client.hset(vandal.key("lane:0:all:host"), "ghost", "1 1 100 0 0 0 1")
    finding = found(played)
    assert (finding["key"], finding["field"]) == ("lane:*:all:host", "ghost")
    assert (finding["expected"], finding["lanes"]) == (0, 1)


def test_a_whole_hash_removed(played, vandal):
    group = vandal.first_group("all:county.product:")
    vandal.client.delete(vandal.key(f"lane:0:{group}"), vandal.key(f"lane:1:{group}"))
    assert found(played)["key"] == f"lane:*:{group}"


def test_an_unreadable_cell(played, vandal):
    name, field = vandal.cell("all:host")
    vandal.client.hset(vandal.key(name), field, "1 2 3")
    finding = found(played)
    assert (finding["check"], finding["key"], finding["field"]) == ("cell", name, field)


def test_a_hash_that_no_lane_has(played, vandal):
    vandal.client.hset(vandal.key("lane:0:all:hosts"), "x", "1 1 1 0 0 0 1")
    vandal.client.hset(vandal.key("lane:7:all:host"), "x", "1 1 1 0 0 0 1")
    code, report = verify(played.server)
    assert code == DIFFERS
    assert sorted((f["check"], f["key"]) for f in report["findings"]) == [
        ("key", "lane:0:all:hosts"), ("key", "lane:7:all:host")]


def test_a_record_removed(played, vandal):
    vandal.client.hdel(vandal.key(vandal.orders), vandal.order_ids[3])
    finding = found(played)
    assert (finding["check"], finding["key"]) == ("ledger", "lane:*:all:total")
    assert finding["lanes"] == finding["expected"] + 1


def test_a_record_changed(played, vandal):
    """One order sold what another did: the number of orders stays right."""
    key = vandal.key(vandal.orders)
    whole = vandal.raw.hmget(key, vandal.order_ids)
    other = next(i for i, bytes_ in enumerate(whole) if bytes_ and bytes_[:40] != whole[0][:40])
    vandal.raw.hset(key, vandal.order_ids[0], whole[other])
    assert found(played)["check"] == "ledger"


def test_an_unreadable_record(played, vandal):
    vandal.raw.hset(vandal.key(vandal.orders), vandal.order_ids[5], b"\x11\xff\xff")
    finding = found(played)
    assert (finding["check"], finding["key"]) == ("record", vandal.orders)
    assert finding["field"] == vandal.order_ids[5]


def test_a_record_in_two_generations(played, vandal):
    """Of a stub, which counts nowhere: only its being there twice tells."""
    record = vandal.raw.hget(HEAD + vandal.orders, "early-o9")
    older = f"orders:{vandal.generation - 1}"
    vandal.raw.hset(vandal.key(older), "early-o9", record)
    finding = found(played)
    assert (finding["check"], finding["key"], finding["field"]) == ("twice", older, "early-o9")


def test_a_generation_that_should_be_gone(played, vandal):
    older = f"orders:{vandal.generation - 2}"
    vandal.raw.hset(vandal.key(older), "x", b"\x10")
    assert found(played)["key"] == older


def test_a_feed_trimmed_too_far(played, vandal):
    name = f"lane:{vandal.lane()}:feed"
    vandal.client.xtrim(vandal.key(name), maxlen=1, approximate=False)
    finding = found(played)
    assert (finding["check"], finding["key"]) == ("feed", name)
    assert finding["text"].startswith("begins at version")


def test_a_feed_with_a_gap(played, vandal):
    lane = vandal.lane()
    gone = f"{vandal.version(lane) - 1}-0"
    assert vandal.client.xdel(vandal.key(f"lane:{lane}:feed"), gone) == 1
    finding = found(played)
    assert (finding["key"], finding["field"]) == (f"lane:{lane}:feed",
                                                  f"{vandal.version(lane)}-0")


def test_an_unreadable_entry(played, vandal):
    version = vandal.version(0) + 1
    vandal.raw.xadd(vandal.key("lane:0:feed"), {"e": b"\x01nonsense"}, id=f"{version}-0")
    vandal.client.set(vandal.key("lane:0:ver"), version)
    finding = found(played)
    assert (finding["check"], finding["field"]) == ("feed", f"{version}-0")


def test_a_version_set_back(played, vandal):
    lane = vandal.lane()
    vandal.client.set(vandal.key(f"lane:{lane}:ver"), vandal.version(lane) - 1)
    finding = found(played)
    assert (finding["check"], finding["key"]) == ("feed", f"lane:{lane}:feed")
    assert finding["text"].startswith("ends at version")


def test_a_version_set_back_before_cells(played, vandal):
    lane = 1 - vandal.lane()  # it was stopped: everything is in its cells
    vandal.client.set(vandal.key(f"lane:{lane}:ver"), 1)
    assert "counts up to version" in found(played, "cell")["text"]
    assert found(played, "lane")["key"] == f"lane:{lane}:ckpt"


def test_an_unreadable_catalog_entry(played, vandal):
    vandal.client.hset(vandal.key("catalog:product"), "sku-0", "{}")
    finding = found(played)
    assert (finding["check"], finding["key"], finding["field"]) == (
        "catalog", "catalog:product", "sku-0")


@pytest.mark.parametrize("change", ["later", "earlier", "none", "nonsense", "bare"])
def test_two_ideas_of_what_is_packed(played, vandal, change):
    """meta's and that of `generation`, of which each is made anew from the other."""
    client, first = vandal.client, ledger.packed_from(vandal.client)
    meta, generation = vandal.key("meta"), vandal.key("generation")
    if change == "bare":
        client.set(generation, vandal.generation)
    elif change == "none":
        client.hdel(meta, "packed_from")
    else:
        theirs = {"later": first + 1, "earlier": first - 1, "nonsense": "x"}[change]
        client.hset(meta, "packed_from", theirs)
    finding = found(played, "packed")
    assert (finding["key"], finding["field"]) == ("meta", "packed_from")
    assert client.get(generation) in finding["text"]


def test_the_first_difference_is_named_and_all_are_counted(played, vandal):
    vandal.client.delete(*[vandal.key(f"lane:{lane}:all:product") for lane in (0, 1)])
    result = livetally("verify", "--redis", played.server.target, "--show", "2")
    assert result.returncode == DIFFERS
    count, first, _ = result.stdout.splitlines()[-3:]
    assert re.fullmatch(r"\d+ differences, of which the first 2:", count)
    assert re.fullmatch(r"  lane:\*:all:product \S+: orders: \d+ by the ledger, "
                        r"but \d+ in the lanes", first)


# What is forgotten with time.

def test_a_data_set_of_many_generations(folder, redis, clock):
    """It begins two generations ago. Redis's own clock is right all the time, so the daemon itself
    ends a generation only when its clock is right too; the time before, the test does it."""
    client = redis.client()
    now = time.time()
    clock.set(now - 62 * DAY)
    daemon = ClockedDaemon(folder, redis, clock)
    born = ledger.generation(client)
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "accepted"
        assert tool.verdict(refund("u", 2, amount=50)) == "parked"
    daemon.stop()

    ledger.set_generation(client, born + 1)
    clock.set(now - 31 * DAY)
    daemon.restart()
    with Tool(daemon) as tool:
        assert tool.verdict(refund("u", 1, amount=300)) == "accepted"
        assert tool.verdict(order("u", 2)) == "accepted"
    checked, _ = assert_exact(redis)
    assert (checked["orders"], checked["days_exact"]) == (2, 2), "nothing is forgotten yet"

    clock.set(now)
    wait_for(lambda: ledger.generation(client) == born + 2, 15, "the next generation")
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 3)) == "accepted"
        assert tool.verdict(refund("u", 2, "r2", amount=7)) == "accepted"
    daemon.stop()
    checked, unchecked = assert_exact(redis)
    assert checked["orders"] == 2, "the first is forgotten"
    assert checked["days_exact"] == 0
    assert checked["days_but_for_refunds"] >= 1 and checked["days_at_least"] >= 1
    assert checked["days_but_for_refunds"] + checked["days_at_least"] == 3
    assert any("forgotten" in text for text in unchecked)
    check_old_totals(redis, client)


def check_old_totals(server, client):
    """What the ledger forgot is held against sums; what it has is found as before."""
    def differs_by(key, field, value):
        before = client.hget(HEAD + key, field)
        client.hset(HEAD + key, field, value)
        code, report = verify(server)
        client.hset(HEAD + key, field, before)
        assert code == DIFFERS, value
        return report["findings"][0]

    lane = "lane:0:"
    version = client.get(HEAD + lane + "ver")
    finding = differs_by(lane + "all:host", "u", f"3 3 3001 3 357 0 {version}")
    assert (finding["check"], finding["metric"]) == ("sum", "gross")
    finding = differs_by(lane + "all:host", "u", f"1 1 1000 3 357 0 {version}")
    assert (finding["check"], finding["metric"]) == ("ledger", "orders")
    newest = max(client.scan_iter(HEAD + "lane:0:day:*:total"))
    today = newest.removeprefix(HEAD + lane)
    finding = differs_by(lane + today, "total", f"1 1 1001 1 7 0 {version}")
    assert (finding["check"], finding["key"]) == ("ledger", f"lane:*:{today}")
    client.hdel(HEAD + "meta", "born_generation")
    _, unchecked = assert_exact(server)
    assert any("born" in text for text in unchecked)


def test_a_data_set_says_when_it_was_born(daemon, redis):
    """And one that doesn't (older daemons made none such) is used all the same."""
    client = redis.client()
    assert client.hget(HEAD + "meta", "born_generation") == str(ledger.generation(client))
    client.hdel(HEAD + "meta", "born_generation")
    daemon.stop()
    daemon.restart()
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "accepted"
    assert client.hget(HEAD + "meta", "born_generation") is None
    checked, unchecked = assert_exact(redis)
    assert checked["days_but_for_refunds"] == 1 and "born" in unchecked[0]


# Whatever else may be.

def test_a_data_set_that_is_written_to(folder, daemon, redis):
    """It is read at one state or not at all: what never was right at once is not called wrong."""
    writer = Process(folder, "simulate")
    writer.spawn([BUILD / "livetally", "simulate", daemon.url.replace("http", "ws"),
                  "--rate", "3000"])
    client = redis.client()
    wait_for(lambda: int(client.get(HEAD + "lane:0:ver")) > 50, 20, "orders")
    slow = Proxy(folder, redis)  # so that commits come while it is read
    messages = itertools.count(1)
    slow.latency(lambda *_: 0.2 if next(messages) % 500 == 0 else 0)
    reports = [verify(redis, "--attempts", "2") for _ in range(8)]

    def has_met_a_commit():
        reports.append(verify(slow.target, "--attempts", "2"))
        return any(code == BUSY for code, _ in reports)

    wait_for(has_met_a_commit, 60, "a commit while it is read")
    assert {code for code, _ in reports} <= {EXACT, BUSY}, reports
    busy = next(report for code, report in reports if code == BUSY)
    assert (busy["outcome"], busy["attempts"]) == ("busy", 2)
    assert "is being written to; could not be checked" in busy["problem"]
    writer.kill()
    checked, _ = assert_exact(redis, "--attempts", "20")
    assert checked["orders"] > 50


def test_nothing_to_verify(folder, redis):
    code, report = verify(redis)
    assert (code, report["outcome"]) == (UNAVAILABLE, "unavailable")
    assert "no data set under lt:{0}:" in report["problem"]
    result = livetally("verify", "--redis", redis.target)
    assert (result.returncode, result.stdout) == (UNAVAILABLE, "")
    assert result.stderr.startswith("livetally: ") and "no data set" in result.stderr
    code, report = verify(f"unix:{folder.path}/none")
    assert code == UNAVAILABLE and "No such file" in report["problem"]
    code, report = verify(f"redis://127.0.0.1:{free_port()}/0")
    assert code == UNAVAILABLE and "refused" in report["problem"]


@pytest.mark.parametrize("args", [
    [], ["--redis", "http://127.0.0.1"], ["--redis", "unix:/tmp/x", "--attempts", "0"],
    ["--redis", "unix:/tmp/x", "--prefix", ""], ["--redis", "unix:/tmp/x", "extra"],
    ["--redis", "unix:/tmp/x", "--password-file", "/nonexistent"], ["--unknown"]])
def test_usage(args):
    result = livetally("verify", *args)
    assert result.returncode == USAGE
    assert result.stdout == "" and "livetally verify" in result.stderr


def test_tcp_password_database_and_prefix(folder):
    server = RedisServer(folder, tcp=True, password="s3cret/@")
    secret = folder.path / "secret"
    secret.write_text("s3cret/@\n")
    host = f"127.0.0.1:{server.port}"
    daemon = Daemon(folder, f"redis://{host}/3", config={"redis.password_file": secret,
                                                          "redis.prefix": "tea-1.:"})
    with Tool(daemon) as tool:
        tool.send(lines([order("u", 1), order("u", 2)]))
        tool.settle()
    daemon.stop()
    target = f"redis://{host}/3"
    code, report = verify(target, "--password-file", secret, "--prefix", "tea-1.:")
    assert (code, report["checked"]["orders"]) == (EXACT, 2)
    assert "s3cret" not in json.dumps(report)
    with_password = f"redis://:s3cret%2F%40@{host}/3"
    assert verify(with_password, "--prefix", "tea-1.:")[0] == EXACT
    assert verify(with_password)[0] == UNAVAILABLE
    code, report = verify(target)
    assert code == UNAVAILABLE and "NOAUTH" in report["problem"]
    code, report = verify(f"redis://:wrong@{host}/3")
    assert code == UNAVAILABLE and "WRONGPASS" in report["problem"]
