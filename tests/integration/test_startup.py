"""Starting: the command line, the configuration, exit codes, and what stands in the way."""
import os
import re

import pytest

from clients import Tool, get, post_events, totals
from events import order
from harness import (BUILD, REPO, Daemon, Process, RedisServer, free_port, livetallyd, process_alive,
                     wait_for)

USAGE = 2


def test_version_and_help():
    assert re.fullmatch(r"livetallyd \d+\.\d+\.\d+\n", livetallyd("--version").stdout)
    text = livetallyd("--help").stdout
    for option in ("--config", "-o", "--listen", "--redis", "--state-dir", "--log-level",
                   "--check-config", "--version", "--help"):
        assert option in text


def test_the_sample_configuration_is_good_and_complete():
    sample = REPO / "config" / "livetallyd.conf"
    result = livetallyd("--check-config", "--config", sample)
    assert result.returncode == 0, result.stderr
    assert livetallyd("--print-config").stdout == sample.read_text()


@pytest.mark.parametrize("args", [
    ["--nonsense"], ["stray"], ["--listen"], ["-o", "redis.url"], ["-o", "nothing.here=1"],
    ["-o", "limits.topics=many"], ["-o", "limits.topics=0"], ["-o", "limits.topics=1x"],
    ["-o", "limits.topics=-1"], ["--log-level", "loud"], ["--listen", "127.0.0.1"],
    ["--listen", "127.0.0.1:70000"], ["--redis", "http://localhost"],
    ["-o", "data.time_zone=Asia/Shanghai"], ["-o", "data.currency=yuan"],
    ["-o", "data.county_file=/does/not/exist"], ["--config", "/does/not/exist.conf"],
    ["-o", "redis.lease_ms=500"], ["-o", "data.generation_days=30"]], ids=" ".join)
def test_a_wrong_command_line_is_told_and_exits_with_2(args):
    for check in ([], ["--check-config"]):
        result = livetallyd(*args, "--state-dir", "/tmp/lt-never-made", *check)
        assert result.returncode == USAGE, result
        assert result.stderr.count("\n") == 1 and "livetallyd" in result.stderr or "error" in (
            result.stderr), result.stderr
    assert not os.path.exists("/tmp/lt-never-made")


@pytest.mark.parametrize("line, text, what", [
    (2, "[limits]\ntopicz = 5\n", "topicz"),
    (3, "[limits]\n\ntopics = lots\n", "topics"),
    (1, "[nothing]\nx = 1\n", "nothing"),
    (2, "[redis]\nurl = ftp://x\n", "url"),
    (2, "[data]\ntime_zone = Mars\n", "time_zone"),
    (3, "[auth]\nmode = auto\nmode = none\n", "mode"),
    (2, "# comment\nthis is no setting\n", ""),
    (2, "[listen]\naddress = 0.0.0.0:8090\n", "auth.mode"),
])
def test_errors_in_the_file_name_file_and_line(folder, line, text, what):
    path = folder.path / "bad.conf"
    path.write_text(text)
    result = livetallyd("--check-config", "--config", path)
    assert result.returncode == USAGE
    match = re.search(r"bad\.conf:(\d+): (.*)", result.stderr)
    assert match, result.stderr
    assert int(match.group(1)) in (line, line + 1) and what in match.group(2), result.stderr


def test_the_command_line_wins_over_the_file(folder, redis):
    path = folder.path / "good.conf"
    path.write_text(f"[redis]\nurl = unix:/nowhere\n[limits]\ntopics_per_viewer = 9\n"
                    f"[log]\nlevel = debug\n[daemon]\nstate_dir = {folder.path}/elsewhere\n")
    daemon = Daemon(folder, redis, args=["--config", path])
    with Tool(daemon) as tool:
        assert tool.verdict(order("a")) == "accepted"
    assert not (folder.path / "elsewhere").exists()
    daemon.stop()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "*:0"])
def test_listening_to_the_network_needs_auth_mode_none(folder, redis, address):
    daemon = Daemon(folder, redis, listen=(address,), start=False)
    daemon.launch()
    assert daemon.wait_exit() == USAGE
    assert "auth.mode" in daemon.log


def test_with_auth_mode_none_it_does(folder, redis):
    daemon = Daemon(folder, redis, {"auth.mode": "none"}, listen=("0.0.0.0:0", "127.0.0.1:0"))
    assert any("0.0.0.0" in a for a in daemon.addresses)
    daemon.stop()


def test_several_addresses_are_printed_and_written(folder, redis):
    path = folder.path / "x.sock"
    daemon = Daemon(folder, redis, listen=("127.0.0.1:0", f"unix:{path}", "[::1]:0"))
    urls = daemon.addresses
    assert len(urls) == 3
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", urls[0])
    assert urls[1] == f"unix:{path}" and re.fullmatch(r"http://\[::1\]:\d+", urls[2])
    ready = [line for line in daemon.log.splitlines() if " ready on " in line]
    assert len(ready) == 1 and all(url in ready[0] for url in urls)
    daemon.stop()
    assert not (daemon.state / "listen").exists()


def test_an_address_in_use_is_told(folder, redis):
    first = Daemon(folder, redis)
    second = Daemon(folder, redis, listen=("127.0.0.1:%d" % first.address[1],), start=False)
    second.launch()
    assert second.wait_exit() == 1
    assert "in use" in second.log
    path = folder.path / "u.sock"
    third = Daemon(folder, redis, listen=(f"unix:{path}", "127.0.0.1:0"))
    fourth = Daemon(folder, redis, listen=(f"unix:{path}",), start=False)
    fourth.launch()
    assert fourth.wait_exit() == 1
    with Tool(third, address=path) as tool:
        assert tool.hello
    third.kill()
    fourth.start()  # a path left behind by a dead process is no obstacle
    first.stop()
    fourth.stop()


def test_two_daemons_can_share_a_port(folder, redis):
    listen = (f"127.0.0.1:{free_port()}",)
    one = Daemon(folder, redis, {"listen.share": "yes"}, listen)
    two = Daemon(folder, redis, {"listen.share": "yes"}, listen)
    assert one.address == two.address
    one.stop()
    assert get(two, "/readyz").status == 200
    two.stop()


def test_a_second_daemon_on_the_same_state_folder_is_refused(folder, redis):
    first = Daemon(folder, redis)
    second = Daemon(folder, redis, state=first.state, start=False)
    second.spawn(second.command())
    assert second.wait_exit() == 1
    assert str(first.state) in second.log and str(first.pid) in second.log
    assert get(first, "/readyz").status == 200
    first.stop()
    second.start()
    second.stop()


def test_redis_away_at_start_is_waited_for(folder):
    redis = RedisServer(folder, tcp=True)
    redis.kill()
    daemon = Daemon(folder, redis, start=False)
    daemon.launch()
    wait_for(lambda: "redis" in daemon.log.lower() and "no connection" in daemon.log, 10,
             "the complaint")
    assert daemon.running() and not (daemon.state / "listen").exists()
    redis.start()
    wait_for(daemon.listening, 10, "the daemon to listen")
    assert post_events(daemon, order("a")).status == 200
    daemon.stop()


def test_it_can_be_stopped_while_it_waits_for_redis(folder):
    daemon = Daemon(folder, f"redis://127.0.0.1:{free_port()}/0", start=False)
    daemon.launch()
    wait_for(lambda: "no connection" in daemon.log, 10, "the complaint")
    daemon.stop()


@pytest.mark.parametrize("database", [0, 3])
def test_tcp_with_password_and_database(folder, database):
    redis = RedisServer(folder, tcp=True, password="se:cr@t")
    secret = "se%3Acr%40t"
    daemon = Daemon(folder, f"redis://:{secret}@127.0.0.1:{redis.port}/{database}")
    assert post_events(daemon, order("a")).status == 200
    daemon.stop()
    client = redis.client()
    client.select(database)
    assert client.exists("lt:{0}:meta")
    assert "se:cr@t" not in daemon.log and secret not in daemon.log


def test_password_from_a_file(folder):
    redis = RedisServer(folder, tcp=True, password="from a file")
    path = folder.path / "password"
    path.write_text("from a file\n")
    path.chmod(0o600)
    daemon = Daemon(folder, f"redis://127.0.0.1:{redis.port}", {"redis.password_file": path})
    assert post_events(daemon, order("a")).status == 200
    daemon.stop()


@pytest.mark.parametrize("given", ["wrong", ""])
def test_a_wrong_password_is_told_and_tried_again(folder, given):
    redis = RedisServer(folder, tcp=True, password="right")
    secret = f":{given}@" if given else ""
    daemon = Daemon(folder, f"redis://{secret}127.0.0.1:{redis.port}/0", start=False)
    daemon.launch()
    wait_for(lambda: re.search("WRONGPASS|NOAUTH|password", daemon.log), 10, "the complaint")
    assert daemon.running()
    redis.client().config_set("requirepass", given)
    wait_for(daemon.listening, 15, "the daemon to get in")
    daemon.stop()


@pytest.mark.parametrize("options, word", [
    (("--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"), "maxmemory-policy"),
    (("--appendonly", "no"), "append-only")])
def test_a_redis_that_may_lose_data_is_warned_of(folder, options, word):
    daemon = Daemon(folder, RedisServer(folder, options=options))
    wait_for(lambda: any("warning" in line and word in line for line in daemon.log.splitlines()),
             5, "the warning")
    daemon.stop()


def test_a_well_kept_redis_is_not_warned_of(folder, redis):
    daemon = Daemon(folder, redis)
    daemon.stop()
    assert "warning" not in daemon.log


@pytest.mark.parametrize("key, value, kept", [("data.currency", "USD", "CNY"),
                                              ("data.time_zone", "+09:00", "+08:00")])
def test_a_data_set_of_other_currency_or_time_zone_is_refused(folder, redis, key, value, kept):
    Daemon(folder, redis).stop()
    other = Daemon(folder, redis, {key: value}, start=False)
    other.launch()
    assert other.wait_exit() == USAGE
    complaint = [line for line in other.log.splitlines() if " error: " in line]
    assert len(complaint) == 1 and key.split(".")[1] in complaint[0] and kept in complaint[0]


def test_data_sets_with_other_prefixes_live_side_by_side(folder, redis):
    one = Daemon(folder, redis)
    two = Daemon(folder, redis, {"redis.prefix": "demo:", "data.currency": "USD"})
    post_events(one, order("a"))
    assert totals(two, "total")["topics"]["total"]["all"]["orders"] == 0
    one.stop()
    two.stop()


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_stop_says_goodbye_and_exits_0(folder, redis, number):
    import signal
    daemon = Daemon(folder, redis)
    tools = [Tool(daemon) for _ in range(3)]
    tools[0].post(order("a"))
    daemon.signal(getattr(signal, number))
    for tool in tools:
        assert tool.wait_closed() in (1001, 1012)
        goodbye = tool.of_type("goodbye")[0]
        assert goodbye["code"] and goodbye["message"] and goodbye["retry_after_ms"] >= 0
    assert daemon.wait_exit() == 0


def test_stop_acks_what_was_received(folder, redis):
    daemon = Daemon(folder, redis)
    tool = Tool(daemon)
    for number in range(500):
        tool.send(order("a", number))
    daemon.signal(15)
    tool.wait_closed()
    assert daemon.wait_exit() == 0
    counted = sum(int(redis.client().hget(k, "total").split()[0])
                  for k in redis.client().scan_iter("lt:{0}:lane:*:all:total"))
    assert tool.accepted == tool.upto <= counted <= 500


def test_stop_with_redis_frozen_ends_within_10_seconds(folder, redis):
    daemon = Daemon(folder, redis, {"redis.reply_timeout_ms": 500, "limits.shutdown_ms": 2000})
    tool = Tool(daemon)
    tool.post(order("a", 1))
    redis.freeze()
    tool.send(order("a", 2))
    daemon.signal(15)
    assert daemon.wait_exit(10) == 0
    assert (tool.wait_closed() in (1001, 1012, 1006), tool.upto) == (True, 1)
    redis.thaw()


def test_systemd_notifications_and_a_handed_socket(folder, redis):
    import socket
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(f"{folder.path}/notify")
    notify.settimeout(10)
    daemon = Daemon(folder, redis, start=False)
    os.environ["NOTIFY_SOCKET"] = f"{folder.path}/notify"
    try:
        daemon.launch()
    finally:
        del os.environ["NOTIFY_SOCKET"]
    said = notify.recv(4096).decode()
    while "READY=1" not in said:
        said += notify.recv(4096).decode()
    assert "STATUS=" in said
    daemon.signal(15)
    while "STOPPING=1" not in said:
        said += notify.recv(4096).decode()
    assert daemon.wait_exit() == 0
    notify.close()


def test_socket_activation(folder, redis):
    port = free_port()
    class Activated(Process):
        """livetallyd behind systemd-socket-activate, which listens first."""
    helper = Activated(folder, "activate")
    state = folder.path / "activated"
    helper.spawn(["systemd-socket-activate", "-l", f"127.0.0.1:{port}", BUILD / "livetallyd",
                  "--state-dir", state, "--redis", redis.target])
    wait_for(lambda: "Listening" in helper.log, 10, "the helper")
    daemon = Daemon(folder, redis, state=state, start=False)
    daemon.process = helper.process
    import socket
    with socket.create_connection(("127.0.0.1", port)) as first:
        first.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in first.recv(4096)
    wait_for(lambda: (state / "listen").exists(), 10)
    assert post_events(daemon, order("a")).status == 200
    assert process_alive(helper.pid)
    daemon.stop()
