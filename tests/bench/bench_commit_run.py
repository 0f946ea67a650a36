"""Where the time of an order goes: judging, the commit script, totals and checkpoints, each alone,
over one blocking connection. bench_commit has the code of livetallyd, but neither sockets nor JSON.
"""
import re

from bench_process import BenchError, Redis, folder, run_text
from bench_report import Section

COLUMNS = [("judge_us", "judge µs"), ("apply_us", "totals µs"), ("redis_us", "Redis µs"),
           ("checkpoint_us", "of it checkpoints"), ("cells", "cells written"),
           ("record_bytes", "record B"), ("entry_bytes", "feed B"), ("ledger_bytes", "ledger B"),
           ("memory_bytes", "memory B")]
NOTE = "CPU-µs and bytes per order; judging includes encoding the commit."
ORDERS = {"smoke": 6400, "quick": 300_000, "full": 300_000}
# key of the figure -> what bench_commit calls it
NAMES = {"judge_us": "judge+encode_us", "apply_us": "apply_us", "redis_us": "redis_us",
         "checkpoint_us": "checkpoint", "cells": "cells/order", "record_bytes": "record_bytes",
         "entry_bytes": "entry_bytes", "ledger_bytes": "ledger", "memory_bytes": "all"}
BATCHES = {"smoke": [(64, "zipf")], "quick": [(64, "zipf")],
           "full": [(16, "zipf"), (64, "zipf"), (256, "zipf"), (1000, "zipf"), (1000, "uniform")]}


def figures(text):
    """Of what bench_commit prints for people: name=value, and some values with a name before."""
    found = {name: float(value) for name, value in re.findall(r"([\w+/]+)=([\d.]+)", text)}
    found.update({name: float(value) for name, value in
                  re.findall(r"(checkpoint|ledger|all) ([\d.]+)", text)})
    missing = set(NAMES.values()) - found.keys()
    if missing:
        raise BenchError(f"bench_commit did not print {', '.join(sorted(missing))}: {text}")
    return {key: found[name] for key, name in NAMES.items()}


def run_once(config, orders, batch, skew):
    with folder() as place:
        file = place.path / "redis.conf"
        file.write_text(config)
        redis = Redis(place, file)
        text = run_text("bench_commit", redis.socket, orders, batch, skew)
        redis.stop()
    return figures(text)


def run(config, mode, repeats, say):
    section = Section("a commit by itself", COLUMNS, NOTE)
    for batch, skew in BATCHES[mode]:
        say(f"a commit by itself, batches of {batch}")
        runs = [run_once(config, ORDERS[mode], batch, skew) for _ in range(repeats)]
        section.add(f"batches of {batch}" + ("" if skew == "zipf" else ", 1,000,000 products"),
                    runs)
    return section
