"""The stream overlay: exact, transparent, gone whenever its figures may not be those of now, and back
by itself."""
import pytest

from browser import REFUSE, eventually
from clients import feed_all, lines, totals
from events import host, order, product, session
from harness import PATIENCE, Daemon, free_port
from tokens import Keys, request

pytestmark = pytest.mark.plain_build  # of the daemon they ask nothing that others don't

SESSION = "live-9"
# What a browser itself says of sockets that a daemon takes with it.
GONE = ("WebSocket", "ERR_CONNECTION_REFUSED")


def yuan(fen):
    return f"¥{fen // 100:,}.{fen % 100:02}"


def post(daemon, *events):
    ack = feed_all([(daemon, [lines(events)])])[0].result(30 * PATIENCE)
    assert not ack.rejected, ack.rejected


def sale(number, **fields):
    return order("h", number, **{"session_id": SESSION, "product_id": "tea", **fields})


@pytest.fixture
def daemon(folder, redis):
    daemon = Daemon(folder, redis, listen=(f"127.0.0.1:{free_port()}",))
    post(daemon, host("h", name="林云雾说茶"),
         session("h", session_id=SESSION, title="夜场 Night sale", platform="web", goal=1_000_000),
         product("t", product_id="tea", name="鹤峰手工富硒绿茶 125g", county="422828"),
         product("t", product_id="yam", name="Yam <b>& co</b>", county="422828"),
         *(sale(n, amount=12_345 + n, product_id="yam" if n % 3 == 0 else "tea")
           for n in range(20)))
    yield daemon
    if daemon.running():
        daemon.stop()


def open_overlay(browser, daemon, query=f"session={SESSION}"):
    browser.size(480, 640, phone=False)
    browser.open(f"{daemon.url}/overlay?lang=en&{query}")


def is_shown(browser):
    return not browser.js("return document.body.hasAttribute('data-hidden')")


def painted(browser):
    """Whether anything at all is on the picture that a mixer lays over its video."""
    return browser.picture(transparent=True).getchannel("A").getextrema()[1] > 0


def check_equal(browser, daemon):
    """All that is shown is what the daemon says."""
    names = [f"session/{SESSION}", f"top/products?session={SESSION}", f"ticker/session/{SESSION}"]
    scope, products, ticker = totals(daemon, *names)["topics"].values()
    label = {row["id"]: row["name"] for row in products["rows"]}
    assert is_shown(browser)
    assert browser.text(".total .sum") == yuan(scope["all"]["gross"])
    assert browser.text(".total .count") == f'{scope["all"]["orders"]:,} orders'
    assert browser.text(".total h2") == scope["title"]
    share = scope["all"]["gross"] * 1000 // scope["goal"]
    assert browser.text(".goal .percent") == f"{share // 10}.{share % 10}%"
    assert rows(browser, ".products", ".name") == [label[row["id"]] for row in products["rows"][:5]]
    newest = ticker["orders"][::-1][:5]
    assert rows(browser, ".ticker", ".name") == [label[o["product_id"]] for o in newest]
    assert rows(browser, ".ticker", ".amount") == [yuan(o["amount"]) for o in newest]
    return True


def rows(browser, card, cell):
    """Texts of the rows that are on, from the top."""
    return browser.js("""
        return [...document.querySelectorAll(`${arguments[0]} .row[data-on]`)]
          .sort((a, b) => a.style.getPropertyValue('--place') - b.style.getPropertyValue('--place'))
          .map((row) => row.querySelector(arguments[1]).textContent)""", card, cell)


def test_what_it_shows_is_what_the_daemon_says(browser, daemon):
    open_overlay(browser, daemon)
    eventually(lambda: check_equal(browser, daemon))
    assert browser.text(".goal .amount") == "¥2,471 / ¥10K"
    post(daemon, *(sale(100 + n, amount=99_999) for n in range(30)),
         product("t", product_id="tea", name="茶", time=None))
    eventually(lambda: check_equal(browser, daemon))
    assert browser.js("return document.querySelectorAll('b').length") == 0, "names are text"
    assert browser.console_errors() == []
    assert browser.hosts() == {"%s:%d" % daemon.address}


def test_nothing_is_painted_but_its_cards(browser, daemon):
    open_overlay(browser, daemon)
    eventually(lambda: check_equal(browser, daemon))
    picture = browser.picture(transparent=True)
    assert picture.getpixel((479, 639))[3] == picture.getpixel((2, 2))[3] == 0
    assert 0 < picture.getpixel((20, 30))[3] < 255, "a card lets the video through, a little"
    browser.emulate(theme="dark")
    assert browser.picture(transparent=True).getpixel((479, 639))[3] == 0


def test_gone_while_figures_may_be_old_and_back_without_a_reload(browser, daemon, redis):
    open_overlay(browser, daemon)
    eventually(lambda: check_equal(browser, daemon))
    browser.js("window.same = true")
    redis.freeze()
    eventually(lambda: not is_shown(browser) and not painted(browser))
    redis.thaw()
    eventually(lambda: check_equal(browser, daemon) and painted(browser))
    daemon.kill()
    eventually(lambda: not is_shown(browser) and not painted(browser))
    daemon.restart()
    post(daemon, sale(500, amount=77_700))
    eventually(lambda: check_equal(browser, daemon), 45)
    assert browser.js("return window.same"), "it was not loaded anew"
    redis.client().flushall()
    eventually(lambda: browser.text(".total .sum") == yuan(0) and is_shown(browser), 20)
    eventually(lambda: rows(browser, ".ticker", ".name") == [])
    assert browser.console_errors(but=GONE) == []


def test_gone_while_one_of_its_topics_is_not_of_now(browser, daemon):
    """After a restart the daemon has no answer to one of them for a while."""
    topic = f"ticker/session/{SESSION}"
    with browser.before_pages(REFUSE):
        open_overlay(browser, daemon)
    eventually(lambda: check_equal(browser, daemon))
    browser.js("refused.push(arguments[0])", topic)
    daemon.kill()
    eventually(lambda: not is_shown(browser) and not painted(browser))
    daemon.restart()
    eventually(lambda: browser.js("return document.title") == f"livetally: {topic} unavailable", 45)
    assert not is_shown(browser) and not painted(browser)
    browser.js("refused.pop()")
    eventually(lambda: check_equal(browser, daemon) and painted(browser))
    assert browser.js("return document.title") == "livetally"


def test_nothing_of_another_data_set_stays(browser, daemon, redis):
    """Also not for as long as the list of orders rests after a change: its clock is stopped."""
    open_overlay(browser, daemon)
    eventually(lambda: check_equal(browser, daemon))
    browser.js("const now = performance.now(); performance.now = () => now;")
    redis.client().flushall()
    post(daemon, product("t", product_id="tea", name="Other tea", county="422828"))
    eventually(lambda: browser.text(".total .sum") == yuan(0) and is_shown(browser), 20)
    assert rows(browser, ".ticker", ".name") == rows(browser, ".products", ".name") == []
    assert "鹤峰" not in browser.js("return document.body.textContent"), "not even while it fades"
    browser.js("delete performance.now")
    post(daemon, sale(900, amount=5_000, host_id="h"))
    eventually(lambda: rows(browser, ".ticker", ".name") == ["Other tea"])


# Of figures, which part of them is beyond the edge of their card.
CUT = """
    return [...document.querySelectorAll('.card:not([hidden]) :is(.sum span, .amount, .percent)')]
        .filter((node) => node.getBoundingClientRect().right
            > node.closest('.card').getBoundingClientRect().right - 8)
        .map((node) => node.textContent);
"""


@pytest.mark.parametrize("width, scale", [(200, 1), (400, 1), (480, 2)])
def test_figures_are_whole_however_narrow_it_is(browser, daemon, width, scale):
    """A sum that is cut off is another sum."""
    post(daemon, *(sale(700 + n, amount=10**10, quantity=100_000) for n in range(20)))
    for lang in ("en", "zh"):
        browser.size(width, 640, phone=False)
        browser.open(f"{daemon.url}/overlay?session={SESSION}&scale={scale}&lang={lang}")
        eventually(lambda: is_shown(browser) and rows(browser, ".ticker", ".amount"))
        eventually(lambda: browser.js(CUT) == [])
    large = browser.js("return getComputedStyle(document.querySelector('.sum span')).fontSize")
    assert 8 < float(large.removesuffix("px")) <= 2.1 * 16 * scale


def test_the_address_chooses(browser, daemon):
    open_overlay(browser, daemon, "show=ticker,total,nonsense&theme=light&scale=2")
    eventually(lambda: is_shown(browser))
    assert browser.js("return [...document.body.children].map(c => c.className)") == [
        "card ticker", "card total"], "in the order they are named"
    assert browser.text(".total h2") == "Sold today"
    assert browser.js("return getComputedStyle(document.documentElement).fontSize") == "32px"
    assert browser.js("return document.documentElement.dataset.theme") == "light"
    eventually(lambda: rows(browser, ".ticker", ".name")[0] == "鹤峰手工富硒绿茶 125g")
    browser.open(f"{daemon.url}/overlay?session={SESSION}&lang=zh&show=goal,total")
    eventually(lambda: is_shown(browser) and browser.text(".goal h2") == "目标")
    assert browser.text(".total .count") == "20 单"
    browser.open(f"{daemon.url}/overlay?session=none&lang=zh")
    eventually(lambda: browser.text(".total .sum") == yuan(0))
    assert [c.is_displayed() for c in browser.find_all(".card")] == [True, False, False, False]
    assert browser.console_errors() == []


def test_a_token_in_the_address_goes_no_further(browser, folder, redis):
    keys = Keys(folder.path / "keys")
    keys.add("a")
    daemon = Daemon(folder, redis, {"auth.keys": keys.path})
    token = keys.mint("view", topics=[f"session/{SESSION}", f"ticker/session/{SESSION}",
                                      f"top/products?session={SESSION}*"])
    open_overlay(browser, daemon, f"session={SESSION}&token={token}")
    eventually(lambda: is_shown(browser) and browser.text(".total .sum") == yuan(0))
    sold = sale(1, product_id="6917000000000001234", quantity=20_000)
    assert request(daemon, "POST", "/v1/events", keys.mint("ingest"), sold).status == 200
    eventually(lambda: rows(browser, ".ticker", ".name") == ["…1234"])
    assert rows(browser, ".ticker", ".times") == ["×20.0K"]
    assert rows(browser, ".products", ".name") == ["…1234"], "ids are nobody's business"
    assert [url for url in browser.requests() if token in url] == [browser.driver.current_url]
    assert token not in daemon.log
    open_overlay(browser, daemon, "token=rubbish")
    eventually(lambda: browser.js("return document.title") == "livetally: unauthorized")
    assert not is_shown(browser) and not painted(browser)
    daemon.stop()
