"""What is measured: redis-server with the settings of the embedded one, and livetallyd.

Both are started by the harness of the integration tests, each in a folder of its own, and are known
by their process id and by nothing else. CPU time is read from a process's own CPU clock, never from
the wall: on a machine with other work the wall tells what that work cost.
"""
import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

import harness  # noqa: E402  the line above says where it is

RUN_LIMIT_S = 300  # no single measurement takes that long, unless something hangs


class BenchError(Exception):
    """A measurement that would not be true: an order not acked, a sum that is not exact."""


@contextlib.contextmanager
def folder():
    """A short-lived folder; what was started in it has ended when it goes."""
    made = harness.Folder()
    try:
        yield made
    except Exception:
        for name, text in made.log_tails():
            print(f"--- {name}\n{text[-2000:]}", file=sys.stderr)
        raise
    finally:
        made.close()


def cpu_us(pid):
    """CPU time of a process so far, all its threads, by its CPU clock: clock_getcpuclockid(3)."""
    return time.clock_gettime_ns((~pid << 3) | 2) // 1000


def rss_bytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


class Redis(harness.Process):
    """redis-server as livetallyd would run it: its configuration is what a daemon wrote.

    The log is never rewritten on the way, so that its growth is what was written. fsync: "no" means
    without a log; data: a folder to go on from.
    """

    def __init__(self, place, embedded_config, fsync="everysec", data=None):
        super().__init__(place, "redis")
        self.data = Path(data or place.path / "redis")
        self.data.mkdir(parents=True, exist_ok=True)
        self.socket = place.path / "redis.sock"
        log = ["--appendonly", "no"] if fsync == "no" else ["--appendfsync", fsync]
        self.options = [embedded_config, "--dir", self.data, "--unixsocket", self.socket,
                        "--logfile", "", "--pidfile", place.path / "redis.pid",
                        "--auto-aof-rewrite-percentage", "0"] + log
        self.start()

    def start(self):
        self.spawn(["redis-server", *self.options])
        harness.wait_for(self.answers, 120, "redis-server to answer")

    def answers(self):
        try:
            return self.client().ping()
        except harness.redis_client.exceptions.RedisError:
            if not self.running():
                raise BenchError(f"redis-server ended:\n{self.log[-2000:]}") from None
            return False

    def client(self):
        return harness.redis_client.Redis(unix_socket_path=str(self.socket))

    @property
    def target(self):
        return f"unix:{self.socket}"

    def sizes(self):
        """Bytes in memory, appended to the log, and on disk."""
        info = self.client().info()
        log = self.data / "appendonlydir"
        on_disk = sum(f.stat().st_size for f in log.iterdir()) if log.exists() else 0
        return {"memory": info["used_memory"], "log": info.get("aof_current_size", 0),
                "disk": on_disk}

    def stop(self):
        self.signal(harness.signal.SIGTERM)
        self.wait_exit(120)


def embedded_config():
    """What livetallyd writes for its embedded Redis, so that the two can't differ for long; but for
    the lines that say where."""
    with folder() as place:
        daemon = harness.Daemon(place)
        text = (daemon.state / "redis" / "redis.conf").read_text()
        daemon.stop()
    places = ("dir ", "unixsocket ", "logfile ", "pidfile ")
    return "".join(line for line in text.splitlines(True) if not line.startswith(places))


def start_daemons(place, redis, count=1, config=None):
    """`count` daemons on one TCP port; the kernel deals connections out to them. Each also has a
    Unix socket of its own: own_address()."""
    # All of a crowd come from one address here.
    listen, settings = ("127.0.0.1:0",), {"limits.connections_per_address": 0, **(config or {})}
    if count > 1:
        listen = (f"127.0.0.1:{harness.free_port()}",)
        settings["listen.share"] = "yes"
    return [harness.Daemon(place, redis, config=settings,
                           listen=listen + (f"unix:{place.path}/daemon{number}.sock",))
            for number in range(count)]


def own_address(daemon):
    """Of that daemon and no other."""
    return daemon.listen[-1].removeprefix("unix:")


def ws_url(daemon):
    return "ws://%s:%d" % daemon.address


def settle(redis, timeout=60):
    """Waits until all that was committed stands in checkpoints too: what that costs belongs to the
    orders that made it necessary."""
    client = redis.client()

    def concluded():
        for lane in range(16):
            version = client.get("lt:{0}:lane:%d:ver" % lane)
            if version is not None and version != b"0" and \
                    client.get("lt:{0}:lane:%d:ckpt" % lane) != version:
                return False
        return True

    harness.wait_for(concluded, timeout, "the last checkpoint")


def run_text(program, *arguments):
    """Runs one of the C programs; what it printed. It fails when that program does."""
    command = [str(harness.BUILD / program), *map(str, arguments)]
    process = harness.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    try:
        said, complaint = process.communicate(timeout=RUN_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        said, complaint = process.communicate()
        complaint += f"\nended after {RUN_LIMIT_S} s"
    if process.returncode != 0:
        raise BenchError(f"{' '.join(command)} ended with {process.returncode}:\n"
                         f"{said[-2000:]}{complaint[-2000:]}")
    return said


def run_json(program, *arguments):
    """The same for programs that print one line of JSON at the end."""
    return json.loads(run_text(program, *arguments).splitlines()[-1])
