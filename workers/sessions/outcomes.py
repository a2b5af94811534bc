"""How a message's turn may end, and how that is written and told."""

from __future__ import annotations

import time
from collections import OrderedDict
from enum import Enum, auto
from typing import Any

from wa_api.domain.errors import Fenced
from wa_api.domain.events import MessageStatusChanged
from wa_api.domain.ids import MessageId
from wa_api.domain.messages import MessageView, Problem, Status
from wa_api.store.rows import Advance
from workers.sessions.insist import Lost, insist
from workers.sessions.pace_queue import Job
from workers.sessions.records import Owned, Records
from workers.sessions.voice import Voice

EARLY = 256  #: receipts kept that came before their send was recorded

EXPIRED = ("expired", "It could not be sent before its deadline.")
NOBODY = ("recipient_not_on_whatsapp", "The recipient is not on WhatsApp.")
UNCERTAIN = ("outcome_unknown", "WhatsApp did not confirm the message; it may have gone out.")


class End(Enum):
    """How a turn ended."""

    WENT = auto()  #: out, or perhaps
    STAYED = auto()  #: it will not go out
    AGAIN = auto()  #: it may be tried again
    COLD = auto()  #: it may be tried again when WhatsApp takes messages to new contacts
    SLOW = auto()  #: it may be tried again when WhatsApp was left in peace for a while


#: An engine's words for what did not go out and may later.
RETRIED = {
    "not_connected": End.AGAIN,
    "account_restricted": End.COLD,
    "rate_limited": End.SLOW,
}


def failed(message: MessageId, status: Status, code: str, detail: str) -> Advance:
    """A message that ended otherwise than sent."""
    problem = Problem(code=code, detail=detail)
    return Advance(id=message, status=status, time=time.time(), error=problem)


class Outcomes:
    """What became of one session's sends: first written, then told to readers and to who waits."""

    def __init__(self, owned: Owned, records: Records, voice: Voice, lost: Lost) -> None:
        self._owned, self._records, self._voice, self._lost = owned, records, voice, lost
        self._early: OrderedDict[str, Advance] = OrderedDict()

    async def conclude(self, job: Job, step: Advance) -> None:
        """A turn ended so. Raises Fenced, unless the message is out."""
        await self._tell(job, await self._record(step))
        if step.target is not None:
            await self._tell_effect(job.id)
        early = self._early.pop(step.wa_id, None) if step.wa_id else None
        if early is not None and (later := await self.receipt(early, early=False)) is not None:
            await self._voice.testify(later)

    async def over(self, job: Job, end: MessageStatusChanged | None) -> None:
        """It was not to be sent any more: its time had passed now, or (None) it ended before."""
        if end is not None:
            await self._tell(job, end)
        elif job.commands:
            await self.reply(job)

    async def receipt(self, step: Advance, *, early: bool) -> MessageStatusChanged | None:
        """Record a receipt. `early`: it may be of a send that is not recorded yet, and is kept."""
        owned = self._owned
        news = await insist(
            lambda: self._records.advance(owned.tenant, owned.session, step, owned), self._lost
        )
        if news is None and early and step.wa_id is not None:
            self._early[step.wa_id] = step
            while len(self._early) > EARLY:
                self._early.popitem(last=False)
        return news

    async def reply(self, job: Job) -> None:
        """Answer who waits for a message with what its row says."""
        tenant = self._owned.tenant
        await self._answer(job, await insist(lambda: self._records.find(tenant, job.id)))

    async def _tell(self, job: Job, news: MessageStatusChanged | None) -> None:
        if news is not None:
            await self._voice.testify(news)
        await self._answer(job, news)

    async def _tell_effect(self, message: MessageId) -> None:
        """Say what a message that was sent did to another one."""
        effect = await insist(lambda: self._records.effect(self._owned, message), self._lost)
        if effect is not None:
            await self._voice.report(effect)

    async def _record(self, step: Advance) -> MessageStatusChanged | None:
        """Write an outcome; one that WhatsApp told us is true even when we own nothing more."""
        tenant, session, owned = self._owned.tenant, self._owned.session, self._owned
        try:
            return await insist(
                lambda: self._records.advance(tenant, session, step, owned), self._lost
            )
        except Fenced:
            if step.status is not Status.SENT:
                raise
            return await insist(lambda: self._records.advance(tenant, session, step, None))

    async def _answer(self, job: Job, view: MessageView | MessageStatusChanged | None) -> None:
        facts: dict[str, Any] = {"id": job.id}
        if view is not None:
            facts |= {"status": view.status, "wa_id": view.wa_id}
            if view.error is not None:
                facts["error"] = {"code": view.error.code, "detail": view.error.detail}
        for command in job.commands:
            await self._voice.answer(command, facts)
