"""Redis answers, but refuses: nothing acked is lost, nothing counts twice, everybody is told, and
the operator reads once what to do about it."""
import threading

import pytest
import redis as redis_client

from clients import Tool
from events import order
from harness import Daemon, RedisServer, free_port, wait_for
from proxy import Proxy
from scene import errors_told
from trouble import Trouble, logged

EVENTS = 10_000
FILL = "for n = ARGV[1], ARGV[2] do redis.call('SET', 'filler:' .. n, 1) end"


# --- Redis refuses to write, for a while ----------------------------------------------------------

class Refusal:
    """Of a real Redis: how it begins, and how an operator ends it."""

    def __init__(self, redis, proxy):
        self.redis, self.proxy = redis, proxy
        self.client = redis.client()
        self.client.ping()  # this connection is in, whatever the password will be

    def config(self, key, value):
        self.client.config_set(key, value)


class OutOfMemory(Refusal):
    words = "out of memory", "raise its maxmemory", "OOM"

    def begin(self):
        self.config("maxmemory", "1mb")

    def end(self):
        self.config("maxmemory", "0")


class TooFewReplicas(Refusal):
    words = "fewer replicas", "min-replicas-to-write", "NOREPLICAS"

    def begin(self):
        self.config("min-replicas-to-write", "1")

    def end(self):
        self.config("min-replicas-to-write", "0")


class BecomesReplica(Refusal):
    """The master it is to follow is not there, so it keeps what it has."""
    words = "read-only replica", "connect to its master"

    def begin(self):
        self.client.slaveof("127.0.0.1", free_port())

    def end(self):
        self.client.slaveof()


class BecomesReplicaThatIsSilent(BecomesReplica):
    words = "lost its master", "connect to the master", "MASTERDOWN"

    def begin(self):
        self.config("replica-serve-stale-data", "no")
        super().begin()


class NewPassword(Refusal):
    """Connections that are in, stay in: it only matters with the next one."""
    words = "asks for a password", "redis.password_file", "NOAUTH"

    def begin(self):
        self.config("requirepass", "new")
        self.proxy.cut()

    def end(self):
        self.config("requirepass", "")


class Forbidden(Refusal):
    """By an ACL, from one command to the next."""
    command = "evalsha"
    words = "redis forbids", "acl setuser default", "evalsha"

    def begin(self):
        self.client.execute_command("ACL", "SETUSER", "default", f"-{self.command}")

    def end(self):
        self.client.execute_command("ACL", "SETUSER", "default", f"+{self.command}")


class ForbiddenToScripts(Forbidden):
    """Where a commit was half-way when the command it needs next was refused."""
    command = "hset"
    words = "redis forbids", "+hset"


class ForbiddenToEndCommits(Forbidden):
    command = "set"
    words = "redis forbids", "+set"


class ForbiddenToUndoCommits(Forbidden):
    """What only a refused commit needs is tried on the way in."""
    command = "xsetid"
    words = "redis forbids", "+xsetid"

    def begin(self):
        super().begin()
        self.proxy.cut()


class BusyWithAScript(Refusal):
    words = "busy with a script", "script kill"

    def begin(self):
        self.config("busy-reply-threshold", "1")
        self.config("lua-time-limit", "1")
        self.script = threading.Thread(target=self._run)
        self.script.start()

    def _run(self):
        with pytest.raises(redis_client.exceptions.RedisError, match="killed by user"):
            self.redis.client().eval("while true do end", 0)

    def end(self):
        self.client.script_kill()
        self.script.join()


@pytest.mark.parametrize("kind", [
    OutOfMemory, TooFewReplicas, BecomesReplica, BecomesReplicaThatIsSilent, NewPassword,
    Forbidden, ForbiddenToScripts, ForbiddenToEndCommits, ForbiddenToUndoCommits,
    BusyWithAScript])
def test_redis_refuses_under_load(world, kind):
    scene = world.scene(EVENTS)
    refusal = kind(world.redis, scene.proxy)
    with scene.load() as load:
        trouble = Trouble(scene, *kind.words)
        load.wait_acks(5)
        refusal.begin()
        trouble.endure()
        acks = load.acks
        refusal.end()
        wait_for(lambda: load.acks > acks, 20, "acks again")
    trouble.check_over()
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()


@pytest.mark.parametrize("name", ["commit", "checkpoint"])
def test_redis_whose_disk_is_full(world, name):
    """Reading goes on, so totals are not stale: only what is refused waits."""
    scene = world.scene(EVENTS)
    words = "can't write to its disk", "make room", "MISCONF"
    with scene.load() as load:
        trouble = Trouble(scene, *words)
        load.wait_acks(5)
        scene.proxy.answer(name, "-MISCONF Errors writing to the AOF file: No space left on device")
        seen = scene.proxy.seen[name]
        wait_for(lambda: scene.proxy.seen[name] >= seen + 5, 20, "retries")
        trouble.wait_problem()
        if name == "commit":
            trouble.wait_unavailable()
        scene.proxy.answer_no_more(name)
    trouble.check_over()
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()


def test_redis_that_is_still_loading(world, monkeypatch):
    """It is there, but answers nothing but that, once in a thousand commands that it reads."""
    scene = world.scene(EVENTS)
    for start in range(0, 400_000, 10_000):  # a minute to read, unless it is told to hurry
        world.redis.client().eval(FILL, 0, start, start + 9_999)
    with scene.load() as load:
        trouble = Trouble(scene, "still reading its data", "LOADING")
        load.wait_acks(5)
        world.redis.stop()
        world.redis.options += ["--key-load-delay", "100"]
        monkeypatch.setattr(world.redis, "answers", lambda: True)  # it won't, for long
        world.redis.start()
        trouble.endure()
        world.redis.client().config_set("key-load-delay", 0)
    trouble.check_over()
    scene.check_everything()


def test_scripts_flushed_again_and_again(world):
    """NOSCRIPT: they are loaded anew, and nobody is alarmed."""
    scene = world.scene(EVENTS)
    with scene.load() as load:
        for _ in range(5):
            load.wait_acks(3)
            connections = scene.proxy.connections
            world.redis.client().script_flush()
            wait_for(lambda: scene.proxy.connections > connections, 10, "the way in")
    assert errors_told(scene.daemon) == [] and logged(scene.daemon, ["flushed redis's scripts"])
    assert sum(r.accepted + r.parked for r in load.results) == scene.distinct, "none came twice"
    scene.check_everything()


# --- at start -------------------------------------------------------------------------------------

def start_refused(world, *words):
    """A daemon that has to wait: returns it when it has said why."""
    daemon = world.daemon(start=False)
    daemon.launch()
    wait_for(lambda: logged(daemon, words), 15, "the problem")
    tries = daemon.redis.connections
    wait_for(lambda: daemon.redis.connections >= tries + 2, 20, "retries")
    assert daemon.running() and not (daemon.state / "listen").exists()
    assert len(logged(daemon, words)) == 1, daemon.log
    return daemon


@pytest.mark.parametrize("kind", [OutOfMemory, BecomesReplica, BecomesReplicaThatIsSilent,
                                  NewPassword, ForbiddenToScripts])
def test_redis_refuses_at_start(world, kind):
    refusal = kind(world.redis, Proxy(world.folder, world.redis))
    refusal.begin()
    daemon = start_refused(world, *kind.words)
    refusal.end()
    wait_for(daemon.listening, 15, "the daemon to listen")
    with Tool(daemon) as tool:
        assert tool.verdict(order("a")) == "accepted"
    assert errors_told(daemon)[1:] == []


@pytest.mark.parametrize("password", ["wrong", "needless"])
def test_a_password_that_is_not_redis_own(folder, password):
    redis = RedisServer(folder, tcp=True, password="right" if password == "wrong" else None)
    daemon = Daemon(folder, f"redis://:{password}@127.0.0.1:{redis.port}/0", start=False)
    daemon.launch()
    word = {"wrong": "refuses the password: correct redis.url or redis.password_file",
            "needless": "redis has no password, but we were given one"}[password]
    wait_for(lambda: logged(daemon, [word]), 15, "the problem")
    client = redis.client()
    failures = client.info("stats")["total_connections_received"]
    wait_for(lambda: client.info("stats")["total_connections_received"] >= failures + 3, 20,
             "retries")
    assert len(logged(daemon, [word])) == 1 and password not in daemon.log.replace(word, "")
    client.config_set("requirepass", password)
    wait_for(daemon.listening, 15, "the daemon to listen")
    daemon.stop()
