"""What a run says: tables for people on stdout, and the same as JSON for programs.

A report is a list of sections. A section has columns and rows; a row has a name, figures (see
bench_stats.summarise), and for some of them a target and a floor, keyed like the figures.
"""
import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from bench_stats import spread_percent, summarise
from bench_table import format_table
from bench_targets import PUSH_STRETCH_OF_FLOOR, TARGETS


class Section:
    """columns: (key of the figure, header) in the order they are shown."""

    def __init__(self, name, columns, note=""):
        self.name = name
        self.columns = columns
        self.note = note
        self.rows = []
        self.exponents = {}  # of a scaling table: how the figure grows with the size

    def add(self, name, runs, floors=None, targets=None):
        """runs: one dict of figures for each repetition. targets: figure's key -> TARGETS' key."""
        keys = runs[0].keys()
        row = {"name": name, "figures": {key: summarise(run[key] for run in runs) for key in keys},
               "floors": dict(floors or {}), "targets": dict(targets or {})}
        self.rows.append(row)
        return row["figures"]

    def text(self):
        floors = {key for row in self.rows for key in row["floors"]}
        targets = {key for row in self.rows for key in row["targets"]}
        headers = [self.name]
        for key, header in self.columns:
            headers += [header] + ["target"] * (key in targets) + ["floor"] * (key in floors)
        headers.append("±%")
        table = format_table(headers, [self._cells(row, floors, targets) for row in self.rows])
        return table + (f"\n{self.note}" if self.note else "")

    def _cells(self, row, floors, targets):
        cells = [row["name"]]
        for key, _ in self.columns:
            figure = row["figures"].get(key)
            cells.append(figure and figure["median"])
            if key in targets:
                target = row["targets"].get(key)
                cells.append(target and TARGETS[target].target)
            if key in floors:
                cells.append(row["floors"].get(key))
        first = row["figures"].get(self.columns[0][0])
        return cells + [f"{spread_percent(first):.0f}" if first else ""]

    def as_json(self):
        return {"name": self.name, "columns": self.columns, "note": self.note, "rows": self.rows,
                "exponents": self.exponents}


def target_rows(sections):
    """Every figure that has a target: what, median, ±%, target, stretch, floor, verdict."""
    rows = []
    for section in sections:
        for row in section.rows:
            for key, name in row["targets"].items():
                target, floor = TARGETS[name], row["floors"].get(key)
                figure = row["figures"][key]
                stretch = target.stretch
                if stretch is None and floor:
                    stretch = PUSH_STRETCH_OF_FLOOR * floor
                median = figure["median"]
                verdict = "missed" if median > target.target else "met"
                if stretch and median <= stretch:
                    verdict = "stretch"
                rows.append([f"{target.what} [{row['name']}], {target.unit}", median,
                             f"{spread_percent(figure):.0f}", target.target, stretch, floor,
                             verdict])
    return rows


def targets_text(sections):
    headers = ["targets", "median", "±%", "target", "stretch", "floor", "verdict"]
    return format_table(headers, target_rows(sections))


def _output(*command):
    """First line a program says, or "" without it."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return (done.stdout.splitlines() or [""])[0].strip()


def machine(folder):
    """What a figure depends on besides the code; folder: where Redis writes its log."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_mb": int(memory.group(1)) // 1024,
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "log_filesystem": _output("stat", "-f", "-c", "%T", str(folder)),
        "redis": _output("redis-server", "--version"),
        "libwebsockets": _output("pkg-config", "--modversion", "libwebsockets"),
        "libuv": _output("pkg-config", "--modversion", "libuv"),
        "hiredis": _output("pkg-config", "--modversion", "hiredis"),
        "gcc": _output("gcc", "-dumpfullversion"),
        "commit": _output("git", "describe", "--always", "--dirty", "--abbrev=12"),
        "nice": os.nice(0),
    }


def machine_text(facts):
    return (f"{facts['cpu']}, {facts['cores']} cores, kernel {facts['kernel']}; "
            f"{facts['redis'].split(' sha')[0]}; libwebsockets {facts['libwebsockets']}, "
            f"libuv {facts['libuv']}, gcc {facts['gcc']}; commit {facts['commit']}; "
            f"log on {facts['log_filesystem']}")


def write_json(path, facts, mode, sections):
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {"format": 1, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "mode": mode,
              "machine": facts, "sections": [section.as_json() for section in sections]}
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
