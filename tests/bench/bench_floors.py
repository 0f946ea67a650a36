"""What can't be had for less, measured in the same run: the same load against a bare libwebsockets
loop, the same records written bare, and a bare send(2) to as many sockets."""
import contextlib
import json
import subprocess

from bench_ingest import SHAPES, Shape
from bench_process import Redis, folder, harness, run_json
from bench_report import Section
from bench_stats import summarise

ORDERS = {"smoke": 2000, "quick": 300_000, "full": 300_000}
# A daemon collects single orders while a commit is on its way: Redis sees batches all the same.
REDIS_BATCH_MIN = 64
SEND_MS = 3000


@contextlib.contextmanager
def bare_server():
    """bench_floor lws: reads, reassembles, discards, answers a tiny ack. (port, pid)"""
    command = [str(harness.BUILD / "bench_floor"), "lws"]
    server = harness.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(server.stdout.readline())["port"], server.pid
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


def lws_us(orders, batch, seed):
    shape = Shape("", orders=orders, batch=batch, window=64 if batch == 1 else 0)
    with bare_server() as (port, pid):
        done = run_json("bench_load", "--floor", "--url", f"ws://127.0.0.1:{port}",
                        *shape.arguments(seed), "--pid", f"daemon:{pid}")
    return {"lws_us": done["cpu_us"]["daemon"] / done["events"],
            "own_us": done["own_cpu_us"] / done["events"]}


def redis_us(config, orders, batch):
    with folder() as place:
        file = place.path / "redis.conf"
        file.write_text(config)
        redis = Redis(place, file)
        done = run_json("bench_floor", "redis", "--socket", redis.socket, "--orders", orders,
                        "--batch", max(batch, REDIS_BATCH_MIN))
        redis.stop()
    return {"redis_us": done["redis_cpu_us"] / done["orders"]}


def measure_ingest(config, mode, repeats, say):
    """Returns the section, and what bench_ingest.run() takes as floors."""
    section = Section("floors of orders in", [("lws_us", "bare lws µs"),
                                              ("redis_us", "HMGET+HSET µs"),
                                              ("own_us", "bench_load µs")],
                      "CPU-µs per order; the last is what the load generator itself takes.")
    floors, orders = {}, ORDERS[mode]
    for batch in sorted({shape.batch for shape in SHAPES[mode]}):
        say(f"floors, messages of {batch}")
        runs = [{**lws_us(orders, batch, seed + 1), **redis_us(config, orders, batch)}
                for seed in range(repeats)]
        figures = section.add(f"messages of {batch}", runs)
        floors[batch] = {"daemon_us": figures["lws_us"]["median"],
                         "redis_us": figures["redis_us"]["median"]}
    return section, floors


def measure_send(sockets, message_bytes, interval_ms, repeats):
    """CPU-µs of a bare send(2) in bursts at that interval, as the daemon pushes."""
    runs = []
    for _ in range(repeats):
        done = run_json("bench_floor", "send", "--sockets", sockets, "--bytes", message_bytes,
                        "--interval-ms", interval_ms, "--rounds", max(3, SEND_MS // interval_ms))
        runs.append(done["cpu_us"] / done["sends"])
    return summarise(runs)["median"]
