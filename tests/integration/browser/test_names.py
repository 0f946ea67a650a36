"""Names of what the daemon tells by id alone: there when the id would be, with one request for all of
a screen. Clocks of the page stand still, so that it waits for them as long as it takes."""
from types import SimpleNamespace

import pytest

from browser import eventually
from clients import post_events
from dashboard import open_live
from events import host, order, product, session
from harness import Daemon, Folder, RedisServer
from tokens import Keys

pytestmark = pytest.mark.plain_build

# Notes what is asked for, and each text that stands in a frame where a name belongs.
WATCH = """
    performance.now = () => 1000;
    window.asked = [];
    window.seen = new Set();
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (text) {
        const { type, topics } = JSON.parse(text);
        if (type === 'subscribe') asked.push(topics);
        return send.call(this, text);
    };
    const look = () => {
        for (const node of document.querySelectorAll('.heading h1, .session .note a, .ticker .host,'
            + '.ticker .product, .ticker .row[data-on] .name')) seen.add(node.textContent.trim());
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
"""

HOSTS = {f"host-{i}": f"Host {i}" for i in range(12)}
PRODUCTS = {f"product-{i}": f"Product {i}" for i in range(12)}


@pytest.fixture(scope="module")
def data():
    """Orders of things that only the ticker tells of: others sold more."""
    place = Folder()
    daemon = Daemon(place, RedisServer(place))
    events = [host("h", host_id=id, name=name) for id, name in HOSTS.items()]
    events += [product("p", product_id=id, name=name, county="422828")
               for id, name in PRODUCTS.items()]
    events.append(session("s", session_id="night", host_id="host-3", title="Late night"))
    events += [order("o", order_id=f"large{i}", host_id=f"large-{i}", product_id=f"large-{i}",
                     county="422828", amount=10**6) for i in range(10)]
    events += [order("o", order_id=f"o{i}", host_id=host_id, product_id=product_id, county="422828",
                     amount=100) for i, (host_id, product_id) in enumerate(zip(HOSTS, PRODUCTS))]
    events.append(order("o", order_id="n", host_id="host-3", product_id="product-3",
                        session_id="night", county="422828", amount=100))
    for event in events:
        assert post_events(daemon, event).status == 200
    yield SimpleNamespace(daemon=daemon, url=daemon.url)
    daemon.stop()
    place.close()


@pytest.fixture
def watched(browser):
    with browser.before_pages(WATCH):
        yield browser


def check_never_an_id(browser, names):
    """All of `names` come to stand there, and nothing before them."""
    eventually(lambda: set(names) <= set(browser.js("return [...seen]")))
    assert set(browser.js("return [...seen]")) <= {*names, ""}


def test_a_session_has_the_name_of_its_host_at_once(watched, data):
    open_live(watched, f"{data.url}/?lang=en#/session/night")
    check_never_an_id(watched, ["Late night", "Host 3", "Product 3"])
    assert watched.js("return asked.slice(1)") == [["host/host-3"]]


def test_names_of_all_orders_are_asked_for_together(watched, data):
    open_live(watched, f"{data.url}/?lang=en")
    names = list(HOSTS.values()) + list(PRODUCTS.values())
    newest = {"Host 0", "Product 0"}  # that order is no longer among the last twelve
    check_never_an_id(watched, [name for name in names if name not in newest])
    asked = watched.js("return asked.slice(1)")
    assert len(asked) == 1
    assert sorted(asked[0]) == sorted(f"{kind}/{kind}-{i}" for kind in ("host", "product")
                                      for i in range(1, 12))


def test_on_the_overlay_no_masked_id_becomes_a_name(watched, data):
    watched.size(480, 640, phone=False)
    watched.open(f"{data.url}/overlay?lang=en&show=ticker")
    check_never_an_id(watched, ["Product 3", *(f"Product {i}" for i in range(8, 12))])


def test_an_id_stands_for_a_name_that_may_not_be_seen(watched, folder, redis):
    keys = Keys(folder.path / "keys")
    keys.add("a")
    daemon = Daemon(folder, redis)
    assert post_events(daemon, session("s", session_id="night", host_id="ling")).status == 200
    daemon.stop()
    daemon = Daemon(folder, redis, {"auth.keys": keys.path})
    token = keys.mint("view", topics=["session/*", "series/*", "top/*", "ticker/*"])
    open_live(watched, f"{daemon.url}/?lang=en&token={token}#/session/night")
    eventually(lambda: watched.text(".session .note a") == "ling")
    assert watched.js("return asked.slice(1)") == [["host/ling"]], "and it is asked for once"
