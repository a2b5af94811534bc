"""Messages that change others, what could not be read at first, and receipts of several."""

from __future__ import annotations

import time
from typing import Any

from wa_api.domain.content import Edit, Reaction, Revoke, Text, Undecryptable
from wa_api.domain.errors import Fenced
from wa_api.domain.events import MessageEdited, MessageReactionChanged
from wa_api.domain.ids import Epoch, TenantId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import MessageView, Status
from wa_api.store import changes, chats, messages, receipts
from wa_api.store.rows import Advance, NewInbound, NewMessage, NewReceipt, Owned
from wa_api.store.search import Filter, search

FRIEND, FRIEND_LID = "5511999990001@s.whatsapp.net", "1@lid"


def inbound(content: Any, wa_id: str = "A", sender: str = FRIEND) -> NewInbound:
    """A message from a friend."""
    return NewInbound(
        wa_id=wa_id,
        chat=FRIEND,
        sender=sender,
        from_me=False,
        timestamp=time.time(),
        content=content,
    )


async def came(tenant: TenantId, lease: Lease, content: Any, wa_id: str) -> MessageView:
    """Record a message that came."""
    [message] = await messages.record_inbound(tenant, lease, [inbound(content, wa_id)])
    return message


async def test_a_change_shows_with_its_target_whichever_came_first(
    tenant: TenantId, lease: Lease
) -> None:
    """The reaction overtook its message; neither list nor chat show it by itself."""
    await came(tenant, lease, Reaction(message_id="A", emoji="x"), "R")
    message = await came(tenant, lease, Text(body="late"), "A")
    listed = await messages.list_messages(tenant, lease.session)
    assert [one.id for one in listed] == [message.id]
    [shown] = await changes.shown(tenant, lease.session, listed)
    assert [one.emoji for one in shown.reactions] == ["x"]
    chat = await chats.get(tenant, lease.session, FRIEND)
    assert chat.unread == 1
    assert chat.last_message is not None
    assert chat.last_message["id"] == message.id


async def test_our_change_counts_when_it_was_sent(tenant: TenantId, lease: Lease) -> None:
    """Accepted, it names our id of the target; sent, WhatsApp's."""
    target = await came(tenant, lease, Text(body="theirs"), "A")
    new = NewMessage(
        session=lease.session, chat=FRIEND, content=Reaction(message_id=target.id, emoji="x")
    )
    sent = (await messages.accept(tenant, new)).view
    [before] = await changes.shown(tenant, lease.session, [target])
    assert before.reactions == []
    await messages.begin_sending(tenant, lease, [sent.id])
    done = Advance(
        id=sent.id, status=Status.SENT, time=time.time(), wa_id="R", proto=b"raw", target="A"
    )
    await messages.advance(tenant, lease, [done])
    [after] = await changes.shown(tenant, lease.session, [target])
    assert [one.emoji for one in after.reactions] == ["x"]
    assert await messages.proto(tenant, sent.id) == b"raw"
    told = await changes.effect(tenant, lease.session, sent)
    assert isinstance(told, MessageReactionChanged)
    assert (told.id, told.wa_id, told.action, told.sender) == (target.id, "A", sent.id, None)


async def test_a_forged_edit_has_no_effect(tenant: TenantId, lease: Lease) -> None:
    """The author's is told, another's is not."""
    await came(tenant, lease, Text(body="first"), "A")
    edit = Edit(message_id="A", body="second")
    told = await changes.effect(tenant, lease.session, await came(tenant, lease, edit, "E1"))
    assert isinstance(told, MessageEdited)
    [forged] = await messages.record_inbound(
        tenant, lease, [inbound(edit, "E2", "5511999990009@s.whatsapp.net")]
    )
    assert await changes.effect(tenant, lease.session, forged) is None


async def test_a_change_of_an_unknown_message_is_told_without_it(
    tenant: TenantId, lease: Lease
) -> None:
    """Older than the store: WhatsApp's id is all there is."""
    action = await came(tenant, lease, Reaction(message_id="OLD", emoji="x"), "R")
    told = await changes.effect(tenant, lease.session, action)
    assert isinstance(told, MessageReactionChanged)
    assert (told.id, told.wa_id) == (None, "OLD")


async def test_search_follows_edits_and_revocations(tenant: TenantId, lease: Lease) -> None:
    """Found by what it says now, with that; once revoked not at all, even before it is told."""

    async def found(asked: str) -> list[str]:
        hits, _ = await search(tenant, lease.session, asked, Filter())
        return [hit.snippet for hit in hits]

    await came(tenant, lease, Text(body="old words"), "A")
    edit = await came(tenant, lease, Edit(message_id="A", body="new phrase"), "E")
    await changes.effect(tenant, lease.session, edit)
    assert (await found("words"), await found("phrase")) == ([], ["new phrase"])
    revoke = await came(tenant, lease, Revoke(message_id="A"), "R")
    assert await found("phrase") == []
    await changes.effect(tenant, lease.session, revoke)
    assert await found("phrase") == []


async def test_another_tenant_sees_no_changes(tenant: TenantId, lease: Lease) -> None:
    """Changes are the tenant's own."""
    message = await came(tenant, lease, Text(body="x"), "A")
    await came(tenant, lease, Reaction(message_id="A", emoji="x"), "R")
    [shown] = await changes.shown(TenantId("ten_other"), lease.session, [message])
    assert shown.reactions == []


async def test_what_could_not_be_read_is_filled_in_once(tenant: TenantId, lease: Lease) -> None:
    """Under the same id; what was read is never replaced, by nothing."""
    unread = await came(tenant, lease, Undecryptable(reason="keys"), "A")
    read = await came(tenant, lease, Text(body="at last"), "A")
    assert (read.id, read.type) == (unread.id, "text")
    assert await messages.record_inbound(tenant, lease, [inbound(Text(body="again"))]) == []
    assert await messages.record_inbound(tenant, lease, [inbound(Undecryptable(reason="x"))]) == []
    assert (await messages.get(tenant, unread.id)).content == {"body": "at last"}


async def test_each_recipient_has_their_times(tenant: TenantId, lease: Lease) -> None:
    """The first time counts, in one batch or several; an old epoch writes nothing."""
    new = NewMessage(session=lease.session, chat="1203@g.us", content=Text(body="x"))
    sent = (await messages.accept(tenant, new)).view
    await messages.begin_sending(tenant, lease, [sent.id])
    done = Advance(id=sent.id, status=Status.SENT, time=1.0, wa_id="A")
    await messages.advance(tenant, lease, [done])
    batch = [
        Owned(tenant, lease, receipt(Status.DELIVERED, 2.0)),
        Owned(tenant, lease, receipt(Status.READ, 3.0)),
        Owned(tenant, lease, receipt(Status.READ, 4.0)),
    ]
    assert await receipts.record(batch) == [None, None, None]
    await receipts.record([Owned(tenant, lease, receipt(Status.DELIVERED, 9.0))])
    stale = Lease(lease.session, lease.worker, Epoch(lease.epoch - 1))
    [refused] = await receipts.record([Owned(tenant, stale, receipt(Status.PLAYED, 9.0))])
    assert isinstance(refused, Fenced)
    [one] = (await changes.with_receipts(tenant, await messages.get(tenant, sent.id))).receipts
    assert (one.recipient.phone, one.recipient.lid) == ("+5511999990001", FRIEND_LID)
    assert (one.delivered_at, one.read_at, one.played_at) == (
        "1970-01-01T00:00:02.000Z",
        "1970-01-01T00:00:03.000Z",
        None,
    )


def receipt(status: Status, when: float) -> NewReceipt:
    """A friend's."""
    return NewReceipt(
        wa_id="A", recipient=FRIEND_LID, recipient_alt=FRIEND, status=status, time=when
    )
