"""Many WebSocket clients in one process, as cheap as they can be: they count and time frames."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import uvloop

#: What follows the twelve digits of an event's number in its frame.
MARK = b"@s.whatsapp.net"
DIGITS = 12
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@dataclass
class _Tally:
    """What all clients saw: of each event when each of them got it (monotonic), or just how many."""

    timed: bool = True
    count: int = 0
    last: float = 0.0
    seen: list[tuple[int, float]] = field(default_factory=list)


class _Client(asyncio.Protocol):
    """Reads whatever comes after the handshake as unmasked frames."""

    def __init__(self, tally: _Tally, request: bytes) -> None:
        self._tally, self._request = tally, request
        self._rest = b""
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask for the upgrade."""
        self.transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """A benchmark that loses connections measures nothing."""
        if not self.upgraded.done():
            self.upgraded.set_exception(exc or ConnectionError("closed"))

    def data_received(self, data: bytes) -> None:
        """The handshake's answer, then frames."""
        data = self._rest + data
        if not self.upgraded.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            assert b" 101 " in head[:20], head
            self.upgraded.set_result(None)
        self._rest = self._frames(data)

    def _frames(self, data: bytes) -> bytes:
        at, now, tally = 0, time.monotonic(), self._tally
        while (found := _frame(data, at)) is not None:
            start, end = found
            if data[at] == 0x89:
                self.transport.write(b"\x8a\x80\0\0\0\0")
            mark = data.find(MARK, start, end)
            if mark >= 0:
                tally.count += 1
                tally.last = now
                if tally.timed:
                    tally.seen.append((int(data[mark - DIGITS : mark]), now))
            at = end
        return data[at:]


def _frame(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame at a place begins and ends; None while it is incomplete."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if size >= 126:
        more = 2 if size == 126 else 8
        size, start = int.from_bytes(data[start : start + more]), start + more
    end = start + size
    return (start, end) if len(data) >= end else None


def _request(port: int, path: str, token: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


class _Crowd:
    """All clients of this process, and what the parent asks of them."""

    def __init__(self) -> None:
        self.tally = _Tally()
        self.clients: list[_Client] = []

    async def connect(self, port: int, path: str, token: str, count: int) -> int:
        """So many more; how many there are."""
        request = _request(port, path, token)
        loop = asyncio.get_running_loop()
        for start in range(0, count, 50):
            made = []
            for _ in range(min(50, count - start)):
                client = _Client(self.tally, request)
                await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
                made.append(client)
            await asyncio.gather(*(client.upgraded for client in made))
            self.clients += made
        return len(self.clients)

    async def begin(self, timed: bool) -> None:
        """Count anew."""
        self.tally.timed, self.tally.count, self.tally.seen = timed, 0, []

    async def count(self) -> tuple[int, float]:
        """How many frames came, and when the last did."""
        return self.tally.count, self.tally.last

    async def seen(self) -> list[tuple[int, float]]:
        """Which event came when, for each client."""
        return self.tally.seen


async def _serve(pipe: Connection) -> None:
    crowd = _Crowd()
    while True:
        while not pipe.poll():
            await asyncio.sleep(0.005)
        what, *rest = pipe.recv()
        if what == "end":
            return
        pipe.send(await getattr(crowd, what)(*rest))


def _run(pipe: Connection) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_serve(pipe))


@dataclass
class Clients:
    """The other process, from here. Blocking calls: nothing else is to be done meanwhile."""

    pipe: Connection

    async def ask(self, *question: Any) -> Any:
        """Its answer to a question."""
        self.pipe.send(question)
        return await asyncio.to_thread(self.pipe.recv)

    async def received(self, count: int, limit: float = 60.0) -> float:
        """When the last of so many frames had come (monotonic)."""
        end = time.monotonic() + limit
        while True:
            found, last = await self.ask("count")
            if found >= count:
                return float(last)
            assert time.monotonic() < end, f"{found} of {count} frames came in {limit:.0f} s"
            await asyncio.sleep(0.01)


@contextmanager
def clients() -> Iterator[Clients]:
    """A process of clients."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_run, args=(theirs,))
    process.start()
    try:
        yield Clients(ours)
        ours.send(("end",))
        process.join(5)
    finally:
        process.kill()
