"""How cost grows: with the orders kept, the products sold, the topics watched, the daemons at work.

Each table ends with the exponent of growth, the slope of a straight line through the logarithms:
0 is flat, 1 is linear. What is logarithmic shows as an exponent near 0 that falls with size.
"""
import contextlib
import json
import socket
from dataclasses import replace

from bench_ingest import BASELINE, measure, running
from bench_process import BenchError, harness, own_address, run_json
from bench_report import Section
from bench_stats import growth_exponent
from bench_year import GENERATION_MS, PREFIX
from bench_year_data import DAY_MS, Pipe, make_sales, write_ledger
from clients import LIVE, background, connect, encode


COLUMNS = [("daemon_us", "daemon µs"), ("redis_us", "Redis µs"), ("all_us", "with tail µs")]
TOPICS_A_VIEWER = 250
WATCH_INTERVAL_MS = 1000
# A wall, and people with a phone, on each daemon.
WATCHED, WATCHERS, WATCHED_INTERVAL_MS = ["total", "top/hosts", "top/products"], 5, 250
FACTS_PER_TICK, TICKS = 1000, 40

# A short load at small sizes, so that the size is what it says.
LOAD = {"smoke": (1000, 2000), "quick": (20_000, 200_000), "full": (20_000, 200_000)}
# By daemons so long that checkpoints come and go and most cells are there: at first each lane makes
# all of its own.
LONG_LOAD = {"smoke": 2000, "quick": 500_000, "full": 2_000_000}
SIZES = {
    "smoke": {"orders": [1000, 10_000], "products": [100, 1000], "topics": [1, 300],
              "daemons": [1, 2], "board": [100, 1000]},
    "quick": {"orders": [10_000, 1_000_000], "products": [100, 10_000, 1_000_000],
              "topics": [], "daemons": [1, 4], "board": [100, 10_000, 1_000_000]},
    "full": {"orders": [10_000, 100_000, 1_000_000, 10_000_000],
             "products": [100, 1000, 10_000, 100_000, 1_000_000],
             "topics": [1, 10, 100, 1000, 10_000], "daemons": [1, 2, 3, 4],
             "board": [100, 1000, 10_000, 100_000, 1_000_000]},
}


def with_exponents(section, sizes):
    """Says below the table how each column grows."""
    parts = []
    for key, header in section.columns:
        costs = [row["figures"][key]["median"] for row in section.rows]
        exponent = growth_exponent(sizes, costs)
        if exponent is not None:
            section.exponents[key] = exponent
            parts.append(f"{header} {exponent:+.3f}")
    if parts:
        section.note = f"{section.note}growth exponents: {', '.join(parts)}"
    return section


def keep_orders(redis, orders):
    """So many more orders in the ledger, of yesterday; no totals count them."""
    today_ms = harness.now_ms() // DAY_MS * DAY_MS
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(redis.socket))
        pipe = Pipe(connection)
        write_ledger(pipe, PREFIX, make_sales(), today_ms - DAY_MS, today_ms, orders,
                     GENERATION_MS)
        pipe.finish()


def by_orders(config, sizes, load, repeats, say):
    """Loads follow each other on one data set: writing ten million orders takes longer."""
    section = Section("cost by orders kept", COLUMNS)
    for size in sizes:
        say(f"cost by orders kept: {size:,}")
        shape = replace(BASELINE, orders=min(max(size, load[0]), load[1]))
        with running(config, shape) as (redis, daemons):
            keep_orders(redis, size)
            runs = [measure(redis, daemons, shape, seed + 1) for seed in range(repeats)]
        section.add(f"{size:,} orders", runs)
    return with_exponents(section, sizes)


def by_products(config, sizes, load, repeats, say):
    section = Section("cost by products sold", COLUMNS,
                      "few sell most (Zipf); the more of them a second touches, the more a "
                      "checkpoint writes\n")
    for size in sizes:
        say(f"cost by products sold: {size:,}")
        shape = replace(BASELINE, products=size, orders=load[1])
        section.add(f"{size:,} products", _fresh_runs(config, shape, repeats))
    return with_exponents(section, sizes)


def by_daemons(config, sizes, orders, repeats, say):
    """With nobody watching, and with viewers on each daemon."""
    alone = Section("cost by daemons on one port", COLUMNS,
                    "µs of all daemons together; each hears of the others' orders too\n")
    watched = Section("cost by daemons, watched", COLUMNS,
                      f"the same with {WATCHERS} viewers on each daemon, of {', '.join(WATCHED)}, at "
                      f"{1000 / WATCHED_INTERVAL_MS:g} Hz, what is sent to them included\n")
    shapes = [replace(BASELINE, daemons=size, connections=40, orders=orders) for size in sizes]
    for section, viewed in ((alone, False), (watched, True)):
        runs = [[] for _ in shapes]
        for repeat in range(repeats):  # in turns, so that a machine that changes changes them all
            say(f"{section.name} ({repeat + 1} of {repeats})")
            for shape, done in zip(shapes, runs):
                done.append(_fresh_run(config, shape, repeat + 1, viewed))
        for size, done in zip(sizes, runs):
            section.add("1 daemon" if size == 1 else f"{size} daemons", done)
    return [with_exponents(alone, sizes), with_exponents(watched, sizes)]


def _fresh_run(config, shape, seed, watched=False):
    with running(config, shape) as (redis, daemons), contextlib.ExitStack() as stack:
        for daemon in daemons if watched else ():
            stack.enter_context(watchers(own_address(daemon), [WATCHED] * WATCHERS,
                                         WATCHED_INTERVAL_MS))
        return measure(redis, daemons, shape, seed)


def _fresh_runs(config, shape, repeats):
    return [_fresh_run(config, shape, repeat + 1) for repeat in range(repeats)]


@contextlib.contextmanager
def watchers(address, sets, interval_ms):
    """Viewers, each of a set of topics, who read and forget, on the background loop of clients.py,
    so that their sockets are drained while a load runs."""
    viewers = [background.run(_join(address, topics, interval_ms)) for topics in sets]
    reading = [background.submit(_read(viewer)) for viewer in viewers]
    yield
    for viewer in viewers:
        background.run(viewer.close())
    for ended in reading:
        ended.result(30)


async def _join(address, topics, interval_ms):
    """Returns the connection, once the snapshot was here."""
    connection = await connect(address, *LIVE)
    await connection.recv()
    await connection.send(encode({"type": "subscribe", "topics": topics,
                                  "interval_ms": interval_ms}))
    snapshot = json.loads(await connection.recv())
    if "errors" in snapshot or len(snapshot["topics"]) != len(topics):
        raise BenchError(f"topics were refused: {snapshot.get('errors')}")
    return connection


async def _read(connection):
    """Until it is closed."""
    async for _ in connection:
        pass


def by_topics(config, sizes, load, repeats, say):
    section = Section("cost by topics watched", COLUMNS,
                      f"each at {1000 / WATCH_INTERVAL_MS:g} Hz, {TOPICS_A_VIEWER} a viewer, what "
                      "is sent to them included\n")
    shape = replace(BASELINE, orders=load[1])
    for size in sizes:
        say(f"cost by topics watched: {size:,}")
        topics = [f"product/tea-{number:07d}" for number in range(size)]
        sets = [topics[first:first + TOPICS_A_VIEWER]
                for first in range(0, len(topics), TOPICS_A_VIEWER)]
        runs = []
        for repeat in range(repeats):
            with running(config, shape) as (redis, daemons), \
                    watchers(daemons[0].address, sets, WATCH_INTERVAL_MS):
                runs.append(measure(redis, daemons, shape, repeat + 1))
        section.add(f"{size:,} topics" if size > 1 else "1 topic", runs)
    return with_exponents(section, sizes)


def board(sizes, repeats, say):
    """Totals and rankings by themselves: bench_board."""
    section = Section("board by products", [("apply_us", "µs/fact"), ("tick_us", "µs/tick")],
                      "a tick ranks 20 products by gross, 20 by net, and 20 hosts, after "
                      f"{FACTS_PER_TICK:,} facts\n")
    for size in sizes:
        say(f"board: {size:,} products")
        runs = []
        for _ in range(repeats):
            done = run_json("bench_board", size, FACTS_PER_TICK, TICKS)
            runs.append({"apply_us": done["apply_us_per_fact"], "tick_us": done["us_per_tick"]})
        section.add(f"{size:,} products", runs)
    return with_exponents(section, sizes)


def run(config, mode, repeats, say):
    sizes, load = SIZES[mode], LOAD[mode]
    tables = [table(config, sizes[name], load, repeats, say) for name, table in
              (("orders", by_orders), ("products", by_products), ("topics", by_topics))
              if sizes[name]]
    return (tables + by_daemons(config, sizes["daemons"], LONG_LOAD[mode], repeats, say)
            + [board(sizes["board"], repeats, say)])
