"""The process itself: where its state goes, signals, and the watchdog of systemd."""
import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from clients import Tool, metrics
from events import order
from harness import PATIENCE, Daemon, livetallyd, popen, wait_for


def test_help_names_every_key_of_the_configuration():
    text = livetallyd("--help").stdout
    section, keys = "", 0
    for line in livetallyd("--print-config").stdout.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line.startswith("#") and not line.startswith("# "):
            keys += 1
            assert f"  {section}.{line[1:].split(' =')[0]}=" in text
    assert keys > 40


def test_the_state_folder_follows_the_environment(folder, redis):
    for name, value, state in (("STATE_DIRECTORY", folder.path / "s", folder.path / "s"),
                               ("XDG_STATE_HOME", folder.path / "x",
                                folder.path / "x" / "livetally"),
                               ("HOME", folder.path / "h",
                                folder.path / "h" / ".local" / "state" / "livetally")):
        daemon = Daemon(folder, redis, {"daemon.state_dir": ""}, state=state, start=False)
        kept = {n: os.environ.pop(n, None) for n in ("STATE_DIRECTORY", "XDG_STATE_HOME", "HOME")}
        os.environ[name] = str(value)
        try:
            daemon.launch()
        finally:
            os.environ.pop(name)
            os.environ.update({n: v for n, v in kept.items() if v is not None})
        wait_for(daemon.listening, 15, "the daemon to listen")
        assert os.stat(state).st_mode & 0o777 == 0o700
        daemon.stop()


def test_a_closed_terminal_stops_it_in_order(folder):
    daemon = Daemon(folder, start=False)
    ours, its_own = os.openpty()
    daemon.spawn(daemon.command(), stdin=its_own)
    wait_for(daemon.listening, 15, "the daemon to listen")
    daemon.signal(signal.SIGHUP)
    assert daemon.wait_exit() == 0
    os.close(ours)
    os.close(its_own)


def test_a_log_that_nobody_reads_holds_nothing_up(folder, redis):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    daemon = Daemon(folder, redis, start=False)
    daemon.process = popen(daemon.command(), stdout=subprocess.DEVNULL, stderr=writer)
    wait_for(daemon.listening, 15, "the daemon to listen")
    with Tool(daemon) as tool:
        assert tool.verdict(order("unread")) == "accepted"
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: metrics(daemon)["livetally_reloads_total"] == 1, 10, "the reload")
    assert not os.read(reader, 1 << 20).strip(b"\0"), "there was no room"
    daemon.stop()
    assert os.read(reader, 1 << 16).endswith(b"stopped\n"), "it goes on when it is read"
    os.close(reader)
    os.close(writer)


def test_a_second_signal_ends_it_at_once(folder, redis):
    """With an order on its way to a Redis that doesn't answer, the first signal has to wait."""
    daemon = Daemon(folder, redis)
    with Tool(daemon) as tool:
        redis.freeze()
        tool.send_events(order("u"))
        wait_for(lambda: metrics(daemon)["livetally_queued_events"] == 1, 5, "the order to be in")
        daemon.signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in daemon.log, 5, "the first to be noticed")
        assert daemon.running()
        daemon.signal(signal.SIGINT)
        assert daemon.wait_exit() == 1
        assert "asked again" in daemon.log
    redis.thaw()


def test_the_watchdog_is_fed_and_figures_are_told(folder, redis):
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(f"{folder.path}/notify")
    notify.settimeout(10 * PATIENCE)
    daemon = Daemon(folder, redis, start=False)
    os.environ.update(NOTIFY_SOCKET=f"{folder.path}/notify", WATCHDOG_USEC="400000")
    try:
        daemon.launch()
    finally:
        del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
    said, fed = "", 0
    while fed < 3 or "READY=1" not in said:
        message = notify.recv(4096).decode()
        fed += "WATCHDOG=1" in message
        said += message
    assert "STATUS=serving" in said

    def hear(count):
        heard = 0
        while heard < count:
            heard += "WATCHDOG=1" in notify.recv(4096).decode()

    # A loop that stands still feeds nothing, though the process is there: systemd would end it.
    daemon.freeze()
    wait_for(lambda: state_of(daemon.pid) == "T", 5, "the process to stand still")
    notify.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            notify.recv(4096)
    notify.settimeout(1)  # of five meals none comes
    with pytest.raises(TimeoutError):
        notify.recv(4096)
    notify.settimeout(10 * PATIENCE)
    daemon.thaw()
    hear(1)
    wait_for(lambda: "stood still for ms=" in daemon.log, 5, "the log to say so")
    assert metrics(daemon)["livetally_loop_lag_seconds_sum"] >= 0.9
    # That Redis is away is no reason to end the daemon, which has viewers and tools to keep.
    redis.freeze()
    wait_for(lambda: metrics(daemon)["livetally_stale"] == 1, 10, "Redis to be missed")
    assert metrics(daemon)["livetally_ready"] == 0
    hear(6)
    redis.thaw()
    daemon.stop()
    notify.close()


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]

