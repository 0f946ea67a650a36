"""Every key that a script touches is one that its caller named, as Redis asks of scripts: what stands
between us and a Redis that is divided, or one that looks at keys before it runs anything."""
import hashlib
from collections import defaultdict

from clients import Tool
from events import order, refund
from harness import REPO, Daemon, now_ms, wait_for
from ledger import generation
from sealed import sealed_keys
from test_clock import DAY, age_ledger

LANE = "lt:{0}:lane:0:"
# claim isn't among them: by what it finds it knows which lane it takes, and what to mend.
SCRIPTS = {path.stem: hashlib.sha1(path.read_bytes()).hexdigest()
           for path in (REPO / "src/store/lua").glob("*.lua") if path.stem != "claim"}
# How many of a command's words are keys, but for those that have one.
KEYS_OF = {"mget": None, "unlink": None, "rename": 2, "time": 0}


def keys_of(name, words):
    return words[:KEYS_OF.get(name, 1)]


def touched_undeclared(commands):
    """By script: what it touched without being given. With the names of those that ran."""
    names = {sha: name for name, sha in SCRIPTS.items()}
    script, given, found, ran = None, set(), defaultdict(set), set()
    for client_type, (name, *words) in commands:
        if client_type != "lua":
            script = name == "evalsha" and names.get(words[0])
            if script:
                given = set(words[2:2 + int(words[1])])
                ran.add(script)
        elif script:
            found[script] |= set(keys_of(name, words)) - given
    return {script: keys for script, keys in found.items() if keys}, ran


def words_of(entry):
    name, *words = entry["command"].split(" ")
    return entry["client_type"], (name.lower(), *words)


def test_scripts_are_given_every_key_they_touch(folder, redis):
    client = redis.client()
    daemon = Daemon(folder, redis, {"redis.checkpoint_ms": 10})
    with client.monitor() as monitor:
        with Tool(daemon) as tool:
            assert tool.verdict(order("u", 1, time=now_ms() - 6 * DAY * 1000)) == "accepted"
            assert tool.verdict(refund("u", 1, amount=10)) == "accepted"
            assert tool.verdict(refund("u", 2)) == "parked"
        wait_for(lambda: client.get(LANE + "ckpt") == client.get(LANE + "ver"), 10, "a checkpoint")
        wait_for(lambda: sealed_keys(client), 20, "the day to be sealed")
        daemon.stop()
        current = age_ledger(client)
        daemon.restart()
        wait_for(lambda: generation(client) == current, 10, "the next generation")
        with Tool(daemon) as tool:
            assert tool.verdict(order("u", 1)) == "duplicate"
            assert tool.verdict(order("u", 2)) == "accepted"
        daemon.stop()
        client.echo("enough")
        commands = []
        while (entry := words_of(monitor.next_command()))[1] != ("echo", "enough"):
            commands.append(entry)
    undeclared, ran = touched_undeclared(commands)
    assert ran == set(SCRIPTS)
    assert undeclared == {}
