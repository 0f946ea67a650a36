"""Carries attempts out, many at a time, and judges what came back."""
import asyncio
import re
import socket
import struct

from harness import PATIENCE
from shapes import CLOSE_NOW, HALF, READ, RESET
from wire import CLOSE, Frames, handshake

AT_ONCE = 250
SILENCE_S = 0.2  # what isn't answered by then won't be, where nothing is owed
OWED_S = 30


class Broken(Exception):
    """The peer has hung up."""


class Attack:
    def __init__(self, attempt, address):
        self.attempt, self.address = attempt, address
        self.loop = asyncio.get_running_loop()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.heard = bytearray()
        self.ended = False  # by the server

    async def run(self):
        try:
            await self.loop.sock_connect(self.socket, self.address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self.speak()
            await self.end()
        except Broken:
            self.ended = True
        finally:
            self.socket.close()
        return self.judge()

    async def speak(self):
        if self.attempt.socket:
            await self.send(handshake(self.attempt.socket))
            while b'"hello"' not in self.heard:
                if not await self.hear(OWED_S * PATIENCE):
                    raise AssertionError(f"no hello to {self.attempt}")
            self.heard.clear()
        for piece in self.attempt.pieces:
            await self.send(piece)
            if self.attempt.slow:
                await self.hear(0.01)

    async def send(self, data):
        try:
            await self.loop.sock_sendall(self.socket, data)
        except OSError:
            await self.hear_all()  # what was said before it hung up
            raise Broken from None

    async def hear(self, seconds):
        """False when nothing came in time."""
        try:
            data = await asyncio.wait_for(self.loop.sock_recv(self.socket, 1 << 16), seconds)
        except asyncio.TimeoutError:
            return False
        except OSError:
            raise Broken from None
        if not data:
            raise Broken
        self.heard += data
        return True

    async def hear_all(self):
        try:
            while await self.hear(OWED_S * PATIENCE if self.attempt.expect else SILENCE_S):
                pass
        except Broken:
            self.ended = True

    async def end(self):
        end = self.attempt.end
        if end == HALF:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.ended = True
        if end in (READ, HALF):
            await self.hear_all()
        elif end == RESET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            assert end == CLOSE_NOW

    def judge(self):
        """What is wrong with the answer, or None."""
        expect = self.attempt.expect
        if not expect:
            return None
        if not self.ended:
            return "the server has not closed"
        if expect == "refused":
            statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", self.heard)
            return None if all(s[:1] in b"45" for s in statuses) else f"answered {statuses}"
        return self.judge_close(int(expect))

    def judge_close(self, expected):
        frames = Frames()
        frames.answer = ""  # that was the handshake's
        codes = [data[:2] for opcode, data in frames.feed(self.heard) if opcode == CLOSE]
        got = [int.from_bytes(code, "big") for code in codes]
        return None if got == [expected] else f"closed with {got}, not {expected}"


async def _carry_out(attempts, address):
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(attempt):
        async with gate:
            return await Attack(attempt, address).run()
    return await asyncio.gather(*map(one, attempts), return_exceptions=True)


def carry_out(attempts, address):
    """What is wrong with each, or None."""
    return asyncio.run(_carry_out(attempts, address))
