"""How long after its ack an order is seen, while the daemon is loaded half-way.

A probe posts one order at a time for a host of its own and watches that host at the default
interval. What is measured is the time from ack to update, less the interval that may lie between
them: below 0 counts as 0. The load is `livetally simulate` at half the speed of the baseline.
"""
import asyncio
import contextlib
import json
import random
import subprocess
import time

from bench_ingest import BASELINE, running
from bench_process import BenchError, harness
from bench_report import Section
from bench_stats import summarise
from clients import INGEST, LIVE, connect, encode

COLUMNS = [("delay_ms", "p99 ms"), ("p50_ms", "p50 ms"), ("max_ms", "max ms")]
NOTE = "From ack to update beyond the interval of 250 ms."
INTERVAL_MS = 250
PROBES = {"smoke": 5, "quick": 60, "full": 60}
HOST = "probe"
LIMIT_S = 30


@contextlib.contextmanager
def load(daemon, rate):
    """Orders at that rate until it is left; it must still be posting then."""
    command = [str(harness.BUILD / "livetally"), "simulate", daemon.url, "--rate", str(rate),
               "--batch", "64"]
    posting = harness.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    try:
        yield
        if posting.poll() is not None:
            raise BenchError(f"the load ended early with {posting.returncode}")
    finally:
        posting.terminate()
        posting.wait(LIMIT_S)


async def next_of(connection, kind):
    while True:
        message = json.loads(await asyncio.wait_for(connection.recv(), LIMIT_S))
        if message["type"] in kind:
            return message


async def probe_once(tool, viewer, number):
    """Milliseconds from ack to update."""
    await tool.send(encode({"type": "order", "order_id": f"probe:{number}", "host_id": HOST,
                            "product_id": "probe", "county": "422828", "quantity": 1,
                            "amount": 100}))

    async def acked():
        ack = await next_of(tool, ("ack",))
        if ack["accepted"] != 1:
            raise BenchError(f"a probe was not accepted: {ack}")
        return time.monotonic()

    async def seen():
        while True:
            update = await next_of(viewer, ("update",))
            if update["topics"][f"host/{HOST}"]["all"]["orders"] >= number:
                return time.monotonic()

    ack_time, update_time = await asyncio.gather(acked(), seen())
    return 1000 * (update_time - ack_time)


async def probe(daemon, probes):
    chance = random.Random(1)
    delays = []
    async with connect(daemon.address, *INGEST) as tool, connect(daemon.address, *LIVE) as viewer:
        await viewer.send(encode({"type": "subscribe", "topics": [f"host/{HOST}"],
                                  "interval_ms": INTERVAL_MS}))
        await next_of(viewer, ("snapshot",))
        for number in range(1, probes + 1):
            delays.append(max(0.0, await probe_once(tool, viewer, number) - INTERVAL_MS))
            # Anywhere between two ticks, not always right after one.
            await asyncio.sleep(chance.random() * INTERVAL_MS / 1000)
    return sorted(delays)


def run(config, mode, repeats, orders_per_s, say):
    section = Section("ack to update", COLUMNS, NOTE)
    rates = [("idle", 0), (f"loaded half-way, {orders_per_s / 2:,.0f}/s", orders_per_s / 2)]
    for name, rate in rates:
        runs = []
        for repeat in range(repeats):
            say(f"ack to update, {name} ({repeat + 1} of {repeats})")
            with running(config, BASELINE) as (_, daemons):
                busy = load(daemons[0], round(rate)) if rate else contextlib.nullcontext()
                with busy:
                    delays = asyncio.run(probe(daemons[0], PROBES[mode]))
            runs.append({"delay_ms": delays[int(0.99 * (len(delays) - 1))],
                         "p50_ms": summarise(delays)["median"], "max_ms": delays[-1]})
        section.add(name, runs, targets=(("delay_ms", "delay_ms"),) if rate else ())
    return section
