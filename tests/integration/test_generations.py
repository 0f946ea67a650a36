"""How the ledger spells order ids: data sets born packed, and those that an older livetallyd made,
which are packed from their next generation on. Nothing is missed or counted twice for it, and who
can't read packed generations is kept away."""
import time
from pathlib import Path

import pytest

import ledger
from backup import Backup
from clients import Tool, metrics, totals
from events import order, refund
from harness import Daemon, wait_for
from scene import ClockedDaemon
from test_clock import DAY, Clock
from test_verify import assert_exact, raw_client, verify

LUA = Path(__file__).parents[2] / "src" / "store" / "lua"
HEAD = ledger.HEAD
OLDER_OWNER = "0123456789abcdef:0123456789abcdef"

# Alike as numbers, alike as bytes, or just at an end of what is packed.
IDS = ["0", "00", "7", "07", "007", "70", "A", "AA", "o-7", "1.0", "-7", "7-", "1e3", "~",
       "65535", "0065535", "255", "256", "6917000000000000001", "0917000000000000001",
       "0000000000000000000", "9999999999999999999", "9223372036854775808",
       "18446744073709551615", "18446744073709551616", "10000000000000000000",
       "00000000000000000007", "douyin:6917000000000000001", "6917000000000000001x",
       "9" * 64, "0" * 64, "z" * 64]


def sale(order_id, amount=1000):
    return {**order("u", amount=amount), "order_id": order_id}


def back(order_id, refund_id="r1", amount=10):
    return {**refund("u", refund_id=refund_id, amount=amount), "order_id": order_id}


def fields(redis, generation):
    return set(raw_client(redis).hkeys(ledger.key(generation)))


def looks(daemon):
    found = metrics(daemon)
    return sum(found[f'livetally_order_lookups_total{{generation="{which}"}}']
               for which in ("current", "previous"))


def wait_knows(daemon):
    def knows():
        found = metrics(daemon)
        return all(found[f'livetally_known_orders_complete{{generation="{which}"}}'] == 1
                   for which in ("current", "previous"))
    wait_for(knows, 20, "the daemon to know all ids")


def total(daemon):
    m = totals(daemon, "total")["topics"]["total"]["all"]
    return m["orders"], m["gross"], m["refunds"], m["refunded"]


class Passage:
    """A data set shortly before its generation ends, by the daemons' clock; Redis's own says that it
    has ended, so it does when the daemons' clock is set right."""

    def __init__(self, folder, redis):
        self.folder, self.redis = folder, redis
        real = time.time()
        self.days = min(range(31, 200), key=lambda days: real % (days * DAY))  # ended lately
        self.clock = Clock(folder)
        self.clock.set(real - real % (self.days * DAY) - 900)
        self.daemons = []

    def daemon(self):
        self.daemons.append(ClockedDaemon(self.clock, self.folder, self.redis,
                                          {"data.generation_days": self.days}))
        return self.daemons[-1]

    def make_older(self):
        daemon = self.daemon()
        daemon.stop()
        ledger.make_older(self.redis.client())
        daemon.restart()
        return daemon

    def end_generation(self):
        client = self.redis.client()
        before = ledger.generation(client)
        self.clock.set(time.time())
        wait_for(lambda: ledger.generation(client) == before + 1, 15, "the next generation")

    def stop(self):
        for daemon in self.daemons:
            if daemon.running():
                daemon.stop()


@pytest.fixture
def passage(folder, redis):
    passage = Passage(folder, redis)
    yield passage
    passage.stop()


def test_a_new_data_set_is_packed(daemon, redis):
    client = redis.client()
    born = ledger.generation(client)
    assert ledger.packed_from(client) == born
    assert client.hmget(HEAD + "meta", "schema", "packed_from") == ["3", str(born)]
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, IDS)).accepted == len(IDS), "no two are one"
        assert tool.post(*map(sale, IDS)).duplicates == len(IDS)
        assert tool.post(*map(back, IDS)).accepted == len(IDS)
    assert fields(redis, born) == {ledger.field_of(i) for i in IDS}
    assert len(ledger.field_of("6917000000000000001")) == 9
    assert total(daemon) == (len(IDS), 1000 * len(IDS), len(IDS), 10 * len(IDS))
    assert_exact(redis)


def test_another_daemon_looks_up_what_it_does_not_know(daemon, redis, folder):
    """Refunds ask first; orders assume, and learn by the commit that is refused."""
    other = Daemon(folder, redis)
    with Tool(daemon) as tool, Tool(other) as second:
        assert tool.post(*map(sale, IDS)).accepted == len(IDS)
        assert second.post(*map(back, IDS)).accepted == len(IDS)
        assert tool.post(*[back(i, "r2") for i in IDS]).accepted == len(IDS)
        assert len(second.post(*[sale(i, 1001) for i in IDS]).rejected) == len(IDS)
    sums = (len(IDS), 1000 * len(IDS), 2 * len(IDS), 20 * len(IDS))
    wait_for(lambda: total(other) == total(daemon) == sums, 5, "both to show it")
    other.stop()
    assert_exact(redis)


def test_an_older_data_set_is_packed_from_its_next_generation(passage):
    redis, client = passage.redis, passage.redis.client()
    daemon = passage.make_older()
    early = [f"{i}9"[-64:] for i in IDS if len(i) < 64]
    old = ledger.generation(client)
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, IDS)).accepted == len(IDS)
        assert tool.post(*[back(i, amount=7) for i in early]).parked == len(early)
        assert tool.post(*map(sale, IDS)).duplicates == len(IDS)
    assert ledger.packed_from(client) is None and client.hget(HEAD + "meta", "schema") == "1"
    assert fields(redis, old) == {i.encode() for i in IDS + early}
    assert_exact(redis)

    passage.end_generation()
    assert ledger.packed_from(client) == old + 1
    assert client.hmget(HEAD + "meta", "schema", "packed_from") == ["3", str(old + 1)]
    second = passage.daemon()
    fresh = [f"1{i}"[:64] for i in IDS if len(i) < 64]
    fresh = [i for i in dict.fromkeys(fresh) if i not in IDS and i not in early]
    with Tool(daemon) as tool, Tool(second) as other:
        assert other.post(*map(sale, IDS)).duplicates == len(IDS)
        assert tool.post(*map(back, IDS)).accepted == len(IDS)
        assert other.post(*[back(i, "r2") for i in IDS]).accepted == len(IDS)
        assert tool.post(*map(back, IDS)).duplicates == len(IDS)
        assert other.post(*map(sale, early)).accepted == len(early), "with what was parked"
        assert tool.post(*map(sale, early)).duplicates == len(early)
        assert tool.post(*map(sale, fresh)).accepted == len(fresh)
        assert other.post(*map(sale, fresh)).duplicates == len(fresh)
        assert other.post(*map(back, fresh)).accepted == len(fresh)
    assert fields(redis, old) == {i.encode() for i in IDS}, "they stay where they were born"
    assert fields(redis, old + 1) == {ledger.field_of(i) for i in early + fresh}
    orders = len(IDS) + len(early) + len(fresh)
    sums = (orders, 1000 * orders, 2 * len(IDS) + len(early) + len(fresh),
            20 * len(IDS) + 7 * len(early) + 10 * len(fresh))
    wait_for(lambda: total(daemon) == total(second) == sums, 5, "both to show it")
    passage.stop()
    assert_exact(redis)


def test_twins_are_found_across_spellings(passage):
    """An audit finds an order in both generations though they spell it differently, and a field that
    its generation doesn't spell so."""
    redis, client = passage.redis, passage.redis.client()
    daemon = passage.make_older()
    with Tool(daemon) as tool:
        assert tool.post(sale("6917000000000000001"), sale("u1")).accepted == 2
    passage.end_generation()
    with Tool(daemon) as tool:
        assert tool.post(sale("6917000000000000002")).accepted == 1
    passage.stop()
    assert_exact(redis)
    raw, now = raw_client(redis), ledger.generation(client)
    record = raw.hget(ledger.key(now - 1), "6917000000000000001")
    stub = bytes([record[0] & 0xf0 | 8]) + b"\x01\x01\x02r1\x01\x00\x01"
    for number, field, said in [
            (now, ledger.field_of("6917000000000000001"), "twice"),
            (now, b"6917000000000000003", "record"),
            (now, b"\x13\xff\xff\xff\xff\xff\xff\xff\xff", "record"),
            (now - 1, ledger.field_of("6917000000000000003"), "record")]:
        raw.hset(ledger.key(number), field, stub)
        _, report = verify(redis)
        assert said in {finding["check"] for finding in report["findings"]}, (number, field)
        raw.hdel(ledger.key(number), field)
    assert_exact(redis)


def test_nothing_is_packed_while_an_older_daemon_holds_a_seat(passage):
    """As in a handover that just then is under way: the generation after may be packed."""
    client = passage.redis.client()
    daemon = passage.make_older()
    old = ledger.generation(client)
    client.set(HEAD + "lane:7:owner", OLDER_OWNER, px=3_600_000)
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, IDS)).accepted == len(IDS)
        passage.end_generation()
        assert ledger.packed_from(client) is None
        assert client.hmget(HEAD + "meta", "schema", "packed_from") == ["1", None]
        assert tool.post(*map(sale, IDS)).duplicates == len(IDS)
        assert tool.post(sale("123")).accepted == 1
    assert fields(passage.redis, old + 1) == {b"123"}
    client.delete(HEAD + "lane:7:owner")
    passage.stop()
    assert_exact(passage.redis)


def lane_keys(part):
    return [HEAD + f"lane:{lane}:{part}" for lane in range(16)]


def test_an_older_daemon_is_kept_away(passage):
    """It gets no seat; and what one without a seat had on its way comes to nothing."""
    client = passage.redis.client()
    passage.make_older()
    old = ledger.generation(client)
    passage.end_generation()
    epoch, span = client.hmget(HEAD + "meta", "epoch", "generation_span")
    claim = (LUA / "claim.lua").read_text()
    keys = [HEAD + "meta", HEAD + "generation"]
    keys += [key for pair in zip(lane_keys("owner"), lane_keys("ver")) for key in pair]
    for schema in ("1", "2"):
        said = client.eval(claim, len(keys), *keys, "feedfeedfeedfeed", "0123456789abcdef", 10_000,
                           "0" * 16, old + 1, "", "", "generation_span", span, "schema", schema)
        assert said == ["meta", "schema", "3"]
    commit = (LUA / "commit.lua").read_text()
    keys = [HEAD + name for name in ("lane:7:owner", "lane:7:ver", "generation", "meta",
                                     "lane:7:feed", f"orders:{old + 1}", f"orders:{old}")]
    client.set(HEAD + "lane:7:ver", 0)
    for generation in (old, old + 1):
        said = client.eval(commit, len(keys), *keys, f"{OLDER_OWNER} 0 {generation} {epoch}", 1,
                           "entry", "", "", "", "", b"\xa3123\xa1x")
        assert said[0] == "fence"
        assert said[3] == f"{old + 1}:{old + 1}", "which it can't even read"
    assert not client.exists(HEAD + f"orders:{old + 1}")
    client.delete(HEAD + "lane:7:ver")


@pytest.mark.parametrize("older", [True, False])
def test_what_is_known_is_known_in_either_spelling(passage, older):
    """What stands in the ledger is read whole, and new orders are not looked for any more."""
    daemon = passage.make_older() if older else passage.daemon()
    old = [str(6917 * 10**15 + 1000 + n) for n in range(500)] + IDS
    new = [str(7 * 10**18 + n) for n in range(500)]
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, old)).accepted == len(old)
        wait_knows(daemon)
        passage.end_generation()
        assert tool.post(*map(sale, old)).duplicates == len(old)
        wait_knows(daemon)
        before = looks(daemon)
        assert tool.post(*map(sale, new)).accepted == len(new)
        assert looks(daemon) - before <= 20, "of an id in a hundred it is not sure"
        assert tool.post(*map(sale, old)).duplicates == len(old)
        assert tool.post(*map(back, old)).accepted == len(old)
    daemon.stop()
    daemon.restart()
    with Tool(daemon) as tool:
        wait_knows(daemon)
        before = looks(daemon)
        assert tool.post(*map(sale, [f"{i}0" for i in new])).accepted == len(new)
        assert looks(daemon) - before <= 20
        assert tool.post(*map(sale, old)).duplicates == len(old)
        assert tool.post(*map(sale, new)).duplicates == len(new)
        assert tool.post(*map(back, old)).duplicates == len(old)
    daemon.stop()
    assert_exact(passage.redis)


@pytest.mark.parametrize("older", [True, False])
def test_a_ledger_is_read_as_it_is_spelled_though_nothing_says_how(passage, older):
    """Meta and generation are gone, the ledger is not."""
    client = passage.redis.client()
    daemon = passage.make_older() if older else passage.daemon()
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, IDS)).accepted == len(IDS)
        assert client.delete(HEAD + "generation", HEAD + "meta") == 2
        wait_for(lambda: client.exists(HEAD + "generation", HEAD + "meta") == 2, 15, "both again")
        assert (ledger.packed_from(client) is None) == older
        assert tool.post(*map(sale, IDS)).duplicates == len(IDS)
        passage.end_generation()
        client.delete(HEAD + "generation", HEAD + "meta")
        wait_for(lambda: client.exists(HEAD + "generation", HEAD + "meta") == 2, 15, "both again")
        assert ledger.packed_from(client) == ledger.generation(client) - (not older)
        assert tool.post(*map(sale, IDS)).duplicates == len(IDS)


@pytest.mark.parametrize("older", [True, False])
def test_one_number_among_many_ids_tells_how_they_are_spelled(passage, older):
    """The same with a ledger in which one id in thousands is spelled in either way."""
    client = passage.redis.client()
    daemon = passage.make_older() if older else passage.daemon()
    with Tool(daemon) as tool:
        for first in range(0, 12_000, 1000):
            many = [sale(f"u{number}") for number in range(first, first + 1000)]
            assert tool.post(*many).accepted == 1000
        assert tool.post(sale("123")).accepted == 1
        for ended in (0, 1):
            if ended:
                passage.end_generation()
            client.delete(HEAD + "generation", HEAD + "meta")
            wait_for(lambda: client.exists(HEAD + "generation", HEAD + "meta") == 2, 15, "both")
            assert tool.post(sale("123"), sale("u7")).duplicates == 2
    daemon.stop()
    assert_exact(passage.redis)


def test_a_ledger_without_numbers_is_looked_through_in_turns(passage):
    """It may be so large that others who wait for Redis must not wait for all of it."""
    client = passage.redis.client()
    daemon = passage.daemon()
    with Tool(daemon) as tool:
        assert tool.post(sale("u1"), sale("u2")).accepted == 2
        generation = ledger.generation(client)
        for number, first in ((generation, 0), (generation - 1, 30_000)):
            client.hset(ledger.key(number), mapping={
                f"others-{n}": "who knows" for n in range(first, first + 30_000)})
        claims = client.info("commandstats")["cmdstat_eval"]["calls"]
        client.delete(HEAD + "generation", HEAD + "meta")
        wait_for(lambda: client.exists(HEAD + "generation", HEAD + "meta") == 2, 15, "both again")
        assert client.info("commandstats")["cmdstat_eval"]["calls"] - claims >= 60_000 / 10_000
        assert ledger.packed_from(client) == generation
        assert tool.post(sale("u1"), sale("u2"), sale("123")).duplicates == 2
        assert tool.post(sale("123")).duplicates == 1
        assert daemon.log.count("looking through its ledger") == 1


def test_a_bare_number_set_by_hand_does_not_change_the_spelling(passage):
    client = passage.redis.client()
    daemon = passage.daemon()
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, IDS)).accepted == len(IDS)
        said = client.get(HEAD + "generation")
        client.set(HEAD + "generation", ledger.generation(client))
        assert tool.post(*map(sale, IDS)).duplicates == len(IDS)
        wait_for(lambda: client.get(HEAD + "generation") == said, 15, "what it said before")
        assert tool.post(*map(sale, [*IDS, "123"])).duplicates == len(IDS)
    daemon.stop()
    assert_exact(passage.redis)


@pytest.mark.parametrize("key", ["generation", "meta"])
def test_a_deleted_key_does_not_change_the_spelling(passage, key):
    """Each tells what the other said."""
    client = passage.redis.client()
    daemon = passage.make_older()
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, IDS)).accepted == len(IDS)
    passage.end_generation()
    with Tool(daemon) as tool:
        assert tool.post(sale("123")).accepted == 1
    said = client.get(HEAD + "generation")
    daemon.stop()
    client.delete(HEAD + key)
    daemon.restart()
    assert client.get(HEAD + "generation") == said
    assert client.hmget(HEAD + "meta", "schema", "packed_from") == ["3", said.split(":")[1]]
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, [*IDS, "123"])).duplicates == len(IDS) + 1
    daemon.stop()
    assert_exact(passage.redis)


def test_both_keys_go_on_telling_the_spelling(passage):
    """Whichever of them is deleted, and then the other."""
    client = passage.redis.client()
    daemon = passage.daemon()
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, IDS)).accepted == len(IDS)
    said = client.get(HEAD + "generation")
    daemon.stop()
    client.hdel(HEAD + "meta", "packed_from")
    daemon.restart()
    daemon.stop()
    client.delete(HEAD + "generation")
    daemon.restart()
    assert client.get(HEAD + "generation") == said
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, IDS)).duplicates == len(IDS)


def test_after_a_backup_of_an_older_data_set(passage):
    """Restored while the daemon runs, it goes by what it finds."""
    client = passage.redis.client()
    daemon = passage.make_older()
    with Tool(daemon) as tool:
        assert tool.post(*map(sale, IDS)).accepted == len(IDS)
    daemon.stop()
    backup = Backup(passage.redis)
    daemon.restart()
    passage.end_generation()
    with Tool(daemon) as tool:
        assert tool.post(sale("123")).accepted == 1
        backup.restore()
        wait_for(lambda: ledger.packed_from(client) is not None, 15, "the next generation")
        wait_for(lambda: tool.verdict(sale("123")) == "accepted", 1, "what the backup lacks")
        assert tool.post(*map(sale, IDS)).duplicates == len(IDS)
    assert client.hget(HEAD + "meta", "schema") == "3"
    assert total(daemon)[0] == len(IDS) + 1
    daemon.stop()
    assert_exact(passage.redis)
