"""Thousands of bad inputs from a seed, dozens at a time, while an honest tool posts and an honest
viewer watches. After each batch the tool's orders are acked, the viewer sees them, totals are exact
(none of the orders that were smuggled in counts) and nothing is left of the others.

`make hostile HOSTILE_S=600 HOSTILE_SEED=7` goes on for longer, from another seed. What fails is
printed with its bytes; HOSTILE_ONLY=BATCH:NUMBER runs one attempt of a seed alone."""
import collections
import os
import random
import time

from harness import Daemon, RedisServer, wait_for
from witness import Witness, descriptors

from assault import carry_out
from shapes import MAKERS, any_attempt

SECONDS = float(os.environ.get("HOSTILE_S") or 8)
SEED = os.environ.get("HOSTILE_SEED") or "1"
ONLY = os.environ.get("HOSTILE_ONLY")
BATCH = 500
QUICK = {"limits.handshake_ms": 1000, "limits.ping_idle_ms": 1000, "limits.ping_wait_ms": 1000,
         "limits.connections_per_address": 0}


def attempt(batch, number):
    return any_attempt(random.Random(f"{SEED}:{batch}:{number}"))


def sanitizer_said(daemon):
    return "Sanitizer" in daemon.log or "runtime error" in daemon.log


def explain(batch, numbers, why):
    shown = "\n".join(f"HOSTILE_SEED={SEED} HOSTILE_ONLY={batch}:{n} {attempt(batch, n)}"
                      for n in numbers)
    return f"{why}\n{shown}"


def run_batch(witness, batch, numbers):
    """How many of each kind."""
    attempts = [attempt(batch, n) for n in numbers]
    problems = carry_out(attempts, witness.daemon.address)
    alive = witness.daemon.running() and not sanitizer_said(witness.daemon)
    assert alive, explain(batch, numbers, "the daemon died of one of these")
    wrong = [n for n, problem in zip(numbers, problems) if problem]
    said = {repr(problem) for problem in problems if problem}
    assert not wrong, explain(batch, wrong[:5], f"{len(wrong)} answers are wrong: {said}")
    witness.post()
    return collections.Counter(a.kind for a in attempts)


def test_bad_input_hurts_nobody(folder):
    daemon = Daemon(folder, RedisServer(folder), QUICK)
    witness = Witness(daemon)
    tried = collections.Counter()
    if ONLY:
        batch, number = map(int, ONLY.split(":"))
        tried += run_batch(witness, batch, [number])
    else:
        deadline, batch = time.monotonic() + SECONDS, 0
        while batch == 0 or time.monotonic() < deadline:
            tried += run_batch(witness, batch, range(BATCH))
            batch += 1
            if batch % 4 == 0:
                settle(witness)
        assert len(tried) > 0.9 * len(set(MAKERS)), "nearly all kinds were tried"
    settle(witness)
    print(f"\n{sum(tried.values())} bad inputs of {len(tried)} kinds: {dict(tried.most_common())}")
    witness.stop()


def settle(witness):
    wait_for(lambda: descriptors(witness.daemon) <= witness.descriptors, 30, "sockets to close")
    witness.wait_gone()
    witness.check()
