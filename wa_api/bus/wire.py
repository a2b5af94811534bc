"""One connection to Redis: commands of one loop tick leave in one write, replies come in order.

redis-py costs several times the CPU on this path and loses cancellations (Python 3.11), so the
protocol is spoken here, on hiredis' parser.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis

from wa_api.domain.errors import Unavailable

MAX_IN_FLIGHT = 20_000
MAX_UNSENT_BYTES = 32 * 1024 * 1024

ReplyError = hiredis.ReplyError

#: What can be a part of a command.
Part = str | bytes | int | float


class Connection(asyncio.Protocol):
    """A connection that pipelines by itself. Make it with `loop.create_connection`."""

    def __init__(self, limit: float, on_push: Callable[[Any], None] | None = None) -> None:
        """`limit`: seconds until a command without an answer fails as Unavailable. `on_push` gets
        whatever arrives while no command waits for an answer (pub/sub).
        """
        self._limit = limit
        self._on_push = on_push
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._unsent: list[bytes] = []
        self._pending: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: Loop time at which something was last heard from the server.
        self.heard = self._loop.time()
        #: Done when the connection has ended.
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def send(self, parts: tuple[Part, ...]) -> asyncio.Future[Any]:
        """Queue a command. The answer may be a ReplyError *instance*; a connection that ends or
        stays silent raises Unavailable, and then nobody knows whether the command was done.
        Cancelling the answer loses nothing but the answer.
        """
        self._check_room()
        answer = self._loop.create_future()
        self._pending.append((answer, self._loop.time()))
        self._queue(hiredis.pack_command(cast("tuple[Any]", parts)))
        return answer

    def post(self, parts: tuple[Part, ...]) -> None:
        """Queue a command whose answer comes by `on_push` (SUBSCRIBE and the like)."""
        self._check_room()
        self._queue(hiredis.pack_command(cast("tuple[Any]", parts)))

    @property
    def open(self) -> bool:
        """Whether commands can be queued."""
        return self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()

    def _check_room(self) -> None:
        if self._transport is None or self._transport.is_closing():
            raise Unavailable("The connection to Redis was lost.")
        if (
            len(self._pending) >= MAX_IN_FLIGHT
            or self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES
        ):
            raise Unavailable("Redis does not keep up: too many commands are waiting.")

    def _queue(self, packed: bytes) -> None:
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packed)

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open (asyncio.Protocol)."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._loop.call_later(self._limit / 4, self._fail_late)

    def data_received(self, data: bytes) -> None:
        """Replies in order of their commands (asyncio.Protocol)."""
        self.heard = self._loop.time()
        self._reader.feed(data)
        try:
            # Without RESP3 there are no booleans: False can only mean "incomplete".
            while (reply := self._reader.gets()) is not False:
                if self._pending:
                    answer, _ = self._pending.popleft()
                    if not answer.done():
                        answer.set_result(reply)
                elif self._on_push is not None:
                    self._on_push(reply)
        except hiredis.ProtocolError:
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Everything unanswered fails (asyncio.Protocol)."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._unsent.clear()
        for answer, _ in self._pending:
            _fail(answer, "The connection to Redis was lost.")
        self._pending.clear()
        if not self.lost.done():
            self.lost.set_result(None)

    def _fail_late(self) -> None:
        """One timer for all commands: cheaper than a time-out around each."""
        now = self._loop.time()
        for answer, since in self._pending:
            if now - since < self._limit:
                break
            _fail(answer, "Redis does not answer in time.")
        if self._pending and now - max(self._pending[0][1], self.heard) > self._limit:
            self.abort()
        else:
            self._timer = self._loop.call_later(self._limit / 4, self._fail_late)


def _fail(answer: asyncio.Future[Any], why: str) -> None:
    if not answer.done():
        answer.set_exception(Unavailable(why))
        answer.exception()  # whoever waits still gets it; nobody waiting is no error
