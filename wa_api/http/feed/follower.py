"""One reader's way through a tenant's log: what it missed from the log, then live, seamlessly."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from wa_api.domain.errors import CursorGone, Unavailable, WaError
from wa_api.domain.ids import TenantId
from wa_api.http.feed.closes import INTERNAL, TRY_LATER, Close
from wa_api.http.feed.hub import Item
from wa_api.services.events import Events, Filter, Page

#: Live events that may wait while one page is read from the log.
HELD = 2000
PAGE = 500
#: Seconds that a reader waits for a log that cannot be read, and between two looks.
PATIENCE, RETRY_SECONDS = 300.0, 0.5


class Output(Protocol):
    """Where a reader's events go."""

    @property
    def open(self) -> bool:
        """Whether there still is a reader."""
        ...

    def deliver(self, items: list[Item]) -> None:
        """Send them; never waits."""
        ...

    async def drained(self) -> None:
        """Until the client has taken most of what was delivered."""
        ...

    def close(self, close: Close) -> None:
        """End the connection."""
        ...

    def gap(self, after: int, goes_on: int) -> None:
        """Tell that events between these cursors are lost."""
        ...

    def missed(self, after: int) -> None:
        """Events after that cursor are not coming live: run `catch_up`."""
        ...


class Follower:
    """Delivers each wanted event once, in order, without a hole.

    Live events are held back while the log is read; an event that came both ways is told apart
    by its cursor, which only grows.
    """

    __slots__ = (
        "_due",
        "_events",
        "_held",
        "_live",
        "_out",
        "_overflowed",
        "_tenant",
        "_turn",
        "last",
        "wants",
    )

    def __init__(self, events: Events, tenant: TenantId, wants: Filter, out: Output) -> None:
        self._events, self._tenant, self._out = events, tenant, out
        self.wants = wants
        self.last = 0
        self._live = False
        self._overflowed = False
        self._turn = 0
        self._held: list[Item] = []
        self._due: list[Item] = []

    def take(self, item: Item) -> bool:
        """See `hub.Reader`."""
        if item.cursor <= self.last or not self.wants(item.session, item.type):
            return False
        if not self._live:
            self._hold(item)
            return False
        self.last = item.cursor
        self._due.append(item)
        return len(self._due) == 1

    def _hold(self, item: Item) -> None:
        if len(self._held) < HELD:
            self._held.append(item)
        else:
            self._overflowed = True

    def flush(self) -> None:
        """See `hub.Reader`."""
        due, self._due = self._due, []
        if due:
            self._out.deliver(due)

    def gap(self) -> None:
        """See `hub.Reader`."""
        self._overflowed = True
        if self._live:
            self._live = False
            self._out.missed(self.last)

    def fail(self) -> None:
        """See `hub.Reader`."""
        self._out.close(INTERNAL)

    async def catch_up(self, after: int) -> None:
        """Deliver everything after the cursor from the log, then go live.

        While the log cannot be read the reader waits, for `PATIENCE` seconds; a later call takes
        the place of one that is under way.
        """
        self._turn += 1
        turn = self._turn
        self.flush()
        self._live, self.last = False, after
        try:
            while await self._read_on(turn):
                await self._out.drained()
        except WaError:
            self._out.close(TRY_LATER)
        else:
            if turn == self._turn:
                self._go_live()

    async def _read_on(self, turn: int) -> bool:
        """Deliver one page; whether there may be more to read."""
        page = await self._page(turn)
        if page is None or self._is_over(turn):
            return False
        self._out.deliver(
            [Item(int(e.cursor), e.session, e.type, e.envelope) for e in page.entries]
        )
        self.last = max(self.last, page.upto)
        return page.more or self._overflowed

    def _is_over(self, turn: int) -> bool:
        return turn != self._turn or not self._out.open

    async def _page(self, turn: int) -> Page | None:
        """None when somebody else's turn came, who then holds the live events back."""
        deadline = time.monotonic() + PATIENCE
        while not self._is_over(turn):
            # What came before this read is in the log, so the read finds it.
            self._held.clear()
            self._overflowed = False
            try:
                return await self._events.page(self._tenant, self.last, PAGE, self.wants)
            except CursorGone as gone:
                self._skip(int(gone.facts["goes_on"]))
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
        return None

    def _skip(self, goes_on: int) -> None:
        self._out.gap(self.last, goes_on)
        self.last = goes_on

    def _go_live(self) -> None:
        self._live = True
        held, self._held = self._held, []
        for item in held:
            self.take(item)
        self.flush()
