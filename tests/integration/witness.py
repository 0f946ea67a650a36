"""The healthy ones while others misbehave: a tool whose orders must be acked whatever others do, a
viewer that must see them, and the count of what must be left of the others in the end: nothing."""
import os

from clients import Tool, Viewer
from events import order
from harness import wait_for
from scene import metric, sold, verify


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


class Witness:
    def __init__(self, daemon):
        self.daemon = daemon
        self.posted = 0
        self.tool, self.viewer = Tool(daemon), Viewer(daemon)
        self.viewer.subscribe("host/witness")
        self.post()
        self.descriptors = descriptors(daemon)

    def post(self):
        self.posted += 1
        event = order("witness", self.posted, host_id="witness", time=None)
        assert self.tool.verdict(event) == "accepted"

    def check(self, others=0):
        """others: orders counted of those that misbehaved."""
        self.post()
        self.viewer.wait_until(lambda v: v["host/witness"]["all"]["orders"] == self.posted)
        assert sold(self.daemon) == self.posted + others
        verify(self.daemon.redis)

    def wait_gone(self, timeout=30):
        """Nothing is left of the others: no descriptor, no connection in the figures."""
        wait_for(lambda: descriptors(self.daemon) <= self.descriptors, timeout, "sockets to close")
        assert metric(self.daemon, "ingest_connections") == 1
        assert metric(self.daemon, "live_connections") == 1

    def stop(self):
        self.tool.close()
        self.viewer.close()
        self.daemon.stop()
