"""Amounts in the currency of the data, with as many digits as it has, and times in the data's time
zone, wherever the viewer is; and neither before the daemon has told which they are."""
import re
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from browser import PHONE, WALL, eventually
from clients import post_events
from dashboard import MISPLACED, TOLD, open_live, save, state
from events import host, order, product, session
from harness import Daemon, Folder, RedisServer, now_ms
from tokens import Keys

pytestmark = pytest.mark.plain_build

MINUTE_MS = 60_000
SOLD = 9_876_543_210  # minor units

# What is sold, as exact, in Chinese, in short in both, and in a file; and the data's zone.
CASES = {
    "JPY": SimpleNamespace(
        zone="-09:30", minutes=-570, exact="¥9,876,543,210", zh="JP¥98亿7654万3210", short="¥9.88B",
        short_zh="JP¥98.8亿", plain="9876543210", goal="¥500M", axis=r"¥[\d.]+B?"),
    "KWD": SimpleNamespace(
        zone="+05:45", minutes=345, exact="KWD 9,876,543.210", zh="KWD 987万6543.210",
        short="KWD 9.88M", short_zh="KWD 988万", plain="9876543.210", goal="KWD 500K",
        axis=r"KWD\s[\d.]+M?"),
}

# Notes each text that is painted on a canvas, and those of which the beginning is beyond its edge.
PAINTED = """
    window.painted = [];
    window.cut = [];
    const paint = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, ...rest) {
        painted.push(text);
        if (this.textAlign === 'right' && this.measureText(text).width > x) cut.push(text);
        return paint.call(this, text, x, ...rest);
    };
"""


@pytest.fixture(scope="module", params=CASES)
def data(request):
    """A daemon of a currency with one order of SOLD, just now, in a session with a goal."""
    place = Folder()
    told = CASES[request.param]
    daemon = Daemon(place, RedisServer(place), {"data.currency": request.param,
                                                "data.time_zone": told.zone})
    now = now_ms()
    for event in (host("h", host_id="ling", name="Ling"),
                  product("p", product_id="tea", name="Tea", county="422828"),
                  session("s", session_id="night", host_id="ling", starts_at=now - MINUTE_MS,
                          ends_at=now + 60 * MINUTE_MS, goal=500_000_000),
                  order("o", order_id="o1", host_id="ling", product_id="tea", session_id="night",
                        county="422828", quantity=1, amount=SOLD, time=now)):
        assert post_events(daemon, event).status == 200
    yield SimpleNamespace(daemon=daemon, url=daemon.url, now=now, ends=now + 60 * MINUTE_MS,
                          currency=request.param, **vars(told))
    daemon.stop()
    place.close()


@pytest.fixture
def painted(browser):
    """Returns what the next page has painted since the last time it was asked."""
    with browser.before_pages(PAINTED):
        yield lambda: browser.js("return painted.splice(0)")


def local(data, ms, form):
    """In the data's time zone: times are moved, and written as if they were UTC."""
    return datetime.fromtimestamp(ms / 1000 + data.minutes * 60, timezone.utc).strftime(form)


def told(browser, css):
    return plain(browser.js(TOLD + "return told(document.querySelector(arguments[0]))", css))


def plain(text):
    """With blanks as Selenium tells them of what is on the screen."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_amounts_are_in_the_currency_of_the_data(browser, data, language):
    open_live(browser, f"{data.url}/?lang={language}")
    exact, short = (data.exact, data.short) if language == "en" else (data.zh, data.short_zh)
    eventually(lambda: browser.text(".hero") == exact)
    for css in (".figure.net dd", ".hosts .amount", ".ticker .amount"):
        eventually(lambda: browser.text(css) in (exact, short))
    books = data.exact if language == "en" or data.currency != "JPY" else f"JP{data.exact}"
    assert told(browser, ".hero") == told(browser, ".hosts .amount") == books
    browser.open(f"{data.url}/overlay?lang={language}")
    eventually(lambda: browser.text(".total .sum") == exact)
    assert browser.text(".products .row[data-on] .amount") == short
    assert browser.text(".ticker .row[data-on] .amount") == short
    assert browser.console_errors() == []


def test_times_are_in_the_zone_of_the_data(browser, data, painted):
    open_live(browser, f"{data.url}/?lang=en#/session/night")
    eventually(lambda: browser.text(".ticker .time") == local(data, data.now, "%H:%M:%S"))
    until = local(data, data.ends, f"%Y-%m-%d %H:%M:%S UTC{data.zone}")
    assert browser.text(".countdown p:last-child") == f"ends {until}"
    assert data.goal in browser.text(".goal")
    assert browser.text("#clock").split() == [browser.text("#clock").split()[0], f"UTC{data.zone}"]
    now = re.match(r"(\d\d):(\d\d)", browser.text("#clock"))
    assert now[0] in {local(data, now_ms() - late, "%H:%M") for late in (0, MINUTE_MS)}
    eventually(lambda: data.exact in plain(browser.find(".chart-box")
                                              .get_attribute("aria-label")))
    texts = painted()
    times = {text for text in texts if re.fullmatch(r"\d\d:\d\d", text)}
    assert times and all(text.endswith(("00", "15", "30", "45")) for text in times), times
    hours = {local(data, data.now - late * 60 * MINUTE_MS, "%H") for late in range(3)}
    assert {text[:2] for text in times} <= hours
    assert any(re.fullmatch(data.axis, text) for text in texts), texts


def test_a_file_says_what_its_amounts_and_times_are_in(browser, data):
    open_live(browser, f"{data.url}/?lang=en")
    unit = f"Gross ({data.currency})"
    for panel in ("total", "chart", "hosts", "map"):
        name, header, lines, _ = eventually(lambda: save(browser, panel)[2]
                                            and save(browser, panel))
        assert data.plain in [line[header.index(unit)] for line in lines], panel
        assert header[-1] == f"As of ({data.zone})"
        day = local(data, now_ms(), "%Y-%m-%d ")
        assert all(line[-1].startswith((day, local(data, data.now, "%Y-%m-%d "))) for line in lines)
    name, header, lines, _ = eventually(lambda: save(browser, "ticker")[2]
                                        and save(browser, "ticker"))
    line = dict(zip(header, lines[0]))
    assert line[f"Time ({data.zone})"] == local(data, data.now, "%Y-%m-%d %H:%M:%S")
    assert line[f"Amount ({data.currency})"] == data.plain


@pytest.mark.parametrize("size", [WALL, PHONE, (1366, 768)], ids=str)
def test_nothing_overlaps(browser, data, size):
    browser.size(*size)
    language = "zh" if data.currency == "JPY" else "en"
    for screen in ("#/", "#/session/night", "#/province/42"):
        open_live(browser, f"{data.url}/?lang={language}{screen}")
        eventually(lambda: "–" not in browser.texts(".figure dd"))
        assert eventually(lambda: browser.js(MISPLACED) == []), screen


def test_marks_of_the_axis_are_whole(browser, data, painted):
    browser.size(*PHONE)
    open_live(browser, f"{data.url}/?lang=zh")
    eventually(lambda: any(re.search("[万亿]", text) for text in painted()))
    assert browser.js("return cut") == []


def test_nothing_is_told_before_it_is_known(browser, folder, redis, painted):
    """The daemon waits for a token, and has told nothing yet."""
    keys = Keys(folder.path / "keys")
    keys.add("a")
    daemon = Daemon(folder, redis, {"auth.keys": keys.path, "limits.auth_ms": 1000,
                                    "data.currency": "EUR", "data.time_zone": "UTC"})
    browser.open(f"{daemon.url}/?lang=en")
    eventually(lambda: state(browser) == "denied")
    shown = browser.text("body") + "".join(painted())
    assert not re.search(r"[¥€]|\d\d|\d\.", shown), shown
    browser.find("dialog input").send_keys(keys.mint("view"))
    browser.find("dialog button.main").click()
    eventually(lambda: browser.text(".hero") == "€0.00"
               and re.match(r"\d\d:", browser.text("#clock")))
    eventually(lambda: any(text.startswith("€") for text in painted()))


# As a daemon of an older version, which says neither.
SILENT = """
    const parse = JSON.parse;
    JSON.parse = (text) => {
        const { currency, time_zone, ...message } = parse(text);
        return message;
    };
"""


def test_an_older_daemon_that_does_not_say_has_the_defaults(browser, folder, redis):
    daemon = Daemon(folder, redis)
    with browser.before_pages(SILENT):
        open_live(browser, f"{daemon.url}/?lang=en")
        eventually(lambda: browser.text(".hero") == "¥0.00")
        assert "UTC+08:00" in browser.text("#clock")
        browser.open(f"{daemon.url}/overlay?lang=en")
        eventually(lambda: browser.text(".total .sum") == "¥0.00")
