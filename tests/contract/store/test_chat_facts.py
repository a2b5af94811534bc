"""What is known of chats and contacts besides messages: names of groups, pictures, about texts."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.contract.store.conftest import lease_on
from tests.contract.store.test_messages import arrived, new
from wa_api.domain.chats import ChatView
from wa_api.domain.content import NO_CONTEXT, Context
from wa_api.domain.errors import Fenced
from wa_api.domain.ids import MessageId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import Status
from wa_api.store import chat_facts, chats, contacts, fleet, messages, owner
from wa_api.store.chat_facts import Changed, Noted
from wa_api.store.chats import Filter
from wa_api.store.contacts import UNSEEN, Learned
from wa_api.store.rows import Advance, Outgoing, Owned, SessionRow

ALICE = "5511999990001@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
OTHER = "120363000000000002@g.us"


async def listed(session: SessionRow) -> list[ChatView]:
    """The first page of chats."""
    return (await chats.list_chats(session.tenant, session.id, Filter()))[0]


async def test_a_group_is_listed_and_renamed(lease: Lease, session: SessionRow):
    """Once; the same name is no news, and a name makes no chat by itself."""
    tenant = session.tenant
    assert await chat_facts.note(tenant, lease, [Noted(chat=GROUP, name="Choir")]) == []
    joined = Noted(chat=GROUP, name="Choir", listed=True)
    [change] = await chat_facts.note(tenant, lease, [joined])
    made = change.chat
    assert (made.id, made.name, made.unread, made.last_message) == (GROUP, "Choir", 0, None)
    assert await listed(session) == [made]
    assert await chat_facts.note(tenant, lease, [joined]) == []
    [change] = await chat_facts.note(tenant, lease, [Noted(chat=GROUP, name="Qu\0ire")])
    renamed = change.chat
    assert (change.named, change.timed) == (True, False)
    assert renamed.name == "Quire"
    assert await listed(session) == [renamed]


async def test_the_newest_setting_of_disappearing_messages_holds(lease: Lease, session: SessionRow):
    """An older one, and the same again, are no news; what waits to be sent follows it."""
    tenant = session.tenant

    async def note(seconds: int, at: float | None, *, listed: bool = False) -> list[Changed]:
        one = Noted(chat=ALICE, disappears_after=seconds, disappears_set_at=at, listed=listed)
        return await chat_facts.note(tenant, lease, [one])

    assert await note(86_400, 100.0) == []
    [made] = await note(86_400, 100.0, listed=True)
    assert (made.named, made.timed, made.chat.disappears_after) == (True, True, 86_400)
    assert await note(604_800, 99.0) == []
    assert await note(86_400, 101.0) == []
    [later] = await note(604_800, 102.0)
    assert (later.named, later.timed, later.chat.disappears_after) == (False, True, 604_800)
    timed, own = (
        Context(disappears_after=604_800, disappears_set_at=102),
        Context(disappears_after=86_400),
    )
    for given, gone in ((NO_CONTEXT, timed), (own, own)):
        message = (await messages.accept(tenant, new(session, "hi", context=given))).view
        [going] = await owner.begin_sending([Owned(tenant, lease, MessageId(message.id))])
        assert isinstance(going, Outgoing)
        assert (going.context, going.timed) == (gone, gone is timed)
        told = Advance(
            id=going.id,
            status=Status.SENT,
            time=200.0,
            wa_id=f"3A{going.id}",
            context=going.context if going.timed else None,
        )
        await owner.advance([Owned(tenant, lease, told)])
        kept = await messages.get(tenant, going.id)
        assert kept.context == {
            name: value for name, value in msgspec.to_builtins(gone).items() if value
        }
    [off] = await note(0, None)
    assert (off.timed, off.chat.disappears_after) == (True, 0)


async def test_groups_without_a_name_are_found(lease: Lease, session: SessionRow):
    """The newest first; those with a name and people are none of them."""
    tenant = session.tenant
    for chat in (ALICE, OTHER, GROUP):
        await messages.record_inbound(tenant, lease, [arrived(chat, chat=chat, sender=ALICE)])
        await asyncio.sleep(0.002)
    assert await chat_facts.unnamed(tenant, session.id, 10) == [GROUP, OTHER]
    assert await chat_facts.unnamed(tenant, session.id, 1) == [GROUP]
    assert await chat_facts.is_unnamed(tenant, session.id, GROUP)
    await chat_facts.note(tenant, lease, [Noted(chat=GROUP, name="Choir")])
    assert not await chat_facts.is_unnamed(tenant, session.id, GROUP)
    assert await chat_facts.unnamed(tenant, session.id, 10) == [OTHER]


async def test_a_former_owner_notes_nothing(lease: Lease, session: SessionRow):
    """As with everything that an owner writes."""
    await fleet.claim(session.id, lease_on(session.id, 2, "wrk_2"))
    with pytest.raises(Fenced):
        await chat_facts.note(session.tenant, lease, [Noted(chat=GROUP, name="x", listed=True)])
    assert await listed(session) == []


async def test_pictures_and_about_texts_have_their_time(session: SessionRow):
    """A confirmation makes them newer and is no change; another picture loses the old address."""
    tenant, place = session.tenant, session.id
    about = Learned(contact=ALICE, about="Busy", known_only=True)
    assert await contacts.learn(tenant, place, [about]) == []
    await contacts.learn(tenant, place, [Learned(contact=ALICE, push_name="Alice")])
    [first] = await contacts.learn(tenant, place, [about])
    assert (first.contact.about, first.contact.picture_at) == ("Busy", None)
    await asyncio.sleep(0.002)
    assert await contacts.learn(tenant, place, [about]) == []
    again = await contacts.get(tenant, place, ALICE)
    assert again.about_at is not None
    assert first.contact.about_at is not None
    assert again.about_at > first.contact.about_at

    for news, shown in (
        (Learned(contact=ALICE, picture_id="1", picture_url="https://x/1"), ("1", "https://x/1")),
        (Learned(contact=ALICE, picture_id="1"), ("1", "https://x/1")),
        (Learned(contact=ALICE, picture_id="2"), ("2", None)),
        (Learned(contact=ALICE, picture_id=UNSEEN, picture_url=""), (None, None)),
        (Learned(contact=ALICE, picture_id="", picture_url=""), (None, None)),
    ):
        await contacts.learn(tenant, place, [news])
        now = await contacts.get(tenant, place, ALICE)
        assert (now.picture_id, now.picture_url) == shown
        assert now.picture_changed is (news.picture_id == UNSEEN)
        assert now.picture_at is not None
    assert now.push_name == "Alice"
