"""Tells readers of every message that came to a session: once, in order, however long it takes.

The rows are the queue. Each append carries the message's id as the mark of the session's slot in
the log, and says which mark it follows: so whoever owns the session knows how far readers were
told, and notices when Redis went back (a crash) or forgot (emptied). Telling never holds the
engine back, because what is a row is safe: while Redis is away messages are recorded, and told
from their rows when it is back, by this owner or by the next.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from wa_api.bus.ports import Behind
from wa_api.domain.content import ACTIONS
from wa_api.domain.data import Data
from wa_api.domain.errors import Fenced, Unavailable
from wa_api.domain.ids import MessageId
from wa_api.domain.messages import MessageView
from workers.sessions import views
from workers.sessions.insist import Lost, insist
from workers.sessions.records import Owned, Records
from workers.sessions.voice import Voice

log = structlog.get_logger()

#: Where Redis has forgotten the mark, what came within so many seconds may not have been told.
FORGOTTEN = 600.0


class Arrivals:
    """What came to one session and must be told."""

    def __init__(self, owned: Owned, records: Records, voice: Voice, lost: Lost) -> None:
        self._owned, self._records, self._voice, self._lost = owned, records, voice, lost
        self._mark: MessageId | None = None  #: what the slot in the log should hold
        self._task: asyncio.Task[None] | None = None
        self._more = False

    async def tell(self, message: MessageView | None) -> None:
        """Readers learn of a message that is a row now, at once or later; raises Fenced.

        One that was told as undecryptable before is told again. None: it was a row already. Then it came twice, or its first recording had an unknown
        outcome, and nobody told it.
        """
        if message is not None and self._mark is not None and message.id <= self._mark:
            await self._voice.report(views.arrived(message))
            return
        if self._task is None and message is not None:
            try:
                await self._say([message])
                return
            except (Unavailable, Behind) as error:
                log.info("session.tells_later", session=self._owned.session, error=str(error))
        self._catch_up_later()

    async def catch_up(self) -> None:
        """Tell what is recorded and was not told; raises Fenced when the lease is lost."""
        self._more = True
        while self._more:
            self._more = False
            while await insist(self._next_page, self._lost):
                pass

    async def close(self, seconds: float) -> None:
        """Wait a little for what is being told; the next owner tells the rest."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
        if self._task is not None:
            self._task.cancel()

    def _catch_up_later(self) -> None:
        self._more = True  # for one under way: it may have read the rows before this one was there
        if self._task is None:
            self._task = asyncio.create_task(self._catch_up(), name="arrivals")

    async def _catch_up(self) -> None:
        try:
            await self.catch_up()
        except Fenced:
            log.info("session.telling_left_to_next_owner", session=self._owned.session)
        except Exception:
            log.exception("session.telling_broke", session=self._owned.session)
        finally:
            self._task = None

    async def _next_page(self) -> bool:
        """Tell the next rows; whether there may be more."""
        records, owned, since = self._records, self._owned, time.time() - FORGOTTEN
        self._mark = await self._voice.told()
        last = self._mark or await records.last_told(owned, since)
        page = await records.arrived_after(owned, last, since if last is None else 0.0)
        if not page:
            return False
        log.info("session.told_late", session=owned.session, messages=len(page))
        try:
            await self._say(page)
        except Behind:  # an append that seemed to have failed came through: look again
            log.debug("session.told_meanwhile", session=owned.session)
        return True

    async def _say(self, messages: list[MessageView]) -> None:
        facts, last = [await self._meaning(message) for message in messages], messages[-1].id
        await self._lost.guard(lambda: self._voice.tell(facts, last, self._mark), 0.0)
        self._mark = MessageId(last)

    async def _meaning(self, message: MessageView) -> Data:
        """That a message came, or what it did to another one; one that may not is told as such."""
        if message.type in ACTIONS:
            records, owned, id = self._records, self._owned, MessageId(message.id)
            effect = await records.effect(owned, id)
            if effect is not None:
                return effect
        return views.arrived(message)
