"""livetally.js in Node against the daemon: every kind of topic under the name asked for, exact under
traffic, through restarts, losses and silence, without anybody's help. tests/js has the details."""
import json
import subprocess
import threading

import pytest

from clients import feed_all, lines, totals
from events import order, product, session
from harness import PATIENCE, REPO, Daemon, Process, free_port, wait_for
from tokens import Keys

NAMES = ["total", "host/{0}", "county/422828", "prefecture/4228", "province/42", "product/{0}-p",
         "session/{0}-s", "platform/web", "top/hosts?n=10", "top/products?n=5&session={0}-s",
         "top/products?period=all&session={0}-s&n=5", "top/counties?by=net&province=42",
         "top/sessions?period=all", "top/provinces?n=100&by=gross", "series/total?minutes=120",
         "series/host/{0}?minutes=30", "ticker", "ticker/session/{0}-s"]


class Follower(Process):
    """A Node process that follows topics; `values` is what its get() returned last."""

    def __init__(self, folder, url, topics, token=""):
        super().__init__(folder, "follow")
        self.values, self.states, self.errors, self.updates = {}, [], [], []
        self.spawn(["node", REPO / "tests/js/follow.mjs", url, token, *topics],
                   stdout=subprocess.PIPE, stdin=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for text in self.process.stdout:
            line = json.loads(text)
            event = line.pop("event")
            if event == "update":
                self.values.update(line.pop("values"))
                self.updates.append(line)
            else:
                (self.states if event == "state" else self.errors).append(line)

    @property
    def state(self):
        return self.states[-1] if self.states else None

    def wait_live(self):
        wait_for(lambda: self.state and self.state["state"] == "live" and not self.state["stale"],
                 15, f"livetally.js to be live; last: {self.state}")

    def end(self):
        self.process.stdin.close()
        assert self.wait_exit() == 0, self.log
        self._reader.join()


def plain(name, value):
    """What livetally.js keeps, as the server would say it: a ticker newest first, with numbers."""
    if not name.startswith("ticker"):
        return value
    orders = [{k: v for k, v in o.items() if k != "seq"} for o in value["orders"]]
    return orders[:20][::-1]


def shows(follower, daemon, names):
    """Whether it shows just what the daemon says now, under the names asked for."""
    said = totals(daemon, *names)["topics"]
    assert len(said) < len(names), "two of them are the same topic"
    values = {n: plain(n, follower.values[n]) for n in names if follower.values.get(n)}
    return all(any(values.get(n) == (v["orders"] if t.startswith("ticker") else v)
                   for n in names if n.split("?")[0] == t.split("?")[0])
               for t, v in said.items())


def test_every_topic_exact_through_traffic_restarts_and_losses(folder, redis):
    uid = "js"
    names = [n.format(uid) for n in NAMES]
    daemon = Daemon(folder, redis, listen=(f"127.0.0.1:{free_port()}",))
    follower = Follower(folder, daemon.url, names)
    follower.wait_live()
    wait_for(lambda: set(follower.values) == set(names), 10, "values of all of them")
    catalog = [session(uid, title="夜场", platform="web", goal=100_000),
               product(uid, name="茶", county="422828")]
    feed_all([(daemon, [lines(catalog)])])[0].result(30 * PATIENCE)

    def sell(first, count=200):
        events = [order(uid, first + n, session_id=f"{uid}-s") for n in range(count)]
        return feed_all([(daemon, [lines(events[i:i + 5]) for i in range(0, count, 5)])])[0]

    def wait_shown(orders):
        wait_for(lambda: (follower.values.get("total") or {"all": {"orders": -1}})["all"]["orders"]
                 == orders, 20, f"{orders} orders; has {follower.values.get('total')}")
        wait_for(lambda: shows(follower, daemon, names), 10, "all topics to be the server's")

    sell(0).result(30 * PATIENCE)
    wait_shown(200)
    seqs = [o["seq"] for o in follower.values["ticker"]["orders"]]
    assert seqs == sorted(seqs, reverse=True) and len(seqs) <= 100

    selling = sell(200)
    daemon.kill()
    wait_for(lambda: follower.state["state"] == "reconnecting", 10, "the loss to be noticed")
    assert follower.state["stale"] and follower.state["since"]
    daemon.restart()
    selling.result(30 * PATIENCE)
    follower.wait_live()
    wait_shown(400)

    daemon.stop()
    wait_for(lambda: follower.state["reason"] == "shutting_down", 10, "the goodbye")
    daemon.restart()
    follower.wait_live()
    wait_shown(400)
    assert len({u["epoch"] for u in follower.updates}) == 1

    redis.client().flushall()
    wait_for(lambda: len({u["epoch"] for u in follower.updates}) == 2, 20, "the new epoch")
    wait_shown(0)
    sell(1000, 50).result(30 * PATIENCE)
    wait_shown(50)
    assert all(abs(u["lead"]) < 5000 for u in follower.updates)
    assert follower.errors == []
    follower.end()
    assert follower.state["state"] == "closed"


def test_stale_while_redis_is_frozen(folder, redis):
    daemon = Daemon(folder, redis, {"redis.reply_timeout_ms": 500})
    follower = Follower(folder, daemon.url, ["total", "nonsense"])
    follower.wait_live()
    assert [(e["code"], e["topic"]) for e in follower.errors] == [("bad_topic", "nonsense")]
    redis.freeze()
    wait_for(lambda: follower.state["stale"], 10, "stale")
    assert (follower.state["state"], follower.state["reason"]) == ("live", "store")
    redis.thaw()
    follower.wait_live()
    daemon.stop()


@pytest.mark.parametrize("scope,reason", [("view", None), ("ingest", "forbidden")])
def test_tokens(folder, redis, scope, reason):
    keys = Keys(folder.path / "keys")
    keys.add("a")
    daemon = Daemon(folder, redis, {"auth.keys": keys.path})
    follower = Follower(folder, daemon.url, ["total"], keys.mint(scope))
    wait_for(lambda: follower.state, 10, "a word")
    assert follower.state["reason"] == reason
    if reason:
        assert not follower.values, "nobody is shown what he may not see"
    else:
        wait_for(lambda: follower.values.get("total"), 10, "the totals")
    daemon.stop()
