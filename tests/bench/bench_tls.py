"""What TLS costs the daemon: the same loads through the same relay, in clear text and by TLS.

The relay stands between the load programs and the daemon in both, so that messages are cut alike;
its own cost is nobody's. Each repetition measures both, one after the other.
"""
import contextlib
import subprocess
from dataclasses import replace

import bench_ingest
import bench_viewers
from bench_process import BenchError, Redis, cpu_us, folder, harness, run_json
from bench_report import Section

from certificates import Authority, trusting  # in tests/integration, as harness is

COLUMNS = [("clear", "clear text"), ("tls", "TLS"), ("more", "more")]
NOTE = ("daemon: CPU-µs per event, per delivered message, per new connection with one request;\n"
        "resident bytes per idle viewer. Through a relay in either case, so these are not the\n"
        "figures of the other tables.")

ORDERS = {"smoke": [replace(bench_ingest.BASELINE, orders=2000)],
          "quick": [bench_ingest.BASELINE, bench_ingest.ONE_A_MESSAGE]}
VIEWERS = {"smoke": [bench_viewers.Shape(20, 1, 100)],
           "quick": [bench_viewers.Shape(1000, 1, 250), bench_viewers.Shape(8000, 1, 1000)]}
HANDSHAKES = {"smoke": 5, "quick": 400}


@contextlib.contextmanager
def relay_to(place, port, tls):
    """The port of a relay."""
    command = [harness.BUILD / "bench_relay", "--to", port] + ["--tls"] * tls
    process = harness.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    place.on_exit(process.kill)
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(config, tls, key="ec"):
    """A daemon on an empty Redis; the authority of its certificate, or None."""
    with folder() as place:
        file = place.path / "redis.conf"
        file.write_text(config)
        redis = Redis(place, file)
        # Who posts doesn't read while the viewers connect, which takes its time by TLS.
        settings = {"limits.connections_per_address": 0, "limits.ping_idle_ms": 600_000}
        listen, authority = "127.0.0.1:0", None
        if tls:
            authority = Authority("Benchmark")
            both = authority.issue(kind=key).write_both(place.path / "both.pem")
            settings["tls.certificate"] = both
            listen += " tls"
        daemon = harness.Daemon(place, redis, config=settings, listen=(listen,))
        yield place, daemon, authority
        daemon.stop()
        redis.stop()


def measure_orders(config, shape, seed, tls):
    with running(config, tls) as (place, daemon, _), \
            relay_to(place, daemon.address[1], tls) as port:
        done = run_json("bench_load", "--url", f"ws://127.0.0.1:{port}", *shape.arguments(seed),
                        "--pid", f"daemon:{daemon.pid}")
        if not done["exact"] or done["rejected"]:
            raise BenchError(f"{shape.name}: not every order was counted exactly once: {done}")
        return done["cpu_us"]["daemon"] / done["events"]


def measure_viewers(config, shape, tls):
    """CPU per message, memory per idle viewer."""
    with running(config, tls) as (place, daemon, _), \
            relay_to(place, daemon.address[1], tls) as port:
        done = run_json("bench_push", "--url", f"ws://127.0.0.1:{port}", "--viewers", shape.viewers,
                        "--sets", shape.sets, "--interval-ms", shape.interval_ms, "--seconds",
                        bench_viewers.SECONDS, "--pid", f"daemon:{daemon.pid}")
    if not done["final_exact"] or not done["messages"]:
        raise BenchError(f"{shape.name}: viewers don't show the final totals: {done}")
    push_us = (done["cpu_us"]["daemon"] - done["base_cpu_us"]["daemon"]) / done["messages"]
    return push_us, (done["rss_idle_bytes"] - done["rss_before_bytes"]) / shape.viewers


def measure_requests(config, count, tls, key="ec"):
    """A connection for each."""
    with running(config, tls, key) as (_, daemon, authority):
        trust = trusting(authority) if tls else None
        before = cpu_us(daemon.pid)
        for _ in range(count):
            peer = harness.socket.create_connection(daemon.address)
            peer.setsockopt(harness.socket.IPPROTO_TCP, harness.socket.TCP_NODELAY, 1)
            peer = trust.wrap_socket(peer, server_hostname="localhost") if tls else peer
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if not peer.recv(15).startswith(b"HTTP/1.1 200"):
                raise BenchError("a request was not answered")
            peer.close()
        return (cpu_us(daemon.pid) - before) / count


def pair_of(clear, tls):
    return {"clear": clear, "tls": tls, "more": tls - clear}


def run(config, mode, repeats, say):
    section = Section("TLS", COLUMNS, NOTE)
    size = "smoke" if mode == "smoke" else "quick"
    for shape in ORDERS[size]:
        say(f"TLS, {shape.name}")
        section.add(f"orders, {shape.name}",
                    [pair_of(*(measure_orders(config, shape, seed, tls) for tls in (False, True)))
                     for seed in range(1, repeats + 1)])
    for shape in VIEWERS[size]:
        say(f"TLS, {shape.name}")
        runs = [[measure_viewers(config, shape, tls) for tls in (False, True)]
                for _ in range(repeats)]
        section.add(f"push, {shape.name}", [pair_of(a[0], b[0]) for a, b in runs])
        section.add(f"idle, {shape.viewers:,} viewers", [pair_of(a[1], b[1]) for a, b in runs])
    for key, name in (("ec", "P-256"), ("rsa", "RSA 2048")):
        say(f"TLS, handshakes, {name}")
        section.add(f"connection, {name}",
                    [pair_of(measure_requests(config, HANDSHAKES[size], False),
                             measure_requests(config, HANDSHAKES[size], True, key))
                     for _ in range(repeats)])
    return section
