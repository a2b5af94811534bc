"""Error 463: a session that may not write to anybody new for a while, and how that ends.

WhatsApp says neither when it begins nor for how long: a refused send tells it, and what follows
here is a guess that doubles while it goes on. The end is kept in the database, so that the next
owner knows it; the state returns by itself.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from wa_api.domain.errors import Fenced
from wa_api.domain.sessions import Reason, SessionState
from wa_api.store.rows import QueueRow
from workers.sessions.records import Change
from workers.sessions.verdicts import Drop

if TYPE_CHECKING:
    from workers.sessions.actor import Actor

log = structlog.get_logger()

LONGEST = 86_400.0  #: seconds; also how long after its end another one counts as the same


def next_restriction(state: QueueRow, now: float, first: float) -> tuple[float, int]:
    """Until when, and the how-manieth in a row; the first lasts `first` seconds."""
    last = state.restricted_until
    times = state.restrictions + 1 if last is not None and now - last < LONGEST else 1
    return now + min(LONGEST, first * 2 ** min(times - 1, 30)), times


class Restriction:
    """One session's restriction as its state."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._waiting: asyncio.Task[None] | None = None

    def on_top_of(self, change: Change) -> Change:
        """What a session that comes online becomes: `change`, unless it is restricted."""
        until = self._actor.sends.restricted_until
        if until is None:
            return change
        self._wait(until)
        reason = Reason.REACHOUT_TIMELOCK
        return replace(change, state=SessionState.RESTRICTED, reason=reason, until=until)

    async def begin(self, until: float) -> None:
        """A send was refused."""
        change = Change(SessionState.RESTRICTED, Reason.REACHOUT_TIMELOCK, until=until)
        await self._actor.change(SessionState.CONNECTED, change)
        self._wait(until)

    def forget(self) -> None:
        """The run ends."""
        if self._waiting is not None:
            self._waiting.cancel()

    def _wait(self, until: float) -> None:
        self.forget()
        self._waiting = asyncio.create_task(self._end(until), name="restriction")

    async def _end(self, until: float) -> None:
        await asyncio.sleep(max(0.0, until - time.time()))
        self._actor.sends.lift()
        change = Change(SessionState.CONNECTED, Reason.RESTRICTION_ENDED)
        try:
            await self._actor.change(SessionState.RESTRICTED, change)
        except Fenced:
            self._actor.judge(Drop())
