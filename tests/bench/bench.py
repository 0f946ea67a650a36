#!/usr/bin/python3
"""Measures livetally on this machine: orders in, updates out, start-up, and how costs grow.

    bench.py [--mode quick|full|smoke] [--repeats N] [--only PART,…] [--json FILE]

It starts its own Redis and daemons on loopback and Unix sockets, prints one table for each part and
at the end every figure that has a target, and writes all of it as JSON. Nothing fails for being
slow; it does fail when an order is not acked or a sum is not exact. See README.md.
"""
import argparse
import os
import sys
import time
from pathlib import Path

import bench_commit_run
import bench_delay
import bench_floors
import bench_ingest
import bench_process
import bench_report
import bench_scale
import bench_tls
import bench_viewers
import bench_year

PARTS = ("ingest", "commit", "push", "delay", "scale", "year", "tls")
YEAR = {"smoke": (2, 1000), "quick": (30, 200_000), "full": (365, 5_000_000)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mode", choices=tuple(YEAR), default="quick")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each shape")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument("--json", type=Path, help="where the report goes (default: BUILD/bench/…)")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    unknown = set(chosen.only) - set(PARTS)
    if unknown or chosen.repeats < 1:
        parser.error(f"parts are {', '.join(PARTS)}, and repeats at least 1")
    return chosen


class Bench:
    """Collects sections, printing each as soon as it is there."""

    def __init__(self, mode, repeats):
        self.mode = mode
        self.repeats = repeats
        self.config = bench_process.embedded_config()
        self.sections = []
        self.started = time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self.started:5.0f} s] {text}", file=sys.stderr, flush=True)

    def show(self, *sections):
        for section in sections:
            self.sections.append(section)
            print(section.text() + "\n", flush=True)

    def ingest(self):
        section, floors = bench_floors.measure_ingest(self.config, self.mode, self.repeats,
                                                      self.say)
        self.show(section)
        self.show(bench_ingest.run(self.config, self.mode, self.repeats, floors, self.say))

    def commit(self):
        self.show(bench_commit_run.run(self.config, self.mode, self.repeats, self.say))

    def push(self):
        self.show(bench_viewers.run(self.config, self.mode, self.repeats, self.say))

    def delay(self):
        self.show(bench_delay.run(self.config, self.mode, self.repeats, self.baseline_speed(),
                                  self.say))

    def baseline_speed(self):
        """Events a second of the baseline, of this run or else measured once."""
        for section in self.sections:
            for row in section.rows:
                if row["name"] == bench_ingest.BASELINE.name and "orders_per_s" in row["figures"]:
                    return row["figures"]["orders_per_s"]["median"]
        return bench_ingest.run_shape(self.config, bench_ingest.BASELINE, 1)["orders_per_s"]

    def scale(self):
        self.show(*bench_scale.run(self.config, self.mode, self.repeats, self.say))

    def year(self):
        days, records = YEAR[self.mode]
        self.show(bench_year.run(self.config, days, records, self.repeats, self.say))

    def tls(self):
        self.show(bench_tls.run(self.config, self.mode, self.repeats, self.say))


def main():
    chosen = arguments()
    bench = Bench(chosen.mode, chosen.repeats)
    facts = bench_report.machine("/tmp")
    print(bench_report.machine_text(facts) + "\n", flush=True)
    try:
        for part in PARTS:
            if part in chosen.only:
                getattr(bench, part)()
    except bench_process.BenchError as error:
        sys.exit(f"FAILED: {error}")
    print(bench_report.targets_text(bench.sections))
    name = time.strftime("%Y%m%d-%H%M%S.json")
    path = chosen.json or bench_process.harness.BUILD / "bench" / name
    bench_report.write_json(path, facts, chosen.mode, bench.sections)
    print(f"\n{chosen.mode}, medians of {chosen.repeats}, in "
          f"{time.monotonic() - bench.started:.0f} s; {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
