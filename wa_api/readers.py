"""Reading a tenant's event log from a cursor: what was missed, then live. For every reader.

The live tail (Redis) reaches back some way, the archive (database) as long as events are kept.
`page` reads across both. A `Tail` keeps what came last in memory, so that any number of readers
in one process that keep up cost one subscription and no reads.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from wa_api.bus.ports import EventLog, Feed, LogEntry
from wa_api.domain.errors import CursorGone
from wa_api.domain.events import BY_TYPE, Cursor, cursor_at, subject_of, with_cursor
from wa_api.domain.ids import MessageId, TenantId
from wa_api.domain.principals import Principal
from wa_api.store import events as archive

#: No page is longer.
MAX_PAGE = 1000
#: What a tail remembers: events, and bytes of their envelopes.
_MOST, _MOST_BYTES = 1000, 2 * 1024 * 1024


class Entry(NamedTuple):
    """One event: `envelope` is its JSON as every reader gets it."""

    cursor: int
    session: str | None
    type: str
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a reader wants and may see; None means all.

    `types` are names, or families such as `message.*`.
    """

    sessions: frozenset[str] | None = None
    types: frozenset[str] | None = None
    _known: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls, who: Principal, sessions: Iterable[str] | None, types: Iterable[str] | None
    ) -> Filter:
        """What was asked for, within what the principal may see."""
        wanted = None if sessions is None else frozenset(sessions)
        return cls(wanted, None if types is None else frozenset(types)).limited(who)

    def limited(self, who: Principal) -> Filter:
        """The same within what a (newer) principal may see."""
        if who.sessions is None:
            return self
        allowed = who.sessions if self.sessions is None else self.sessions & who.sessions
        return Filter(frozenset(allowed), self.types)

    def names(self) -> frozenset[str] | None:
        """The types by their full names; None for all."""
        if self.types is None:
            return None
        return self.types | {name for name in BY_TYPE if self._has(name)}

    def __call__(self, session: str | None, type: str) -> bool:
        """Whether an event passes. Asked for each event and reader."""
        if self.sessions is not None and session not in self.sessions:
            return False
        return self.types is None or self._has(type)

    def _has(self, type: str) -> bool:
        known = self._known.get(type)
        if known is None:
            wanted, family = self.types or (), f"{type.partition('.')[0]}.*"
            known = self._known[type] = type in wanted or family in wanted
        return known


@dataclass(frozen=True, slots=True)
class Page:
    """Events, how far was looked, and whether there may be more beyond that."""

    entries: list[Entry]
    upto: int
    more: bool


EVERYTHING = Filter()


async def page(
    log: EventLog, tenant: TenantId, after: int, limit: int, wants: Filter = EVERYTHING
) -> Page:
    """What follows the cursor (0: the oldest kept) and is wanted, oldest first.

    Raises CursorGone when events after the cursor are gone, or it belongs to a log that was lost.
    """
    limit = max(1, min(limit, MAX_PAGE))
    live = await log.tail(tenant, Cursor(str(after)), limit)
    if live is None:
        old = await _archived(tenant, after, limit, wants)
        if room := limit - len(old.entries):
            live = await log.tail(tenant, Cursor(str(old.upto)), room)
        return old if live is None else _live(live, old.upto, room, wants, old.entries)
    return _live(live, after, limit, wants, [])


def _live(live: list[LogEntry], after: int, limit: int, wants: Filter, before: list[Entry]) -> Page:
    upto = int(live[-1].cursor) if live else after
    return Page(before + _wanted(live, wants), upto, len(live) >= limit)


async def _archived(tenant: TenantId, after: int, limit: int, wants: Filter) -> Page:
    """What the live tail no longer has; the database looks for what is wanted."""
    state = await archive.log_state(tenant)
    if 0 < after < state.forgotten:
        raise CursorGone
    rows = await archive.read(
        tenant, Cursor(str(after)), limit, types=wants.names(), sessions=wants.sessions
    )
    last = int(rows[-1].cursor) if rows else 0
    # A full page may end before the archive does.
    upto = last if len(rows) >= limit else max(last, state.archived)
    if upto <= after:
        raise CursorGone  # dropped from the live tail, and never archived
    return Page(_wanted(rows, wants), upto, True)


def _wanted(stored: Iterable[LogEntry | archive.Archived], wants: Filter) -> list[Entry]:
    return [entry(one) for one in stored if wants(one.session, one.type)]


async def restart(log: EventLog, tenant: TenantId, after: int) -> int:
    """Where a reader whose cursor is gone goes on: just before the oldest event still to be had
    after it (of the archive, else of the live tail), or the log's end.
    """
    rows = await archive.read(tenant, Cursor(str(after)), 1)
    if rows:
        return int(rows[0].cursor) - 1
    live = await log.tail(tenant, None, 1)
    return int(live[0].cursor) - 1 if live else int(await log.head(tenant))


async def since(log: EventLog, tenant: TenantId, time: float) -> int:
    """The cursor after which lies what happened at a time (Unix seconds) or later and is kept."""
    oldest = (await archive.log_state(tenant)).forgotten
    return max(oldest, min(cursor_at(time), int(await log.head(tenant))))


async def trail(log: EventLog, tenant: TenantId, message: MessageId) -> list[Entry]:
    """Every event about one message that is kept, oldest first (at most `MAX_PAGE`)."""
    archived = Cursor(str((await archive.log_state(tenant)).archived))
    rows = await archive.read(tenant, None, MAX_PAGE, subject=message)
    found = {int(one.cursor): entry(one) for one in rows}
    with suppress(CursorGone):  # nothing happened that is not archived
        while live := await log.tail(tenant, archived, MAX_PAGE):
            about = [one for one in live if subject_of(one.type, one.tail) == message]
            found |= {int(one.cursor): entry(one) for one in about}
            if len(live) < MAX_PAGE:
                break
            archived = live[-1].cursor
    return [found[cursor] for cursor in sorted(found)][:MAX_PAGE]


def entry(stored: LogEntry | archive.Archived) -> Entry:
    """An event as readers get it."""
    envelope = with_cursor(stored.cursor, stored.tail)
    return Entry(int(stored.cursor), stored.session, stored.type, envelope)


class Tail:
    """The newest events of one tenant, in memory, for readers of this process.

    Readers pull: `read(after)` answers from memory where that reaches back far enough, else from
    the log; `wait(after)` returns when there is something newer. Nobody delays anybody.
    """

    def __init__(self, log: EventLog, feed: Feed, tenant: TenantId) -> None:
        self._log, self._feed, self._tenant = log, feed, tenant
        self._entries: list[Entry] = []
        self._bytes = 0
        #: Everything after this cursor is in memory; None while nothing is followed.
        self._since: int | None = None
        self._last = 0
        self._news = asyncio.Event()
        self._stop: Callable[[], Awaitable[None]] | None = None

    async def open(self) -> None:
        """Follow the log from now on."""
        self._stop = await self._feed.follow(self._tenant, self._on_event, self._on_gap)

    async def close(self) -> None:
        """Follow no more."""
        if self._stop is not None:
            stop, self._stop = self._stop, None
            await stop()

    async def read(self, after: int, limit: int) -> Page:
        """See `page`."""
        if self._since is None or after < self._since:
            return await page(self._log, self._tenant, after, limit)
        start = bisect_right(self._entries, after, key=_cursor)
        found = self._entries[start : start + limit]
        more = start + limit < len(self._entries)
        return Page(found, found[-1].cursor if found else after, more)

    async def wait(self, after: int) -> None:
        """Return when there may be events after the cursor that were not there before."""
        while self._last <= after:
            await self._news.wait()

    def _on_event(self, cursor: str, session: str | None, type: str, envelope: bytes) -> None:
        one = Entry(int(cursor), session, type, envelope)
        if self._since is None:
            # What came before this event is in the log, and nothing is skipped by reading it.
            self._since = one.cursor - 1
        self._entries.append(one)
        self._bytes += len(envelope)
        if len(self._entries) >= 2 * _MOST or self._bytes > 2 * _MOST_BYTES:
            self._shrink()
        self._last = one.cursor
        self._wake()

    def _shrink(self) -> None:
        """Forget the older half (rarely, so that an event costs no more for it)."""
        keep = len(self._entries) // 2
        self._since = self._entries[-keep - 1].cursor
        self._entries = self._entries[-keep:]
        self._bytes = sum(len(one.envelope) for one in self._entries)

    def _on_gap(self, _after: str, goes_on: str) -> None:
        self._entries, self._bytes = [], 0
        self._since = self._last = int(goes_on)
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _cursor(one: Entry) -> int:
    return one.cursor


class Tails:
    """The tails of one process: one per tenant, while somebody reads it."""

    def __init__(self, log: EventLog, feed: Feed) -> None:
        self._log, self._feed = log, feed
        self._open: dict[TenantId, tuple[Tail, list[object]]] = {}
        self._locks: dict[TenantId, asyncio.Lock] = {}

    async def open(self, tenant: TenantId, reader: object) -> Tail:
        """A tenant's tail, until the reader calls `close`."""
        async with self._locks.setdefault(tenant, asyncio.Lock()):
            if tenant not in self._open:
                tail = Tail(self._log, self._feed, tenant)
                await tail.open()
                self._open[tenant] = (tail, [])
            tail, readers = self._open[tenant]
            readers.append(reader)
            return tail

    async def close(self, tenant: TenantId, reader: object) -> None:
        """The last reader of a tenant ends its subscription."""
        async with self._locks.setdefault(tenant, asyncio.Lock()):
            tail, readers = self._open.get(tenant, (None, []))
            if reader in readers:
                readers.remove(reader)
            if tail is not None and not readers:
                del self._open[tenant]
                await tail.close()
