"""A door of our own before the proxies of sessions.

The library gets a proxy at this process's loopback, with a secret that is good for one session; from
here the connection goes on through the session's own proxy. So the proxy's credentials never get into
the library and what it prints, the address that was checked is the one that is connected to, a network
that is behind a proxy itself can still be reached, and we know why a connection failed. Where a
session has no proxy nothing of this is in the way. docs/decisions/0012 has the reasons.
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress

import structlog

from wa_api.domain.proxies import Proxy
from workers.engine.port import EngineNotReady
from workers.engine.tunnels import ProxyFailed, Stream, Target, Tunnels

log = structlog.get_logger()

HEAD_SECONDS = 10.0
HEAD_LIMIT = 1 << 13
CHUNK = 1 << 16
_USER = "line"


class Line:
    """One session's way through its proxy."""

    def __init__(self, relay: Relay, proxy: Proxy) -> None:
        self._relay, self.proxy = relay, proxy
        self.secret = secrets.token_urlsafe(24)
        #: Called with a sentence when a connection cannot be made.
        self.on_trouble: Callable[[str], None] = lambda _: None

    @property
    def url(self) -> str:
        """What the library takes for its proxy; raises EngineNotReady before the relay listens."""
        if self._relay.port is None:
            raise EngineNotReady
        return f"http://{_USER}:{self.secret}@127.0.0.1:{self._relay.port}"

    def close(self) -> None:
        """Nobody gets through any more; what is open stays until its ends close it."""
        self._relay.forget(self)


class Relay:
    """One per process; it listens when the first line is wanted."""

    def __init__(self, tunnels: Tunnels) -> None:
        self._tunnels = tunnels
        self._lines: dict[str, Line] = {}
        self._server: asyncio.Server | None = None
        self._starting = asyncio.Lock()
        self._at_work: set[asyncio.Task[None]] = set()
        self.port: int | None = None

    def line(self, proxy: Proxy) -> Line:
        """A way through a proxy."""
        made = Line(self, proxy)
        self._lines[made.secret] = made
        return made

    def forget(self, line: Line) -> None:
        """See Line.close."""
        self._lines.pop(line.secret, None)

    async def listen(self) -> None:
        """Take connections from now on."""
        async with self._starting:
            if self._server is None:
                self._server = await asyncio.start_server(
                    self._accept, "127.0.0.1", 0, limit=HEAD_LIMIT
                )
                self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        for task in list(self._at_work):
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
        try:
            await self._serve(Stream(reader, writer))
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as error:
            log.debug("relay.connection_ended", error=type(error).__name__)
        except asyncio.CancelledError:
            pass  # the process ends
        finally:
            writer.transport.abort()

    async def _serve(self, inner: Stream) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await inner.reader.readuntil(b"\r\n\r\n")
        line, target = self._lines.get(_secret_of(head)), _target_of(head)
        if line is None:
            await _answer(inner, "407 Proxy Authentication Required")
            return
        try:
            outer = await self._tunnels.open(line.proxy, target)
        except ProxyFailed as failed:
            log.info("relay.proxy_failed", proxy=line.proxy.shown, why=str(failed))
            line.on_trouble(str(failed))
            await _answer(inner, "502 Bad Gateway")
            return
        try:
            inner.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _both_ways(inner, outer)
        finally:
            outer.writer.transport.abort()


async def _both_ways(one: Stream, other: Stream) -> None:
    """Until either end closes; what it sent before that arrives."""
    ways = [
        asyncio.create_task(_pump(one.reader, other.writer)),
        asyncio.create_task(_pump(other.reader, one.writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    for stream in (one, other):
        stream.writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(HEAD_SECONDS):
                await stream.writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(CHUNK):
        writer.write(piece)
        await writer.drain()


async def _answer(stream: Stream, status: str) -> None:
    stream.writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    await stream.writer.drain()
    stream.writer.close()
    await stream.writer.wait_closed()


def _secret_of(head: bytes) -> str:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        scheme, _, encoded = value.strip().partition(b" ")
        if name.lower() == b"proxy-authorization" and scheme.lower() == b"basic":
            return b64decode(encoded).decode().removeprefix(f"{_USER}:")
    return ""


def _target_of(head: bytes) -> Target:
    """Where a CONNECT leads; raises ValueError for anything else."""
    method, _, rest = head.decode("latin-1").partition(" ")
    host, colon, port = rest.partition(" ")[0].rpartition(":")
    if method != "CONNECT" or not colon or not host:
        raise ValueError("not a CONNECT request")
    return Target(host.removeprefix("[").removesuffix("]"), int(port))
