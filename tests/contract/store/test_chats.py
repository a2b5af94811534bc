"""Chats: kept with every message, listed in a stable order, changed and deleted locally."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.contract.store.conftest import lease_on
from tests.contract.store.test_messages import arrived, new
from wa_api.domain.chats import ChatKind, ChatView
from wa_api.domain.errors import BadRequest, ChatNotFound
from wa_api.domain.ids import MessageId
from wa_api.domain.leases import Lease
from wa_api.store import chats, contacts, fleet, messages, sessions, tenants
from wa_api.store.batches import Item, accept_batch
from wa_api.store.chats import Change, Filter
from wa_api.store.contacts import Learned
from wa_api.store.rows import SessionRow

ALICE = "5511999990001@s.whatsapp.net"
LID = "100000000000001@lid"


def number(n: int) -> str:
    """The n-th contact."""
    return f"55119999{n:05}@s.whatsapp.net"


async def receive(
    session: SessionRow, lease: Lease, chat: str, n: int = 1, **more: Any
) -> list[str]:
    """So many messages come into a chat; their ids."""
    come = [
        arrived(f"{chat[:20]}-{i}-{len(more)}", chat=chat, sender=chat, **more) for i in range(n)
    ]
    return [one.id for one in await messages.record_inbound(session.tenant, lease, come)]


async def listed(session: SessionRow, **given: Any) -> list[ChatView]:
    """The first page of chats."""
    return (await chats.list_chats(session.tenant, session.id, Filter(**given)))[0]


async def test_a_chat_is_kept_with_its_messages(lease: Lease, session: SessionRow):
    """Both directions make it; it counts what came and shows the last message."""
    await receive(session, lease, ALICE, 3)
    [chat] = await listed(session)
    assert (chat.id, chat.kind, chat.unread) == (ALICE, ChatKind.DIRECT, 3)
    assert chat.phone == "+5511999990001"
    sent = (await messages.accept(session.tenant, new(session, "hi"))).view
    [chat] = await listed(session)
    assert chat.last_message is not None
    assert (chat.last_message["id"], chat.last_message["text"]) == (sent.id, {"body": "hi"})
    assert chat.unread == 3
    await messages.accept(session.tenant, new(session, "again"), "key", "hash")
    await messages.accept(session.tenant, new(session, "again"), "key", "hash")
    await accept_batch(session.tenant, session.id, [Item(new(session, "last"))])
    [chat] = await listed(session)
    assert chat.last_message is not None
    assert chat.last_message["text"] == {"body": "last"}


async def test_a_scheduled_message_waits_outside(session: SessionRow):
    """It comes into its chat when its time has come."""
    await messages.accept(session.tenant, new(session, "later", send_at=time.time() + 0.2))
    assert await listed(session) == []
    await asyncio.sleep(0.3)
    assert len(await fleet.fall_due()) == 1
    [chat] = await listed(session)
    assert chat.last_message is not None
    assert chat.last_message["text"] == {"body": "later"}


async def test_a_repeated_message_counts_once(lease: Lease, session: SessionRow):
    """A re-delivered message changes no chat, alone or in a batch with others."""
    for _ in range(2):
        await messages.record_inbound(session.tenant, lease, [arrived("A"), arrived("B")])
    assert [chat.unread for chat in await listed(session)] == [2]
    assert await messages.record_inbound(session.tenant, lease, [arrived("A")]) == []
    assert [chat.unread for chat in await listed(session)] == [2]


async def test_what_another_device_sent_is_not_unread(lease: Lease, session: SessionRow):
    """Only what contacts write counts."""
    await messages.record_inbound(session.tenant, lease, [arrived("A", from_me=True)])
    assert [chat.unread for chat in await listed(session)] == [0]


async def test_the_list_is_sorted_and_pages_while_messages_come(lease: Lease, session: SessionRow):
    """Pinned first, then newest; a chat that moves up meanwhile is not repeated, none is lost."""
    for n in range(7):
        await receive(session, lease, number(n))
        await asyncio.sleep(0.002)
    await chats.change(session.tenant, session.id, number(2), Change(pinned=True))
    first, cursor = await chats.list_chats(session.tenant, session.id, Filter(), limit=3)
    assert [chat.id for chat in first] == [number(2), number(6), number(5)]
    await messages.record_inbound(
        session.tenant, lease, [arrived("new", chat=number(0), sender=number(0))]
    )
    rest: list[str] = []
    while cursor is not None:
        page, cursor = await chats.list_chats(
            session.tenant, session.id, Filter(), after=cursor, limit=2
        )
        rest += [chat.id for chat in page]
    assert rest == [number(4), number(3), number(1)]
    with pytest.raises(BadRequest):
        await chats.list_chats(session.tenant, session.id, Filter(), after="nonsense")


async def test_filters_choose_chats(lease: Lease, session: SessionRow):
    """By unread, archived, kind and a part of a name or number, whatever its accents."""
    group, status = "120363000000000001@g.us", "status@broadcast"
    for chat in (ALICE, group, status):
        await receive(session, lease, chat)
    await contacts.learn(session.tenant, session.id, [Learned(contact=ALICE, push_name="Zoë Á")])
    assert {chat.id for chat in await listed(session)} == {ALICE, group}
    assert [chat.id for chat in await listed(session, kind=ChatKind.STATUS)] == [status]
    assert [chat.id for chat in await listed(session, kind=ChatKind.GROUP)] == [group]
    assert [chat.name for chat in await listed(session, name="zoe")] == ["Zoë Á"]
    assert [chat.id for chat in await listed(session, name="+55119")] == [ALICE]
    assert await listed(session, name="100%_") == []
    assert await chats.read(session.tenant, session.id, ALICE)
    assert [chat.id for chat in await listed(session, unread=True)] == [group]
    await chats.change(session.tenant, session.id, group, Change(archived=True))
    assert [chat.id for chat in await listed(session, archived=False)] == [ALICE]
    assert [chat.id for chat in await listed(session, archived=True)] == [group]


async def test_reading_counts_what_came_later(lease: Lease, session: SessionRow):
    """Reading up to a message leaves the later ones unread; reading all leaves none."""
    ids = await receive(session, lease, ALICE, 5)
    tenant = session.tenant
    assert await chats.unread(tenant, session.id, ALICE) == ids[::-1]
    assert await chats.read(tenant, session.id, ALICE, MessageId(ids[2]))
    assert [chat.unread for chat in await listed(session)] == [2]
    assert await chats.unread(tenant, session.id, ALICE) == [ids[4], ids[3]]
    assert not await chats.read(tenant, session.id, ALICE, MessageId(ids[0]))
    assert await chats.read(tenant, session.id, ALICE)
    assert not await chats.read(tenant, session.id, ALICE)
    assert await chats.unread(tenant, session.id, ALICE) == []


async def test_reading_while_messages_come_loses_none(lease: Lease, session: SessionRow):
    """Whoever is first: what comes after the reading is unread."""
    tenant = session.tenant
    [first] = await receive(session, lease, ALICE)
    await asyncio.gather(
        *(
            messages.record_inbound(tenant, lease, [arrived(f"W{n}")])
            if n % 2
            else chats.read(tenant, session.id, ALICE, MessageId(first))
            for n in range(30)
        )
    )
    await chats.read(tenant, session.id, ALICE, MessageId(first))
    assert [chat.unread for chat in await listed(session)] == [15]


async def test_marks_are_kept_until_taken_back(lease: Lease, session: SessionRow):
    """Archived, pinned, muted and unread are set one by one; reading ends the unread mark."""
    await receive(session, lease, ALICE)
    await chats.read(session.tenant, session.id, ALICE)

    async def change(**wish: Any) -> ChatView:
        return await chats.change(session.tenant, session.id, ALICE, Change(**wish))

    chat = await change(archived=True, pinned=True, muted_until=4e9, unread=True)
    assert (chat.archived, chat.pinned, chat.marked_unread) == (True, True, True)
    assert chat.muted_until == "2096-10-02T07:06:40.000Z"
    chat = await change(archived=False, muted_until=0.0)
    assert (chat.archived, chat.pinned, chat.muted_until) == (False, True, None)
    assert await chats.read(session.tenant, session.id, ALICE)
    assert not (await chats.get(session.tenant, session.id, ALICE)).marked_unread
    with pytest.raises(ChatNotFound):
        await chats.change(session.tenant, session.id, number(9), Change(pinned=True))


async def test_deleting_for_oneself(lease: Lease, session: SessionRow):
    """A message goes, and its chat shows the one before; a chat goes with what it held."""
    tenant = session.tenant
    ids = [MessageId(one) for one in await receive(session, lease, ALICE, 3)]
    assert await chats.delete_message(tenant, session.id, ids[2]) == ALICE
    chat = await chats.get(tenant, session.id, ALICE)
    assert chat.last_message is not None
    assert chat.last_message["id"] == ids[1]
    waiting = MessageId((await messages.accept(tenant, new(session))).view.id)
    assert await chats.delete_message(tenant, session.id, waiting) is None
    assert await chats.delete_chat(tenant, session.id, ALICE)
    left = await messages.list_messages(tenant, session.id, chat=ALICE)
    assert [one.id for one in left] == [waiting]
    assert await listed(session) == []
    await messages.record_inbound(tenant, lease, [arrived("again")])
    assert [chat.unread for chat in await listed(session)] == [1]


async def test_a_lid_and_its_number_are_one_chat(lease: Lease, session: SessionRow):
    """What came under the LID alone joins the number's chat once both are known to be one."""
    tenant = session.tenant
    await messages.record_inbound(tenant, lease, [arrived("L1", "from lid", chat=LID, sender=LID)])
    await messages.record_inbound(tenant, lease, [arrived("P1", "from number")])
    assert {chat.id for chat in await listed(session)} == {LID, ALICE}
    [change] = await contacts.learn(
        tenant, session.id, [Learned(contact=ALICE, lid=LID, push_name="Alice")]
    )
    assert change.merged
    [chat] = await listed(session)
    assert (chat.id, chat.lid, chat.unread, chat.name) == (ALICE, LID, 2, "Alice")
    shown = await messages.list_messages(tenant, session.id, chat=ALICE)
    assert [one.content["body"] for one in shown] == ["from number", "from lid"]
    assert {one.sender.id for one in shown if one.sender} == {ALICE}
    assert await contacts.canonical(tenant, session.id, LID) == ALICE
    assert await contacts.learn(tenant, session.id, [Learned(contact=ALICE, lid=LID)]) == []


async def test_a_lid_alone_becomes_the_number(lease: Lease, session: SessionRow):
    """A contact known by his LID gets the number's address, with his names and chat."""
    tenant = session.tenant
    await messages.record_inbound(tenant, lease, [arrived("L1", chat=LID, sender=LID)])
    await contacts.learn(tenant, session.id, [Learned(contact=LID, push_name="Alice")])
    assert (await listed(session))[0].name == "Alice"
    await contacts.learn(tenant, session.id, [Learned(contact=ALICE, lid=LID)])
    [chat] = await listed(session)
    assert (chat.id, chat.lid, chat.name) == (ALICE, LID, "Alice")
    [contact] = await contacts.list_contacts(tenant, session.id)
    assert (contact.id, contact.lid, contact.push_name) == (ALICE, LID, "Alice")


async def test_chats_and_contacts_go_with_their_session(lease: Lease, session: SessionRow):
    """Purging a deleted session leaves nothing; another tenant never sees anything."""
    tenant = session.tenant
    await receive(session, lease, ALICE)
    await contacts.learn(tenant, session.id, [Learned(contact=ALICE, push_name="Alice")])
    other = (await tenants.create("Other")).id
    assert (await chats.list_chats(other, session.id, Filter()))[0] == []
    assert await contacts.list_contacts(other, session.id) == []
    assert not await chats.delete_chat(other, session.id, ALICE)
    assert [chat.unread for chat in await listed(session)] == [1]
    await sessions.delete(tenant, session.id)
    await fleet.forgotten(session.id)
    while await fleet.purge():
        pass
    assert await listed(session) == []
    assert await contacts.list_contacts(tenant, session.id) == []


async def test_a_fenced_message_makes_no_chat(lease: Lease, session: SessionRow):
    """A former owner changes nothing."""
    await fleet.claim(session.id, lease_on(session.id, 2, "wrk_2"))
    with pytest.raises(Exception, match="owns"):
        await messages.record_inbound(session.tenant, lease, [arrived("A")])
    assert await listed(session) == []
