"""Fixtures of the fault tests; those of the folder above are here too."""
import pytest

from scene import World


@pytest.fixture
def world(folder):
    """One Redis, and daemons behind proxies; what still runs at the end must end well."""
    world = World(folder)
    yield world
    world.stop()
