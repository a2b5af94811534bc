"""Small proxies that really forward, for tests: HTTP CONNECT (also with TLS) and SOCKS5."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ForwardProxy:
    """Notes where it was asked to go (`asked`); with `login` ("user:password") only for that one;
    `refuse` is an HTTP status (or SOCKS answer) to refuse everybody with.
    """

    scheme: str = "http"
    login: str = ""
    refuse: int = 0
    port: int = 0
    asked: list[str] = field(default_factory=list)
    refused: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def url(self, login: str | None = None) -> str:
        """How it is reached."""
        who = self.login if login is None else login
        return f"{self.scheme}://{who + '@' if who else ''}127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections."""
        for writer in list(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._open.add(writer)
        try:
            ask = self._socks if self.scheme == "socks5" else self._connect
            target = await ask(reader, writer)
            if target is None:
                self.refused += 1
                await writer.drain()
                return
            self.asked.append(target)
            host, _, port = target.rpartition(":")
            outer = await asyncio.open_connection(host, int(port))
            self._open.add(outer[1])
            try:
                await asyncio.gather(pump(reader, outer[1]), pump(outer[0], writer))
            finally:
                self._open.discard(outer[1])
                outer[1].close()
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        given = ""
        for line in head.split("\r\n"):
            if line.lower().startswith("proxy-authorization: basic "):
                given = b64decode(line.split()[-1]).decode()
        status = 407 if given != self.login else self.refuse or 200
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        return head.split()[1] if status == 200 else None

    async def _socks(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str | None:
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        method = 2 if self.login else 0
        writer.write(bytes((5, method if method in offered else 255)))
        if method not in offered:
            return None
        if self.login:
            user = await reader.readexactly((await reader.readexactly(2))[1])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            good = (user + b":" + password).decode() == self.login
            writer.write(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return None
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2))
        writer.write(bytes((5, self.refuse, 0, 1, 0, 0, 0, 0, 0, 0)))
        return None if self.refuse else f"{host}:{port}"


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end; then the other side is closed too."""
    with suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def forward_proxy(
    scheme: str = "http", login: str = "", refuse: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ForwardProxy]:
    """A proxy on a free port of the loopback."""
    made = ForwardProxy(scheme, login, refuse)
    async with answering(made.serve, tls) as made.port:
        try:
            yield made
        finally:
            made.cut()


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def answering(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a free port of the loopback that answers so; no task or socket of it stays."""
    at_work: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Python 3.11 complains about cancelled tasks that it made itself.
        task = asyncio.create_task(one(reader, writer))
        at_work.add(task)
        task.add_done_callback(at_work.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = list(at_work)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)
