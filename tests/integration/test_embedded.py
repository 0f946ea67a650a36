"""Embedded mode: livetallyd runs and minds a redis-server of its own."""
import os
import signal

from clients import Tool, Viewer, feed_all, get, lines, post_events, totals
from events import order
from harness import PATIENCE, Daemon, children_of, process_alive, wait_for
from scene import EmbeddedRedis


def redis_pid(daemon):
    for pid in children_of(daemon.pid):
        try:
            with open(f"/proc/{pid}/comm") as comm:
                if comm.read().strip() == "redis-server":
                    return pid
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended while we looked
    return None


def test_it_runs_as_promised(folder):
    daemon = Daemon(folder)
    client = EmbeddedRedis(daemon).client()
    config = client.config_get("*")
    want = {"port": "0", "appendonly": "yes", "appendfsync": "always", "save": "",
            "maxmemory-policy": "noeviction", "hash-max-listpack-entries": "64",
            "lazyfree-lazy-expire": "yes"}
    assert {k: config[k] for k in want} == want
    assert os.stat(f"{daemon.state}/redis.sock").st_mode & 0o777 == 0o600
    assert os.stat(daemon.state).st_mode & 0o077 == 0
    assert "warning" not in daemon.log
    daemon.stop()
    assert not os.path.exists(f"{daemon.state}/redis.sock")


def test_totals_survive_a_restart(folder):
    daemon = Daemon(folder)
    post_events(daemon, lines(order("a", n) for n in range(500)), "application/x-ndjson")
    with Viewer(daemon) as viewer:
        epoch = viewer.hello["epoch"]
    for end in (daemon.stop, daemon.kill):
        end()
        daemon.restart()
        with Viewer(daemon) as viewer:
            snapshot = viewer.subscribe("total", "top/products?host=a")
            assert snapshot["epoch"] == epoch
            assert snapshot["topics"]["total"]["all"]["orders"] == 500
        with Tool(daemon) as tool:
            assert tool.verdict(order("a", 7)) == "duplicate"
    daemon.stop()


def test_its_redis_killed_is_started_again_and_nothing_acked_is_lost(folder):
    daemon = Daemon(folder)
    batches = [lines(order("a", 20 * m + n) for n in range(20)) for m in range(200)]
    with Viewer(daemon) as viewer:
        viewer.subscribe("total")
        acked = []
        futures = feed_all([(daemon, batches)], window=4, on_ack=acked.append)
        for part in (1, 2, 3):
            wait_for(lambda: acked and acked[-1] >= part * 40, 30, "some acks")
            first = wait_for(lambda: redis_pid(daemon), 10, "a redis-server")
            os.kill(first, signal.SIGKILL)
            wait_for(lambda: redis_pid(daemon) not in (None, first), 10, "another redis-server")
        result = futures[0].result(60 * PATIENCE)
        assert (result.accepted, result.rejected) == (4000, [])
        viewer.wait_until(lambda v: v["total"]["all"]["orders"] == 4000)
        assert viewer.close_code is None
    assert totals(daemon, "total")["topics"]["total"]["all"]["orders"] == 4000
    daemon.stop()


def test_a_second_daemon_on_that_folder_is_refused(folder):
    daemon = Daemon(folder)
    second = Daemon(folder, state=daemon.state, start=False)
    second.spawn(second.command())
    assert second.wait_exit() == 1
    assert str(daemon.pid) in second.log and str(daemon.state) in second.log
    assert get(daemon, "/readyz").status == 200
    daemon.stop()


def test_its_redis_dies_with_it(folder):
    daemon = Daemon(folder)
    pid = redis_pid(daemon)
    daemon.kill()
    wait_for(lambda: not process_alive(pid), 5, "redis-server to end")


def test_ctrl_c_in_a_terminal_reaches_the_daemon_alone(folder):
    """redis-server has a process group of its own: it must outlive the last commit."""
    daemon = Daemon(folder)
    assert os.getpgid(redis_pid(daemon)) != os.getpgid(daemon.pid)
    daemon.stop()


def test_a_state_folder_with_a_long_path_is_told(folder):
    deep = folder.path / ("x" * 100)
    daemon = Daemon(folder, state=deep, start=False)
    daemon.launch()
    assert daemon.wait_exit() in (1, 2)
    assert "long" in daemon.log
