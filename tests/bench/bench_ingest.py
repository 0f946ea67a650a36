"""Orders in at full speed: what each costs the daemon and Redis, and how long acks take.

Every repetition starts with an empty data set and processes of its own, so that none profits from
what an earlier one warmed up or suffers from what it left.
"""
import contextlib
from dataclasses import dataclass, replace

from bench_process import (BenchError, Redis, cpu_us, folder, run_json, settle, start_daemons,
                           ws_url)
from bench_report import Section

COLUMNS = [("daemon_us", "daemon µs"), ("redis_us", "Redis µs"), ("all_us", "with tail µs"),
           ("orders_per_s", "events/s"), ("p50_ms", "ack p50 ms"), ("p99_ms", "p99 ms"),
           ("max_ms", "max ms"), ("memory_bytes", "memory B"), ("log_bytes", "log B")]
NOTE = ("CPU-µs per event from the first byte to the last ack; `with tail`: daemon and Redis "
        "together until the last checkpoint too;\nmemory and log of Redis in bytes per order kept.")


@dataclass(frozen=True)
class Shape:
    """One way to post orders. The defaults are the baseline: a shape changes little of it."""

    name: str
    orders: int = 300_000
    batch: int = 64
    connections: int = 10
    window: int = 0  # messages in flight on a connection; 0: as bench_load has it
    duplicates: int = 0
    refunds: int = 0
    daemons: int = 1
    fsync: str = "everysec"
    hosts: int = 1000
    products: int = 20_000
    skew: str = "zipf"
    targets: tuple = ()

    def arguments(self, seed):
        named = {"orders": self.orders, "batch": self.batch, "connections": self.connections,
                 "duplicates": self.duplicates, "refunds": self.refunds, "hosts": self.hosts,
                 "products": self.products, "skew": self.skew, "seed": seed}
        if self.window:
            named["window"] = self.window
        return [text for name, value in named.items() for text in (f"--{name}", value)]


TARGETS_64 = (("daemon_us", "daemon_us_64"), ("redis_us", "redis_us"),
              ("memory_bytes", "memory_bytes"))
TARGETS_1 = (("daemon_us", "daemon_us_1"),)

BASELINE = Shape("messages of 64", targets=TARGETS_64)
ONE_A_MESSAGE = Shape("messages of 1, 64 in flight", batch=1, window=64, targets=TARGETS_1)

# Proves that the benchmark works; its figures mean nothing.
SMOKE = [replace(BASELINE, orders=2000), replace(ONE_A_MESSAGE, orders=2000),
         Shape("4 daemons, 40 connections", daemons=4, connections=40, orders=2000,
               duplicates=3, refunds=30, fsync="no")]
QUICK = [
    BASELINE,
    ONE_A_MESSAGE,
    Shape("messages of 1000", batch=1000),
    Shape("3 % twice, 30 % refunded", duplicates=3, refunds=30, orders=200_000),
    Shape("fsync always", fsync="always"),
]
FULL = [
    BASELINE,
    ONE_A_MESSAGE,
    Shape("messages of 64, 3,000,000 orders", orders=3_000_000, targets=TARGETS_64),
    Shape("messages of 1000", batch=1000),
    Shape("1 connection", connections=1),
    Shape("100 connections", connections=100),
    Shape("one order at a time", batch=1, connections=1, window=1, orders=10_000),
    Shape("3 % twice", duplicates=3),
    Shape("30 % refunded", refunds=30),
    Shape("3 % twice, 30 % refunded", duplicates=3, refunds=30),
    Shape("4 daemons, 40 connections", daemons=4, connections=40),
    Shape("no log", fsync="no"),
    Shape("fsync always", fsync="always"),
    Shape("fsync always, messages of 1", fsync="always", batch=1, window=64),
    Shape("8 hosts, 200 products", hosts=8, products=200),
    Shape("50,000 hosts, 200,000 products", hosts=50_000, products=200_000),
    Shape("1,000,000 products, uniform", hosts=1000, products=1_000_000, skew="uniform"),
]


@contextlib.contextmanager
def running(config, shape, settings=None):
    """Redis and daemons for a shape, in a folder that goes when it is done."""
    with folder() as place:
        file = place.path / "redis.conf"
        file.write_text(config)
        redis = Redis(place, file, shape.fsync)
        daemons = start_daemons(place, redis, shape.daemons, settings)
        yield redis, daemons
        for daemon in daemons:
            daemon.stop()
        redis.stop()


def measure(redis, daemons, shape, seed):
    """One load; figures per event. bench_load itself checks every ack and the final sums."""
    pids = [daemon.pid for daemon in daemons] + [redis.pid]
    processes = [text for daemon in daemons for text in ("--pid", f"daemon:{daemon.pid}")]
    before, cpu_before = redis.sizes(), sum(map(cpu_us, pids))
    # Daemons that share a port have one address: the kernel deals the connections out.
    done = run_json("bench_load", "--url", ws_url(daemons[0]), *shape.arguments(seed), *processes,
                    "--pid", f"redis:{redis.pid}")
    if not done["exact"] or done["rejected"]:
        raise BenchError(f"{shape.name}: not every order was counted exactly once: {done}")
    settle(redis)
    cpu_after, after = sum(map(cpu_us, pids)), redis.sizes()
    events, kept = done["events"], done["orders"]
    return {
        "daemon_us": done["cpu_us"]["daemon"] / events,
        "redis_us": done["cpu_us"]["redis"] / events,
        "all_us": (cpu_after - cpu_before) / events,
        "orders_per_s": events / done["wall_us"] * 1e6,
        "own_us": done["own_cpu_us"] / events,
        "p50_ms": done["ack_us"]["p50"] / 1000,
        "p99_ms": done["ack_us"]["p99"] / 1000,
        "max_ms": done["ack_us"]["max"] / 1000,
        "memory_bytes": (after["memory"] - before["memory"]) / kept,
        "log_bytes": (after["log"] - before["log"]) / kept,
        "disk_bytes": (after["disk"] - before["disk"]) / kept,
    }


SHAPES = {"smoke": SMOKE, "quick": QUICK, "full": FULL}


def run_shape(config, shape, seed):
    with running(config, shape) as (redis, daemons):
        return measure(redis, daemons, shape, seed)


def run(config, mode, repeats, floors, say):
    """floors: batch size -> {"daemon_us": …, "redis_us": …}, from bench_floors."""
    section = Section("orders in", COLUMNS, NOTE)
    for shape in SHAPES[mode]:
        runs = []
        for repeat in range(repeats):
            say(f"{shape.name} ({repeat + 1} of {repeats})")
            runs.append(run_shape(config, shape, seed=repeat + 1))
        section.add(shape.name, runs, floors.get(shape.batch), shape.targets)
    return section


