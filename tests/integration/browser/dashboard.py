"""What tests of the dashboard read off the screen. Amounts are taken from the exact form, which
the page tells of what is pointed at: what is shown may be short, or grouped in another way."""
import csv
import re
from decimal import Decimal

from browser import eventually
from clients import totals

# The title that an element gets while it is pointed at.
TOLD = """
    const told = (node) => {
        node.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));
        return node.title;
    };
"""

# Figures of one period as {"gross": fen, …}; `words` are those of the page's language.
FIGURES = TOLD + """
    const read = (list) => Object.fromEntries([...list.querySelectorAll('.figure')].map((figure) => {
        const value = figure.querySelector('dd');
        return [figure.className.split(' ')[1], told(value) || value.innerText];
    }));
    const total = document.querySelector('.panel.total');
    const all = total.querySelector('.figures.all');
    return {
        hero: told(total.querySelector('.hero')),
        first: read(total.querySelector('.figures')),
        all: all && read(all),
    };
"""

ROWS = TOLD + """
    return [...document.querySelectorAll(`.panel.board.${arguments[0]} tbody tr`)].map((row) => ({
        rank: row.querySelector('.rank').innerText,
        id: decodeURIComponent(row.querySelector('.name a').hash.split('/').at(-1)),
        name: row.querySelector('.name').innerText,
        gross: told(row.querySelector('.amount')),
        top: row.getBoundingClientRect().top,
    }));
"""

# Clicks on a CSV button: what the browser would save, and the rows on the screen at that moment.
SAVE = """
    const [panel, done] = arguments;
    const [makeUrl, click] = [URL.createObjectURL, HTMLAnchorElement.prototype.click];
    let name = null;
    let text = '';
    URL.createObjectURL = (blob) => { text = blob.text(); return '#'; };
    HTMLAnchorElement.prototype.click = function () { name = this.download; };
    document.querySelector(`.panel.${panel} button.csv`).dispatchEvent(new MouseEvent('click'));
    URL.createObjectURL = makeUrl;
    HTMLAnchorElement.prototype.click = click;
    const rows = (function () { %s }).call(null, panel);
    Promise.resolve(text).then((saved) => done([name, saved, rows]));
""" % ROWS

# Panels and what stands in the head, with what they overlap or stick out of.
MISPLACED = """
    const wrong = [];
    const box = (node) => node.getBoundingClientRect();
    const shown = (node) => box(node).width > 1 && box(node).height > 1;
    const say = (node) => `${node.tagName}.${node.className} ${node.innerText?.slice(0, 20)}`;
    const apart = (nodes) => nodes.forEach((a, i) => nodes.slice(i + 1).forEach((b) => {
        const [p, q] = [box(a), box(b)];
        const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (across > 1 && down > 1) wrong.push(`${say(a)} overlaps ${say(b)}`);
    }));
    const all = (css, within = document) => [...within.querySelectorAll(css)].filter(shown);
    apart(all('.panel'));
    apart(all('header > *'));
    for (const panel of all('.panel')) {
        apart(all(':scope > *', panel));
        apart(all('.head > *', panel));
        apart(all('.figure', panel));
        apart(all('.tile', panel).filter((tile) => tile.closest('.tiles')));
        for (const part of all(':scope > *, .hero, .figure, .head > *', panel)) {
            if (part.closest('.hidden')) continue;
            const [p, q] = [box(part), box(panel)];
            if (p.right > q.right + 1 || p.left < q.left - 1 || p.bottom > q.bottom + 1) {
                wrong.push(`${say(part)} sticks out of ${panel.className}`);
            }
        }
        for (const row of all('tbody tr', panel)) {
            apart(all(':scope > *', row));
            const frame = row.closest('.board-box, .ticker-box');
            if (box(row).bottom > box(frame).bottom + 1) wrong.push(`${say(row)} is cut off`);
        }
    }
    if (document.documentElement.scrollWidth > innerWidth) {
        wrong.push(`${document.documentElement.scrollWidth} wide in ${innerWidth}`);
    }
    return wrong;
"""


def fen(text):
    """Of an exact amount: "−¥1,234.05"."""
    match = re.fullmatch(r"(−?)¥([\d,]+\.\d\d)", text)
    assert match, f"no exact amount: {text!r}"
    return int(Decimal(match[2].replace(",", "")) * 100) * (-1 if match[1] else 1)


def count(text):
    assert re.fullmatch(r"[\d,]+", text), f"no number: {text!r}"
    return int(text.replace(",", ""))


def _metrics(shown, gross):
    figures = {key: count(shown[key]) for key in ("orders", "units")}
    return {**figures, **{key: fen(shown[key]) for key in ("net", "refunded")}, "gross": fen(gross)}


def figures(browser):
    """{"today": {...}, "all": {...}} as on the screen; of a session "all" alone."""
    shown = browser.js(FIGURES)
    first = _metrics(shown["first"], shown["hero"])
    if not shown["all"]:
        return {"all": first}
    return {"today": first, "all": _metrics(shown["all"], shown["all"]["gross"])}


def expected_figures(daemon, scope):
    """The same, as the daemon has them."""
    payload = totals(daemon, scope)["topics"][scope]
    keys = ("orders", "units", "net", "refunded", "gross")
    return {period: {key: payload[period][key] for key in keys}
            for period in ("today", "all") if period in payload}


def board(browser, name):
    """Rows in the order that they stand in the document; where they are on the screen is `top`."""
    return [{**row, "gross": fen(row["gross"])} for row in browser.js(ROWS, name)]


def expected_board(daemon, topic):
    rows = totals(daemon, topic)["topics"][topic]["rows"]
    return [(row["id"], row["gross"]) for row in rows]


def save(browser, panel):
    """(name, header, lines, rows) of the file that the panel's CSV button makes; `rows` are those of
    that ranking on the screen at that moment. The name is None where nothing is saved."""
    name, text, shown = browser.driver.execute_async_script(SAVE, panel)
    header, *lines = list(csv.reader(text.removeprefix("\ufeff").splitlines())) or [[]]
    return name, header, lines, shown


def state(browser):
    return browser.js("return document.documentElement.dataset.state")


def open_live(browser, url):
    """Opens a page and waits until it shows figures."""
    browser.open(url)
    eventually(lambda: state(browser) == "live")


def shows(browser, daemon, scope="total"):
    assert figures(browser) == expected_figures(daemon, scope)
    return True


def contrast(browser, css):
    """Of text and what is behind it, by the rule of WCAG: the least of all that match."""
    return browser.js("""
        const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = (node) => {
            const colour = getComputedStyle(node).backgroundColor;
            return colour === 'rgba(0, 0, 0, 0)' ? behind(node.parentElement) : colour;
        };
        return Math.min(...[...document.querySelectorAll(arguments[0])].map((node) => {
            const pair = [getComputedStyle(node).color, behind(node)].map(light).sort((a, b) => b - a);
            return (pair[0] + 0.05) / (pair[1] + 0.05);
        }));
    """, css)
