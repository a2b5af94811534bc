"""What a session learns besides messages: who people are, what was read elsewhere, the history."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import msgspec
import structlog

from wa_api.domain.addresses import LID, USER, Jid, parse_address
from wa_api.domain.asking import Ask
from wa_api.domain.chats import ChatChanged, ContactChanged, HistoryProgress
from wa_api.domain.data import Data
from wa_api.domain.errors import Unavailable
from wa_api.domain.identity import address, canonical
from wa_api.domain.messages import Address, Status
from wa_api.domain.sessions import Ignore
from wa_api.store.chat_facts import Noted
from wa_api.store.contacts import Learned
from wa_api.store.history import PastChat, PastMessage
from workers.engine.port import History, Inbound, Past, Receipt, TimerSet
from workers.sessions import views
from workers.sessions.contacts import Contacts
from workers.sessions.ignoring import Ignored
from workers.sessions.insist import Lost, insist
from workers.sessions.records import Owned, Records
from workers.sessions.stored import new_inbound
from workers.sessions.tidings import (
    authors,
    chats_in,
    chats_told,
    people_in,
    people_refused,
    people_told,
    timer,
)
from workers.sessions.views import RECEIPTS
from workers.sessions.voice import Voice

log = structlog.get_logger()

_PEOPLE = (USER, LID)
_MOST_TIMERS = 1000


class Chronicle:
    """One session's; everything is written before it is told."""

    def __init__(
        self,
        owned: Owned,
        records: Records,
        voice: Voice,
        lost: Lost,
        ignore: Ignore | None = None,
    ) -> None:
        """`lost` ends what waits when the lease is gone; `ignore` is the session's setting."""
        self.contacts = Contacts()
        self.ignored = Ignored(ignore, self.contacts)
        self._owned, self._records, self._voice, self._lost = owned, records, voice, lost
        self._chats: set[str] = set()
        self._messages = self._met = 0
        self._timers: OrderedDict[Jid, float] = OrderedDict()  # newest settings in messages

    async def meet(self, fact: Inbound, grace: float) -> Inbound | None:
        """Learn who wrote; the message with both identities of its people where they are known.

        None for a message of a chat that is ignored.
        """
        if self.ignored.chat(fact.chat, fact.chat_alt):
            return None
        [fact] = await self._identified([fact])
        if self.ignored.chat(fact.chat, fact.chat_alt):
            return None
        jid, other, name = _person(fact)
        if jid.server in _PEOPLE and self.contacts.learn(jid, other, name):
            learned = _learned(jid, other, push_name=name or None)
            change = await insist(
                lambda: self._records.learn(self._owned, learned), self._lost, grace
            )
            if change is not None:
                await self._voice.mention(ContactChanged(contact=change.contact))
        return fact

    async def read_elsewhere(self, fact: Receipt) -> None:
        """The account's user read messages on the phone or another device (other receipts: no)."""
        if fact.kind != "read_self" or self.ignored.chat(fact.chat):
            return
        chats = await insist(
            lambda: self._records.read_elsewhere(self._owned, fact.wa_ids), self._lost
        )
        if chats:
            await self._voice.say(*(ChatChanged(chat=chat) for chat in chats))

    async def hear(self, facts: Sequence[Data]) -> list[Data]:
        """Keep what events tell of chats and contacts; what else is to be told because of it."""
        noted, learned = chats_in(facts), people_in(facts)
        if not noted and not learned:
            return []
        by = authors(facts)
        return await insist(lambda: self._kept(noted, learned, by), self._lost)

    async def timer_set(self, fact: TimerSet) -> None:
        """Keep how long the messages of a chat last from now on, and tell it."""
        phones = await self._phones_of({fact.chat})
        alt = fact.chat_alt or phones.get(fact.chat)
        if self.ignored.chat(fact.chat, alt):
            return
        chat, other = canonical(fact.chat, alt)
        # A time to come would outdate all that is set later.
        noted = [timer(str(chat), fact.seconds, min(fact.timestamp, time.time()))]
        by = {} if fact.from_me else {str(chat): address(chat, other)}
        await self._report(await insist(lambda: self._kept(noted, (), by), self._lost))

    async def timed(self, fact: Inbound) -> None:
        """A message of a direct chat may tell a setting that was not heard of."""
        set_at = min(float(fact.context.disappears_set_at), time.time())
        if fact.chat.is_shared or set_at <= self._timers.get(fact.chat, 0.0):
            return
        self._timers[fact.chat] = set_at
        if len(self._timers) > _MOST_TIMERS:
            self._timers.popitem(last=False)
        seconds, me = fact.context.disappears_after, fact.from_me
        await self.timer_set(TimerSet(fact.chat, fact.chat_alt, me, seconds, set_at))

    async def _kept(
        self,
        noted: Sequence[Noted],
        learned: Sequence[Learned],
        by: Mapping[str, Address] = MappingProxyType({}),
    ) -> list[Data]:
        """Keep it, trying once; what changed by it. `by`: who changed a chat."""
        changes: list[Data] = []
        if noted:
            for chat in await self._records.note(self._owned, noted):
                changes += views.chat_news(chat, by.get(chat.chat.id))
        for one in learned:
            change = await self._records.learn(self._owned, await self._settled(one))
            changes += [ContactChanged(contact=change.contact)] if change else []
        return changes

    async def _settled(self, one: Learned) -> Learned:
        """Under the phone number, where only the LID was told."""
        phone = await self._phone_of(one.contact)
        return one if phone is None else replace(one, contact=phone, lid=one.contact)

    async def _placed(self, one: Noted) -> Noted:
        """The same of a chat."""
        phone = await self._phone_of(one.chat)
        return one if phone is None else replace(one, chat=phone)

    async def _phone_of(self, text: str) -> str | None:
        if not text.endswith(f"@{LID}"):
            return None
        return (await self._records.phones(self._owned, [text])).get(text)

    async def note(self, news: Sequence[Noted]) -> None:
        """Keep what became known of chats, and tell what changed by it."""
        if news:
            await self._report(await insist(lambda: self._kept(news, ()), self._lost))

    async def overhear(self, asked: Ask, answer: msgspec.Struct | None) -> None:
        """Keep what an answer to somebody else tells, if that can be done at once."""
        told = chats_told(asked, answer, time.time())
        await self._keep_now(told, people_told(asked, answer))

    async def overhear_refusal(self, asked: Ask, code: str) -> None:
        """As `overhear`: WhatsApp refused, which tells something too."""
        await self._keep_now([], people_refused(asked, code))

    async def _keep_now(self, noted: Sequence[Noted], learned: Sequence[Learned]) -> None:
        try:
            placed = [await self._placed(one) for one in noted]
            heeded = [one for one in placed if not self.ignored.chat(_jid(one.chat))]
            await self._report(await self._kept(heeded, learned))
        except Unavailable as error:
            log.info("session.answer_not_kept", session=self._owned.session, error=str(error))

    async def _report(self, changes: Sequence[Data]) -> None:
        if changes:
            await self._voice.report(*changes)

    async def keep(self, part: History) -> None:
        """Keep a slice of the history; the last one of a part is told."""
        for phone, lid in part.pairs:
            self.contacts.learn(phone, lid)
        chats = [
            one
            for one in await self._paired(part.chats)
            if not self.ignored.chat(one.chat, one.chat_alt)
        ]
        inbound = await self._identified([one for past in chats for one in past.messages])
        statuses = [status for past in chats for status in past.statuses]
        messages = [
            PastMessage(new_inbound(one), _status(one, status))
            for one, status in zip(inbound, statuses, strict=True)
        ]
        past = [_past(chat) for chat in chats]
        contacts = [*_people(part, past)]
        self._messages += await insist(
            lambda: self._records.record_history(self._owned, contacts, past, messages), self._lost
        )
        self._met += len(contacts)
        self._chats.update(chat.chat for chat in past)
        if part.last:
            await self._tell(part)

    async def _tell(self, part: History) -> None:
        await self._voice.say(
            HistoryProgress(
                kind=part.kind,
                chunk=part.chunk,
                progress=part.progress,
                chats=len(self._chats),
                messages=self._messages,
                contacts=self._met,
            )
        )
        self._chats, self._messages, self._met = set(), 0, 0

    async def _identified(self, facts: list[Inbound]) -> list[Inbound]:
        """Messages whose people are named by both addresses where the second one is known."""
        lone = {one.sender for one in facts if one.sender_alt is None}
        lone |= {one.chat for one in facts if one.chat_alt is None}
        phones = await self._phones_of(lone)
        return [
            replace(
                one,
                sender_alt=one.sender_alt or phones.get(one.sender),
                chat_alt=one.chat_alt or phones.get(one.chat),
            )
            for one in facts
        ]

    async def _paired(self, chats: Iterable[Past]) -> list[Past]:
        phones = await self._phones_of({chat.chat for chat in chats if chat.chat_alt is None})
        return [replace(one, chat_alt=one.chat_alt or phones.get(one.chat)) for one in chats]

    async def _phones_of(self, jids: set[Jid]) -> dict[Jid, Jid]:
        """The phone numbers of those that are LIDs, as far as known."""
        lids = [jid for jid in jids if jid.server == LID]
        unknown = [str(jid) for jid in lids if not self.contacts.asked(jid)]
        if unknown:
            found = await insist(lambda: self._records.phones(self._owned, unknown), self._lost)
            for text in unknown:
                lid, number = parse_address(text), found.get(text)
                if number is None:
                    self.contacts.alone(lid)
                else:
                    self.contacts.learn(parse_address(number), lid)
        return {lid: phone for lid in lids if (phone := self.contacts.phone(lid)) is not None}


def _jid(text: str) -> Jid:
    """An address of WhatsApp's, whatever it looks like."""
    user, _, server = text.partition("@")
    return Jid(user, server)


def _person(fact: Inbound) -> tuple[Jid, Jid | None, str]:
    """Of whom a message tells something: who wrote it, or to whom this account did."""
    if fact.from_me:
        return fact.chat, fact.chat_alt, ""
    return fact.sender, fact.sender_alt, fact.push_name


def _learned(jid: Jid, other: Jid | None, push_name: str | None = None) -> Learned:
    one, alternative = canonical(jid, other)
    lid = str(alternative) if alternative else None
    return Learned(contact=str(one), lid=lid, push_name=push_name)


def _people(part: History, past: list[PastChat]) -> Iterable[Learned]:
    yield from (_learned(phone, lid) for phone, lid in part.pairs)
    yield from (_learned(jid, None, push_name=name) for jid, name in part.names if name)
    for chat in past:
        if chat.chat.endswith((f"@{USER}", f"@{LID}")) and (chat.name or chat.chat_alt):
            yield Learned(contact=chat.chat, lid=chat.chat_alt, name=chat.name)


def _past(past: Past) -> PastChat:
    chat, other = canonical(past.chat, past.chat_alt)
    return PastChat(
        chat=str(chat),
        chat_alt=str(other) if other else None,
        name=past.name or None,
        time=past.time,
        unread=past.unread,
        marked_unread=past.marked_unread,
        archived=past.archived,
        pinned=past.pinned,
        muted_until=past.muted_until,
        disappears_after=past.disappears_after,
        disappears_set_at=past.disappears_set_at,
    )


def _status(message: Inbound, told: str) -> Status:
    if not message.from_me:
        return Status.RECEIVED
    return RECEIPTS.get(told, Status.SENT)
