"""Runs what is under test: redis-server and livetallyd, each in the test's own folder.

Nothing here waits by the clock: wait_for() polls a condition and has a deadline. Everything that
is started is stopped by its process id, at the latest when the test ends.
"""
import ctypes
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis as redis_client

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LIVETALLY_BUILD") or REPO / "build").resolve()
# Multiplies all deadlines, which only a failing test reaches: a busy machine is no failure.
PATIENCE = float(os.environ.get("LIVETALLY_PATIENCE") or 3)
# Size of the big comparisons with the model; smaller with sanitizers.
EVENTS = int(os.environ.get("LIVETALLY_EVENTS") or 100_000)

DAY_S = 86_400
BUSINESS_OFFSET_S = 8 * 3600  # business time is UTC+08:00

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def wait_for(condition, timeout=10, what="the condition"):
    """Returns what condition() returns once that is true; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        began = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"waited {timeout * PATIENCE:g} s in vain for {what}")
        # What takes long must not keep the proxies of this process from what is waited for.
        time.sleep(max(0.005, min(now - began, 0.5)))


def now_ms():
    return time.time_ns() // 1_000_000


_ports = itertools.cycle(range(20_000, 32_000))  # none of them is given by the kernel to others
_kept = []


def free_port():
    """Nobody else's as long as this process lives: a socket of UDP keeps it from other tests."""
    for port in _ports:
        keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            keeper.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
            _kept.append(keeper)
            return port
        except OSError:
            keeper.close()


def keep_clear_of_midnight(seconds):
    """Returns when that much time is left of the business day, and of the ledger's generation: what
    is of today must not be of yesterday before it was looked at."""
    def left(span, offset=0):
        return span - (time.time() + offset) % span
    while min(left(DAY_S, BUSINESS_OFFSET_S), left(31 * DAY_S)) < seconds:
        time.sleep(1)


def process_alive(pid):
    """False for a zombie too: it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid):
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def popen(command, **options):
    """A child that ends with us, whatever becomes of the test."""
    return subprocess.Popen([str(c) for c in command],
                            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
                            **options)


class Folder:
    """A short folder under /tmp: a Unix socket's path has 107 bytes at most."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="lt-", dir="/tmp"))
        self.logs = []
        self._cleanup = []

    def on_exit(self, stop):
        self._cleanup.append(stop)

    def close(self):
        for stop in reversed(self._cleanup):
            stop()
        shutil.rmtree(self.path, ignore_errors=True)

    def log_tails(self):
        for path in self.logs:
            if path.exists():
                yield path.name, path.read_text(errors="replace")[-6000:]


class Process:
    """A child with its output in a file, known by its pid and by nothing else."""

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        self.process = None
        self.log_path = folder.path / f"{name}.log"
        folder.logs.append(self.log_path)
        folder.on_exit(self.kill)

    def spawn(self, command, stdout=None, stdin=subprocess.DEVNULL):
        with open(self.log_path, "ab") as log:
            self.process = popen(command, stdin=stdin, stdout=stdout or log, stderr=log,
                                 cwd=self.folder.path)

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        if self.running():
            self.process.kill()
        if self.process:
            self.process.wait()

    def wait_exit(self, timeout=15):
        return_code = self.process.poll
        wait_for(lambda: return_code() is not None, timeout, f"{self.name} to end")
        return self.process.returncode


class RedisServer(Process):
    """A redis-server of our own, on a Unix socket, and on a free TCP port when asked.

    Unless a test says otherwise it gives its log to the kernel before it answers, and leaves the disk
    to it: killed, it has lost nothing. With `everysec` it would hold back what it writes while the
    disk is busy, and what a kill loses would depend on the machine."""

    _count = 0

    def __init__(self, folder, tcp=False, password=None, options=()):
        RedisServer._count += 1
        super().__init__(folder, f"redis{RedisServer._count}")
        self.data = folder.path / self.name
        self.data.mkdir()
        self.socket = self.data / "s"
        self.port = free_port() if tcp else 0
        self.password = password
        self.options = list(options)
        self.start()

    def start(self):
        command = ["redis-server", "--port", self.port, "--unixsocket", self.socket,
                   "--dir", self.data, "--save", "", "--appendonly", "yes", "--appendfsync", "no",
                   "--bind", "127.0.0.1", "--maxmemory-policy", "noeviction"]
        if self.password:
            command += ["--requirepass", self.password]
        self.spawn(command + self.options)
        wait_for(self.answers, 10, "redis-server to answer")

    def answers(self):
        try:
            return self.client().ping()
        except redis_client.exceptions.RedisError:
            assert self.running(), self.log
            return False

    def client(self):
        return redis_client.Redis(unix_socket_path=str(self.socket), password=self.password,
                                  decode_responses=True, encoding_errors="replace")

    @property
    def target(self):
        """As --redis wants it."""
        if self.port:
            secret = f":{self.password}@" if self.password else ""
            return f"redis://{secret}127.0.0.1:{self.port}/0"
        return f"unix:{self.socket}"

    def stop(self):
        self.signal(signal.SIGTERM)
        self.wait_exit()


class Daemon(Process):
    """livetallyd. redis: a RedisServer or a Proxy before one, or None for the embedded one, or the
    text of --redis."""

    _count = 0

    def __init__(self, folder, redis=None, config=None, listen=("127.0.0.1:0",), state=None,
                 start=True, args=()):
        Daemon._count += 1
        super().__init__(folder, f"daemon{Daemon._count}")
        self.state = Path(state or folder.path / f"state{Daemon._count}")
        self.redis = redis
        self.config = dict(config or {})
        self.listen = listen
        self.args = list(args)
        if start:
            self.start()

    def command(self):
        target = getattr(self.redis, "target", self.redis)
        command = [BUILD / "livetallyd", "--state-dir", self.state,
                   "--redis", target or "embedded"]
        for address in self.listen:
            command += ["--listen", address]
        for key, value in self.config.items():
            command += ["-o", f"{key}={value}"]
        return command + self.args

    def launch(self):
        """Starts without waiting for anything."""
        (self.state / "listen").unlink(missing_ok=True)
        self.spawn(self.command())

    def start(self):
        self.launch()
        wait_for(self.listening, 15, f"{self.name} to listen")

    def restart(self):
        """After kill() or stop(): the same again, on a new port unless one was given."""
        self.start()

    def listening(self):
        assert self.running(), f"{self.name} ended with {self.process.returncode}:\n{self.log}"
        path = self.state / "listen"
        return path.exists() and path.read_text().endswith("\n")

    @property
    def addresses(self):
        return (self.state / "listen").read_text().split()

    @property
    def address(self):
        """host, port of the first TCP listener."""
        for text in self.addresses:
            match = re.search(r"127\.0\.0\.1:(\d+)", text)
            if match:
                return "127.0.0.1", int(match.group(1))
        raise AssertionError(f"no TCP listener among {self.addresses}")

    @property
    def url(self):
        return "http://%s:%d" % self.address

    def stop(self, timeout=12):
        """As an operator does it; a clean end has exit code 0 and leaves no child behind."""
        children = children_of(self.pid)
        self.signal(signal.SIGTERM)
        code = self.wait_exit(timeout)
        assert code == 0, f"{self.name} ended with {code}:\n{self.log[-3000:]}"
        wait_for(lambda: not any(map(process_alive, children)), 5, "children to be gone")


def run(*command, input=None, timeout=30, env=None):
    """Runs a program to its end; returns CompletedProcess with text."""
    return subprocess.run([str(c) for c in command], input=input, capture_output=True, text=True,
                          timeout=timeout * PATIENCE, env={**os.environ, **(env or {})},
                          check=False)


def livetally(*args, **options):
    return run(BUILD / "livetally", *args, **options)


def livetallyd(*args, **options):
    return run(BUILD / "livetallyd", *args, **options)
