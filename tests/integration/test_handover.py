"""Restarts behind a socket unit: the test holds the listening socket as systemd does, and hands it
to one daemon after the other while tools post and viewers watch."""
import asyncio
import json
import socket
import subprocess

import pytest
import websockets

from clients import INGEST, LIVE, background, connect, encode, totals
from events import order
from harness import PATIENCE, Daemon, popen, wait_for

TOOLS, VIEWERS, RESTARTS = 4, 60, 3
HURRY = 20  # clients wait this many times less than they are told to
RETRY_MS = range(500, 5500)

# What systemd does before it starts a program: descriptor 3, and whom it is for.
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class HandedDaemon(Daemon):
    """Listens on nothing but the socket that it is given."""

    def __init__(self, folder, redis, held, **options):
        self.held = held
        super().__init__(folder, redis, listen=(), **options)

    def spawn(self, command, **_):
        fd = self.held.fileno()
        with open(self.log_path, "ab") as log:
            self.process = popen(["/usr/bin/python3", "-c", HAND_OVER, fd, *command],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder.path,
                                 pass_fds=(fd,))


class Crowd:
    """Tools and viewers that come back when they are told to, or were cut off; and what happened to
    them. Nobody may ever be refused."""

    def __init__(self, address):
        self.address = address
        self.stopping = False
        self.refused, self.retries = [], {"tool": [], "viewer": []}
        self.sent = self.accepted = self.duplicates = 0
        self.rejected = []
        self.asked = 0
        self.viewers_served = 0

    async def come_back(self, kind, last):
        """last: the last message before the close."""
        wait_ms = 0
        if last.get("type") == "goodbye":
            assert last["code"] == "shutting_down"
            wait_ms = last["retry_after_ms"]
            self.retries[kind].append(wait_ms)
        await asyncio.sleep(wait_ms / 1000 / HURRY)

    async def tool(self, name):
        """Keeps 20 messages under way, each an order of its own; sends again what was not acked."""
        unacked, number, last = [], 0, {}
        while not self.stopping or unacked:
            try:
                async with connect(self.address, *INGEST) as ws:
                    for text in unacked:
                        await ws.send(text)
                    upto = 0
                    while not self.stopping or unacked:
                        while len(unacked) < 20 and not self.stopping:
                            number += 1
                            unacked.append(encode(order(f"{name}-{number}", amount=100)))
                            self.sent += 1
                            await ws.send(unacked[-1])
                        if not unacked:
                            break
                        last = json.loads(await ws.recv())
                        if last["type"] == "ack":
                            del unacked[:last["upto"] - upto]
                            upto = last["upto"]
                            self.accepted += last["accepted"]
                            self.duplicates += last["duplicates"]
                            self.rejected += last["rejected"]
            except ConnectionRefusedError as error:
                self.refused.append(error)
            except (OSError, websockets.WebSocketException, EOFError):
                pass
            await self.come_back("tool", last)
            last = {}

    async def viewer(self):
        last = {}
        while not self.stopping:
            try:
                async with connect(self.address, *LIVE) as ws:
                    await ws.send('{"type":"subscribe","topics":["total"]}')
                    async for text in ws:
                        last = json.loads(text)
                        self.viewers_served += last["type"] == "snapshot"
                        if self.stopping:
                            return
            except ConnectionRefusedError as error:
                self.refused.append(error)
            except (OSError, websockets.WebSocketException, EOFError):
                pass
            await self.come_back("viewer", last)
            last = {}

    async def asker(self):
        """One new connection after the other, also while nobody accepts: they wait for an answer."""
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection(*self.address)
                writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
                answer = await reader.read()
                writer.close()
                assert answer.startswith(b"HTTP/1.1 200 "), answer
                self.asked += 1
            except (OSError, AssertionError) as error:
                self.refused.append(error)

    async def run(self):
        await asyncio.gather(*(self.tool(f"t{i}") for i in range(TOOLS)),
                             *(self.viewer() for _ in range(VIEWERS)), self.asker())


@pytest.fixture
def held():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4096)
        yield listening


def test_a_restart_refuses_nobody_and_counts_everything_once(folder, redis, held):
    daemon = HandedDaemon(folder, redis, held)
    crowd = Crowd(held.getsockname())
    running = background.submit(crowd.run())
    for restart in range(1, RESTARTS + 1):
        served, accepted, asked = crowd.viewers_served, crowd.accepted, crowd.asked
        wait_for(lambda: crowd.viewers_served >= VIEWERS * restart, 20, "all viewers to be served")
        wait_for(lambda: crowd.accepted > accepted + 200 and crowd.asked > asked, 20, "load")
        daemon.stop()
        daemon.start()
    wait_for(lambda: crowd.viewers_served >= VIEWERS * (RESTARTS + 1), 20, "all to be back")
    crowd.stopping = True
    running.result(30 * PATIENCE)
    assert crowd.refused == []
    assert crowd.rejected == []
    # Each order has one verdict, and none had to be posted again to get it.
    assert (crowd.accepted, crowd.duplicates) == (crowd.sent, 0)
    total = totals(daemon, "total")["topics"]["total"]["all"]
    assert (total["orders"], total["gross"]) == (crowd.sent, crowd.sent * 100)
    assert len(crowd.retries["tool"]) == TOOLS * RESTARTS
    assert len(crowd.retries["viewer"]) == VIEWERS * RESTARTS
    for waits in crowd.retries.values():
        assert all(wait in RETRY_MS for wait in waits)
    quarter = len(RETRY_MS) // 4
    quarters = [sum((wait - RETRY_MS[0]) // quarter == q for wait in crowd.retries["viewer"])
                for q in range(4)]
    assert min(quarters) >= VIEWERS * RESTARTS / 10, "they come back one after the other"
    daemon.stop()


def test_who_comes_while_nobody_is_there_waits(folder, redis, held):
    """More than the daemon's own backlog: the unit's Backlog is what counts."""
    daemon = HandedDaemon(folder, redis, held)
    daemon.stop()
    waiting = [socket.create_connection(held.getsockname(), timeout=20 * PATIENCE) for _ in range(1500)]
    for peer in waiting:
        peer.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    daemon.start()
    for peer in waiting:
        assert peer.recv(100).startswith(b"HTTP/1.1 200 ")
        peer.close()
    daemon.stop()
