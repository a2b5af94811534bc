"""The records of session workers in the store, with one group commit per kind of hot write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import msgspec

from wa_api.domain.addresses import parse_address
from wa_api.domain.chats import ChatView
from wa_api.domain.events import Data, MessageStatusChanged
from wa_api.domain.identity import canonical
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import MessageView
from wa_api.domain.sessions import Reason, SessionSettings
from wa_api.store import (
    address_book,
    changes,
    chat_facts,
    chats,
    contacts,
    events,
    fleet,
    history,
    messages,
    numbers,
    owner,
    queue,
    receipts,
    rows,
    running,
    sessions,
)
from wa_api.store.batch import Batcher
from wa_api.store.contacts import Learned
from wa_api.store.rows import (
    Acquaintance,
    Advance,
    Changed,
    NewInbound,
    NewReceipt,
    Outgoing,
    QueueRow,
    SessionRow,
    TakenOver,
    Waiting,
)
from wa_api.store.views import content_in
from workers.engine.port import Inbound, SendFailed, Target
from workers.sessions.records import Change, Owned, Wanted

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class StoreRecords:
    """See `records.Records`. Made by `open_records`."""

    _inbound: Batcher[rows.Owned[NewInbound], MessageView | None]
    _learn: Batcher[rows.Owned[Learned], contacts.Change | None]
    _begin: Batcher[rows.Owned[MessageId], Outgoing | Changed | None]
    _back: Batcher[rows.Owned[MessageId], None]
    _advance: Batcher[rows.Owned[Advance], Changed | None]
    _receipts: Batcher[rows.Owned[NewReceipt], None]

    async def wanted(self, network: str, among: Sequence[SessionId] | None = None) -> list[Wanted]:
        """See Records."""
        if among is not None:
            return [_wanted(row) for row in await running.due(network, among=among)]
        found: list[Wanted] = []
        while True:
            after = found[-1].session if found else ""
            page = await running.due(network, after=after, limit=_PAGE)
            found += map(_wanted, page)
            if len(page) < _PAGE:
                return found

    async def claim(self, wanted: Wanted, lease: Lease, reason: Reason) -> Wanted | None:
        """See Records."""
        change = await running.start(wanted.session, lease, reason)
        if change is None:
            return None
        row = change.row
        return replace(_wanted(row), state=change.previous)

    async def unsettled(self, network: str) -> list[Wanted]:
        """See Records."""
        return [_wanted(row) for row in await fleet.unsettled(network)]

    async def deleted(self, network: str) -> list[Wanted]:
        """See Records."""
        return [_wanted(row) for row in await fleet.deleted(network)]

    async def claim_leftover(self, leftover: Wanted, lease: Lease) -> bool:
        """See Records."""
        return await fleet.claim(leftover.session, lease) is not None

    async def forgotten(self, session: SessionId) -> None:
        """See Records."""
        await fleet.forgotten(session)

    async def settled(self, owned: Sequence[Owned]) -> None:
        """See Records."""
        await running.settled([each.lease for each in owned])

    async def set_state(self, owned: Owned, change: Change) -> None:
        """See Records."""
        await sessions.set_state(
            owned.tenant,
            owned.lease,
            change.state,
            change.reason,
            detail=change.detail,
            until=change.until,
            jid=change.jid,
            lid=change.lid,
            push_name=change.push_name,
        )

    async def record_inbound(self, owned: Owned, message: Inbound) -> MessageView | None:
        """See Records."""
        return await self._inbound.add(rows.Owned(owned.tenant, owned.lease, new_inbound(message)))

    async def learn(self, owned: Owned, news: Learned) -> contacts.Change | None:
        """See Records."""
        return await self._learn.add(rows.Owned(owned.tenant, owned.lease, news))

    async def saved_names(self, owned: Owned) -> list[address_book.Kept]:
        """See Records."""
        return await address_book.kept(owned.tenant, owned.session)

    async def save_names(self, owned: Owned, news: Sequence[Learned]) -> list[contacts.Change]:
        """See Records."""
        return await address_book.learn(owned.tenant, owned.lease, news)

    async def phones(self, owned: Owned, lids: Sequence[str]) -> dict[str, str]:
        """See Records."""
        return await contacts.phones(owned.tenant, owned.session, lids)

    async def read_elsewhere(self, owned: Owned, wa_ids: Sequence[str]) -> list[ChatView]:
        """See Records."""
        return await chats.read_elsewhere(owned.tenant, owned.lease, wa_ids)

    async def note(
        self, owned: Owned, news: Sequence[chat_facts.Noted]
    ) -> list[chat_facts.Changed]:
        """See Records."""
        return await chat_facts.note(owned.tenant, owned.lease, news)

    async def unnamed_groups(self, owned: Owned, limit: int) -> list[str]:
        """See Records."""
        return await chat_facts.unnamed(owned.tenant, owned.session, limit)

    async def is_unnamed(self, owned: Owned, chat: str) -> bool:
        """See Records."""
        return await chat_facts.is_unnamed(owned.tenant, owned.session, chat)

    async def record_history(
        self,
        owned: Owned,
        contacts: Sequence[Learned],
        past: Sequence[history.PastChat],
        messages: Sequence[history.PastMessage],
    ) -> int:
        """See Records."""
        return await history.record(
            owned.tenant, owned.lease, contacts=contacts, past=past, messages=messages
        )

    async def arrived_after(
        self, owned: Owned, message: MessageId | None, since: float
    ) -> list[MessageView]:
        """See Records."""
        return await running.arrived_after(owned.tenant, owned.session, message, since)

    async def last_told(self, owned: Owned, since: float) -> MessageId | None:
        """See Records."""
        return await events.newest_arrival(owned.tenant, owned.session, since)

    async def begin_sending(
        self, owned: Owned, message: MessageId
    ) -> Outgoing | MessageStatusChanged | None:
        """See Records."""
        result = await self._begin.add(rows.Owned(owned.tenant, owned.lease, message))
        return result.data if isinstance(result, Changed) else result

    async def put_back(self, owned: Owned, message: MessageId) -> None:
        """See Records."""
        await self._back.add(rows.Owned(owned.tenant, owned.lease, message))

    async def advance(
        self, tenant: TenantId, session: SessionId, step: Advance, owned: Owned | None
    ) -> MessageStatusChanged | None:
        """See Records."""
        if owned is None:
            unfenced = await messages.advance(tenant, None, [step])
            return unfenced[0].data if unfenced else None
        result = await self._advance.add(rows.Owned(tenant, owned.lease, step))
        return result.data if result is not None else None

    async def record_receipt(self, owned: Owned, receipt: NewReceipt) -> None:
        """See Records."""
        await self._receipts.add(rows.Owned(owned.tenant, owned.lease, receipt))

    async def target(self, owned: Owned, message: str) -> Target:
        """See Records."""
        found, raw = await messages.target(owned.tenant, owned.session, message)
        if found.wa_id is None:
            raise SendFailed("target_not_sent", "The message that it is about was not sent.")
        # What came is named by the address that it came from: the LID where there is one.
        inbound, sender = found.direction == "in", found.sender
        return Target(
            wa_id=found.wa_id,
            chat=parse_address((inbound and found.chat.lid) or found.chat.id),
            sender=parse_address(sender.lid or sender.id) if inbound and sender else None,
            content=content_in(found),
            raw=raw,
        )

    async def effect(self, owned: Owned, message: MessageId) -> Data | None:
        """See Records."""
        action = await messages.get(owned.tenant, message)
        return await changes.effect(owned.tenant, owned.session, action)

    async def find(self, tenant: TenantId, message: MessageId) -> MessageView | None:
        """See Records."""
        return await messages.find(tenant, message)

    async def take_over(self, owned: Owned) -> TakenOver:
        """See Records."""
        return await messages.take_over(owned.tenant, owned.lease)

    async def overdue(self, owned: Sequence[Owned], older_than: float) -> dict[SessionId, int]:
        """See Records."""
        return await running.overdue([each.session for each in owned], older_than)

    async def waiting(self, owned: Owned) -> list[Waiting]:
        """See Records."""
        return await queue.list_waiting(owned.tenant, owned.session)

    async def queue(self, owned: Owned) -> QueueRow:
        """See Records."""
        return await queue.state(owned.tenant, owned.session)

    async def linked(self, owned: Owned) -> None:
        """See Records."""
        await queue.linked(owned.tenant, owned.lease)

    async def restrict(self, owned: Owned, until: float, times: int) -> None:
        """See Records."""
        await queue.restrict(owned.tenant, owned.lease, until, times)

    async def spend(self, owned: Owned, day: int, first: bool) -> None:
        """See Records."""
        await queue.spend(owned.tenant, owned.lease, day, 1, int(first))

    async def acquaintances(self, owned: Owned, chats: Sequence[str]) -> dict[str, Acquaintance]:
        """See Records."""
        return await queue.acquaintances(owned.tenant, owned.session, chats)

    async def number_known(self, owned: Owned, number: str) -> bool | None:
        """See Records."""
        return await numbers.find(owned.tenant, number)

    async def remember_number(self, owned: Owned, number: str, on_whatsapp: bool) -> None:
        """See Records."""
        await numbers.keep(owned.tenant, number, on_whatsapp)


@asynccontextmanager
async def open_records() -> AsyncIterator[StoreRecords]:
    """Records in the open store; what is waiting is committed at the exit."""
    async with (
        Batcher(owner.record_inbound) as inbound,
        Batcher(owner.learn) as learn,
        Batcher(owner.begin_sending) as begin,
        Batcher(running.put_back) as back,
        Batcher(owner.advance) as advance,
        Batcher(receipts.record) as told,
    ):
        yield StoreRecords(inbound, learn, begin, back, advance, told)


def _wanted(row: SessionRow) -> Wanted:
    return Wanted(
        *(row.id, row.tenant, row.state, row.epoch, row.jid, row.attempts),
        settings=msgspec.convert(row.settings, SessionSettings),
        metadata=row.metadata,
        proxy=row.proxy,
    )


def new_inbound(message: Inbound) -> NewInbound:
    """A message that arrived, under its canonical addresses."""
    chat, chat_alt = canonical(message.chat, message.chat_alt)
    sender, sender_alt = canonical(message.sender, message.sender_alt)
    return NewInbound(
        wa_id=message.wa_id,
        chat=str(chat),
        chat_alt=str(chat_alt) if chat_alt else None,
        sender=str(sender),
        sender_alt=str(sender_alt) if sender_alt else None,
        sender_name=message.push_name or None,
        from_me=message.from_me,
        timestamp=message.timestamp,
        content=message.content,
        context=message.context,
        proto=message.raw or None,
    )
