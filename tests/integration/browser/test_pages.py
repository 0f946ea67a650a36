"""What all pages have to keep: they load, from their daemon alone, little, and without an error."""
from urllib.parse import urlsplit

import pytest

from browser import eventually

PAGES = ["/", "/overlay"]

FIRST_RENDER_BYTES = 150_000


@pytest.fixture(params=PAGES)
def page(request, browser, stream):
    browser.open(stream.url + request.param)
    eventually(lambda: any("/v1/live" in url for url in browser.requests()))
    return browser


def test_a_page_loads_without_an_error(page):
    assert page.console_errors() == []


def test_a_page_asks_no_other_host(page, stream):
    assert page.hosts() == {"%s:%d" % stream.daemon.address}


def test_the_policy_refuses_what_does_not_come_from_the_daemon(page):
    """The other way round, so that the tests above are known to see what they look for."""
    page.js("""
        const script = document.createElement("script");
        script.textContent = "window.inlined = true";
        document.body.append(script);
        const image = document.createElement("img");
        image.src = "http://other.invalid/x.png";
        document.body.append(image);
        try { new WebSocket("ws://other.invalid/"); } catch {}
    """)
    errors = eventually(lambda: len(page.console_errors()) >= 3 and page.console_errors())
    assert all("Content Security Policy" in text for text in errors), errors
    assert page.js("return window.inlined") is None
    eventually(lambda: not any("other.invalid" in url for url in page.requests()))


def test_little_is_loaded(page):
    """All that came over the wire, gzipped and with heads, whatever it was for."""
    def sizes():
        asked = {urlsplit(url).path for url in page.requests() if url.startswith("http")}
        loaded = page.loaded_bytes()
        return loaded if set(loaded) == asked else None

    loaded = eventually(sizes)
    assert len(loaded) > 2 and sum(loaded.values()) < FIRST_RENDER_BYTES, loaded
