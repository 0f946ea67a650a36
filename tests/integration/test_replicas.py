"""redis.durability=replicas:N: an ack waits until that many replicas have the data too."""
import pytest

from clients import Tool, Viewer, get, metrics
from events import order, refund
from harness import Daemon, RedisServer, wait_for


@pytest.fixture
def master(folder):
    return RedisServer(folder, tcp=True, options=("--repl-diskless-sync-delay", "0"))


@pytest.fixture
def replica(folder, master):
    return RedisServer(folder, options=("--replicaof", "127.0.0.1", str(master.port)))


@pytest.fixture
def daemon(folder, master):
    # A reply may take less long than a replica may stay away.
    daemon = Daemon(folder, master, {"redis.durability": "replicas:1", "redis.lease_ms": 1500,
                                     "redis.reply_timeout_ms": 500})
    yield daemon
    if daemon.running():
        daemon.stop()


def wait_for_link(replica):
    def linked():
        return replica.client().info("replication")["master_link_status"] == "up"
    wait_for(linked, 10, "the replica to follow")


def version(redis):
    return redis.client().get("lt:{0}:lane:0:ver")


def times_asked(redis):
    """How often the daemon has asked for replicas."""
    return redis.client().info("commandstats").get("cmdstat_wait", {"calls": 0})["calls"]


def wait_until_asked_often(daemon, master):
    """For some seconds, in which it is as ready as ever."""
    start = times_asked(master)

    def asked():
        assert get(daemon, "/readyz").status == 200
        return times_asked(master) - start >= 40
    wait_for(asked, 15, "the daemon to ask for replicas")


def test_acks_come_when_the_replica_has_it(master, replica, daemon):
    wait_for_link(replica)
    with Tool(daemon) as tool:
        assert tool.post(*(order("u", n) for n in range(10))).accepted == 10
        assert version(replica) == version(master) == "1"
        assert tool.verdict(order("u", 1)) == "duplicate"


def test_no_ack_without_the_replica_and_everything_else_goes_on(master, replica, daemon):
    """Waiting for replicas blocked the connection to Redis for longer than a reply may take: the
    daemon broke it, came back and committed the same again, for as long as the replica was away."""
    wait_for_link(replica)
    with Tool(daemon) as tool, Viewer(daemon) as viewer:
        viewer.subscribe("total")
        assert tool.verdict(order("u", 1)) == "accepted"
        connects, commits = (metrics(daemon)[f"livetally_{name}_total"]
                             for name in ("redis_connects", "commits"))
        replica.freeze()
        tool.send_events(order("u", 2))
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 2)
        tool.send_events(order("u", 3))
        wait_until_asked_often(daemon, master)
        assert tool.upto == 1, "an ack without a replica"
        assert "errors" not in viewer.subscribe("top/products?host=u&period=all")
        assert viewer.values["top/products?host=u&period=all"]["rows"][0]["orders"] == 2
        got = metrics(daemon)
        assert got["livetally_redis_connects_total"] == connects
        assert got["livetally_commits_total"] == commits + 1 and version(master) == "2"
        replica.thaw()
        tool.settle()
        assert (tool.accepted, tool.duplicates, tool.rejected) == (3, 0, [])
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 3)
        assert not viewer.stale and viewer.close_code is None


def test_without_any_replica_nothing_is_acked_until_there_is_one(folder, master, daemon):
    with Tool(daemon) as tool:
        tool.send_events(order("u", 1))
        wait_for(lambda: version(master) == "1", 5, "the commit")
        wait_until_asked_often(daemon, master)
        assert tool.upto == 0 and version(master) == "1"
        wait_for(lambda: "0 of 1 replicas" in get(daemon, "/readyz").json().get("problem", ""), 10,
                 "a word about it")
        assert daemon.log.count("lower redis.durability") == 1
        replica = RedisServer(folder, options=("--replicaof", "127.0.0.1", str(master.port)))
        tool.settle()
        assert tool.accepted == 1 and version(replica) == "1"
        assert "problem" not in get(daemon, "/readyz").json()


def test_a_daemon_restarted_meanwhile_acks_the_retry_only_with_the_replica(master, replica, daemon):
    """Mere duplicates: their first commit may not be on the replica yet."""
    wait_for_link(replica)
    replica.freeze()
    with Tool(daemon) as tool:
        tool.send_events(order("u", 1))
        wait_for(lambda: version(master) == "1", 5, "the commit")
        daemon.kill()
    daemon.restart()
    with Tool(daemon) as tool:
        tool.send_events(order("u", 1))
        wait_until_asked_often(daemon, master)
        assert tool.upto == 0, "an ack without a replica"
        replica.thaw()
        tool.settle()
        assert tool.duplicates == 1


def test_what_waits_for_replicas_when_the_connection_breaks_is_answered_as_it_was_judged(
        master, replica, daemon):
    wait_for_link(replica)
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", 1)) == "accepted"
        replica.freeze()
        tool.send_events(order("u", 2), refund("u", 2), refund("other"), order("u", 1))
        wait_for(lambda: version(master) == "2", 10, "the commit")
        master.client().client_kill_filter(_type="normal", skipme=True)
        wait_for(lambda: metrics(daemon)["livetally_resyncs_total"] == 2, 10, "the way in")
        assert tool.upto == 1
        replica.thaw()
        tool.settle()
        assert (tool.accepted, tool.parked, tool.duplicates) == (3, 1, 1)
        assert metrics(daemon)["livetally_orders_total"] == 2
