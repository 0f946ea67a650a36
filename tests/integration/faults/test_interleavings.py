"""Events of one order that reach several daemons at the same time, in 1,000 random ways: a refund
in the same millisecond as its order, parked by one daemon while another takes the order; retries
sent to a second daemon while the first still waits for Redis; conflicting retries; the session or
the product registered meanwhile; and now and then a commit's request or reply lost.

Each story has a host, an order, a session and a product of its own. What became of each of its
events must be what the model says for some order of arrival that was possible: one in which nothing
that was acked comes after what was sent later. And so must the totals.
"""
import asyncio
import json
import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

from clients import INGEST, Tool, background, connect, encode, totals, verdict_of
from events import order, product, refund, session
from harness import PATIENCE, now_ms, wait_for
from model import METRICS, Model
from proxy import Slow
from scene import QUICK, metric, redis_hashes, verify

STORIES = 1000
AT_ONCE = 40
DAEMONS = 3
CUTS = 20
SEED = int(os.environ.get("CHAOS_SEED") or time.time_ns() // 1_000_000 % 1_000_000)


@dataclass
class Send:
    """One event on its way to one daemon."""
    event: dict
    daemon: int
    start: float = 0.0
    end: float = 0.0
    verdict: str = ""


class Story:
    """What happens to one order. Its sends are in `tools`, which all begin at the same time; each
    sends one event after the other."""

    def __init__(self, number, now):
        self.chance = r = random.Random(f"{SEED}:{number}")
        self.uid = f"h{number}"
        self.events = self._events(now)
        sends = self.events + [r.choice(self.events) for _ in range(r.randrange(4))]
        r.shuffle(sends)
        places = r.sample(range(DAEMONS), r.randint(2, DAEMONS)) + [r.randrange(DAEMONS)]
        self.tools = [[Send(e, place) for e in sends[n::len(places)]]
                      for n, place in enumerate(places)]
        self.sends = [send for tool in self.tools for send in tool]

    def _events(self, now):
        """Registrations first, as those who send again what was rejected would do."""
        r, uid = self.chance, self.uid
        sale = order(uid, time=now, quantity=r.randint(1, 4), amount=r.randint(0, 1000))
        events = []
        if r.random() < 0.3:
            events.append(session(uid, time=now, title="Live"))
            sale.update(session_id=f"{uid}-s")
            if r.random() < 0.7:
                del sale["host_id"]
        if r.random() < 0.3:
            events.append(product(uid, time=now, county=sale.pop("county")))
        events.append(sale)
        if r.random() < 0.3:
            events.append({**sale, "amount": sale["amount"] + 1})
        for number in range(r.randrange(4)):
            events.append(refund(uid, refund_id=f"r{number}", time=now, amount=r.randint(1, 600),
                                 quantity=r.randrange(3)))
        if r.random() < 0.1 and events[-1]["type"] == "refund":
            events.append({**events[-1], "amount": events[-1]["amount"] + 1})
        return events

    # Afterwards.

    def explained(self, now, again, metrics):
        """An order of arrival in which the model says what the daemons said: of each event, of the
        same once more afterwards (`again`: codes of rejections), and of the totals."""
        def go_on(taken, left):
            if not left:
                return taken if self._ends_well(taken, now, again, metrics) else None
            first_end = min(s.end for s in left)
            for send in left:
                if send.start <= first_end and says(taken + [send], now) == send.verdict:
                    found = go_on(taken + [send], [s for s in left if s is not send])
                    if found is not None:
                        return found
            return None
        return go_on([], self.sends)

    def _ends_well(self, taken, now, again, metrics):
        model = Model()
        model.apply_all([s.event for s in taken], now)
        said = [model.apply(event, now) for event in self.events]
        cell = model.cell(("host", "all", None, None), self.uid)
        return (cell == {m: metrics[m] for m in METRICS}
                and [None if v in TAKEN else v for v in said] == again)

    def __str__(self):
        said = [f"{s.start * 1000:.1f}-{s.end * 1000:.1f} ms, daemon {s.daemon}: "
                f"{encode(s.event)} {s.verdict}" for s in sorted(self.sends, key=lambda s: s.start)]
        return "\n".join([f"seed {SEED}, story {self.uid}:", *said])


TAKEN = ("accepted", "duplicate", "parked")


def says(sends, now):
    """The model's verdict of the last one."""
    model = QuickModel()
    model.apply_all([s.event for s in sends[:-1]], now)
    return model.apply(sends[-1].event, now)


class QuickModel(Model):
    """For verdicts alone, which don't depend on sums."""

    def _count(self, *_, **__):
        pass


# --- telling the stories --------------------------------------------------------------------------

class Play:
    """All stories, some of them at a time, over connections that are used again."""

    def __init__(self, daemons, stories):
        self.addresses = [d.address for d in daemons]
        self.stories = stories
        self.told = 0
        self._start = time.monotonic()

    async def run(self):
        self._free = [asyncio.Queue() for _ in self.addresses]
        turns = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._tell(story, turns) for story in self.stories))
        for free in self._free:
            while not free.empty():
                await (await free.get()).close()

    async def _tell(self, story, turns):
        async with turns:
            lines = [await self._line(tool[0].daemon) for tool in story.tools if tool]
            await asyncio.gather(*(self._speak(line, tool) for line, tool
                                   in zip(lines, filter(None, story.tools))))
            self.told += 1

    async def _line(self, daemon):
        if self._free[daemon].empty():
            line = await connect(self.addresses[daemon], *INGEST)
            return line
        return self._free[daemon].get_nowait()

    async def _speak(self, line, sends):
        for send in sends:
            send.start = time.monotonic() - self._start
            await line.send(encode(send.event))
            while (ack := json.loads(await line.recv()))["type"] != "ack":
                pass
            send.end = time.monotonic() - self._start
            send.verdict = verdict_of(SimpleNamespace(**ack))
        self._free[sends[0].daemon].put_nowait(line)


def cut_now_and_then(daemons, play, playing):
    """Commits that are lost before or after Redis did them. Returns how many."""
    chance, cuts = random.Random(SEED), Counter()
    for number in range(CUTS):
        wait_for(lambda: play.told >= number * STORIES / CUTS or playing.done(), 60, "the stories")
        at = chance.choice(("request", "reply"))
        held = chance.choice(daemons).redis.catch("commit", at)
        wait_for(lambda: held.caught() or playing.done(), 60, "a commit")
        if held.caught():
            held.cut()
            cuts[at] += 1
    return cuts


def send_all_again(daemons, stories):
    """Whole stories to each daemon. Returns {story: for each of its events None or a code}."""
    codes = {}
    for number, daemon in enumerate(daemons):
        mine = stories[number::len(daemons)]
        with Tool(daemon) as tool:
            for start in range(0, len(mine), 50):
                part = mine[start:start + 50]
                events = [(s, e) for s in part for e in s.events]
                rejected = {r["index"]: r["code"]
                            for r in tool.post(*(e for _, e in events)).rejected}
                for index, (story, _) in enumerate(events):
                    codes.setdefault(story, []).append(rejected.get(index))
    return codes


def hosts_of(daemon, stories):
    """{topic: metrics} as a daemon shows them."""
    topics, shown = [f"host/{s.uid}" for s in stories], {}
    for start in range(0, len(topics), 50):
        shown.update(totals(daemon, *topics[start:start + 50])["topics"])
    return {topic: value["all"] for topic, value in shown.items()}


def agreed(daemons, stories):
    """What all daemons show, or None while they differ."""
    shown = [hosts_of(d, stories) for d in daemons]
    return shown[0] if all(s == shown[0] for s in shown) else None


# --- what must hold -------------------------------------------------------------------------------

def count_meetings(stories):
    """How often what the stories are about did happen."""
    met = Counter()
    for story in stories:
        for one in story.sends:
            for two in story.sends:
                if one.daemon == two.daemon:
                    continue
                kinds = one.event["type"], two.event["type"]
                met["order and refund in the same millisecond"] += (
                    kinds == ("order", "refund") and abs(one.start - two.start) < 0.001)
                met["refund parked by one, order taken by another"] += (
                    kinds == ("order", "refund")
                    and (one.verdict, two.verdict) == ("accepted", "parked"))
                met["retry while the first waits"] += (
                    one.event is two.event and one.start < two.start < one.end)
    return met


def test_1000_random_interleavings(world):
    daemons = [world.daemon({**QUICK, "redis.lease_ms": 20_000}) for _ in range(DAEMONS)]
    now = now_ms()
    stories = [Story(number, now) for number in range(STORIES)]
    for number, daemon in enumerate(daemons):
        daemon.redis.latency(Slow(random.Random(f"{SEED}/{number}"), 0, 0.01))
    play = Play(daemons, stories)
    playing = background.submit(play.run())
    cuts = cut_now_and_then(daemons, play, playing)
    playing.result(60 * PATIENCE)
    for daemon in daemons:
        daemon.redis.latency(None)

    for story in stories:
        taken = Counter(json.dumps(s.event) for s in story.sends
                        if s.verdict in ("accepted", "parked"))
        assert max(taken.values(), default=0) <= 1, f"taken twice: {story}"
    again = send_all_again(daemons, stories)
    shown = wait_for(lambda: agreed(daemons, stories), 15, "the same on all daemons")
    model = Model()
    for story in stories:
        taken = story.explained(now, again[story], shown[f"host/{story.uid}"])
        assert taken is not None, (f"no order of arrival explains {story}\n{again[story]}\n"
                                   f"{shown[f'host/{story.uid}']}")
        model.apply_all([s.event for s in taken] + story.events, now)

    client = world.redis.client()
    wait_for(lambda: redis_hashes(client) == model.redis_hashes(), 15, "the same in Redis")
    verify(world.redis)
    met = count_meetings(stories)
    met["commits judged again"] = sum(metric(d, "commits_judged_again_total") for d in daemons)
    print(f"seed {SEED}: {dict(met)}, cuts: {dict(cuts)}")
    assert min(met.values()) >= 20 and min(cuts["request"], cuts["reply"]) > 0
