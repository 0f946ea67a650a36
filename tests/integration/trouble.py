"""What everybody must see while Redis is of no use: the operator in the log and in /readyz, tools
by their status, viewers by `stale`; and that it is over when it is over."""
import time

from clients import Tool, get
from events import order
from harness import wait_for
from scene import metric, wait_ready

# Between two attempts goes at least half of the longest back-off of scene.QUICK, but for the first.
SHORTEST_WAIT_S = 0.05


def problem(daemon):
    """What /readyz says stands in the way; None when nothing does."""
    answer = get(daemon, "/readyz")
    return None if answer.status == 200 else answer.json().get("problem", "")


def logged(daemon, words):
    return [line for line in daemon.log.splitlines() if all(word in line for word in words)]


def stores(tool):
    return [m["store"] for m in tool.of_type("status")]


class Trouble:
    """What everybody has to see while Redis refuses, and that it is over after."""

    def __init__(self, scene, *words):
        self.scene, self.words = scene, words
        self.daemon = scene.daemon
        self.tool = Tool(self.daemon)
        self.tool.hello
        self.tools = metric(self.daemon, "ingest_connections_total")

    def wait_problem(self):
        """In /readyz, in words that help."""
        def told():
            return all(word in (problem(self.daemon) or "") for word in self.words)
        wait_for(told, 20, f"a problem of {self.words}")

    def wait_unavailable(self):
        self.tool.wait(lambda: stores(self.tool)[-1:] == ["unavailable"])

    def wait_stale(self):
        viewer = self.scene.viewers[0]
        viewer.wait(lambda: viewer.stale, 15, "stale: true")
        assert viewer.close_code is None

    def endure(self, retries=3):
        """Told, stale, and tried again, with a pause before each."""
        self.wait_problem()
        self.wait_unavailable()
        connections, start = self.scene.proxy.connections, time.monotonic()
        self.wait_stale()
        wait_for(lambda: self.scene.proxy.connections >= connections + retries, 20, "retries")
        made, passed = self.scene.proxy.connections - connections, time.monotonic() - start
        assert made <= passed / SHORTEST_WAIT_S + 3, "a reconnect storm"
        assert metric(self.daemon, "redis_connected") == 0

    def check_over(self, lines=1):
        """It went on by itself: no tool had to come again; and was said once, not at each try."""
        wait_ready(self.daemon)
        self.tool.wait(lambda: stores(self.tool)[-1:] in ([], ["available"]))
        after = order("after", time=self.scene.now)
        assert self.tool.verdict(after) == "accepted"
        self.scene.model.apply(after, self.scene.now)
        viewer = self.scene.viewers[0]
        viewer.wait(lambda: not viewer.stale, 10, "stale: false")
        assert metric(self.daemon, "ingest_connections_total") == self.tools, "a tool reconnected"
        said = logged(self.daemon, self.words)
        assert len(said) == lines, said
        self.tool.close()
