"""What is known of chats and contacts besides messages: names of groups, pictures, about texts."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.store.conftest import lease_on
from tests.contract.store.test_messages import arrived
from wa_api.domain.chats import ChatView
from wa_api.domain.errors import Fenced
from wa_api.domain.leases import Lease
from wa_api.store import chat_facts, chats, contacts, fleet, messages
from wa_api.store.chat_facts import Noted
from wa_api.store.chats import Filter
from wa_api.store.contacts import UNSEEN, Learned
from wa_api.store.rows import SessionRow

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
    [made] = await chat_facts.note(tenant, lease, [joined])
    assert (made.id, made.name, made.unread, made.last_message) == (GROUP, "Choir", 0, None)
    assert await listed(session) == [made]
    assert await chat_facts.note(tenant, lease, [joined]) == []
    [renamed] = await chat_facts.note(tenant, lease, [Noted(chat=GROUP, name="Qu\0ire")])
    assert renamed.name == "Quire"
    assert await listed(session) == [renamed]


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
