"""Fixtures of the browser tests; those of the folder above are here too."""
from types import SimpleNamespace

import pytest

from browser import Browser
from harness import Daemon, Folder, RedisServer
from livestream import WITH_NAMES, Simulation


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
