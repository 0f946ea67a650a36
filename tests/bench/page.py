"""make page-bench: what a page costs the browser that shows it.

    page.py [--page PATH] [--seconds 30] [--memory-s 300] [--rate 400]

A daemon of its own with a simulated livestream, and the page in Chromium, which is made to ask for
ten updates a second, whatever interval the page prefers. All that the main thread does is counted
(scripts, style, layout, painting, timers, animations between updates), second by second, against
the updates that came in it. It is the processor's time, so that a busy machine spoils it less.
"""
import argparse
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE.parent / "integration/browser")]

from browser import PHONE, WALL, Browser, eventually  # noqa: E402
from harness import Daemon, Folder, RedisServer  # noqa: E402
from livestream import WITH_NAMES, Simulation  # noqa: E402

INTERVAL_MS = 100

# Before any script of the page: counts messages, and shortens the interval in what is subscribed.
SPY = """
    window.benchUpdates = 0;
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (text) {
      const message = JSON.parse(text);
      if (message.type === 'subscribe') message.interval_ms = %d;
      return send.call(this, JSON.stringify(message));
    };
    window.WebSocket = class extends WebSocket {
      constructor(...args) {
        super(...args);
        this.addEventListener('message', (event) => {
          if (event.data.startsWith('{"type":"update"')) window.benchUpdates++;
        });
      }
    };
""" % INTERVAL_MS


def metrics(browser):
    """Chromium's own counters of the page, and the updates it got."""
    values = {m["name"]: m["value"] for m in browser.cdp("Performance.getMetrics")["metrics"]}
    return values | {"updates": browser.js("return window.benchUpdates")}


# What Chromium counts the main thread's work by: all of it, then the shares it tells apart.
WORK = {"all": "TaskDuration", "script": "ScriptDuration", "style": "RecalcStyleDuration",
        "layout": "LayoutDuration"}


def main_thread_ms(browser, seconds):
    """{share: milliseconds of the main thread for an update, "updates": number} of each second."""
    samples = []
    before = metrics(browser)
    for _ in range(seconds):
        time.sleep(1)
        after = metrics(browser)
        updates = after["updates"] - before["updates"]
        if updates:
            samples.append({share: (after[key] - before[key]) * 1000 / updates
                            for share, key in WORK.items()} | {"updates": updates})
        before = after
    return samples


def first_render(browser):
    """Bytes by path, and milliseconds until the browser painted something, then a figure."""
    def loaded():
        asked = {urlsplit(url).path for url in browser.requests() if url.startswith("http")}
        sizes = browser.loaded_bytes()
        return sizes if set(sizes) == asked else None

    paint = browser.js("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return eventually(loaded), paint


def memory(browser, seconds):
    """(heap bytes after a collection, DOM nodes, updates so far), about every tenth part."""
    samples = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(max(seconds / 10, 1), max(until - time.monotonic(), 0.1)))
        now = metrics(browser)
        samples.append((browser.heap_bytes(), int(now["Nodes"]), now["updates"]))
    return samples


def report_main_thread(browser, url, name, size, seconds):
    browser.size(*size)
    browser.open(url)
    eventually(lambda: browser.js("return window.benchUpdates") > 20)
    samples = main_thread_ms(browser, seconds)
    median = {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}
    shares = ", ".join(f"{share} {median[share]:.2f}" for share in WORK if share != "all")
    print(f"main thread, ms an update   {name:<6} median {median['all']:.2f} ({shares}), worst "
          f"second {max(sample['all'] for sample in samples):.2f}, of {len(samples)} seconds "
          f"with {median['updates']:.0f} updates", flush=True)


def bench(browser, url, arguments):
    browser.cdp("Performance.enable", timeDomain="threadTicks")
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", source=SPY)
    browser.open(url)
    eventually(lambda: browser.js("return window.benchUpdates") > 0)
    sizes, paint = first_render(browser)
    print(f"bytes to first render       {sum(sizes.values()):,} on the wire: "
          + ", ".join(f"{path} {size:,}" for path, size in sorted(sizes.items())))
    print(f"first paint                 {paint:.0f} ms after the request")
    for name, size in (("wall", WALL), ("phone", PHONE)):
        report_main_thread(browser, url, name, size, arguments.seconds)
    browser.size(*WALL)
    browser.open(url)
    samples = memory(browser, arguments.memory_s)
    for heap, nodes, updates in samples:
        print(f"memory                      {heap / 1e6:6.2f} MB of heap, {nodes} nodes, "
              f"after {updates} updates", flush=True)
    print(f"errors in the console       {browser.console_errors() or 'none'}")


def main():
    parser = argparse.ArgumentParser(description="What a page costs the browser that shows it.")
    parser.add_argument("--page", default="/")
    parser.add_argument("--seconds", type=int, default=30, help="of each measurement of time")
    parser.add_argument("--memory-s", type=int, default=300, help="of the one of memory")
    parser.add_argument("--rate", type=int, default=400, help="events a second")
    arguments = parser.parse_args()
    place = Folder()
    try:
        daemon = Daemon(place, RedisServer(place), WITH_NAMES)
        simulation = Simulation(daemon, arguments.rate)
        # In the first seconds of a day ranks change all the time, as they never do later.
        eventually(lambda: simulation.orders() >= 30 * arguments.rate, 120)
        browser = Browser(place)
        place.on_exit(browser.quit)
        bench(browser, daemon.url + arguments.page, arguments)
    finally:
        place.close()


if __name__ == "__main__":
    main()
