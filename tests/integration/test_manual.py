"""What the build makes of the tables: manual pages and completion; and what monitoring reads."""
import json
import re

import pytest

from clients import get
from harness import REPO, livetally, livetallyd, run

PAGES = {"livetallyd.8": lambda: livetallyd("--man", "8"),
         "livetallyd.conf.5": lambda: livetallyd("--man", "5"),
         "livetally.1": lambda: livetally("--man")}


@pytest.fixture(params=PAGES)
def page(request, folder):
    result = PAGES[request.param]()
    assert result.returncode == 0, result.stderr
    path = folder.path / request.param
    path.write_text(result.stdout)
    return path


def shown(page):
    """As man shows it, and what it complains about."""
    result = run("man", "--warnings", "-E", "UTF-8", "-P", "cat", "-l", page,
                 env={"LC_ALL": "C.UTF-8", "MANWIDTH": "100"})
    return re.sub(r".\x08", "", result.stdout), result.stderr


def test_a_page_is_good_roff(page):
    text, complaints = shown(page)
    assert complaints == ""
    assert "NAME\n" in text and "SEE ALSO\n" in text


def test_the_pages_say_all_that_help_says(folder):
    text = {}
    for name, write in PAGES.items():
        path = folder.path / name
        path.write_text(write().stdout)
        text[name] = shown(path)[0]
    for option in re.findall(r"^  (-.*?)  ", livetallyd("--help").stdout, re.M):
        assert option in text["livetallyd.8"]
    for key in re.findall(r"^#(\w+ =.*)$", livetallyd("--print-config").stdout, re.M):
        assert re.search(rf"^ +{re.escape(key.strip())}(\s|$)", text["livetallyd.conf.5"], re.M)
    for command, summary in re.findall(r"^  (\w+) +(\w.*)$",
                                       livetally("--help").stdout.split("\n\n")[2], re.M):
        assert re.search(rf"^ +{command}\s+{re.escape(summary)}$", text["livetally.1"], re.M)
        for option in re.findall(r"^  (-[^ ]+)", livetally(command, "--help").stdout, re.M):
            assert option in text["livetally.1"]


def completions(*words):
    script = livetally("--completion").stdout + """
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _livetally
        printf '%s\\n' "${COMPREPLY[@]}"
        """
    result = run("bash", "-c", script, "bash", *words)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    return result.stdout.split()


def test_completion_knows_every_command_and_option():
    commands = re.findall(r"^  (\w+) ", livetally("--help").stdout.split("\n\n")[2], re.M)
    assert completions("livetally", "") == [*commands, "--help", "--version"]
    assert completions("livetally", "wa") == ["watch"]
    assert completions("livetally", "post", "--b") == ["--batch"]
    for command in commands:
        listed = set(completions("livetally", command, "-"))
        named = re.findall(r"^  (?:-\w, )?(--[\w-]+)", livetally(command, "--help").stdout, re.M)
        assert listed >= {"--help", *named}


def test_lines_of_the_log_that_the_manual_explains_are_written_somewhere():
    page = livetallyd("--man", "8").stdout
    section = page.split('.SH "LOG"' if '.SH "LOG"' in page else ".SH LOG")[1].split(".SH")[0]
    heads = re.findall(r"^\.TP\n(.*)$", section, re.M)
    assert len(heads) > 20
    sources = "".join(p.read_text() for p in (REPO / "src").glob("*/*.c") if p.name != "man_log.c")
    for head in heads:
        line = re.sub(r"^\.B |\\f\w|\\&", "", head).replace("\\-", "-").replace("\\(aq", "'")
        assert f'"{line.strip(chr(34))}' in sources, line


def test_an_unknown_page_is_refused():
    assert livetallyd("--man", "1").returncode == 2


def test_alerts_and_dashboard_ask_for_metrics_that_exist(shared):
    exposed = set(re.findall(r"^(\w+)", get(shared, "/metrics").text, re.M))
    dashboard = json.loads((REPO / "config" / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"]
               for target in panel.get("targets", [])]
    alerts = (REPO / "config" / "alerts.yml").read_text()
    rules = re.findall(r"^ {8}expr: (.*(?:\n {10}.*)*)", alerts, re.M)
    assert len(queries) > 30 and len(rules) > 10
    for query in queries + rules:
        asked = re.findall(r"(?:livetally|process)_\w+", query)
        assert asked or 'up{job="livetally"}' in query
        assert set(asked) <= exposed, query


def test_prometheus_finds_nothing_to_complain_about(shared):
    rules = run("promtool", "check", "rules", REPO / "config" / "alerts.yml")
    assert rules.returncode == 0, rules.stdout + rules.stderr
    lint = run("promtool", "check", "metrics", input=get(shared, "/metrics").text)
    assert lint.returncode == 0 and lint.stderr == "", lint.stdout + lint.stderr


def test_the_units_restrict_alike():
    """The template is the same service, several times: what one may not, the other may not."""
    def restrictions(name):
        text = (REPO / "systemd" / name).read_text()
        return text.split("# Nothing but its own folders and sockets.\n")[1]
    assert restrictions("livetallyd.service") == restrictions("livetallyd@.service")
