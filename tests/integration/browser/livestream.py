"""What the pages show in tests: a simulated livestream, whose counties have names."""
import signal

from clients import totals
from harness import BUILD, REPO, Process, wait_for

# As `make run` has it: the counties of China and their names, got by `make assets`.
WITH_NAMES = {"data.county_file": REPO / "build/counties.csv"}


class Simulation(Process):
    """Orders, refunds, names and sessions of a simulated livestream, of a seed of its own."""

    def __init__(self, daemon, rate=100, seed=6, options=()):
        super().__init__(daemon.folder, f"simulation-{daemon.name}")
        self.daemon = daemon
        self.command = [BUILD / "livetally", "simulate", daemon.url, "--rate", rate, "--seed", seed,
                        *options]
        self.spawn(self.command)

    def stop(self):
        """All that was posted is acked; totals stand still from now on."""
        self.signal(signal.SIGTERM)
        self.wait_exit()

    def orders(self):
        return totals(self.daemon, "total")["topics"]["total"]["all"]["orders"]

    def wait_orders(self, count):
        wait_for(lambda: self.orders() >= count, 20, f"{count} orders")
