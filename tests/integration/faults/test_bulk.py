"""The bulk of a commit goes by a HSET between two scripts (src/store/bulk.h). Whatever is refused or
cut off in there, it is done whole or not at all, and the ledger is in its place."""
import socket

import pytest

from clients import Tool, totals
from events import order, refund
from harness import Daemon, livetally, wait_for
from proxy import Proxy, Splitter
from scene import CALM, metric, wait_ready

LANE = "lt:{0}:lane:0:"
ORDERS = 200  # of one message: enough for a HSET of their own


def orders(uid, first=0):
    return [order(uid, number) for number in range(first, first + ORDERS)]


class Connection:
    """To Redis, for what a daemon had on its way: sent in pieces, all from one client."""

    def __init__(self, redis):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(redis.socket))
        self._splitter = Splitter()
        self._replies = []

    def send(self, *commands):
        """Returns the reply to each."""
        self._socket.sendall(b"".join(commands))
        while len(self._replies) < len(commands):
            self._replies += self._splitter.feed(self._socket.recv(1 << 16))
        replies, self._replies = self._replies, []
        return replies

    def close(self):
        self._socket.close()


class Caught:
    """A commit of 200 orders that a daemon has sent, and Redis has not seen yet."""

    def __init__(self, world, uid, **config):
        self.redis, self.client = world.redis, world.redis.client()
        self.daemon = world.daemon({**CALM, **config})
        self.tool = Tool(self.daemon)
        assert self.tool.post(*orders(uid)).accepted == ORDERS
        self.before = self.state()
        self.held = self.daemon.redis.catch("commit")
        self.tool.send_events(*orders(uid, ORDERS), refund(uid, 1))
        self.held.wait()
        self.commands = Splitter().feed(self.held.message)
        assert len(self.commands) == 5, "MULTI, open, HSET, close, EXEC"
        self.uid = uid

    def ledger(self):
        return f"lt:{{0}}:orders:{self.client.get('lt:{0}:generation').split(':')[0]}"

    def state(self):
        """Of all that a commit writes."""
        client = self.client
        return (client.get("lt:{0}:generation"), client.get(LANE + "ver"),
                client.xrevrange(LANE + "feed", count=1)[0][0], client.xlen(LANE + "feed"),
                client.xinfo_stream(LANE + "feed")["last-generated-id"],
                client.hlen(self.ledger()))

    def user(self, *rules):
        self.client.execute_command("ACL", "SETUSER", "default", *rules)

    def nothing_was_done(self, stray=False):
        assert self.state() == self.before
        assert self.client.exists(LANE + "gate") == stray

    def go_on(self, cut=False):
        """The daemon's own copy gets there; or it breaks, and the daemon asks what became of it."""
        self.held.cut() if cut else self.held.release()
        return self.end()

    def end(self):
        self.tool.settle()
        assert (self.tool.accepted, self.tool.rejected) == (2 * ORDERS + 1, [])
        assert self.client.hlen(self.ledger()) == 2 * ORDERS
        assert self.client.exists(LANE + "gate") == 0
        topic = f"host/{self.uid}"
        shown = totals(self.daemon, topic)["topics"][topic]["all"]
        assert (shown["orders"], shown["refunds"]) == (2 * ORDERS, 1)
        assert self.tool.post(*orders(self.uid)).duplicates == ORDERS
        self.tool.close()
        audit = livetally("verify", "--redis", self.redis.target, timeout=60)
        assert audit.returncode == 0, audit.stdout + audit.stderr


@pytest.fixture
def caught(world, uid):
    return Caught(world, uid)


def test_all_of_it_is_there_at_once(caught):
    redis = Connection(caught.redis)
    *queued, done = redis.send(*caught.commands)
    assert queued == [b"+OK\r\n"] + 3 * [b"+QUEUED\r\n"]
    assert done == b"*3\r\n:1\r\n:%d\r\n:1\r\n" % ORDERS
    late = redis.send(*caught.commands)[-1]
    assert b"fence" in late and late.endswith(b":0\r\n"), "the version is another one"
    assert caught.client.exists(LANE + "gate") == 0, "and nothing stays of it"
    caught.go_on(cut=True)


@pytest.mark.parametrize("denied", ["hset", "evalsha", "rename", "set", "xadd", "exists", "hget"])
def test_a_command_forbidden_between_queueing_and_exec(caught, denied):
    """EXEC refuses that one, and does the others."""
    redis = Connection(caught.redis)
    redis.send(*caught.commands[:-1])
    caught.user(f"-{denied}")
    answer, = redis.send(caught.commands[-1])
    caught.user(f"+{denied}")
    assert b"\r\n-" in answer, answer
    caught.nothing_was_done(stray=denied == "evalsha")
    caught.go_on()


def test_a_key_forbidden_between_queueing_and_exec(caught):
    redis = Connection(caught.redis)
    for key in ("gate", "ver"):
        redis.send(*caught.commands[:-1])
        caught.user("resetkeys", *(f"~*{other}*" for other in (
            "meta", "generation", "orders", "owner", "feed", "ver", "gate") if other != key))
        answer, = redis.send(caught.commands[-1])
        caught.user("allkeys")
        assert b"\r\n-" in answer, answer
        caught.nothing_was_done(stray=key == "ver")
    caught.go_on()


def test_scripts_flushed_between_queueing_and_exec(caught):
    redis = Connection(caught.redis)
    redis.send(*caught.commands[:-1])
    caught.client.script_flush()
    answer, = redis.send(caught.commands[-1])
    assert answer.count(b"-NOSCRIPT") == 2
    caught.nothing_was_done(stray=True)
    caught.go_on()
    assert "flushed redis's scripts" in caught.daemon.log


@pytest.mark.parametrize("refusal, key, value", [
    (b"OOM", "maxmemory", "1mb"), (b"NOREPLICAS", "min-replicas-to-write", "1")])
def test_refused_as_a_whole_at_exec(caught, refusal, key, value):
    redis, was = Connection(caught.redis), caught.client.config_get(key)[key]
    redis.send(*caught.commands[:-1])
    caught.client.config_set(key, value)
    answer, = redis.send(caught.commands[-1])
    caught.client.config_set(key, was)
    assert answer.startswith(b"-EXECABORT") and refusal in answer
    caught.nothing_was_done()
    caught.go_on()


def test_the_connection_ends_before_exec(caught):
    redis = Connection(caught.redis)
    redis.send(*caught.commands[:-1])
    redis.close()
    caught.nothing_was_done()
    caught.go_on()


@pytest.mark.parametrize("key", ["orders", "gate"])
def test_a_key_of_another_type(caught, key):
    """Nothing is done for a ledger that is none; a gate may be anything: it is taken away."""
    ledger = caught.ledger()
    if key == "orders":
        caught.client.rename(ledger, "saved")
        caught.client.set(ledger, "x")
        caught.held.release()
        wait_for(lambda: "somebody else wrote to" in caught.daemon.log, 15, "the problem")
        assert caught.client.get(ledger) == "x" and not caught.client.exists(LANE + "gate")
        caught.client.rename("saved", ledger)
        caught.end()
    else:
        caught.client.set(LANE + "gate", "x")
        caught.go_on()


# --- half done, as no EXEC leaves it --------------------------------------------------------------

@pytest.mark.parametrize("commands", [1, 2, 3])
def test_half_of_a_commit_is_finished_or_undone_by_the_next_way_in(caught, commands):
    """As when EXEC stopped in its middle: nobody writes meanwhile, and the way in mends it."""
    redis = Connection(caught.redis)
    other = Daemon(caught.daemon.folder, Proxy(caught.daemon.folder, caught.redis),
                   CALM, start=False)
    assert redis.send(*caught.commands[1:1 + commands])[0] == b":1\r\n"
    half = commands < 3
    assert caught.client.get("lt:{0}:generation").startswith("open ") == half
    assert caught.client.exists(LANE + "gate") == half
    other.launch()  # of another seat, and the first to come by
    wait_for(other.listening, 15, "another daemon")
    told = {1: "it is undone", 2: "it is finished"}.get(commands)
    assert ("half of a commit" in other.log) == half and (told or "") in other.log
    with Tool(other) as tool:
        assert tool.post(*orders(caught.uid)).duplicates == ORDERS, "the ledger is in its place"
    other.stop()
    caught.go_on(cut=True)


def test_a_late_commit_of_a_seat_whose_last_one_is_half_done(caught):
    """The ledger stands in the gate that it writes to: nothing of it gets in, nor is it removed."""
    redis = Connection(caught.redis)
    redis.send(*caught.commands[1:3])
    assert caught.client.exists(LANE + "gate")
    uid = caught.uid.encode()
    late = [command.replace(uid, b"_" + uid[1:]) for command in caught.commands]
    answer = redis.send(*late)[-1]
    assert b"fence" in answer and answer.endswith(b":0\r\n")
    caught.go_on(cut=True)


def test_other_lanes_wait_while_a_commit_is_half_done(world, caught):
    """Their fence holds them off a ledger that is not in its place."""
    other = world.daemon(CALM)
    with Tool(other) as tool:
        # Nothing new, or the commit in our hands would find more records than it knows of.
        assert tool.post(*orders(caught.uid)).duplicates == ORDERS
        fenced = metric(other, "commits_fenced_total")
        Connection(caught.redis).send(*caught.commands[1:3])
        assert tool.post(*orders("other", ORDERS), *orders(caught.uid)).accepted == ORDERS
        # Or its health check, which comes once a second, saw it before.
        assert (metric(other, "commits_fenced_total") == fenced + 1
                or "the data set is gone, or unreadable" in other.log)
        assert "half of a commit" in other.log and "it is finished" in other.log
    caught.held.cut()
    caught.tool.settle()
    assert caught.tool.accepted == 2 * ORDERS + 1
    assert caught.client.hlen(caught.ledger()) == 3 * ORDERS
    audit = livetally("verify", "--redis", caught.redis.target, timeout=60)
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_multi_forbidden_while_a_commit_is_on_its_way(caught):
    """Then its commands are done one by one; as nobody else can write, that is the same."""
    redis = Connection(caught.redis)
    caught.user("-multi")
    replies = redis.send(*caught.commands)
    assert replies[0].startswith(b"-NOPERM") and replies[1] == replies[3] == b":1\r\n"
    caught.user("+multi")
    caught.go_on(cut=True)


# --- without --------------------------------------------------------------------------------------

@pytest.mark.parametrize("denied", ["-rename", "-multi", "-exec"])
def test_a_user_who_may_not_commits_by_one_script(world, uid, denied):
    client = world.redis.client()
    client.execute_command("ACL", "SETUSER", "default", denied)
    daemon = world.daemon(CALM)
    with Tool(daemon) as tool:
        for first in range(0, 3 * ORDERS, ORDERS):
            assert tool.post(*orders(uid, first)).accepted == ORDERS
        daemon.redis.cut()
        assert tool.post(*orders(uid)).duplicates == ORDERS
    wait_ready(daemon)
    assert daemon.log.count("acl setuser default +multi +exec +rename") == 1, daemon.log
    assert not client.exists(LANE + "gate")
    world.stop()
    audit = livetally("verify", "--redis", world.redis.target, timeout=60)
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_what_stands_in_a_gate_is_in_nobodys_ledger(world, uid):
    daemon, client = world.daemon(CALM), world.redis.client()
    client.hset(LANE + "gate", f"{uid}-o1", "nonsense")
    with Tool(daemon) as tool:
        assert tool.post(*orders(uid)).accepted == ORDERS
    audit = livetally("verify", "--redis", world.redis.target, timeout=60)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert not client.exists(LANE + "gate")
