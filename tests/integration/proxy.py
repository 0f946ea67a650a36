"""A scriptable proxy between a daemon and its Redis: lets a test stop the world at an exact moment.

    daemon ──requests──▶ Proxy ──▶ redis-server
           ◀──replies───       ◀──

It knows where each request and each reply ends, and what a request is called: a script by its own
name ("commit", "checkpoint", "claim", "renew", "advance"), any other command in small letters. From
MULTI to EXEC is one request, called as what comes after MULTI, and its answers are one reply.

    held = proxy.catch("commit", at="reply")   # the next one; Redis will have done it
    held.wait()                                # it is in our hands, and so is all behind it
    held.cut()                                 # the daemon never learns what became of it

All sockets live on the loop of clients.py, in another thread than the test.
"""
import asyncio
import hashlib
import re
import threading
import time
from collections import Counter, deque

from clients import background
from harness import PATIENCE, wait_for

_SCRIPT_NAME = re.compile(rb"-- (\w+):")


class Splitter:
    """Cuts a stream of RESP values into single ones, however they arrive."""

    def __init__(self):
        self._data = bytearray()
        self._at = 0      # read up to here
        self._needed = 1  # values until the one begun is whole

    def feed(self, data):
        """Returns the values that are whole now, as bytes."""
        self._data += data
        whole = []
        while self._step():
            if self._needed == 0:
                whole.append(bytes(self._data[:self._at]))
                del self._data[:self._at]
                self._at, self._needed = 0, 1
        return whole

    def _step(self):
        """Goes over one line, with the text that belongs to it; False when more has to come."""
        end = self._data.find(b"\r\n", self._at)
        if end < 0:
            return False
        kind, after = self._data[self._at], end + 2
        self._needed -= 1
        if kind in b"$*":
            size = int(self._data[self._at + 1:end])
            if kind == b"*"[0]:
                self._needed += max(size, 0)
            elif size >= 0:
                after += size + 2
                if after > len(self._data):
                    self._needed += 1
                    return False
        self._at = after
        return True


def words(request, most=3):
    """The first words of a request."""
    found, at = [], request.index(b"\r\n") + 2
    while at < len(request) and len(found) < most:
        end = request.index(b"\r\n", at)
        size = int(request[at + 1:end])
        found.append(request[end + 2:end + 2 + size])
        at = end + size + 4
    return found


class Joiner:
    """Makes one request of the commands from MULTI to EXEC."""

    def __init__(self):
        self._open = []

    def feed(self, command):
        """Returns the commands of a request that is whole now, or nothing."""
        self._open.append(command)
        first, last = words(self._open[0], 1), words(command, 1)
        if first == [b"MULTI"] and last != [b"EXEC"]:
            return []
        whole, self._open = self._open, []
        return whole


def was_done(reply):
    """Of a script that returns 1 then: a commit may be two of them and what is between (bulk.h)."""
    return reply.endswith(b":1\r\n") and reply.startswith((b":1\r\n", b"+OK\r\n"))


def concludes(checkpoint):
    """Only the last script of a checkpoint has no hash among its keys."""
    return words(checkpoint)[2] == b"5"


def writes_cells(checkpoint):
    return not concludes(checkpoint)


class Held:
    """A trap for one message, and then the message in it."""

    def __init__(self, traps, name, at, nth, when):
        self.name, self.at, self.when = name, at, when
        self._traps = traps
        self.message = None
        self._left = nth
        self._caught = threading.Event()
        self._fate = background.run(self._new_future())
        self._link = None

    async def _new_future(self):
        return asyncio.get_running_loop().create_future()

    def takes(self, name, at, message):
        if (self.message is not None or self.name not in (None, name) or self.at != at
                or self.when and not self.when(message)):
            return False
        self._left -= 1
        return self._left == 0

    async def hold(self, link, message):
        """Returns when the message may go on; False when it must not."""
        self._link, self.message = link, message
        self._caught.set()
        return await self._fate

    def caught(self):
        return self._caught.is_set()

    def wait(self, timeout=30):
        assert self._caught.wait(timeout * PATIENCE), f"no {self.name or 'message'} came by"
        return self

    def release(self):
        """The message goes on, and what came behind it."""
        self._decide(True)

    def cancel(self):
        """The trap is taken away; what came into it meanwhile goes on."""
        def cancel():
            if self in self._traps:
                self._traps.remove(self)
        background.loop.call_soon_threadsafe(cancel)
        self.release()

    def cut(self):
        """The connection breaks on both sides; the message is lost."""
        self._decide(False)
        background.loop.call_soon_threadsafe(self._link.close)

    def hang_up(self):
        """Only the daemon's side breaks: deliver_late() still brings a request to Redis."""
        background.loop.call_soon_threadsafe(self._link.close_daemon)

    def deliver_late(self):
        """After hang_up(). Returns what Redis answers, which the daemon will never see."""
        late, earlier = self._link.late_replies, lambda: not self._link.asked
        wait_for(earlier, 10, "the replies to what was asked before")
        before = len(late)
        self.release()
        return wait_for(lambda: late[before:], 10, "the late reply")[0]

    def _decide(self, goes_on):
        def decide():
            if not self._fate.done():
                self._fate.set_result(goes_on)
        background.loop.call_soon_threadsafe(decide)


class _Link:
    """One connection of the daemon and its counterpart to Redis."""

    def __init__(self, proxy, daemon, redis):
        self.proxy = proxy
        self.daemon_reader, self.daemon = daemon
        self.redis_reader, self.redis = redis
        self.asked = deque()  # of requests not answered yet: name, our own answer or None, replies
        self.hung_up = False
        self.late_replies = []

    async def requests(self):
        splitter, joiner = Splitter(), Joiner()
        while data := await self.daemon_reader.read(1 << 16):
            for command in splitter.feed(data):
                commands = joiner.feed(command)
                if not commands:
                    continue
                message = b"".join(commands)
                name = self.proxy.name_of(commands[min(1, len(commands) - 1)])
                if not await self.proxy.pass_on(self, name, "request", message):
                    return
                answer = self.proxy.answer_to(name)
                self.asked.append((name, answer and answer * len(commands), len(commands)))
                if answer is None:
                    self.redis.write(message)
                    await self.redis.drain()
                else:
                    await self._answer_ourselves()

    async def replies(self):
        splitter, replies = Splitter(), []
        while data := await self.redis_reader.read(1 << 16):
            for reply in splitter.feed(data):
                name, _, count = self.asked[0]
                replies.append(reply)
                if len(replies) < count:
                    continue
                message, replies = b"".join(replies), []
                if not await self.proxy.pass_on(self, name, "reply", message):
                    return
                self.asked.popleft()  # not before: end() waits for it
                if self.hung_up:
                    self.late_replies.append(message)
                    continue
                try:
                    self.daemon.write(message)
                    await self._answer_ourselves()
                except OSError:
                    pass  # the daemon was killed; a request of it that is held may still follow
        self.daemon.transport.abort()

    async def _answer_ourselves(self):
        """In turn: not before what was asked earlier is answered."""
        while self.asked and self.asked[0][1] is not None:
            self.daemon.write(self.asked.popleft()[1])
        await self.daemon.drain()

    async def end(self, replies):
        """The daemon is gone. What it sent before still reaches Redis."""
        while self.hung_up and self.asked and not replies.done():
            await asyncio.sleep(0.005)
        replies.cancel()
        self.daemon.transport.abort()
        self.redis.close()

    def close_daemon(self):
        self.hung_up = True
        self.daemon.transport.abort()

    def close(self):
        for writer in (self.daemon, self.redis):
            writer.transport.abort()


class Proxy:
    """One for each daemon. Give it to Daemon() in place of the RedisServer."""

    _count = 0

    def __init__(self, folder, redis, tcp=False):
        Proxy._count += 1
        self.redis = redis
        self.connections = 0    # that the daemon made
        self.seen = Counter()   # requests by name
        self._path = folder.path / f"proxy{Proxy._count}"
        self._scripts = {}      # name by SHA-1
        self._traps = []
        self._answers = {}      # name: [reply, how often]
        self._latency = None
        self._links = set()
        self._flowing = background.run(self._new_event())
        self._server = background.run(self._listen(tcp))
        folder.on_exit(self.close)

    async def _new_event(self):
        event = asyncio.Event()
        event.set()
        return event

    async def _listen(self, tcp):
        if tcp:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.target = "redis://127.0.0.1:%d/0" % server.sockets[0].getsockname()[1]
        else:
            server = await asyncio.start_unix_server(self._serve, str(self._path))
            self.target = f"unix:{self._path}"
        return server

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            redis = await asyncio.open_unix_connection(str(self.redis.socket))
        except OSError:
            writer.transport.abort()  # as Redis itself would refuse
            return
        link = _Link(self, (reader, writer), redis)
        self._links.add(link)
        replies = asyncio.create_task(link.replies())
        try:
            await link.requests()
        except OSError:
            pass  # a side is gone; the other one learns it here
        finally:
            await link.end(replies)
            self._links.discard(link)

    # What the links ask.

    def name_of(self, request):
        first, *rest = words(request)
        name = first.decode().lower()
        if name == "script" and rest[0].upper() == b"LOAD":
            self._scripts[hashlib.sha1(rest[1]).hexdigest().encode()] = _script_name(rest[1])
        elif name == "eval":
            name = _script_name(rest[0])
        elif name == "evalsha":
            name = self._scripts.get(rest[0], name)
        self.seen[name] += 1
        return name

    async def pass_on(self, link, name, at, message):
        """True when the message may go on, now."""
        await self._flowing.wait()
        if self._latency:
            await asyncio.sleep(self._latency(name, at))
        for trap in self._traps:
            if trap.takes(name, at, message):
                self._traps.remove(trap)
                return await trap.hold(link, message)
        return True

    def answer_to(self, name):
        answer = self._answers.get(name)
        if not answer or answer[1] == 0:
            return None
        answer[1] -= 1
        return answer[0]

    # What tests ask.

    def catch(self, name, at="request", nth=1, when=None):
        """A trap for the nth such message from now on, or of any name if that is None. at: "request" is before Redis sees it,
        "reply" after Redis did it. when(message): which ones count."""
        trap = Held(self._traps, name, at, nth, when)
        self._traps.append(trap)
        return trap

    def each(self, name, at, until, when=None):
        """Yields one such message after the other, each held until the next is asked for; ends
        when until() is true."""
        held = self.catch(name, at, when=when)
        while wait_for(lambda: held.caught() or until(), 30, f"the next {name}") and held.caught():
            yield held
            passed, held = held, self.catch(name, at, when=when)
            passed.release()
        held.cancel()

    def answer(self, name, reply, times=-1):
        """Redis sees no such request any more; the daemon gets `reply`, like "-OOM no memory"."""
        self._answers[name] = [reply.encode() + b"\r\n", times]

    def answer_no_more(self, name):
        self._answers.pop(name, None)

    def latency(self, seconds_of):
        """seconds_of(name, at): how late each message is; None: not at all."""
        self._latency = seconds_of

    def cut(self):
        """Breaks every connection, with all that is on its way."""
        def cut():
            for link in list(self._links):
                link.close()
        background.loop.call_soon_threadsafe(cut)

    def hole(self):
        """Nothing arrives any more, and nobody is told, as with a cable pulled out."""
        background.loop.call_soon_threadsafe(self._flowing.clear)

    def flow(self):
        background.loop.call_soon_threadsafe(self._flowing.set)

    def close(self):
        self.cut()
        background.loop.call_soon_threadsafe(self._server.close)


class Slow:
    """For Proxy.latency(): a long way. What comes right behind a message arrives with it."""

    def __init__(self, chance, least, most):
        self._chance, self._least, self._most = chance, least, most
        self._arrived = {"request": 0, "reply": 0}

    def __call__(self, name, at):
        now = time.monotonic()
        if now - self._arrived[at] > 0.002:
            now += self._chance.uniform(self._least, self._most)
        late, self._arrived[at] = now - time.monotonic(), now
        return max(late, 0)


def _script_name(text):
    match = _SCRIPT_NAME.match(text)
    return match.group(1).decode().lower() if match else "eval"
