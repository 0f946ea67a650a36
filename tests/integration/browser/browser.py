"""A Chromium without a window, and what a test asks of it: see Browser.

Debian's chromium and chromium-driver, through selenium. One is started for each worker and used by
test after test: reset() makes it new. It reaches 127.0.0.1 and nothing else.
"""
import base64
import contextlib
import io
import json
import os
from urllib.parse import urlsplit

from PIL import Image
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from harness import BUILD, wait_for

WALL = (1920, 1080)
PHONE = (390, 844)

ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--mute-audio",
    "--no-first-run", "--no-default-browser-check", "--no-proxy-server", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter", "--hide-scrollbars",
    "--enable-precise-memory-info", "--js-flags=--expose-gc",
    # Whatever a page or Chromium itself wants from elsewhere: there is no such host.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

# In a page, before its scripts: the topics in `refused` the daemon has no answer to at the moment.
REFUSE = """
    window.refused = [];
    const parse = JSON.parse;
    JSON.parse = (text) => {
        const message = parse(text);
        for (const topic of message.type === 'snapshot' ? refused : []) {
            if (!(topic in message.topics)) continue;
            delete message.topics[topic];
            message.errors = [...message.errors ?? [], { topic, code: 'unavailable', error: 'x' }];
        }
        return message;
    };
"""


class Browser:
    """Pages are looked at as a user does, by what is on the screen, or asked by script: js()."""

    def __init__(self, folder):
        self.folder = folder
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for argument in (*ARGUMENTS, f"--user-data-dir={folder.path}/profile"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # It leaves files in its home folder, and asks a proxy for its own driver if one is set.
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder.path), "LANG": "C.UTF-8"}
        service = Service("/usr/bin/chromedriver", env=environment,
                          service_args=["--log-level=WARNING"],
                          log_path=str(folder.path / "chromedriver.log"))
        folder.logs.append(folder.path / "chromedriver.log")
        os.environ["NO_PROXY"] = "127.0.0.1,localhost"
        self.driver = Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(30)
        self._agent = self.js("return navigator.userAgent")
        self._events = []
        self._console = []
        self.reset()

    def quit(self):
        self.driver.quit()

    def cdp(self, command, **parameters):
        """A command of the Chrome DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def reset(self):
        """As new: no page, nothing stored or cached, a wall screen, English, light, motion."""
        self.driver.get("about:blank")
        self.cdp("Network.enable")
        self.cdp("Network.clearBrowserCache")
        self.cdp("Network.clearBrowserCookies")
        self.offline(False)
        self.size(*WALL)
        self.emulate()
        self.cdp("Emulation.setDefaultBackgroundColorOverride")
        self._read_logs()
        self._events.clear()
        self._console.clear()

    # What the user has.

    def size(self, width, height, phone=None):
        """phone: touch, and a page as wide as the screen. Left out: below 600 pixels."""
        phone = width < 600 if phone is None else phone
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=phone)
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=phone)

    def emulate(self, theme="light", language="en-US", reduced_motion=False):
        """theme: "light" or "dark"; language: as zh-CN. Before open(), or they take a reload."""
        motion = "reduce" if reduced_motion else "no-preference"
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": motion}])
        self.cdp("Emulation.setUserAgentOverride", userAgent=self._agent, acceptLanguage=language)

    def offline(self, offline):
        """Cuts requests off. Sockets that are open stay open."""
        self.cdp("Network.emulateNetworkConditions", offline=offline, latency=0,
                 downloadThroughput=-1, uploadThroughput=-1)

    # What he does.

    def open(self, url):
        """Returns when the page and what it names is loaded, which may be before figures are."""
        self.driver.get(url)

    def reload(self):
        self.driver.refresh()

    def js(self, script, *args):
        """Runs it in the page; `return` gives the value."""
        return self.driver.execute_script(script, *args)

    @contextlib.contextmanager
    def before_pages(self, script):
        """Runs it in each page that is opened meanwhile, before the page's own scripts."""
        added = self.cdp("Page.addScriptToEvaluateOnNewDocument", source=script)
        yield
        self.cdp("Page.removeScriptToEvaluateOnNewDocument", **added)

    # What he sees.

    def find(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def find_all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self, css):
        return self.find(css).text

    def texts(self, css):
        """Of all, read at one moment: a page that moves can't change between them."""
        return self.js("return [...document.querySelectorAll(arguments[0])]"
                       ".map(e => e.innerText.trim())", css)

    def screenshot(self, name):
        """Into build/browser/; returns where it is."""
        path = BUILD / "browser" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.cdp("Page.captureScreenshot")["data"]))
        return path

    def picture(self, transparent=False):
        """The screen as a PIL image in RGBA; transparent: as a mixer that shows it on top."""
        if transparent:
            self.cdp("Emulation.setDefaultBackgroundColorOverride",
                     color={"r": 0, "g": 0, "b": 0, "a": 0})
        data = base64.b64decode(self.cdp("Page.captureScreenshot")["data"])
        return Image.open(io.BytesIO(data)).convert("RGBA")

    # What goes on behind it.

    def console_errors(self, but=()):
        """Errors since reset(): exceptions, what the policy refused, what could not be loaded.
        `but`: parts of messages that are no surprise in a test that takes the daemon away."""
        self._read_logs()
        return [entry["message"] for entry in self._console
                if entry["level"] == "SEVERE" and not any(part in entry["message"] for part in but)]

    def requests(self):
        """URLs of all requests and sockets since reset(), in order, but what the policy blocked."""
        self._read_logs()
        blocked = {event["params"]["requestId"] for event in self._events
                   if event["params"].get("blockedReason") == "csp"}
        urls = []
        for event in self._events:
            about = event["params"]
            if event["method"] == "Network.webSocketCreated":
                urls.append(about["url"])
            elif event["method"] == "Network.requestWillBeSent":
                if about["requestId"] not in blocked:
                    urls.append(about["request"]["url"])
        return [url for url in urls if not url.startswith(("about:", "data:", "blob:", "chrome:"))]

    def hosts(self):
        """The same as host:port, each once."""
        return {urlsplit(url).netloc for url in self.requests()}

    def loaded_bytes(self):
        """{path: bytes on the wire, heads included} of what was loaded since reset()."""
        self._read_logs()
        path_of, sizes = {}, {}
        for event in self._events:
            about = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                path_of[about["requestId"]] = urlsplit(about["request"]["url"]).path
            elif event["method"] == "Network.loadingFinished" and about["requestId"] in path_of:
                path = path_of[about["requestId"]]
                sizes[path] = sizes.get(path, 0) + int(about["encodedDataLength"])
        return sizes

    def heap_bytes(self):
        """JavaScript's memory that is in use after a thorough collection."""
        self.cdp("HeapProfiler.collectGarbage")
        return self.cdp("Runtime.getHeapUsage")["usedSize"]

    def _read_logs(self):
        """Chromium gives each entry once."""
        self._console += self.driver.get_log("browser")
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"].startswith("Network.") and "Frame" not in event["method"]:
                self._events.append(event)


def eventually(check, timeout=10):
    """Calls check() until it returns something true, and returns that. What it raises meanwhile, as
    a failed assert or an element that isn't there, counts as not yet, and is raised at the end."""
    problem = None

    def attempt():
        nonlocal problem
        try:
            problem = None
            return check()
        except (AssertionError, WebDriverException, IndexError, KeyError) as error:
            problem = error
            return None

    try:
        return wait_for(attempt, timeout, "the page")
    except AssertionError:
        if problem:
            raise problem from None
        raise
