"""Thousands of viewers in a process of their own, so that the test's Python is not the bottleneck.

    crowd = Crowd(folder)
    crowd.join("lazy", daemon, 500, [["total"]], reads=False, rcvbuf=4096)
    crowd.wait("lazy", lambda s: s["snapshots"] == 500)
    crowd.values("lazy")   # [(how many viewers show this, {topic: payload}), …]

The process is this file run as a program: one loop over raw sockets, which is told what to do by
lines of JSON. Crowd is the test's end of it. Viewers merge what they get as clients.Viewer does.
"""
import json
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from pathlib import Path

from clients import Viewer
from harness import popen, wait_for
from wire import CLOSE, PING, PONG, TEXT, Frames, frame, handshake, text

OPENING_AT_ONCE = 200  # so that no connection waits for room in a backlog
AGAIN_SECONDS = 0.05   # between tries to connect again
PARSED_KEPT = 64       # frames are shared, so most have been parsed for another viewer


# --- the test's end -------------------------------------------------------------------------------

class Crowd:
    def __init__(self, folder):
        folder.on_exit(self.close)
        self.process = popen([sys.executable, Path(__file__)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        self.descriptors = self.ask("limit")

    @property
    def pid(self):
        return self.process.pid

    def ask(self, what, **arguments):
        line = json.dumps({"do": what, **arguments}) + "\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert not answer["failures"], answer["failures"][:5]
        return answer["value"]

    def join(self, group, daemon, count, topics, interval_ms=500, reads=True, rcvbuf=0, keep=False,
             again=False):
        """count viewers more; each takes one of the lists of topics, in turn. reads: False stops
        when it has subscribed. keep: all messages, for history(). again: connects again."""
        self.ask("join", group=group, address=daemon.address, count=count, topics=topics,
                 options={"interval_ms": interval_ms, "reads": reads, "rcvbuf": rcvbuf,
                          "keep": keep, "again": again})

    def state(self, group):
        """How many viewers: "members", "open", "subscribed" (asked), "snapshots" (have one),
        "stale"; and "updates": of each, "closes": of all, "epochs": seen now, "largest": message,
        in bytes."""
        return self.ask("state", group=group)

    def wait(self, group, predicate, timeout=30, what="the crowd"):
        """predicate(state); returns the state that it liked."""
        def liked():
            state = self.state(group)
            return state if predicate(state) else None
        return wait_for(liked, timeout, f"{what} ({group})")

    def read(self, group):
        self.ask("read", group=group)

    def subscribe(self, group, topics):
        self.ask("subscribe", group=group, topics=topics)

    def move(self, group, daemon):
        """Where those that connect again find it from now on."""
        self.ask("move", group=group, address=daemon.address)

    def values(self, group):
        """What they show now: [(how many, {topic: payload})], and series as {minute: amounts}."""
        return [(count, {topic: _series(payload) if topic.startswith("series/") else payload
                         for topic, payload in values.items()})
                for count, values in self.ask("values", group=group)]

    def history(self, group):
        """[(topics, [connection's messages, …]), …], one for each viewer."""
        answer = self.ask("history", group=group)
        return [(topics, [[answer["messages"][i] for i in places] for places in connections])
                for topics, connections in answer["members"]]

    def leave(self, group):
        """All close without a word."""
        self.ask("leave", group=group)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def _series(buckets):
    return {int(minute): tuple(amounts) for minute, amounts in buckets.items()}


# --- the crowd's end ------------------------------------------------------------------------------

class Member:
    """One viewer. Merges like clients.Viewer, whose methods it borrows."""

    on_message = Viewer.on_message
    _merge_series = Viewer._merge_series
    _merge_ticker = Viewer._merge_ticker

    def __init__(self, address, topics, options):
        self.address, self.topics, self.options = address, topics, options
        self.updates = self.snapshots = self.closes = self.largest = 0
        self.connections = []  # messages of each
        self.socket = None
        self.reads = True
        self.fresh()

    def fresh(self):
        self.values, self.epoch, self.ver, self.stale = {}, None, 0, None
        self.frames = Frames()
        self.subscribed = False
        self.shown = False  # it has a snapshot
        self.opening = False
        if self.options["keep"]:
            self.connections.append([])

    def subscribe(self, topics):
        self.send(text({"type": "subscribe", "topics": topics,
                        "interval_ms": self.options["interval_ms"]}))
        self.subscribed = True

    def send(self, data):
        self.socket.send(data)  # so little that it always fits

    def see(self, message):
        if self.options["keep"]:
            self.connections[-1].append(message)
        self.on_message(message)
        if message["type"] == "snapshot":
            self.snapshots += 1
            self.shown = True


class Loop:
    def __init__(self):
        self.selector = selectors.EpollSelector()
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        self.groups = {}
        self.to_open = deque()
        self.to_open_again = []
        self.open_again_at = 0
        self.opening = 0
        self.parsed = {}
        self.failures = []

    def run(self):
        while True:
            for key, _ in self.selector.select(AGAIN_SECONDS):
                if key.data is None:
                    line = sys.stdin.buffer.raw.readline()
                    if not line:
                        return
                    self.answer(json.loads(line))
                else:
                    self.serve(key.data)
            self.open_some()

    def answer(self, request):
        value = getattr(self, "do_" + request.pop("do"))(**request)
        sys.stdout.write(json.dumps({"value": value, "failures": self.failures}) + "\n")
        sys.stdout.flush()

    # Sockets.

    def open_some(self):
        if time.monotonic() >= self.open_again_at:
            self.to_open.extend(self.to_open_again)
            self.to_open_again = []
            self.open_again_at = time.monotonic() + AGAIN_SECONDS
        while self.to_open and self.opening < OPENING_AT_ONCE:
            self.open(self.to_open.popleft())

    def open(self, member):
        member.socket = socket.socket()
        if member.options["rcvbuf"]:
            member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, member.options["rcvbuf"])
        try:
            member.socket.connect(tuple(member.address))  # on loopback it is done at once
            if member.socket.getsockname() == member.socket.getpeername():
                raise OSError("nobody listens, and the kernel connected us with ourselves")
            member.send(handshake("live"))
        except OSError:
            member.socket.close()
            self.to_open_again.append(member)
            return
        member.socket.setblocking(False)
        member.opening = True
        self.opening += 1
        self.selector.register(member.socket, selectors.EVENT_READ, member)

    def serve(self, member):
        if member.socket.fileno() < 0:
            return  # left meanwhile
        try:
            data = member.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.gone(member)
            return
        try:
            for opcode, content in member.frames.feed(data):
                self.take(member, opcode, content)
            if member.opening and member.frames.answer:
                self.opened(member)
        except OSError:
            self.gone(member)
        except Exception as failure:  # the test hears of it with the next answer
            self.failures.append(f"{type(failure).__name__}: {failure}")

    def opened(self, member):
        assert " 101 " in member.frames.answer, member.frames.answer
        member.opening = False
        self.opening -= 1
        member.subscribe(member.topics)
        if not member.options["reads"]:
            self.selector.unregister(member.socket)
            member.reads = False

    def take(self, member, opcode, content):
        if opcode == TEXT:
            member.largest = max(member.largest, len(content))
            message = self.parsed.get(content)
            if message is None:
                if len(self.parsed) >= PARSED_KEPT:
                    self.parsed.clear()
                message = self.parsed[content] = json.loads(content)
            member.see(message)
        elif opcode == PING:
            member.send(frame(PONG, content))
        elif opcode == CLOSE:
            member.send(frame(CLOSE, content))

    def gone(self, member):
        if member.reads:
            self.selector.unregister(member.socket)
        member.socket.close()
        member.closes += 1
        if member.opening:
            self.opening -= 1
        if member.options["again"]:
            member.fresh()
            self.to_open_again.append(member)

    # What the test asks.

    def do_limit(self):
        """All the descriptors we may have. Returns how many that are."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return most

    def do_join(self, group, address, count, topics, options):
        members = self.groups.setdefault(group, [])
        for _ in range(count):
            member = Member(address, topics[len(members) % len(topics)], options)
            members.append(member)
            self.to_open.append(member)

    def do_state(self, group):
        members = self.groups[group]
        return {"members": len(members),
                "open": sum(m.socket is not None and m.socket.fileno() >= 0 for m in members),
                "subscribed": sum(m.subscribed for m in members),
                "snapshots": sum(m.shown for m in members),
                "stale": sum(bool(m.stale) for m in members),
                "updates": [m.updates for m in members],
                "closes": sum(m.closes for m in members),
                "epochs": sorted({m.epoch for m in members if m.epoch}),
                "largest": max(m.largest for m in members)}

    def do_read(self, group):
        for member in self.groups[group]:
            if not member.reads:
                member.reads = True
                self.selector.register(member.socket, selectors.EVENT_READ, member)

    def do_subscribe(self, group, topics):
        for member in self.groups[group]:
            member.subscribe(topics)

    def do_move(self, group, address):
        for member in self.groups[group]:
            member.address = address

    def do_values(self, group):
        """Payloads that are one object are equal; so few have to be compared as text."""
        same = {}
        for member in self.groups[group]:
            key = tuple((t, json.dumps(p) if t.startswith(("series/", "ticker")) else id(p))
                        for t, p in member.values.items())
            same.setdefault(key, []).append(member.values)
        distinct = Counter()
        for values in same.values():
            distinct[json.dumps(values[0], sort_keys=True)] += len(values)
        return [[count, json.loads(values)] for values, count in distinct.items()]

    def do_history(self, group):
        places, messages = {}, []

        def place(message):
            if id(message) not in places:
                places[id(message)] = len(messages)
                messages.append(message)
            return places[id(message)]
        members = [[m.topics, [[place(message) for message in connection]
                               for connection in m.connections]] for m in self.groups[group]]
        return {"messages": messages, "members": members}

    def do_leave(self, group):
        for member in self.groups.pop(group):
            member.options = {**member.options, "again": False}
            if member.reads:
                self.selector.unregister(member.socket)
            member.socket.close()


if __name__ == "__main__":
    Loop().run()
