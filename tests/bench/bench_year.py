"""Start to ready with a year of data: how long livetallyd takes, and what it costs Redis.

Measured three ways: with Redis running and every day as the hashes it was sold in; the same after a
daemon has had the time to seal closed days; and with the embedded Redis, which has to read its log
first.
"""
import socket
import time

from bench_process import BenchError, Redis, cpu_us, folder, harness
from bench_report import Section
from bench_year_data import (CELLS_PER_DAY, DAY_MS, ZONE_MS, Pipe, make_sales, write_cells,
                             write_ledger)
from clients import totals

COLUMNS = [("start_s", "to ready s"), ("daemon_ms", "daemon ms"), ("redis_ms", "Redis ms"),
           ("memory_mb", "Redis MB"), ("keys", "keys")]
NOTE = "From exec until it listens, which it does when all is loaded; CPU-ms spent until then."
PREFIX = b"lt:{0}:"
GENERATION_MS = 31 * DAY_MS
GAP_DAYS = 2  # nothing was sold since: minutes are kept for two days, and none are written
EMPTY_ENTRY = b"\1" + 5 * b"\0"  # of a feed, which keeps its newest entry: see fact.h
QUIET_S, SEAL_LIMIT_S = 3, 300


def write_year(redis, days, records, cells_per_day=CELLS_PER_DAY):
    """Makes the data set on a Redis where a daemon has been, which began it. Returns how many
    orders its totals count."""
    now_ms = harness.now_ms()
    today_ms = (now_ms + ZONE_MS) // DAY_MS * DAY_MS - ZONE_MS - GAP_DAYS * DAY_MS
    oldest_kept = (now_ms // GENERATION_MS - 1) * GENERATION_MS
    ledger_days = min(days, -((oldest_kept - today_ms) // DAY_MS))
    orders_per_day = max(records // ledger_days, 1)
    sales = make_sales(cells_per_day)
    client = redis.client()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(redis.socket))
        pipe = Pipe(connection)
        write_cells(pipe, PREFIX, sales, days, orders_per_day, today_ms)
        write_ledger(pipe, PREFIX, sales, today_ms - ledger_days * DAY_MS, today_ms,
                     orders_per_day, GENERATION_MS)
        pipe.finish()
    client.xadd(PREFIX + b"lane:0:feed", {"e": EMPTY_ENTRY}, id="1-0")
    client.set(PREFIX + b"lane:0:ver", 1)
    client.set(PREFIX + b"lane:0:ckpt", 1)
    first = oldest_kept // GENERATION_MS
    client.set(PREFIX + b"generation", f"{now_ms // GENERATION_MS}:{first}")
    client.hset(PREFIX + b"meta", mapping={
        "born_generation": (now_ms - days * DAY_MS) // GENERATION_MS, "packed_from": first})
    return days * orders_per_day


def start(daemon, redis_pid=None):
    """Seconds from exec to the file that says where it listens, and CPU time until then."""
    redis_before = cpu_us(redis_pid) if redis_pid else 0
    begin = time.monotonic()
    daemon.launch()
    harness.wait_for(daemon.listening, 120, "the daemon to be ready")
    took = time.monotonic() - begin
    children = harness.children_of(daemon.pid)
    redis_pid = redis_pid or (children[0] if children else None)
    return {"start_s": took, "daemon_ms": cpu_us(daemon.pid) / 1000,
            "redis_ms": (cpu_us(redis_pid) - redis_before) / 1000}


def check(daemon, orders):
    """The totals are those that were written: a daemon that is fast and wrong isn't ready."""
    shown = totals(daemon, "total")["topics"]["total"]["all"]["orders"]
    if shown != orders:
        raise BenchError(f"the total says {shown} orders, {orders} were written")


def sizes(redis):
    info = redis.client().info()
    return {"memory_mb": info["used_memory"] / 1e6, "keys": redis.client().dbsize()}


def starts(daemon, redis, orders, repeats):
    runs = []
    for _ in range(repeats):
        runs.append({**start(daemon, redis.pid), **sizes(redis)})
        check(daemon, orders)
        daemon.stop()
    return runs


def seal_all(daemon, redis):
    """Runs a daemon until all closed days are sealed. It begins a while after going live (counted in
    checkpoints, so they are frequent here) and nothing says when it is done: the number of keys
    has fallen, and then not changed for a while."""
    client = redis.client()
    written = client.dbsize()
    state = {"keys": written, "since": time.monotonic()}

    def settled():
        keys = client.dbsize()
        if keys != state["keys"]:
            state.update(keys=keys, since=time.monotonic())
        return keys < written and time.monotonic() - state["since"] > QUIET_S

    daemon.config = {"redis.checkpoint_ms": 20, "redis.seal_after_days": 1}
    daemon.start()
    harness.wait_for(settled, SEAL_LIMIT_S, "closed days to be sealed")
    daemon.stop()
    daemon.config = {}


def embedded_starts(place, redis, orders, repeats):
    """Redis's folder taken over by a daemon that starts its own server on it."""
    redis.stop()
    daemon = harness.Daemon(place, None, state=place.path / "state", start=False)
    runs = []
    for _ in range(repeats):
        runs.append(start(daemon))
        check(daemon, orders)
        daemon.stop()
    return runs


def run(config, days, records, repeats, say):
    section = Section(f"start, {days} days, {records:,} orders kept", COLUMNS, NOTE)
    with folder() as place:
        file = place.path / "redis.conf"
        file.write_text(config)
        state = place.path / "state"
        redis = Redis(place, file, data=state / "redis")
        daemon = harness.Daemon(place, redis, state=state)
        daemon.stop()
        section.add("no data", starts(daemon, redis, 0, repeats))
        say(f"writing {days} days and {records:,} records")
        orders = write_year(redis, days, records)
        say("starts before and after sealing")
        section.add("days as hashes", starts(daemon, redis, orders, repeats))
        seal_all(daemon, redis)
        section.add("after a daemon ran", starts(daemon, redis, orders, repeats),
                    targets=(("start_s", "start_s"),))
        say("starts of the embedded Redis")
        section.add("embedded Redis, from its log", embedded_starts(place, redis, orders, repeats))
    return section
