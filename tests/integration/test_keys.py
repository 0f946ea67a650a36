"""What we need of a Redis that looks closely. Every key that a script touches is one that its caller
named, as Redis asks of scripts; and all is done by the commands that README names."""
import hashlib
import re
from collections import defaultdict

import redis as redis_client

from clients import Tool
from events import order, refund
from harness import REPO, Daemon, RedisServer, livetally, now_ms, wait_for
from ledger import generation
from sealed import sealed_keys
from test_clock import DAY, age_ledger

LANE = "lt:{0}:lane:0:"
SOON = {"redis.checkpoint_ms": 10}  # days are sealed sixty of them after going live
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


def do_everything(daemon, client):
    """All scripts run, and the daemon ends."""
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1, time=now_ms() - 6 * DAY * 1000)) == "accepted"
        assert tool.verdict(refund("u", 1, amount=10)) == "accepted"
        assert tool.verdict(refund("u", 2)) == "parked"
        assert tool.post(*(order("v", n) for n in range(200))).accepted == 200
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


def test_scripts_are_given_every_key_they_touch(folder, redis):
    client = redis.client()
    daemon = Daemon(folder, redis, SOON)
    with client.monitor() as monitor:
        do_everything(daemon, client)
        client.echo("enough")
        commands = []
        while (entry := words_of(monitor.next_command()))[1] != ("echo", "enough"):
            commands.append(entry)
    undeclared, ran = touched_undeclared(commands)
    assert ran == set(SCRIPTS)
    assert undeclared == {}


def rules_in_readme():
    found, = re.findall(r"^user default on #PASSWORD-SHA256 (.*)$", (REPO / "README.md").read_text(),
                        re.MULTILINE)
    return found.split()


def test_the_rules_in_readme_are_enough(folder):
    redis = RedisServer(folder, tcp=True, password="secret")
    redis.client().execute_command("ACL", "SETUSER", "operator", "on", ">secret", "~*", "&*", "+@all")
    operator = redis_client.Redis(unix_socket_path=str(redis.socket), username="operator",
                                  password="secret", decode_responses=True,
                                  encoding_errors="replace")
    operator.execute_command("ACL", "SETUSER", "default", *rules_in_readme())
    daemon = Daemon(folder, redis, SOON)
    do_everything(daemon, operator)
    assert "forbid" not in daemon.log and "WARNING" not in daemon.log, daemon.log
    operator.execute_command("ACL", "SETUSER", "default", "+scan")
    audit = livetally("verify", "--redis", redis.target, timeout=60)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert operator.execute_command("ACL", "LOG") == [], "nobody was refused anything"
