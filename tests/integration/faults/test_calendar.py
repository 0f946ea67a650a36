"""Clocks that step, business days of all zones, midnight and generations of the ledger under load:
each order counts on exactly one day, and nobody is shown another."""
import time
from datetime import datetime, timedelta, timezone

import pytest

import ledger
import scene as scene_module
from clients import Tool, Viewer
from events import order
from harness import wait_for
from scene import ClockedDaemon, Scene, redis_hashes
from test_clock import DAY, Clock

EVENTS = 6000
BUSINESS = timezone(timedelta(hours=8))
CALM = {"redis.reply_timeout_ms": 2000}


@pytest.fixture
def clock(folder, monkeypatch):
    """The scene looks at it too. It stands at noon of a day to come."""
    clock = Clock(folder)
    monkeypatch.setattr(scene_module, "now_ms", lambda: int(clock.now() * 1000))
    return clock


def days_of(client):
    """{day: {group: {field: metrics}}} as Redis has it, and what it has of all time."""
    days, ever = {}, {}
    for key, fields in redis_hashes(client).items():
        period, _, rest = key.partition(":")
        if period == "all":
            ever[rest] = fields
        elif period == "day":
            day, _, group = rest.partition(":")
            days.setdefault(day, {})[group] = fields
    return days, ever


def without_minutes(scene):
    """What is kept by minute depends on when an order comes: not compared where the clock steps."""
    scene.topics = [t for t in scene.topics if not t.startswith("series/")]
    return scene


def check_days(scene):
    for daemon in scene.daemons:
        scene.check_totals(daemon)
    scene.check_pushed()

    def kept(hashes):
        return {k: v for k, v in hashes.items() if not k.startswith("minute:")}
    want = kept(scene.model.redis_hashes())
    wait_for(lambda: kept(redis_hashes(scene.redis.client())) == want, 10, "the hashes")


# --- steps ----------------------------------------------------------------------------------------

def test_the_clock_steps_by_days_under_load(folder, redis, clock):
    """Back and forth: `today` is another day each time, and on every day stands what was sold
    there. Sales are older than any of the clock's days."""
    noon = clock.now()
    clock.set(noon - 2 * DAY)
    daemon = ClockedDaemon(clock, folder, redis, CALM)
    scene = without_minutes(Scene([daemon], 2 * EVENTS, size=16, window=1))
    scene.watch()
    with scene.load() as load:
        for place in (1, 2, 0, 1, 2, 3, 2):
            load.wait_acks(10)
            clock.set(noon + (place - 2) * DAY)
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    seen = []
    for place in (0, 1, 2):
        clock.set(noon - place * DAY)
        scene.minute = None
        check_days(scene)
        seen.append(scene.viewers[0].values["total"]["today"]["orders"])
    assert seen[0] == 0 == seen[1] < seen[2], "days, each with its own sales"
    scene.stop()


# --- zones ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("zone, minutes", [("+00:00", 0), ("+05:45", 345), ("-11:00", -660),
                                           ("+14:00", 840)])
def test_business_days_of_other_zones(folder, redis, clock, zone, minutes):
    """The clock stands where this zone's day has just begun: yesterday is an hour away."""
    local = datetime.fromtimestamp(clock.now(), timezone(timedelta(minutes=minutes)))
    clock.set(local.replace(hour=1, minute=1, second=0).timestamp())
    daemon = ClockedDaemon(clock, folder, redis, {**CALM, "data.time_zone": zone})
    scene = Scene([daemon], EVENTS, offset_minutes=minutes)
    scene.watch()
    scene.load().finish()
    today = scene.model.day(scene.now)
    days = {when for _, period, when, _ in scene.model.cells if period == "day"}
    assert today in days and scene.model.day(scene.now - DAY * 1000) in days
    scene.check_everything()
    scene.stop()


# --- midnight -------------------------------------------------------------------------------------

ROUND = 4 * 8


def sell_past(clock, moment, daemon):
    """Orders without a time from four tools, until that moment is past: hundreds before the clock
    gets near it, and hundreds after it. Returns how many."""
    tools = [Tool(daemon) for _ in range(4)]

    def sell():
        for number, tool in enumerate(tools):
            ident = f"{number}-{tool.sent}"
            tool.send_events(*(order(f"h{n}", ident, amount=n, product_id=f"p{n % 3}")
                               for n in range(ROUND // 4)))
        tools[0].settle()
    for _ in range(10):
        sell()
    clock.set(moment - 1)
    rounds_after = 0
    while rounds_after < 10 or clock.now() < moment + 1:
        sell()
        rounds_after += clock.now() > moment
    for tool in tools:
        tool.settle()
        assert tool.rejected == []
    sent = ROUND // 4 * sum(tool.sent for tool in tools)
    assert sum(tool.accepted for tool in tools) == sent
    for tool in tools:
        tool.close()
    return sent


def check_pushed_days(viewer, yesterdays, todays):
    """In what was pushed, `today` began anew once; before and after it only grew, and was never
    more than its day's."""
    shown = [m["topics"]["total"] for m in viewer.messages
             if m["type"] in ("snapshot", "update") and "total" in m["topics"]]
    days = [s["today"]["orders"] for s in shown]
    drops = [i for i in range(1, len(days)) if days[i] < days[i - 1]]
    assert len(drops) == 1, days
    before, after = shown[:drops[0]], shown[drops[0]:]
    assert 0 < max(s["today"]["orders"] for s in before) <= yesterdays
    assert after[-1]["today"]["orders"] == todays
    assert all(s["all"]["orders"] - s["today"]["orders"] <= yesterdays for s in after)
    assert before[0]["all"]["orders"] == before[0]["today"]["orders"] == 0


@pytest.mark.parametrize("eve", ["2028-02-28", "2028-02-29", "2027-11-30", "2027-12-31"])
def test_midnight_under_load(folder, redis, clock, eve):
    """Of a leap day, of a month, of a year: each order without a time counts on the day it came."""
    midnight = datetime.fromisoformat(eve).replace(tzinfo=BUSINESS) + timedelta(days=1)
    day, next_day = eve.replace("-", ""), midnight.strftime("%Y%m%d")
    clock.set(midnight.timestamp() - 60)
    daemon = ClockedDaemon(clock, folder, redis, CALM)
    client = redis.client()
    with Viewer(daemon) as viewer:
        viewer.subscribe("total", "top/hosts", "host/h1")
        sent = sell_past(clock, midnight.timestamp(), daemon)

        def settled():
            return days_of(client)[1].get("total", {}).get("total", [0])[0] == sent
        wait_for(settled, 10, "the checkpoint")
        days, ever = days_of(client)
        assert set(days) == {day, next_day}
        for group in ever:
            if group == "session":
                continue
            for field, metrics in ever[group].items():
                parts = [days[d].get(group, {}).get(field, (0,) * 6) for d in (day, next_day)]
                assert tuple(map(sum, zip(*parts))) == metrics, (group, field)
        yesterdays, todays = (days[d]["total"]["total"][0] for d in (day, next_day))
        assert yesterdays > 100 and todays > 100, "the load went past midnight"
        viewer.wait_until(lambda v: v["total"]["today"]["orders"] == todays)
        viewer.wait_until(lambda v: v["host/h1"]["today"]["orders"] == todays / 8)
        assert viewer.values["total"]["all"]["orders"] == sent == yesterdays + todays
        check_pushed_days(viewer, yesterdays, todays)
    scene_module.verify(redis)
    daemon.stop()


# --- generations ----------------------------------------------------------------------------------

@pytest.mark.parametrize("older", [False, True], ids=["packed", "packed from then on"])
def test_the_ledger_moves_on_under_load(folder, redis, clock, older):
    """Its generation ends while orders, their refunds and retries go on: what is a generation old
    is still known, also when it is spelled otherwise (the data set is one that an older daemon made).
    It ends with a step of the clock to what Redis's says: else nobody may end it."""
    real = time.time()
    days = min(range(31, 200), key=lambda d: real % (d * DAY))  # ended lately
    config = {**CALM, "data.generation_days": days}
    clock.set(real - real % (days * DAY) - 900)
    daemons = [ClockedDaemon(clock, folder, redis, config) for _ in range(2)]
    if older:
        for daemon in daemons:
            daemon.stop()
        ledger.make_older(redis.client())
        for daemon in daemons:
            daemon.restart()
    scene = without_minutes(Scene(daemons, 2 * EVENTS, size=16, window=4))
    scene.watch()
    client = redis.client()
    before = ledger.generation(client)
    with scene.load() as load:
        load.wait_acks(20)
        assert ledger.generation(client) == before
        clock.set(time.time())
        wait_for(lambda: ledger.generation(client) == before + 1, 10, "the move")
        load.wait_acks(5)
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    kept = [client.hlen(f"lt:{{0}}:orders:{g}") for g in (before, before + 1)]
    assert min(kept) > 100, "orders of both generations"
    assert ledger.packed_from(client) == before + older
    assert sum(r.duplicates for r in load.results) > 100
    check_days(scene)
    scene.stop()
