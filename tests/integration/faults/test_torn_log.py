"""A crash in the middle of a write leaves half a transaction at the end of Redis's log. Redis 7.0 cuts
off the command that is torn, but not the MULTI it stands in: what it appended later was read as part of
that transaction at the next start, so that a commit nobody was told of was done in place of one that
was acked. The ledger had all orders, and the totals were wrong for good."""
import os
import signal

import pytest

from clients import Tool, totals
from events import order
from harness import Daemon, wait_for
from scene import CALM, EmbeddedRedis, metric, verify, wait_ready
from test_embedded import redis_pid

MULTI = b"*1\r\n$5\r\nMULTI\r\n"


def kill_both(daemon):
    os.kill(wait_for(lambda: redis_pid(daemon), 10, "its redis-server"), signal.SIGKILL)
    daemon.kill()


def newest_log(daemon):
    return max((daemon.state / "redis" / "appendonlydir").glob("*.incr.aof"))


def post(daemon, number):
    with Tool(daemon) as tool:
        assert tool.verdict(order("u", number, host_id=f"h{number}")) == "accepted"


def tear_last_commit(log, share):
    """Cuts the log within the transaction of the last commit, whatever was written after it."""
    text = log.read_bytes()
    entry = text.rindex(b"XADD")
    start, end = text.rindex(MULTI, 0, entry), text.index(b"EXEC\r\n", entry)
    os.truncate(log, start + len(MULTI) + int(share * (end - start - len(MULTI))))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.97])
def test_a_commit_torn_by_a_crash_is_never_done(folder, share):
    daemon = Daemon(folder, config={**CALM, "redis.checkpoint_ms": 60_000})
    post(daemon, 1)
    noted = (daemon.state / "high-water").read_text()
    post(daemon, 2)  # to be torn: as if it had neither been acked nor noted
    kill_both(daemon)
    tear_last_commit(newest_log(daemon), share)
    (daemon.state / "high-water").write_text(noted)
    daemon.restart()
    wait_ready(daemon)
    assert "cutting off" in daemon.log
    post(daemon, 3)
    post(daemon, 4)
    post(daemon, 2)
    kill_both(daemon)
    daemon.restart()
    wait_ready(daemon)
    topics = [f"host/h{n}" for n in (1, 2, 3, 4)]
    answer = totals(daemon, "total", *topics)["topics"]
    assert answer["total"]["all"]["orders"] == 4
    assert [answer[t]["all"]["orders"] for t in topics] == [1, 1, 1, 1]
    assert metric(daemon, "lost_writes_total") == 0 and "lost writes" not in daemon.log
    verify(EmbeddedRedis(daemon))
    daemon.stop()
