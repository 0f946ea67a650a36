"""The dashboard, against a data set that stands still: what it shows is what the daemon says, in both
languages, on a wall and on a phone, on each of its screens."""
import json
import re
from types import SimpleNamespace

import pytest

from browser import PHONE, REFUSE, WALL, eventually
from clients import post_events, totals
from dashboard import (MISPLACED, board, contrast, expected_board, expected_figures, fen,
                       figures, open_live, save, shows, state)
from events import host, order, product, refund, session
from harness import Daemon, Folder, RedisServer, livetally, now_ms
from conftest import WITH_NAMES

LONG = "A very long name of something that nobody would ever call so, but 名字特别长特别长特别长特别长"
LARGEST = 10**10  # fen: the largest amount of an order
EVIL = "=HYPERLINK(\"http://x\")"

def simulated(orders=400, hosts=30):
    made = livetally("simulate", "--print", "--orders", orders, "--hosts", hosts, "--seed", 3)
    assert made.returncode == 0, made.stderr
    return [json.loads(line) for line in made.stdout.splitlines()]


@pytest.fixture(scope="module")
def still():
    """A daemon with 30 hosts, names that are long or like formulas, and a session with a goal."""
    place = Folder()
    daemon = Daemon(place, RedisServer(place), WITH_NAMES)
    now = now_ms()
    events = simulated() + [
        host("long", host_id="long", name=LONG),
        host("evil", host_id="evil", name=EVIL),
        product("long", product_id="long", name=LONG, county="422828"),
        session("goal", session_id="goal", host_id="long", title=LONG, starts_at=now - 60_000,
                ends_at=now + 3_600_000, goal=4 * LARGEST),
        order("long", order_id="l1", host_id="long", product_id="long", session_id="goal",
              county="422828", quantity=100_000, amount=LARGEST),
        # Of another day: today is not all time.
        order("old", order_id="o1", host_id="old", county="422828", product_id="long", amount=70_000,
              time=now - 2 * 86_400_000),
        order("evil", order_id="e1", host_id="evil", product_id="long", county="422828", amount=5),
    ]
    events += [order("many", order_id=f"m{i}", host_id=f"many-{i % 4}", product_id="long",
                     county="422828", quantity=100_000, amount=LARGEST) for i in range(40)]
    events.append(refund("long", order_id="l1", refund_id="r1", amount=LARGEST // 4, quantity=1))
    body = "\n".join(json.dumps(event) for event in events)
    answer = post_events(daemon, body, "application/x-ndjson")
    assert answer.status == 200, answer.text
    yield SimpleNamespace(daemon=daemon, url=daemon.url)
    daemon.stop()
    place.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_figures_are_those_of_the_daemon(browser, still, language):
    open_live(browser, f"{still.url}/?lang={language}")
    eventually(lambda: shows(browser, still.daemon))
    shown = figures(browser)
    assert shown["all"]["gross"] == shown["today"]["gross"] + 70_000
    units = browser.find(".ticker tbody .units")
    eventually(lambda: units.text == {"en": "×100K", "zh": "×10.0万"}[language])
    assert browser.js("return arguments[0].scrollWidth <= arguments[0].clientWidth", units), "cut"


@pytest.mark.parametrize("name, topic", [("hosts", "top/hosts"), ("counties", "top/counties"),
                                         ("products", "top/products")])
def test_rankings_stand_in_their_order(browser, still, name, topic):
    open_live(browser, still.url)
    expected = expected_board(still.daemon, topic)
    rows = eventually(lambda: len(board(browser, name)) == len(expected) and board(browser, name))
    assert [(row["id"], row["gross"]) for row in rows] == expected
    assert [row["rank"] for row in rows] == [str(i + 1) for i in range(len(rows))]
    assert sorted(row["top"] for row in rows) == [row["top"] for row in rows]


def test_the_map_shows_the_provinces_and_leads_to_their_counties(browser, still):
    open_live(browser, still.url)
    expected = {row["id"]: row["gross"]
                for row in totals(still.daemon, "top/provinces?n=100")["topics"]
                ["top/provinces?n=100"]["rows"]}
    eventually(lambda: browser.find_all(".tiles .tile:not([data-step='0'])"))
    shown = eventually(lambda: len(browser.find_all(".tiles .tile")) == 34 and browser.js(
        "return Object.fromEntries([...document.querySelectorAll('.tiles .tile')].map(t =>"
        "[t.hash.split('/').at(-1), [t.dataset.step, t.ariaLabel]]))"))
    for province, (step, label) in shown.items():
        assert (step != "0") == (province in expected), label
        if province in expected:
            assert fen(re.search(r"¥[\d,.]+\d", label)[0]) == expected[province]
    browser.find(".tiles a[href='#/province/42']").click()
    eventually(lambda: shows(browser, still.daemon, "province/42"))
    assert browser.text(".heading h1") == "Hubei"
    eventually(lambda: [row["id"] for row in board(browser, "counties")] == [
        county for county, _ in expected_board(still.daemon, "top/counties?province=42&n=20")])


@pytest.mark.parametrize("language, words", [
    ("en-US", ["Live sales", "Overview", "Sold today", "Hosts", "Refunded", "Hefeng County"]),
    ("zh-CN", ["实时销售", "总览", "今日销售额", "主播", "退款", "鹤峰县"])])
def test_the_language_is_the_browsers_and_can_be_switched(browser, still, language, words):
    browser.emulate(language=language)
    open_live(browser, still.url)
    browser.js("localStorage.clear()")
    browser.reload()
    eventually(lambda: all(word in browser.text("body") for word in words))
    browser.find("#language").click()
    eventually(lambda: not any(word in browser.text("body") for word in words[:4]))
    assert browser.js("return document.documentElement.lang") != language.split("-")[0]
    browser.reload()
    eventually(lambda: state(browser) == "live" and words[0] not in browser.text("body"))
    browser.js("localStorage.clear()")


SCREENS = ["#/", "#/host/long", "#/county/422828", "#/product/long", "#/session/goal",
           "#/province/42", "#/sessions", "#/hosts", "#/none"]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", [WALL, PHONE, (1366, 768)], ids=str)
def test_nothing_overlaps_on_any_screen(browser, still, size, language):
    browser.emulate(reduced_motion=True)
    browser.size(*size)
    open_live(browser, f"{still.url}/?lang={language}")
    for screen in SCREENS:
        browser.js("location.hash = arguments[0]", screen)
        eventually(lambda: browser.js("return document.querySelector('main').dataset.screen")
                   == (screen.split("/")[1] or "overview"))
        eventually(lambda: "–" not in browser.texts(".figure dd"))
        assert eventually(lambda: browser.js(MISPLACED) == []), screen
    assert browser.console_errors() == []


def test_nothing_overlaps_where_nothing_was_sold(browser, folder, redis):
    daemon = Daemon(folder, redis)
    for size in (WALL, PHONE):
        browser.size(*size)
        open_live(browser, daemon.url)
        eventually(lambda: figures(browser)["today"]["gross"] == 0)
        eventually(lambda: browser.js(MISPLACED) == [])
        assert "No sales yet today" in browser.text("main")


@pytest.mark.parametrize("scope, heading", [
    ("host/host-0001", None), ("host/nobody", "nobody"), ("county/422828", "Hefeng County"),
    ("product/tea-000001", None), ("session/goal", LONG), ("province/33", "Zhejiang")])
def test_each_thing_has_an_address_of_its_own(browser, still, scope, heading):
    open_live(browser, f"{still.url}/#/{scope}")
    payload = totals(still.daemon, scope)["topics"][scope]
    eventually(lambda: shows(browser, still.daemon, scope))
    eventually(lambda: browser.text(".heading h1") == (heading or payload["name"]))
    browser.find(".heading .button").click()
    eventually(lambda: shows(browser, still.daemon))


@pytest.mark.parametrize("address, boards", [
    ("host/host-0001", {"products": "top/products?host=host-0001"}),
    ("county/422828", {"hosts": "top/hosts?county=422828", "products": "top/products?county=422828"}),
    ("session/goal", {"products": "top/products?session=goal"}),
    ("sessions", {"sessions": "top/sessions?n=100"})])
def test_screens_have_their_boards(browser, still, address, boards):
    open_live(browser, f"{still.url}/#/{address}")
    for name, topic in boards.items():
        expected = expected_board(still.daemon, topic)
        assert expected
        eventually(lambda: [(row["id"], row["gross"]) for row in board(browser, name)] == expected)


def test_a_session_shows_its_goal_and_the_time_it_has(browser, still):
    open_live(browser, f"{still.url}/#/session/goal")
    eventually(lambda: "25.0% of ¥400M" in browser.text(".goal"))
    assert browser.find(".goal-bar").get_attribute("aria-valuenow") == "25"
    first = eventually(lambda: re.fullmatch(r"00:\d\d:\d\d", browser.text(".countdown .clock")))[0]
    eventually(lambda: browser.text(".countdown .clock") < first)


@pytest.mark.parametrize("has, size", [("nothing", WALL), ("goal", PHONE), ("ends_at", PHONE)])
def test_nothing_moves_when_a_session_comes(browser, still, has, size):
    """Its panel is as high without any of its figures as with them."""
    fields = {"goal": {"goal": 34_000_000}, "ends_at": {"ends_at": now_ms() + 3_600_000}}
    post_events(still.daemon, session("comes", session_id=f"comes-{has}", host_id="long",
                                      **fields.get(has, {})))
    topic = f"session/comes-{has}"
    height = "return document.querySelector('.panel.session').getBoundingClientRect().height"
    browser.size(*size)
    with browser.before_pages(REFUSE + f"refused.push('{topic}');"):
        open_live(browser, f"{still.url}/?lang=en#/{topic}")
    assert browser.text(".goal p") == ""
    before = browser.js(height)
    browser.reload()
    eventually(lambda: browser.text(".goal p") and shows(browser, still.daemon, topic))
    assert abs(browser.js(height) - before) < 1
    assert browser.find(".goal-bar").is_displayed() == (has == "goal")


@pytest.mark.parametrize("language, told", [("en", "of ¥340,000"), ("zh", "目标 ¥34万")])
def test_a_round_goal_is_told_as_people_say_it(browser, still, language, told):
    post_events(still.daemon, session("round", session_id="round", host_id="long", goal=34_000_000))
    open_live(browser, f"{still.url}/?lang={language}#/session/round")
    eventually(lambda: browser.text(".goal").endswith(told))


@pytest.mark.parametrize("address, has_chart", [
    ("product/long", False), ("province/42", False), ("host/long", True), ("county/422828", True)])
def test_a_screen_without_a_chart_says_why(browser, still, address, has_chart):
    for language, words in (("en", "No chart here"), ("zh", "此页没有图表")):
        open_live(browser, f"{still.url}/?lang={language}#/{address}")
        eventually(lambda: shows(browser, still.daemon, address))
        assert bool(browser.find_all(".panel.chart")) == has_chart
        assert (words in browser.text(".panel.total")) != has_chart


def test_what_is_shown_can_be_saved(browser, still):
    open_live(browser, still.url)
    eventually(lambda: len(board(browser, "hosts")) == 10)
    name, header, lines, _ = save(browser, "hosts")
    assert name == "livetally-top-hosts.csv"
    assert header == ["Rank", "Id", "Name", "Orders", "Units", "Gross (CNY)",
                      "Refunded (CNY)", "Net (CNY)", "As of (+08:00)"]
    expected = expected_board(still.daemon, "top/hosts")
    assert [(line[1], line[5]) for line in lines] == [
        (host, f"{gross // 100}.{gross % 100:02}") for host, gross in expected]
    for panel in ("total", "chart", "counties", "products", "map", "ticker"):
        eventually(lambda: save(browser, panel)[2])
    open_live(browser, f"{still.url}/#/session/goal")
    for panel, name in (("total", "session-goal"), ("chart", "series-session-goal"),
                        ("products", "top-products-session-goal")):
        eventually(lambda: save(browser, panel)[2])
        assert save(browser, panel)[0] == f"livetally-{name}.csv", "of what it is, outlives the page"


def test_no_formula_is_saved(browser, still):
    open_live(browser, f"{still.url}/#/hosts")
    eventually(lambda: EVIL in [row["name"] for row in board(browser, "hosts")])
    _, _, lines, _ = save(browser, "hosts")
    assert [line[2] for line in lines if line[1] == "evil"] == [f"'{EVIL}"]


def test_search_finds_names_and_opens_any_id(browser, still):
    open_live(browser, still.url)
    eventually(lambda: len(board(browser, "hosts")) == 10)
    field = browser.find("#search input")
    field.send_keys("hefeng")
    eventually(lambda: "Hefeng County" in browser.text("#search-list"))
    assert "Any id can be opened" in browser.text(".popup")
    field.send_keys("\ue015\ue007")  # down, enter
    eventually(lambda: browser.js("return location.hash") == "#/county/422828")
    field = browser.find("#search input")
    field.send_keys("never-seen")
    eventually(lambda: "Open as session" in browser.text("#search-list"))
    next(li for li in browser.find_all("#search-list li") if "session" in li.text).click()
    eventually(lambda: browser.js("return location.hash") == "#/session/never-seen")
    eventually(lambda: figures(browser)["all"]["gross"] == 0)


def test_the_page_can_be_used_by_keyboard_and_by_ear(browser, still):
    open_live(browser, still.url)
    eventually(lambda: len(board(browser, "hosts")) == 10)
    unnamed = browser.js("""return [...document.querySelectorAll('a, button, input, section')]
        .filter((node) => !(node.ariaLabel || node.title || node.innerText?.trim()
            || document.getElementById(node.getAttribute('aria-labelledby'))))
        .map((node) => node.outerHTML.slice(0, 80))""")
    assert unnamed == []
    assert len(browser.find_all("main h1")) == 1
    assert browser.find_all("header nav, main, [role=search]")
    spoken = eventually(lambda: browser.js(
        "return document.querySelector('.total [aria-live=polite]').textContent"))
    expected = expected_figures(still.daemon, "total")["today"]
    assert fen(re.search(r"¥[\d,.]+\d", spoken)[0]) == expected["gross"]
    tables = browser.js("return [...document.querySelectorAll('table')].map(t =>"
                        "[t.querySelectorAll('[role=columnheader]').length,"
                        " t.querySelectorAll('tbody [role=row]').length])")
    assert all(headers >= 5 and rows for headers, rows in tables), tables
    told = browser.js("return document.querySelector('.chart [role=img]').ariaLabel")
    assert "¥0.00 sold" not in told and "sold" in told, "of what is drawn, not of what was before"


@pytest.mark.parametrize("system", ["dark", "light"])
def test_the_theme_is_the_systems_until_one_is_chosen(browser, still, system):
    """By styles alone, without a script; what a script draws has the same colours."""
    def colours():
        return browser.js("""
            const bars = document.createElement('span');
            bars.className = 'key';
            document.body.append(bars);
            const colour = getComputedStyle(bars, '::before').backgroundColor;
            bars.remove();
            const [r, g, b] = colour.match(/\\d+/g).map(Number);
            const canvas = document.querySelector('.chart canvas');
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let painted = 0;
            for (let i = 0; i < data.length; i += 4) {
                if (data[i] === r && data[i + 1] === g && data[i + 2] === b) painted++;
            }
            return [getComputedStyle(document.body).backgroundColor, painted > 20];
        """)

    page = {"dark": ["rgb(10, 17, 15)", True], "light": ["rgb(242, 245, 242)", True]}
    browser.emulate(theme=system)
    open_live(browser, still.url)
    eventually(lambda: colours() == page[system])
    for chosen in ("dark", "light", "auto"):
        browser.find("#theme").click()
        eventually(lambda: browser.find("#theme").get_attribute("data-shown") == chosen)
        eventually(lambda: colours() == page[system if chosen == "auto" else chosen])
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(still.url)
        assert "rgb%s" % (browser.picture().getpixel((5, 1000))[:3],) == page[system][0]
    finally:
        browser.cdp("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_stands_out_from_what_is_behind_it(browser, still, theme):
    browser.emulate(theme)
    open_live(browser, still.url)
    eventually(lambda: len(board(browser, "hosts")) == 10)
    # Shades of the map that this data set may not have.
    browser.js("document.querySelectorAll('.tiles .tile').forEach((t, i) => { t.dataset.step = i % 6; })")
    eventually(lambda: contrast(browser, ".tiles .tile") >= 4.5)
    for css in (".state", ".hero span", ".figure dt", ".figure dd", ".note", ".csv", "nav a",
                ".board td, .board th", ".ticker td", ".legend", ".search input"):
        assert contrast(browser, css) >= 4.5, css
    browser.js("document.documentElement.dataset.state = 'stale'")
    for css in (".state", ".hero span", ".figure dd", ".board td, .board th"):
        assert contrast(browser, css) >= 4.5, f"stale {css}"
    for css in (".tiles", ".legend", ".key", ".chart-box"):
        assert browser.find(css).value_of_css_property("opacity") == "1", f"stale {css}"
