"""The one port: CONNECT, then TLS, then a client's WebSocket or the media host."""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple

import structlog
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from workers.sandbox.connection import FRAME_LIMIT, Connection
from workers.sandbox.media import MediaHost
from workers.sandbox.network import Network

log = structlog.get_logger()

HEAD_SECONDS = 30.0
IDLE_SECONDS = 120.0
HEAD_LIMIT = 1 << 16
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Server:
    """Accepts clients that use it as their proxy. It never opens a connection itself."""

    def __init__(self, network: Network, tls: ssl.SSLContext, media: MediaHost) -> None:
        self._network, self._tls, self._media = network, tls, media
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port. Raises OSError when it is taken."""
        self._server = await asyncio.start_server(
            self._accept, host, port, limit=HEAD_LIMIT, backlog=1024
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stops listening and ends what is being accepted."""
        if self._server is not None:
            self._server.close()
        for task in list(self._handlers):
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._handlers.add(task)
        kept = False
        try:
            kept = await self._serve(reader, writer)
        except (
            TimeoutError,
            ssl.SSLError,
            ConnectionError,
            EOFError,
            ValueError,
            asyncio.LimitOverrunError,
        ) as error:
            log.info("sandbox.socket_dropped", error=repr(error))
        except asyncio.CancelledError:
            pass
        finally:
            if task is not None:
                self._handlers.discard(task)
            if not kept:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """True when the socket now belongs to a Connection."""
        async with asyncio.timeout(HEAD_SECONDS):
            request = (await _read_head(reader)).line
            if not request.startswith("CONNECT "):
                writer.write(b"HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return False
            writer.write(_ESTABLISHED)
            await writer.start_tls(self._tls)
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                head = await _read_head(reader)
            if head.headers.get("Upgrade", "").lower() == "websocket":
                return self._upgrade(head, writer)
            if not await self._media.serve(head.line, head.headers, reader, writer):
                return False

    def _upgrade(self, head: Head, writer: asyncio.StreamWriter) -> bool:
        websocket = ServerProtocol(max_size=FRAME_LIMIT)
        websocket.receive_data(head.raw)
        events = websocket.events_received()
        if not events or not isinstance(events[0], Request):
            return False
        response = websocket.accept(events[0])
        websocket.send_response(response)
        for data in websocket.data_to_send():
            writer.write(data)
        if response.status_code != 101:
            return False
        address, port, *_ = writer.get_extra_info("peername", ("?", 0))
        peer = f"{address}:{port}"
        Connection(self._network, websocket, peer).start(writer)
        return True


class Head(NamedTuple):
    """The start of an HTTP request."""

    raw: bytes
    line: str
    headers: Headers


async def _read_head(reader: asyncio.StreamReader) -> Head:
    """The request line and the headers of one HTTP request."""
    raw = await reader.readuntil(b"\r\n\r\n")
    line, *rest = raw.decode("latin-1").split("\r\n")
    headers = Headers()
    for text in rest:
        name, colon, value = text.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    if line.count(" ") != 2:
        raise ValueError("not an HTTP request")
    return Head(raw, line, headers)
