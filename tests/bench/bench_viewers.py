"""Updates out: what a delivered message costs the daemon, and whether the interval is kept.

bench_push posts a trickle of orders that touches every topic watched, so that each tick has
something to say. It measures the same trickle without viewers first; what is beyond that, viewers
cost.
"""
from dataclasses import dataclass

from bench_floors import measure_send
from bench_ingest import Shape as IngestShape
from bench_ingest import running
from bench_process import BenchError, run_json, ws_url
from bench_report import Section

COLUMNS = [("push_us", "daemon µs"), ("messages_per_s", "messages/s"), ("bytes", "bytes"),
           ("p50_ms", "late p50 ms"), ("p99_ms", "p99 ms"), ("max_ms", "max ms"),
           ("rss_bytes", "idle viewer B")]
NOTE = ("CPU-µs per delivered message, beyond what the same orders cost with nobody watching;\n"
        "floor: a bare send(2) of as many bytes to as many sockets; late: how much longer than\n"
        "the interval a viewer waited for its next message.")
SECONDS = 5


@dataclass(frozen=True)
class Shape:
    viewers: int
    sets: int
    interval_ms: int

    @property
    def name(self):
        topics = "one topic set" if self.sets == 1 else f"{self.sets:,} sets"
        return f"{self.viewers:,} viewers, {topics}, {1000 / self.interval_ms:g} Hz"

    def targets(self):
        if self.viewers < 10_000:
            return ()
        return (("push_us", "push_us"), ("rss_bytes", "rss_bytes"))


SMOKE = [Shape(20, 20, 100)]
QUICK = [Shape(1000, 1, 250), Shape(10_000, 1, 1000)]
FULL = [Shape(viewers, sets, interval) for viewers, sets in
        ((100, 1), (1000, 1), (10_000, 1), (1000, 1000)) for interval in (1000, 250, 100)]


SHAPES = {"smoke": SMOKE, "quick": QUICK, "full": FULL}


def run_shape(config, shape):
    with running(config, IngestShape("")) as (_, daemons):
        done = run_json("bench_push", "--url", ws_url(daemons[0]), "--viewers", shape.viewers,
                        "--sets", shape.sets, "--interval-ms", shape.interval_ms,
                        "--seconds", SECONDS, "--pid", f"daemon:{daemons[0].pid}")
    if not done["final_exact"] or not done["messages"]:
        raise BenchError(f"{shape.name}: viewers don't show the final totals: {done}")
    return {
        "push_us": (done["cpu_us"]["daemon"] - done["base_cpu_us"]["daemon"]) / done["messages"],
        "push_and_orders_us": done["cpu_us"]["daemon"] / done["messages"],
        "own_us": done["own_cpu_us"] / done["messages"],
        "messages_per_s": done["messages"] / SECONDS,
        "bytes": done["bytes_per_message"],
        "p50_ms": done["late_us"]["p50"] / 1000,
        "p99_ms": done["late_us"]["p99"] / 1000,
        "max_ms": done["late_us"]["max"] / 1000,
        "rss_bytes": (done["rss_idle_bytes"] - done["rss_before_bytes"]) / shape.viewers,
    }


def run(config, mode, repeats, say):
    section = Section("updates out", COLUMNS, NOTE)
    for shape in SHAPES[mode]:
        runs = []
        for repeat in range(repeats):
            say(f"{shape.name} ({repeat + 1} of {repeats})")
            runs.append(run_shape(config, shape))
        size = round(runs[0]["bytes"])
        floor = {"push_us": measure_send(shape.viewers, size, shape.interval_ms, repeats)}
        section.add(shape.name, runs, floor, shape.targets())
    return section
