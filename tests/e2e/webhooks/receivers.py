"""Endpoints that webhooks are delivered to: a good one, and some that are not."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass
class Request:
    """What arrived, when (monotonic), and on which connection."""

    headers: dict[str, str]
    body: bytes
    at: float
    connection: int

    @property
    def event(self) -> dict[str, Any]:
        """The envelope."""
        return orjson.loads(self.body)


Answer = Callable[[Request], Awaitable[bytes | None]]


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    """An HTTP/1.1 response."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def fine(_: Request) -> bytes:
    """Take everything."""
    return answer(204)


@dataclass
class Receiver:
    """An HTTP/1.1 server that remembers its requests and answers as it is told."""

    answer: Answer = fine
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    now: int = 0
    most: int = 0
    url: str = ""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        try:
            while True:
                request = await self._request(reader, number)
                self.requests.append(request)
                self.now += 1
                self.most = max(self.most, self.now)
                try:
                    said = await self.answer(request)
                finally:
                    self.now -= 1
                if said is None:
                    writer.transport.abort()
                    return
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, number: int) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        return Request(headers, body, time.monotonic(), number)

    def close(self) -> None:
        """Cut all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    @property
    def ids(self) -> list[str]:
        """`webhook-id` of each request."""
        return [one.headers["webhook-id"] for one in self.requests]

    async def received(self, count: int, seconds: float = 15.0) -> list[Request]:
        """Wait for so many requests."""
        await until(lambda: len(self.requests) >= count, seconds)
        return self.requests


@asynccontextmanager
async def receiver(
    answer: Answer = fine, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A server on a free port of the loopback."""
    made = Receiver(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    made.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield made
    finally:
        server.close()
        made.close()


async def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
