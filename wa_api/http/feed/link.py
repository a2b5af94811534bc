"""One WebSocket on the wire: the only module that knows Sanic's internals.

Sanic starts a task per arriving frame and takes a lock per frame sent. A feed writes the same
bytes to many clients and joins what is due in one tick, so after the handshake we take the
connection over: `websockets`' sans-I/O protocol reads (and answers pings and closes), and what
we send is written straight to the transport.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from sanic.exceptions import SanicException
from sanic.server.protocols.websocket_protocol import WebSocketProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from wa_api.http.feed.closes import NORMAL, NOT_TEXT, Close

if TYPE_CHECKING:
    from wa_api.http.types import Request

SUBPROTOCOL = "wa-api.v1"

#: Seconds a peer gets to answer our close frame before the connection is cut.
CLOSE_SECONDS = 2.0

_PING = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """A complete, unmasked text frame (RFC 6455, 5.2), as a server sends it."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes((size,)) + payload
    if size < 65_536:
        return b"\x81\x7e" + struct.pack("!H", size) + payload
    return b"\x81\x7f" + struct.pack("!Q", size) + payload


class Upgraded(WebSocketProtocol):
    """Sanic's connection, which hands its bytes to a `Link` once there is one."""

    __slots__ = ("link",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.link: Link | None = None

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self.link is None:
            super().data_received(data)  # type: ignore[no-untyped-call]
        else:
            self.link.data_received(data)

    def eof_received(self) -> bool | None:
        """The client sends no more: nor do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self.link is not None:
            self.link.lost()
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    def close(self, timeout: float | None = None) -> None:
        """Called when the handler has returned: the closing handshake may still be under way."""
        if self.link is None or self.link.over:
            super().close(timeout)

    def close_if_idle(self) -> bool:
        """Called while draining; sockets are closed by their owner, with their own code."""
        if self.link is None:
            return bool(super().close_if_idle())  # type: ignore[no-untyped-call]
        return False


class Link:
    """The server's end of one open WebSocket. All methods are for the event loop's thread."""

    __slots__ = (
        "_buffer_bytes",
        "_cut",
        "_loop",
        "_on_text",
        "_parts",
        "_proto",
        "_transport",
        "closed_with",
        "gone",
        "heard",
        "over",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        proto: ServerProtocol,
        on_text: Callable[[bytes], None],
        buffer_bytes: int,
    ) -> None:
        self._transport, self._proto, self._on_text = transport, proto, on_text
        self._buffer_bytes = buffer_bytes
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._cut: asyncio.TimerHandle | None = None
        self.closed_with: Close | None = None
        self.heard = self._loop.time()
        self.over = False
        self.gone: asyncio.Future[None] = self._loop.create_future()

    @property
    def open(self) -> bool:
        """Whether frames can still be sent."""
        return self._proto.state is OPEN and not self.over

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken yet."""
        return 0 if self.over else self._transport.get_write_buffer_size()

    def write(self, frames: bytes) -> bool:
        """Send complete frames (once closed: drop them); False when too much waits already.

        Called for each event and client, so it asks nothing twice.
        """
        if self.over or self._proto.state is not OPEN:
            return True
        if self._transport.get_write_buffer_size() + len(frames) > self._buffer_bytes:
            return False
        self._transport.write(frames)
        return True

    def ping(self) -> None:
        """Ask for a pong; `heard` tells when something came."""
        self.write(_PING)

    def close(self, close: Close) -> None:
        """Say why and wait a little for the client's answer; twice does nothing."""
        if not self.open:
            return
        self.closed_with = close
        self._proto.send_close(close.code, close.reason)
        self._flush()
        self._cut = self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client: complete text messages go to `on_text`."""
        self.heard = self._loop.time()
        self._proto.receive_data(data)
        self._flush()
        for frame in self._proto.events_received():
            if isinstance(frame, Frame):
                self._take(frame)
        if self.waiting > self._buffer_bytes:
            self._transport.abort()  # it makes us answer and reads nothing

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self.close(NOT_TEXT)
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT) and self.open:
            self._parts.append(bytes(frame.data))
            if frame.fin:
                message, self._parts = b"".join(self._parts), []
                self._on_text(message)

    def _flush(self) -> None:
        for chunk in self._proto.data_to_send():
            if chunk:
                self._transport.write(chunk)
            else:
                self._transport.close()  # both sides have said goodbye

    def lost(self) -> None:
        """The connection is gone: wakes the handler."""
        self.over = True
        if self._cut is not None:
            self._cut.cancel()
        if not self.gone.done():
            self.gone.set_result(None)

    @property
    def close_code(self) -> int:
        """The code that it ended with, ours or the client's."""
        return self.closed_with.code if self.closed_with else self._proto.close_code or NORMAL.code


def _select(_: ServerProtocol, offered: Any) -> Any:
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


async def upgrade(
    request: Request, on_text: Callable[[bytes], None], *, max_frame: int, buffer_bytes: int
) -> Link:
    """Do the handshake; from then on the connection is the link's.

    Raises SanicException with 400 or 426 when this is not a WebSocket request.
    """
    protocol = request.transport.get_protocol()
    if not isinstance(protocol, Upgraded):
        raise SanicException("This server was started without WebSocket support.", 500, quiet=True)
    proto = ServerProtocol(max_size=max_frame, select_subprotocol=_select, state=OPEN)
    transport = cast(asyncio.Transport, request.transport)
    answer = proto.accept(Upgraded.sanic_request_to_ws_request(cast(Any, request)))
    if answer.status_code != 101:
        why = proto.handshake_exc
        detail = str(why) if isinstance(why, InvalidHandshake) else "Not a WebSocket handshake."
        raise SanicException(detail, answer.status_code, quiet=True)
    head = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.raw_items())
    transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode())
    link = Link(transport, proto, on_text, buffer_bytes)
    protocol.link = link
    return link
