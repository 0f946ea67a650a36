"""Names of counties, from data.county_file to the wire and to pages."""
import gzip

import pytest

from clients import Viewer, fetch, get, http_request, post_events, totals
from events import order
from harness import Daemon, livetally, livetallyd

COUNTIES = """\
note,code,name_zh,name_en,prefecture_zh,prefecture_en
"tea, mostly",422828,鹤峰县,Hefeng County,恩施土家族苗族自治州,Enshi Prefecture
,110118,密云区,,,
,130102,,,,
"""
COLUMNS = "code,name_zh,name_en,prefecture_zh,prefecture_en\n"


@pytest.fixture
def county_file(folder):
    path = folder.path / "counties.csv"
    path.write_text(COUNTIES)
    return path


def test_counties_have_names(folder, redis, county_file):
    daemon = Daemon(folder, redis, {"data.county_file": county_file})
    post_events(daemon, [order("a", 1, county="422828", amount=300),
                         order("a", 2, county="110118", amount=200),
                         order("a", 3, county="130102", amount=100)])
    boards = ("top/counties", "top/counties?province=42", "county/110118", "county/130102")
    with Viewer(daemon) as viewer:
        shown = viewer.subscribe(*boards)["topics"]
    assert shown == totals(daemon, *boards)["topics"]
    assert [(row["id"], row.get("name")) for row in shown["top/counties"]["rows"]] == [
        ("422828", "鹤峰县"), ("110118", "密云区"), ("130102", None)]
    assert shown["top/counties?province=42"]["rows"][0]["name"] == "鹤峰县"
    assert shown["county/110118"]["name"] == "密云区"
    assert "name" not in shown["county/130102"]
    assert "密云区" in livetally("totals", daemon.url, "top/counties").stdout
    daemon.stop()


def test_pages_get_the_names_and_nothing_else(folder, redis, county_file):
    daemon = Daemon(folder, redis, {"data.county_file": county_file})
    plain = get(daemon, "/counties.csv")
    assert plain.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert plain.text == COLUMNS + (
        "110118,密云区,,,\n130102,,,,\n"
        "422828,鹤峰县,Hefeng County,恩施土家族苗族自治州,Enshi Prefecture\n")
    zipped = fetch(daemon, "/counties.csv", accept_encoding="gzip")
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.body).decode() == plain.text
    tag = plain.headers["ETag"]
    assert http_request(daemon, "GET", "/counties.csv",
                        headers={"If-None-Match": tag}).status == 304
    county_file.write_text(COUNTIES.replace("Hefeng", "Hefen"))
    daemon.stop()
    daemon.restart()
    assert get(daemon, "/counties.csv").headers["ETag"] != tag
    daemon.stop()


def test_without_a_list_there_are_codes(shared, uid):
    assert get(shared, "/counties.csv").text == COLUMNS
    post_events(shared, order(uid, county="422828"))
    assert "name" not in totals(shared, "county/422828")["topics"]["county/422828"]


def test_a_list_of_codes_alone_has_no_names(folder, redis, county_file):
    county_file.write_text("code\n422828\n")
    daemon = Daemon(folder, redis, {"data.county_file": county_file})
    assert get(daemon, "/counties.csv").text == COLUMNS
    assert [r["code"] for r in post_events(daemon, [order("a", 1), order("a", 2, county="110118")])
            .json()["rejected"]] == ["bad_county"]
    daemon.stop()


def test_a_bad_name_is_told_with_its_line(county_file):
    county_file.write_text(COUNTIES.replace("密云区", "密" * 43))
    result = livetallyd("--check-config", "-o", f"data.county_file={county_file}")
    assert result.returncode != 0
    assert "county list, line 3: name_zh must be" in result.stderr
