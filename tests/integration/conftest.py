"""Fixtures. `folder` is the test's own place; what is started in it ends with the test.

`shared` is one daemon for all tests of a module that keep to ids of their own (see `uid`):
starting one for each of them would cost more than the tests themselves.
"""
import itertools

import pytest

from clients import Tool, Viewer
from harness import BUILD, Daemon, Folder, RedisServer, keep_clear_of_midnight

_uids = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "plain_build: says nothing about a build with sanitizers")


def pytest_sessionstart():
    if not (BUILD / "livetallyd").exists():
        pytest.exit(f"there is no {BUILD}/livetallyd: run make first, or set LIVETALLY_BUILD", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for value in item.funcargs.values():
        place = value if isinstance(value, Folder) else getattr(value, "folder", None)
        if isinstance(place, Folder):
            report.sections.extend(place.log_tails())


@pytest.fixture(autouse=True, scope="module")
def module_within_a_day():
    """What a module begins with is of the same day for most of its tests."""
    keep_clear_of_midnight(90)


@pytest.fixture(autouse=True)
def within_a_day():
    keep_clear_of_midnight(45)


@pytest.fixture
def folder():
    place = Folder()
    yield place
    place.close()


@pytest.fixture
def redis(folder):
    return RedisServer(folder)


@pytest.fixture
def daemon(folder, redis):
    """A daemon of the test's own, on a redis-server of its own; it must end well."""
    daemon = Daemon(folder, redis)
    yield daemon
    if daemon.running():
        daemon.stop()


@pytest.fixture(scope="module")
def module_daemon():
    place = Folder()
    daemon = Daemon(place, RedisServer(place))
    yield daemon
    if daemon.running():
        daemon.stop()
    place.close()


@pytest.fixture
def shared(module_daemon):
    if not module_daemon.running():
        module_daemon.restart()  # the test that ended it has failed
    yield module_daemon
    assert module_daemon.running(), f"the daemon died:\n{module_daemon.log[-3000:]}"


@pytest.fixture
def uid():
    """A prefix that no other test uses."""
    return f"t{next(_uids)}"


@pytest.fixture
def tool(shared):
    with Tool(shared) as tool:
        yield tool


@pytest.fixture
def viewer(shared):
    with Viewer(shared) as viewer:
        yield viewer
