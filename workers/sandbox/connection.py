"""One client's socket: WebSocket frames, Noise, stanzas; registering or logged in."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from workers.sandbox import dispatch, faults, login
from workers.sandbox.accounts import Account, Device
from workers.sandbox.judge import Link, Overlap
from workers.sandbox.network import Network
from workers.sandbox.noise import PROLOGUE_SIZE, Handshake, HandshakeFailed, Transport
from workers.sandbox.wire import BadStanza, Jid, Node, decode, encode
from workers.sandbox.wire.node import Attrs

log = structlog.get_logger()

FRAME_LIMIT = 1 << 24
BUFFER_LIMIT = 64 << 20
# A client drops a last stanza when the socket closes right behind it.
LAST_WORD_SECONDS = 0.5
HANDSHAKE_SECONDS = 20.0


class Connection(asyncio.Protocol):
    """Reads frames as they come; everything happens inside `data_received`."""

    def __init__(self, network: Network, websocket: ServerProtocol, peer: str) -> None:
        self.network, self.peer = network, peer
        self._websocket = websocket
        self._buffer = bytearray()
        self._handshake: Handshake | None = None
        self._transport: asyncio.Transport
        self.noise: Transport | None = None
        self.client_static = b""
        self.payload: Any = None  # ClientPayload, after the handshake
        self.account: Account | None = None
        self.device: Device | None = None
        self.link: Link | None = None
        self.overlap: Overlap | None = None
        self.active = False  # may be sent messages
        self.available = False  # has announced presence
        self.closing = False
        self._paused = False
        self._flushing = False
        self._waiting: deque[Node] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.query_target: Jid | None = None  # of the query that is being answered
        self.query_type = ""
        self.query_attrs: Attrs = {}
        self.watched: dict[str, float] = {}  # newsletters, and until when (monotonic)
        self._answered = False
        self.on_result: dict[str, asyncio.Future[Node]] = {}

    @property
    def owner(self) -> tuple[Account, Device]:
        """Who is logged in; RuntimeError before that."""
        if self.account is None or self.device is None:
            raise RuntimeError("nobody is logged in on this connection")
        return self.account, self.device

    def start(self, writer: asyncio.StreamWriter) -> None:
        """Takes over the transport of an upgraded connection."""
        # A StreamWriter that is collected closes its transport: it lives as long as this does.
        self._writer = writer
        transport: Any = writer.transport
        self._transport = transport
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=1 << 20)
        self.network.sockets.add(self)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HANDSHAKE_SECONDS, self._too_slow)

    def _too_slow(self) -> None:
        if self.noise is None:
            self.abort("handshake_timeout")

    # --- bytes in

    def data_received(self, data: bytes) -> None:
        """Bytes of the WebSocket (asyncio.Protocol)."""
        websocket = self._websocket
        websocket.receive_data(data)
        for event in websocket.events_received():
            if not isinstance(event, Frame):
                continue
            if not self.closing:
                self._frame(event)
            elif self.overlap is not None and event.opcode is Opcode.BINARY:
                self.overlap.frames_after += 1
        if websocket.close_expected():
            self._flush()
            self._transport.close()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.BINARY, Opcode.CONT):
            return
        self._buffer += frame.data
        if self._handshake is None:
            if len(self._buffer) < PROLOGUE_SIZE:
                return
            prologue = bytes(self._buffer[:PROLOGUE_SIZE])
            del self._buffer[:PROLOGUE_SIZE]
            self._handshake = Handshake(self.network.keys, self.network.chain, prologue)
        self._messages()

    def _messages(self) -> None:
        buffer = self._buffer
        while len(buffer) >= 3 and not self.closing:
            size = int.from_bytes(buffer[:3], "big")
            if len(buffer) < 3 + size:
                return
            message = bytes(buffer[3 : 3 + size])
            del buffer[: 3 + size]
            try:
                self._message(message)
            except (HandshakeFailed, InvalidTag, BadStanza, ValueError) as error:
                log.warning("sandbox.connection_broken", peer=self.peer, error=repr(error))
                self.abort("protocol_error")
                return

    def _message(self, message: bytes) -> None:
        if self.noise is not None:
            node = decode(self.noise.decrypt(message))
            if self.link is not None:
                self.link.last_frame_mono = time.monotonic()
            if self._fault_silent():
                return
            dispatch.handle(self, node)
        elif self._handshake is None:
            raise HandshakeFailed("no prologue")
        elif not self._answered:
            answer = self._handshake.answer(message)
            self._answered = True
            self._write(len(answer).to_bytes(3, "big") + answer)
        else:
            self.client_static, payload, self.noise = self._handshake.finish(message)
            if self._timer is not None:
                self._timer.cancel()
            login.begin(self, payload)

    # --- stanzas out

    def _fault(self) -> faults.Fault | None:
        if self.account is None or self.device is None:
            return None
        return self.network.faults.find(self.account.id, self.device.id)

    def _fault_silent(self) -> bool:
        fault = self._fault()
        return fault is not None and fault.silent

    def send(self, node: Node) -> None:
        """Writes a stanza, as late as a fault wants it, or never."""
        if self.closing or self.noise is None:
            return
        fault = self._fault()
        if fault is None:
            self._send_now(node)
        elif fault.delay:
            asyncio.get_running_loop().call_later(fault.delay, self._send_now, node)
        elif not fault.silent:
            self._send_now(node)

    def _send_now(self, node: Node) -> None:
        if not self.closing and self.noise is not None:
            self._write(self.noise.encrypt(encode(node)))

    def _write(self, data: bytes) -> None:
        """Frames of one turn of the loop leave in one write: each costs a system call."""
        if self._websocket.state is not OPEN:
            return  # the client is closing: its last words cross ours
        self._websocket.send_binary(data)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = b"".join(self._websocket.data_to_send())
        if not data or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > BUFFER_LIMIT:
            self.abort("too_slow")

    def push(self, node: Node) -> None:
        """Sends a stanza that has a place in the order, when the socket can take it."""
        if self._paused or self._waiting:
            self._waiting.append(node)
        else:
            self.send(node)

    def pause_writing(self) -> None:
        """The client reads too slowly: hold back (asyncio.Protocol)."""
        self._paused = True

    def resume_writing(self) -> None:
        """The client reads again (asyncio.Protocol)."""
        self._paused = False
        while self._waiting and not self._paused:
            self.send(self._waiting.popleft())

    # --- the end

    def finish(self, last_word: Node | None, reason: str) -> None:
        """Says a last stanza, then closes; the device counts as offline from now on."""
        if self.closing:
            return
        if last_word is not None:
            self._send_now(last_word)
        self._flush()
        self._retire(reason)
        asyncio.get_running_loop().call_later(LAST_WORD_SECONDS, self._transport.abort)

    def abort(self, reason: str) -> None:
        """Drops the socket."""
        self._retire(reason)
        self._transport.abort()

    def _retire(self, reason: str) -> None:
        self.closing, self.active = True, False
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        for future in self.on_result.values():
            future.cancel()
        login.leave(self)
        if self.link is not None:
            self.network.judge.closed(self.link, reason)

    def eof_received(self) -> None:
        """A client that half-closes is gone."""

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone (asyncio.Protocol)."""
        if not self.closing:
            self._retire("closed_by_client")
        self.network.sockets.discard(self)
