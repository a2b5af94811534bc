"""A process's one subscription to the logs that it has readers of, fanned out to them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from wa_api.bus.client import backoff
from wa_api.bus.keys import Keys
from wa_api.bus.log import Reading, RedisEventLog, decode
from wa_api.bus.ports import LogEntry, OnEvent, OnGap
from wa_api.bus.subscriptions import Subscription, Subscriptions
from wa_api.bus.tasks import Tasks
from wa_api.domain.errors import WaError
from wa_api.domain.events import Cursor, cursor_of, with_cursor
from wa_api.domain.ids import TenantId

log = structlog.get_logger()

#: Entries read at once to fill a gap.
_BATCH = 500
#: Every log is looked at this often, in case its publications silently do not reach us (a
#: subscription at a server that was cut off from the others).
_SWEEP_SECONDS = 10.0
#: Events held back while a gap is being filled; more are read from the log again.
_MOST_HELD = 2000


@dataclass(frozen=True, slots=True)
class _Published:
    """An event as it comes on the channel."""

    generation: str
    previous: Cursor
    entry: LogEntry


def parse(payload: bytes) -> _Published:
    """Read what `append.lua` publishes: `generation previous id session type\\n tail`."""
    generation, previous, entry, stored = payload.split(b" ", 3)
    return _Published(
        generation.decode(),
        cursor_of(previous.decode()),
        decode(cursor_of(entry.decode()), stored),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    on_event: OnEvent
    on_gap: OnGap | None


class _Stream:
    """One tenant's events as they come, put in order and without holes."""

    def __init__(self, tenant: TenantId, source: RedisEventLog, tasks: Tasks) -> None:
        self.tenant = tenant
        self.readers: tuple[_Reader, ...] = ()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._log = source
        self._tasks = tasks
        self._cursor = Cursor("0")
        self._generation = ""
        #: While True, the log is being read and what is published is held back.
        self._filling = True
        self._held: deque[_Published] = deque()
        #: Whether there may be more in the log than was read and is held back.
        self._again = False
        self._task: asyncio.Task[None] | None = None

    async def open(self, ready: Awaitable[None]) -> None:
        """Begin at the present end of the log, once publications arrive."""
        try:
            await ready
            self._cursor, self._generation = await self._log.position(self.tenant)
        except BaseException as error:
            # Whoever follows must not wait for ever, whatever it was.
            self.opened.set_exception(error if isinstance(error, WaError) else WaError())
            self.opened.exception()
            raise
        self.opened.set_result(None)
        await self._fill()

    def on_message(self, payload: bytes) -> None:
        """An event was published."""
        published = parse(payload)
        if self._filling:
            if len(self._held) < _MOST_HELD:
                self._held.append(published)
            else:
                self._again = True
        elif not self._take(published):
            self._held.append(published)
            self._start_filling()

    def catch_up(self) -> None:
        """Look at the log: the channel is heard again, or it is time to."""
        if self._filling:
            self._again = True  # what is being read now may be from before
        else:
            self._start_filling()

    def close(self) -> None:
        """Deliver nothing more."""
        self.readers = ()
        if self._task is not None:
            self._task.cancel()

    def _start_filling(self) -> None:
        self._filling = True
        self._task = self._tasks.spawn(self._fill())

    async def _fill(self) -> None:
        attempt = 0
        while True:
            try:
                if await self._read_on():
                    return
                attempt = 0
            except WaError as error:
                if attempt == 0:
                    log.warning("feed.cannot_fill", tenant=self.tenant, error=str(error))
                await asyncio.sleep(backoff(attempt))
                attempt += 1

    async def _read_on(self) -> bool:
        """Deliver from the log, then what was held back; True when nothing is missing."""
        rows = await self._read()
        for row in rows:
            self._deliver(row)
        if len(rows) == _BATCH:
            return False
        # Nothing waits from here on, so nothing can be published unseen.
        while self._held:
            if not self._take(self._held.popleft()):
                return False
        if self._again:
            self._again = False
            return False
        self._filling = False
        return True

    async def _read(self) -> list[LogEntry]:
        """What comes next. Each reading says of which log it is: it may be lost at any moment."""
        reading = await self._log.read(self.tenant, self._cursor, _BATCH)
        if reading.generation == self._generation and reading.entries is not None:
            return reading.entries
        return self._start_over(await self._log.read(self.tenant, None, _BATCH))

    def _start_over(self, reading: Reading) -> list[LogEntry]:
        """The log was lost or trimmed beyond us: go on with the oldest that there is."""
        rows = reading.entries or []
        goes_on = Cursor(str(int(rows[0].cursor) - 1)) if rows else reading.head
        log.warning("feed.gap", tenant=self.tenant, after=self._cursor, goes_on=goes_on)
        for reader in self.readers:
            if reader.on_gap is not None:
                _shielded(reader.on_gap, self._cursor, goes_on)
        self._cursor, self._generation = goes_on, reading.generation
        return rows

    def _take(self, published: _Published) -> bool:
        """Deliver it if it is next; False when something before it is missing."""
        if published.generation != self._generation:
            return False
        if published.previous == self._cursor:
            self._deliver(published.entry)
            return True
        return int(published.entry.cursor) <= int(self._cursor)

    def _deliver(self, entry: LogEntry) -> None:
        self._cursor = entry.cursor
        envelope = with_cursor(entry.cursor, entry.tail)
        for reader in self.readers:
            _shielded(reader.on_event, entry.cursor, entry.session, entry.type, envelope)


def _shielded(call: Callable[..., None], *args: object) -> None:
    """One reader's fault is not the others'."""
    try:
        call(*args)
    except Exception:
        log.exception("feed.reader_failed")


class RedisFeed:
    """See ports.Feed."""

    def __init__(
        self, source: RedisEventLog, subscriptions: Subscriptions, keys: Keys, tasks: Tasks
    ) -> None:
        self._log = source
        self._subscriptions = subscriptions
        self._keys = keys
        self._tasks = tasks
        self._streams: dict[TenantId, tuple[_Stream, Subscription]] = {}
        tasks.spawn(self._sweep())

    async def follow(
        self, tenant: TenantId, on_event: OnEvent, on_gap: OnGap | None = None
    ) -> Callable[[], Awaitable[None]]:
        """See ports.Feed."""
        if tenant not in self._streams:
            self._open(tenant)
        stream, _ = self._streams[tenant]
        reader = _Reader(on_event, on_gap)
        stream.readers += (reader,)

        async def stop() -> None:
            self._leave(stream, reader)

        try:
            await asyncio.shield(stream.opened)
        except BaseException:
            self._leave(stream, reader)
            raise
        return stop

    def _open(self, tenant: TenantId) -> None:
        stream = _Stream(tenant, self._log, self._tasks)
        subscription = self._subscriptions.add(
            self._keys.events(tenant), stream.on_message, stream.catch_up
        )
        self._streams[tenant] = (stream, subscription)
        self._tasks.spawn(stream.open(self._subscriptions.ready(subscription)))

    async def _sweep(self) -> None:
        while True:
            streams = list(self._streams.values())
            for stream, _ in streams:
                stream.catch_up()
                await asyncio.sleep(_SWEEP_SECONDS / len(streams))
            if not streams:
                await asyncio.sleep(_SWEEP_SECONDS)

    def _leave(self, stream: _Stream, reader: _Reader) -> None:
        stream.readers = tuple(other for other in stream.readers if other is not reader)
        known, subscription = self._streams.get(stream.tenant, (None, None))
        if stream.readers or known is not stream or subscription is None:
            return
        del self._streams[stream.tenant]
        self._subscriptions.remove(subscription)
        stream.close()
