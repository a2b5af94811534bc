"""A tenant's event log: the live tail, in a stream, appended and published in one step."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from wa_api.bus.client import Redis
from wa_api.bus.keys import Keys
from wa_api.bus.ports import Behind, Lease, LogEntry, Once
from wa_api.bus.scripts import Script
from wa_api.domain.errors import CursorGone, Fenced, Unavailable
from wa_api.domain.events import Cursor, Event, cursor_of, encode_tail, entry_of
from wa_api.domain.ids import TenantId

#: The newest cursor that the database has for a tenant ("0" for none).
Floor = Callable[[TenantId], Awaitable[Cursor]]

#: Answers of the scripts that are not results.
_FENCED, _UNKNOWN, _FULL, _AHEAD, _BEHIND = -1, -2, -3, -3, -4

_append, _open, _read = Script("append"), Script("open"), Script("read")
_trim, _fence = Script("trim"), Script("fence")


async def no_floor(tenant: TenantId) -> Cursor:
    """For processes without a database, and tests."""
    return Cursor("0")


class Reading(NamedTuple):
    """Some of a log. `entries` is None when it does not reach back (or, `ahead`, forward)."""

    generation: str
    head: Cursor
    entries: list[LogEntry] | None
    ahead: bool


class RedisEventLog:
    """See ports.EventLog."""

    def __init__(self, redis: Redis, keys: Keys, floor: Floor, most: int) -> None:
        """`most`: entries of one tenant in Redis, beyond which appends are refused."""
        self._redis = redis
        self._keys = keys
        self._floor = floor
        self._most = most

    async def append(
        self,
        events: Sequence[Event],
        fence: Lease | None = None,
        once: Once | None = None,
    ) -> list[Cursor]:
        """See ports.EventLog."""
        if not events:
            return []
        tenant = TenantId(events[0].tenant)
        keys = (*self._log(tenant), self._keys.fences(tenant), self._keys.marks(tenant))
        held = (fence.session, fence.epoch) if fence else ("", 0)
        answer = await self._run(
            _append,
            tenant,
            keys,
            self._keys.events(tenant),
            *held,
            self._most,
            *_once(once),
            *map(encode, events),
        )
        if answer == _FENCED:
            raise Fenced
        if answer == _BEHIND:
            raise Behind
        if answer == _FULL:
            raise Unavailable("The tenant's event log is full: it is not being archived.")
        if answer[0]:
            # The events are in: failing now would have them appended again.
            with suppress(Unavailable):
                await self._redis.execute(self._keys.dirty, "SADD", self._keys.dirty, tenant)
        return [cursor_of(entry.decode()) for entry in answer[1:]]

    async def raise_fence(self, tenant: TenantId, lease: Lease) -> None:
        """See ports.EventLog."""
        await _fence.run(self._redis, [self._keys.fences(tenant)], lease.session, lease.epoch)

    async def mark(self, tenant: TenantId, slot: str) -> str | None:
        """See ports.EventLog."""
        marks = self._keys.marks(tenant)
        found = await self._redis.execute(marks, "HGET", marks, slot)
        return None if found is None else str(found.decode())

    async def tail(
        self, tenant: TenantId, after: Cursor | None, limit: int
    ) -> list[LogEntry] | None:
        """See ports.EventLog."""
        reading = await self.read(tenant, after, limit)
        if reading.ahead:
            raise CursorGone
        return reading.entries

    async def read(self, tenant: TenantId, after: Cursor | None, limit: int) -> Reading:
        """`tail`, and which log that was, at one moment."""
        since = "" if after is None else entry_of(after)
        answer = await self._run(_read, tenant, self._log(tenant), since, limit)
        generation, last, what, found = answer
        entries = [decode(cursor_of(entry.decode()), fields[1]) for entry, fields in found]
        return Reading(
            generation=generation.decode(),
            head=cursor_of(last.decode()),
            entries=entries if what == 0 else None,
            ahead=what == _AHEAD,
        )

    async def head(self, tenant: TenantId) -> Cursor:
        """See ports.EventLog."""
        return (await self.position(tenant))[0]

    async def generation(self, tenant: TenantId) -> str:
        """See ports.EventLog."""
        return (await self.position(tenant))[1]

    async def position(self, tenant: TenantId) -> tuple[Cursor, str]:
        """Head and generation, as they are at one moment."""
        state = self._keys.state(tenant)
        question = (state, "HMGET", state, "last", "generation")
        last, generation = await self._redis.execute(*question)
        if last is None:
            await self._open(tenant)
            last, generation = await self._redis.execute(*question)
        return cursor_of(last.decode()), generation.decode()

    async def dirty(self, limit: int = 1000) -> list[TenantId]:
        """See ports.EventLog."""
        names = await self._redis.execute(self._keys.dirty, "SRANDMEMBER", self._keys.dirty, limit)
        return [TenantId(name.decode()) for name in names]

    async def trim(
        self, tenant: TenantId, archived: Cursor, keep_seconds: float, keep_entries: int = 50_000
    ) -> bool:
        """See ports.EventLog."""
        how = (entry_of(archived), round(keep_seconds * 1000), keep_entries)
        if not await self._run(_trim, tenant, self._log(tenant), *how):
            return False
        await self._redis.execute(self._keys.dirty, "SREM", self._keys.dirty, tenant)
        # An append in between has set its mark, and we may just have removed it.
        if clean := bool(await self._run(_trim, tenant, self._log(tenant), *how)):
            return clean
        await self._redis.execute(self._keys.dirty, "SADD", self._keys.dirty, tenant)
        return False

    def _log(self, tenant: TenantId) -> tuple[str, str]:
        return (self._keys.log(tenant), self._keys.state(tenant))

    async def _run(self, script: Script, tenant: TenantId, keys: Sequence[str], *args: Any) -> Any:
        """Run a script; where the log is not in Redis (new, or lost) begin it first."""
        for _ in range(3):
            answer = await script.run(self._redis, keys, *args)
            if answer != _UNKNOWN:
                return answer
            await self._open(tenant)
        raise Unavailable("The tenant's event log vanishes from Redis again and again.")

    async def _open(self, tenant: TenantId) -> None:
        floor = entry_of(await self._floor(tenant))
        await _open.run(self._redis, self._log(tenant), floor, secrets.token_hex(4))


def _once(once: Once | None) -> tuple[str, str, str]:
    """Slot, mark, and "" or "=" and the mark that it follows."""
    if once is None:
        return ("", "", "")
    return (once.slot, once.mark, "" if once.after is None else f"={once.after}")


def encode(event: Event) -> bytes:
    """An event as it is stored: what readers filter by, then the tail."""
    return f"{event.session or '-'} {event.type}\n".encode() + encode_tail(event)


def decode(cursor: Cursor, stored: bytes) -> LogEntry:
    """The reverse of `encode`."""
    header, _, tail = stored.partition(b"\n")
    session, _, kind = header.decode().partition(" ")
    return LogEntry(cursor, None if session == "-" else session, kind, tail)
