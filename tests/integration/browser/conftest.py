"""Fixtures of the browser tests; those of the folder above are here too."""
import signal
from types import SimpleNamespace

import pytest

from browser import Browser
from clients import totals
from harness import BUILD, REPO, Daemon, Folder, Process, RedisServer, wait_for

# As `make run` has it: the counties of China and their names, got by `make assets`.
WITH_NAMES = {"data.county_file": REPO / "build/counties.csv"}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test leaves what was on the screen in build/browser/."""
    outcome = yield
    report = outcome.get_result()
    browser = item.funcargs.get("browser")
    if not report.failed or browser is None:
        return
    name = "failed-" + "".join(c if c.isalnum() else "-" for c in item.name)
    try:
        about = f"{browser.screenshot(name)}\n" + "\n".join(browser.console_errors())
    except Exception as error:  # the browser itself may be what failed
        about = f"no screenshot: {error}"
    report.sections.append(("browser", about))


@pytest.fixture(scope="session")
def chromium():
    place = Folder()
    browser = Browser(place)
    yield browser
    browser.quit()
    place.close()


@pytest.fixture
def browser(chromium):
    """A browser as new; see browser.py."""
    chromium.reset()
    return chromium


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


@pytest.fixture(scope="module")
def stream():
    """A daemon with a simulated livestream, for all tests of a module: .daemon, .simulation. Totals
    move all the time; compare them with the screen by eventually()."""
    place = Folder()
    daemon = Daemon(place, RedisServer(place), WITH_NAMES)
    simulation = Simulation(daemon)
    simulation.wait_orders(100)
    yield SimpleNamespace(daemon=daemon, simulation=simulation, url=daemon.url)
    simulation.stop()
    daemon.stop()
    place.close()


@pytest.fixture
def own_stream(folder, redis):
    """The same for one test, which may stop it, freeze Redis or restart the daemon."""
    daemon = Daemon(folder, redis, WITH_NAMES)
    simulation = Simulation(daemon)
    simulation.wait_orders(100)
    return SimpleNamespace(daemon=daemon, simulation=simulation, redis=redis, url=daemon.url)
