"""The dashboard while things move: figures under traffic, a daemon that restarts, a Redis that
freezes, tokens. What it shows is right in the end, and what isn't of now is marked so."""
import re

import pytest
from selenium.webdriver import ActionChains

from browser import PHONE, REFUSE, WALL, eventually
from clients import post_events, totals
from conftest import WITH_NAMES, Simulation
from dashboard import (MISPLACED, board, contrast, expected_board, fen, figures, open_live, save,
                       shows, state)
from events import order
from harness import Daemon, free_port
from tokens import Keys, request

GONE = ("WebSocket connection",)  # what a browser says of a daemon that isn't there


@pytest.fixture
def moving(folder, redis):
    """A simulated livestream, and a daemon that is on the same port after a restart."""
    daemon = Daemon(folder, redis, WITH_NAMES, listen=(f"127.0.0.1:{free_port()}",))
    simulation = Simulation(daemon, rate=200)
    simulation.wait_orders(50)
    yield daemon, simulation
    if simulation.running():
        simulation.stop()


@pytest.fixture
def keys(folder):
    made = Keys(folder.path / "keys")
    made.add("a")
    return made


def test_the_last_figures_are_the_right_ones(browser, moving):
    daemon, simulation = moving
    open_live(browser, daemon.url)
    before = eventually(lambda: figures(browser)["all"]["orders"])
    eventually(lambda: figures(browser)["all"]["orders"] > before + 50)
    simulation.stop()
    eventually(lambda: shows(browser, daemon))
    for name in ("hosts", "counties", "products"):
        expected = expected_board(daemon, f"top/{name}")
        eventually(lambda: [(row["id"], row["gross"]) for row in board(browser, name)] == expected)
    newest = totals(daemon, "ticker")["topics"]["ticker"]["orders"][-1]
    eventually(lambda: browser.texts(".ticker tr:first-child .amount a, .ticker tbody tr:first-child"
                                     " .amount")[0] == f"¥{newest['amount'] / 100:,.2f}")
    assert browser.console_errors() == []


def test_what_is_pointed_at_is_told_to_the_fen_and_of_now(browser, own_stream):
    """An amount in the short form, as a title that is there only while somebody may read it."""
    open_live(browser, own_stream.url)
    first = eventually(lambda: browser.find(".board.hosts tbody tr:first-child .amount"))
    assert not first.get_attribute("title")
    ActionChains(browser.driver).move_to_element(browser.find(".hero")).perform()

    def title():
        return fen(browser.find(".hero").get_attribute("title"))

    before = eventually(title)
    eventually(lambda: title() > before)
    own_stream.simulation.stop()
    gross = totals(own_stream.daemon, "total")["topics"]["total"]["today"]["gross"]
    eventually(lambda: title() == gross)
    ActionChains(browser.driver).move_to_element(browser.find(".brand")).perform()
    eventually(lambda: not browser.find_all(".hero[title]"))


def test_it_comes_back_after_a_restart_without_a_reload(browser, moving):
    daemon, simulation = moving
    open_live(browser, daemon.url)
    browser.js("window.witness = true")
    simulation.stop()
    shown = eventually(lambda: shows(browser, daemon) and figures(browser))
    daemon.kill()
    eventually(lambda: state(browser) == "reconnecting")
    assert "figures of" in browser.text("#state")
    assert figures(browser) == shown, "what was known stays, in grey"
    daemon.restart()
    eventually(lambda: state(browser) == "live", 20)
    simulation = Simulation(daemon, rate=200, seed=7)
    simulation.wait_orders(shown["all"]["orders"] + 20)
    simulation.stop()
    eventually(lambda: shows(browser, daemon))
    assert browser.js("return window.witness")
    assert browser.console_errors(but=GONE) == []


@pytest.mark.parametrize("size", [PHONE, (920, 768)], ids=str)
def test_the_head_keeps_its_shape_while_reconnecting(browser, folder, redis, size):
    """What it says then is long; nothing below moves, and the search box stays one."""
    daemon = Daemon(folder, redis)
    browser.size(*size)
    open_live(browser, f"{daemon.url}/?lang=en")
    height = "return document.querySelector('header').getBoundingClientRect().height"
    before = browser.js(height)
    daemon.kill()
    eventually(lambda: state(browser) == "reconnecting")
    assert browser.js(height) == before
    assert browser.js(MISPLACED) == []
    assert browser.js("return document.querySelector('#search input').offsetWidth") > 120


def test_it_says_so_when_figures_are_no_longer_of_now(browser, moving, redis):
    daemon, simulation = moving
    open_live(browser, daemon.url)
    ink = "return getComputedStyle(document.querySelector('.hero')).color"
    bright = browser.js(ink)
    redis.freeze()
    try:
        eventually(lambda: state(browser) == "stale")
        assert browser.text("#state").startswith("Stale since ")
        assert browser.js(ink) != bright
    finally:
        redis.thaw()
    eventually(lambda: state(browser) == "live", 20)
    assert browser.js(ink) == bright
    simulation.stop()
    eventually(lambda: shows(browser, daemon))


def test_nothing_of_another_data_set_stays(browser, moving, redis):
    """Also not for as long as a panel rests after it was drawn: its clock is stopped."""
    daemon, simulation = moving
    open_live(browser, daemon.url)
    simulation.stop()
    eventually(lambda: shows(browser, daemon))
    eventually(lambda: board(browser, "products") and browser.find_all(".ticker tr:not([hidden])"))
    browser.js("const now = performance.now(); performance.now = () => now;")
    redis.client().flushall()
    eventually(lambda: figures(browser)["all"]["gross"] == 0, 20)
    assert [board(browser, name) for name in ("hosts", "counties", "products")] == [[], [], []]
    assert not browser.find_all(".ticker tbody tr:not([hidden])")
    assert not browser.find_all(".tiles .tile:not([data-step='0'])")


# Tells of which data set each message was that the page has worked on.
LISTEN = """
    window.heard = [];
    window.WebSocket = class extends WebSocket {
        constructor(...args) {
            super(...args);
            this.addEventListener('message', ({ data }) => heard.push(JSON.parse(data).epoch));
        }
    };
"""


@pytest.fixture
def listened(browser):
    """The browser, whose next pages note in `heard` what they are told."""
    with browser.before_pages(LISTEN):
        yield browser


def check_saved(browser):
    """The file of the hosts has the rows of the screen, in their order. Returns the last column."""
    name, header, lines, shown = save(browser, "hosts")
    assert name == "livetally-top-hosts-n-100.csv"
    assert shown
    assert [(int(line[0]), line[1], line[2]) for line in lines] == [
        (int(row["rank"]), row["id"], row["name"]) for row in shown]
    assert [round(float(line[5]) * 100) for line in lines] == [fen(row["gross"]) for row in shown]
    assert header[-1] == "As of (+08:00)"
    return {line[-1] for line in lines}


def test_what_is_saved_is_what_the_screen_shows(listened, moving, redis):
    """Whatever the page has been told since it was drawn, and while it waits to be told anew."""
    browser, (daemon, simulation) = listened, moving
    open_live(browser, f"{daemon.url}/?lang=en#/hosts")
    eventually(lambda: board(browser, "hosts"))
    for _ in range(20):  # figures come more often than a ranking is drawn
        check_saved(browser)
    simulation.stop()
    daemon.kill()
    eventually(lambda: state(browser) == "reconnecting")
    of = check_saved(browser)
    assert len(of) == 1 and browser.text("#state").endswith(of.pop().split()[1])
    daemon.restart()
    eventually(lambda: state(browser) == "live", 20)
    check_saved(browser)
    browser.js("window.requestAnimationFrame = () => 1; window.before = heard.at(-1)")
    redis.client().flushall()
    eventually(lambda: browser.js("return heard.at(-1) !== before"), 20)
    check_saved(browser)


def seconds(text):
    """Of the time of day in it, as 21:04:05."""
    hours, minutes, rest = re.search(r"(\d\d):(\d\d):(\d\d)", text).groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def test_what_cannot_be_renewed_stands_there_greyed(browser, moving):
    """After a restart the daemon has no answer to one of the page's topics for a while."""
    daemon, simulation = moving
    with browser.before_pages(REFUSE):
        open_live(browser, f"{daemon.url}/?lang=en")
    simulation.stop()

    def rows():
        return [(row["id"], row["gross"]) for row in board(browser, "hosts")]

    shown = expected_board(daemon, "top/hosts")
    eventually(lambda: rows() == shown)
    browser.js("refused.push('top/hosts')")
    daemon.kill()
    eventually(lambda: state(browser) == "reconnecting")
    of = seconds(browser.text("#state"))
    daemon.restart()
    eventually(lambda: state(browser) == "live", 20)
    old = ".panel[data-old]"
    eventually(lambda: [panel.get_attribute("class") for panel in browser.find_all(old)]
               == ["panel board hosts"])
    assert rows() == shown, "what was known stays"
    assert browser.text(".hosts .old").startswith("figures of ")
    # Another connection may think otherwise of the daemon's clock, by as long as a message takes.
    assert abs(seconds(browser.text(".hosts .old")) - of) <= 5
    assert contrast(browser, ".hosts td, .hosts th, .hosts .old") >= 4.5
    assert all(abs(seconds(line[-1]) - of) <= 5 for line in save(browser, "hosts")[2])
    for size in (PHONE, WALL):
        browser.size(*size)
        eventually(lambda: browser.js(MISPLACED) == [])
    browser.find("#language").click()
    eventually(lambda: browser.text(".hosts .old").startswith("数据截至 "))
    browser.js("refused.pop()")
    eventually(lambda: not browser.find_all(old))
    eventually(lambda: browser.text(".hosts .old") == "" and shows(browser, daemon))
    assert rows() == shown
    browser.js("localStorage.clear()")


def test_the_button_to_save_waits_for_something_to_save(browser, folder, redis, keys):
    daemon = Daemon(folder, redis, {"auth.keys": keys.path})
    token = keys.mint("view", topics=["total", "top/*"])
    open_live(browser, f"{daemon.url}/?lang=en&token={token}")
    eventually(lambda: figures(browser)["today"]["gross"] == 0)

    def buttons():
        return {panel: browser.find(f".{panel} button.csv").is_enabled()
                for panel in ("total", "chart", "hosts", "map", "ticker")}

    assert buttons() == {"total": True, "chart": False, "hosts": False, "map": False,
                         "ticker": False}
    button = browser.find(".hosts button.csv")
    assert (button.accessible_name, button.get_attribute("title")) == (
        "Download as CSV: Hosts", "Nothing to save yet")
    assert request(daemon, "POST", "/v1/events", keys.mint("ingest"),
                   order("x", order_id="x")).status == 200
    eventually(lambda: buttons() == {"total": True, "chart": False, "hosts": True, "map": True,
                                     "ticker": False})
    assert button.get_attribute("title") == "Download as CSV: Hosts"


def test_a_token_opens_it_and_leaves_no_trace_in_the_address(browser, folder, redis, keys):
    daemon = Daemon(folder, redis, {"auth.keys": keys.path})
    open_live(browser, f"{daemon.url}/?lang=en&token={keys.mint('view')}#/host/ling")
    assert browser.js("return location.href") == f"{daemon.url}/?lang=en#/host/ling"
    eventually(lambda: figures(browser)["today"]["gross"] == 0)
    browser.reload()
    eventually(lambda: state(browser) == "live")


def test_without_a_token_it_asks_for_one(browser, folder, redis, keys):
    daemon = Daemon(folder, redis, {"auth.keys": keys.path, "limits.auth_ms": 1000})
    browser.open(daemon.url)
    eventually(lambda: state(browser) == "denied" and browser.find("dialog[open]"))
    browser.find("dialog input").send_keys(keys.mint("view"))
    browser.find("dialog button.main").click()
    eventually(lambda: state(browser) == "live")
    assert not browser.find_all("dialog")
    eventually(lambda: figures(browser)["today"]["gross"] == 0)


def test_what_a_token_may_not_see_is_not_shown_as_nothing(browser, folder, redis, keys):
    daemon = Daemon(folder, redis, {"auth.keys": keys.path})
    token = keys.mint("view", topics=["total", "top/hosts"])
    open_live(browser, f"{daemon.url}/?lang=zh&token={token}")
    eventually(lambda: browser.texts(".ticker .refusal") == ["无法显示：此令牌无权查看"])
    eventually(lambda: browser.text(".hosts .empty") == "今日暂无销售")
    assert browser.text(".ticker .empty") == browser.text(".products .empty") == ""


def test_a_change_of_rank_moves_the_row(browser, folder, redis):
    """The same row, gliding; at once for who wants no motion. What has the focus keeps it."""
    daemon = Daemon(folder, redis)
    for number, name in enumerate("abc"):
        post_events(daemon, order("rank", order_id=name, host_id=name, amount=1000 - number))
    for reduced in (False, True):
        browser.emulate(reduced_motion=reduced)
        open_live(browser, daemon.url)
        first, *_, last = [row["id"] for row in eventually(
            lambda: len(board(browser, "hosts")) == 3 and board(browser, "hosts"))]
        browser.js("""
            const rows = [...document.querySelectorAll('.board.hosts tbody tr')];
            window.mover = rows.at(-1);
            window.glides = 0;
            const animate = mover.animate;
            mover.animate = (...args) => { window.glides++; return animate.apply(mover, args); };
            mover.querySelector('a').focus();
        """)
        post_events(daemon, order("rank", order_id=f"{last}{reduced}", host_id=last, amount=5000))
        eventually(lambda: board(browser, "hosts")[0]["id"] == last != first)
        assert browser.js("return window.mover === document.querySelector('.board.hosts tbody tr')")
        assert browser.js("return window.glides") == (0 if reduced else 1)
        assert browser.js("return window.mover.contains(document.activeElement)")
