"""What an engine tells of messages, chats and people: first made safe, then told to readers.

What it tells of its connection is the actor's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from wa_api.domain.addresses import USER
from wa_api.domain.content import File
from wa_api.domain.data import Data
from wa_api.domain.messages import Status
from wa_api.domain.sessions import SessionSettings
from wa_api.store.rows import Advance, NewReceipt
from workers.engine import port
from workers.engine.port import Engine, EngineEvent
from workers.sessions import views
from workers.sessions.address_book import AddressBook
from workers.sessions.arrivals import Arrivals
from workers.sessions.attachments import Attachments
from workers.sessions.chronicle import Chronicle
from workers.sessions.doorkeeper import Doorkeeper
from workers.sessions.group_names import GroupNames
from workers.sessions.insist import Lost, insist
from workers.sessions.records import Owned, Records
from workers.sessions.sends import Sends
from workers.sessions.voice import Voice

OWED = 500  #: receipts and news of this process that may wait to be told while engines go on
GRACE = 10.0  #: seconds to record what arrived, after the lease is lost (the rows are fenced)


class Listener:
    """Hears one session's engine, an event at a time."""

    def __init__(
        self,
        owned: Owned,
        records: Records,
        voice: Voice,
        lost: Lost,
        sends: Sends,
        files: Attachments,
        settings: SessionSettings,
        contacts_seconds: float,
    ) -> None:
        """`contacts_seconds`: see AddressBook."""
        self._owned, self._records, self._voice, self._lost = owned, records, voice, lost
        self._sends, self._files = sends, files
        self._arrivals = Arrivals(owned, records, voice, lost)
        self._doorkeeper = Doorkeeper(settings.reject_calls)
        self.chronicle = Chronicle(owned, records, voice, lost, settings.ignore)
        self._names = GroupNames(owned, records, self.chronicle.note, lost)
        self._book = AddressBook(owned, records, voice, lost, contacts_seconds)

    def adopt(self, settings: SessionSettings) -> None:
        """A user changed them."""
        self.chronicle.ignored.adopt(settings.ignore)
        self._doorkeeper.rejects = settings.reject_calls

    def online(self, engine: Engine, *, linked: bool) -> None:
        """WhatsApp can be asked what things are called; `linked`: for the first time."""
        self._names.online(engine)
        self._book.online(engine, linked=linked)

    def offline(self) -> None:
        """Nothing can be asked any more."""
        self._names.offline()
        self._book.offline()

    async def catch_up(self) -> None:
        """Tell of messages that an earlier owner recorded; raises Fenced."""
        await self._arrivals.catch_up()

    async def close(self, seconds: float) -> None:
        """Wait a little for what is being told."""
        await self._arrivals.close(seconds)

    async def hear(self, fact: EngineEvent, engine: Engine | None) -> None:
        """Make a fact safe, and tell it; raises Fenced."""
        match fact:
            case port.Inbound():
                await self._inbound(fact, engine)
            case port.History():
                await self.chronicle.keep(fact)
                self._book.history_came()
            case port.TimerSet():
                await self.chronicle.timer_set(fact)
            case port.Receipt():
                await self._receipt(fact)
            case port.Typing() | port.Presence():
                await self._seen(fact)
            case port.News(facts=facts):
                await self._news(facts, engine)

    async def _seen(self, fact: port.Typing | port.Presence) -> None:
        if isinstance(fact, port.Typing) and self.chronicle.ignored.chat(fact.chat):
            return
        await self._voice.mention(views.seen(fact, self.chronicle.contacts))

    async def _news(self, facts: Sequence[Data], engine: Engine | None) -> None:
        self._doorkeeper.hear(facts, engine)
        facts = [fact for fact in facts if not self.chronicle.ignored.fact(fact)]
        if facts:
            more = await self.chronicle.hear(facts)
            await self._voice.report(*facts, *more, room=OWED)

    async def _inbound(self, fact: port.Inbound, engine: Engine | None) -> None:
        records, owned = self._records, self._owned
        met = await self.chronicle.meet(fact, GRACE)
        if met is None:
            return
        message = await insist(lambda: records.record_inbound(owned, met), self._lost, GRACE)
        await self._arrivals.tell(message)
        if met.context.disappears_set_at:
            await self.chronicle.timed(met)
        if message is not None and not met.from_me:
            self._sends.hear(message.chat.id)
            self._names.heard(met.chat)
        if message is not None and isinstance(met.content, File):
            self._files.arrived(engine, message, met.content, met.raw)

    async def _receipt(self, fact: port.Receipt) -> None:
        status = views.RECEIPTS.get(fact.kind)
        if status is None:
            await self.chronicle.read_elsewhere(fact)
            return
        when = views.moment(fact.timestamp)
        steps = [Advance(status=status, time=when, wa_id=each) for each in fact.wa_ids]
        news = await asyncio.gather(*map(self._sends.receipt, steps))
        if fact.chat.is_shared:
            await self._receipts(fact, status, when)
        facts = [change for change in news if change is not None]
        if facts:
            await self._voice.testify(*facts, room=OWED)
        if fact.chat.is_group and not self.chronicle.ignored.chat(fact.chat):
            told = views.receipt(fact, status, when, self.chronicle.contacts)
            await self._voice.report(told, room=OWED)

    async def _receipts(self, fact: port.Receipt, status: Status, when: float) -> None:
        """Which of the recipients it was."""
        recipient, alt = str(fact.sender), self.chronicle.contacts.address(fact.sender).phone
        records, owned = self._records, self._owned
        for wa_id in fact.wa_ids:
            one = NewReceipt(
                wa_id=wa_id,
                recipient=recipient,
                recipient_alt=f"{alt[1:]}@{USER}" if alt else None,
                status=status,
                time=when,
            )
            await insist(partial(records.record_receipt, owned, one), self._lost)
