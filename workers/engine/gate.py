"""A gate before the database of the device stores: while that is away, the library waits.

The library acknowledges a message to WhatsApp, then decrypts it with keys from its store. When the
store fails, it asks the sender to send again, a few times within moments, and then the message is
lost. When the store only takes long, it waits with that one message in hand and acknowledges no
other. So its connections pass through this process: as long as the database does not answer, new
ones wait here, and what was acknowledged before is decrypted afterwards, in order.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import structlog

log = structlog.get_logger()

LIMIT = 2.0  #: seconds in which a database that is there answers
PAUSE = (0.3, 1.0)  #: seconds between questions while it is away, and while it is there
DOUBT = 0.02  #: the same after a connection ended, which mostly means nothing
#: PostgreSQL's own word that it ended a connection because nobody used it.
_IDLE = b"57P05"
#: A client's message that it ends a connection.
_TERMINATE = b"X\0\0\0\4"
_PORT = 5432
_AWAY = (
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
    *(OSError, TimeoutError),
)


class _Half(asyncio.Protocol):
    """One end of a connection that passes through: what comes in goes out at the other."""

    transport: asyncio.Transport

    def __init__(
        self,
        *,
        other: _Half | None = None,
        on_begin: Callable[[_Half], None] | None = None,
        on_end: Callable[[bytes], None] | None = None,
    ) -> None:
        """`on_end` gets what came last, when this end was the first to close."""
        self.other, self._on_begin, self._on_end = other, on_begin, on_end
        self._early: list[bytes] = []  # a client says little before the server's first answer
        self.last = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol, as all of these."""
        self.transport = cast(asyncio.Transport, transport)
        if self._on_begin is not None:
            self._on_begin(self)

    def data_received(self, data: bytes) -> None:
        """Pass it on, or keep it until there is another end."""
        self.last = data
        if self.other is not None:
            self.other.transport.write(data)
        else:
            self._early.append(data)

    def join(self, other: _Half) -> None:
        """From now on what comes in goes there."""
        self.other = other
        other.transport.writelines(self._early)
        self._early.clear()

    def pause_writing(self) -> None:
        """Take nothing more from the other end for now."""
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        if self.other is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        """End the other end too, after what was passed on to it."""
        if self.other is None or self.other.transport.is_closing():
            return
        if self._on_end is not None and self.other.last != _TERMINATE:
            self._on_end(self.last)
        self.other.transport.close()


class Gate:
    """Open while the database answers. An async context manager."""

    def __init__(self, url: str) -> None:
        """`url` is the database's."""
        self._url = url
        parts = urlsplit(url)
        self._target = (parts.hostname or "localhost", parts.port or _PORT)
        self._open, self._doubted = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        self._start(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def through(self, url: str) -> str:
        """The library's URL of a store, by way of the gate.

        The host keeps its name, for TLS. A database behind a Unix socket is reached past the gate.
        """
        parts = urlsplit(url)
        if not parts.hostname:
            return url
        user, at, _ = parts.netloc.rpartition("@")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        options = urlencode({**dict(parse_qsl(parts.query)), "hostaddr": "127.0.0.1"})
        return urlunsplit(parts._replace(netloc=f"{user}{at}{host}:{self._port}", query=options))

    async def opened(self) -> None:
        """Return when the database answers."""
        await self._open.wait()

    # Whether the database answers.

    async def _watch(self) -> None:
        """Open the gate when a fresh connection works, close it when that ends or is in doubt."""
        while True:
            self._doubted.clear()
            try:
                await self._look()
                pause = DOUBT
            except _AWAY as error:
                self._shut(type(error).__name__)
                pause = PAUSE[0]
            except Exception:  # this loop must not end: nothing would pass any more
                log.exception("stores.look_broke")
                self._shut("unknown")
                pause = PAUSE[0]
            # Spread, and not too often: every attempt is a process of a server that may be busy
            # with its recovery.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311

    async def _look(self) -> None:
        """Connect and ask until there is a doubt; raises when there is no answer."""
        async with asyncio.timeout(LIMIT):
            connection = await asyncpg.connect(self._url)
        connection.add_termination_listener(self._on_end)
        try:
            while not self._doubted.is_set():
                self._let_in()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._doubted.wait(), PAUSE[1])
                    return
                await connection.execute("SELECT 1", timeout=LIMIT)
        finally:
            connection.remove_termination_listener(self._on_end)  # our end of it is no news
            connection.terminate()

    def _on_end(self, _: object) -> None:
        self._doubt()

    def _let_in(self) -> None:
        if not self._open.is_set():
            log.info("stores.answer")
        self._open.set()

    def _doubt(self) -> None:
        self._shut("in doubt")
        self._doubted.set()

    def _shut(self, why: str) -> None:
        if self._open.is_set():
            log.warning("stores.away", why=why)
        self._open.clear()

    # Connections.

    def _accept(self) -> _Half:
        return _Half(on_begin=self._begin)

    def _begin(self, near: _Half) -> None:
        self._start(self._connect(near))

    async def _connect(self, near: _Half) -> None:
        far = _Half(other=near, on_end=self._ended)
        while not near.transport.is_closing():
            await self._open.wait()
            try:
                async with asyncio.timeout(LIMIT):
                    await asyncio.get_running_loop().create_connection(lambda: far, *self._target)
            except (OSError, TimeoutError):
                self._doubt()
                continue
            near.join(far)
            if near.transport.is_closing():
                far.transport.close()
            return

    def _ended(self, last: bytes) -> None:
        """The database closed a connection."""
        if _IDLE not in last:
            self._doubt()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
