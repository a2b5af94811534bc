"""Names of the phone's address book: before all others, and gone when they are gone there."""

from __future__ import annotations

import pytest

from tests.contract.store.conftest import lease_on
from tests.contract.store.test_messages import arrived
from wa_api.domain.chats import ChatView
from wa_api.domain.errors import Fenced
from wa_api.domain.leases import Lease
from wa_api.store import address_book, chats, contacts, fleet, history, messages
from wa_api.store.address_book import Kept
from wa_api.store.chats import Filter
from wa_api.store.contacts import Learned
from wa_api.store.history import PastChat
from wa_api.store.rows import SessionRow

ALICE, LID = "5511999990001@s.whatsapp.net", "100000000000001@lid"


def saved(name: str, contact: str = ALICE, **more: str) -> Learned:
    """An entry of the address book; without a name it is gone."""
    return Learned(contact=contact, name=name, saved=bool(name), **more)


async def chat(session: SessionRow, name: str | None = None) -> ChatView | None:
    """The one chat, perhaps found by a part of its name."""
    found, _ = await chats.list_chats(session.tenant, session.id, Filter(name=name))
    return found[0] if found else None


async def test_a_saved_name_comes_first_and_goes(lease: Lease, session: SessionRow):
    """Contact and chat show it, and it is searched for; then they show what is left."""
    tenant, place = session.tenant, session.id
    await messages.record_inbound(tenant, lease, [arrived("A", chat=ALICE, sender=ALICE)])
    await contacts.learn(tenant, place, [Learned(contact=ALICE, push_name="ally")])
    for name in ("Alice A.", "Mrs. A."):
        [change] = await address_book.learn(tenant, lease, [saved(name, push_name="old")])
        assert (change.contact.name, change.contact.push_name) == (name, "ally")
        assert await address_book.learn(tenant, lease, [saved(name)]) == []
        shown = await chat(session, name)
        assert shown is not None
        assert shown.name == name
    assert await address_book.kept(tenant, place) == [Kept(ALICE, None, "Mrs. A.")]
    assert await chat(session, "Alice") is None
    [gone] = await address_book.learn(tenant, lease, [saved("")])
    assert (gone.contact.name, gone.contact.push_name) == (None, "ally")
    shown = await chat(session)
    assert shown is not None
    assert shown.name == "ally"
    assert await address_book.kept(tenant, place) == []


async def test_history_names_nobody_who_is_saved(lease: Lease, session: SessionRow):
    """Its names count until the address book has one; the same name is no change for readers."""
    tenant = session.tenant
    past = [PastChat(chat=ALICE, time=1e9, name="Alice")]
    told = [Learned(contact=ALICE, name="Alice")]
    await history.record(tenant, lease, contacts=told, past=past, messages=[])
    assert await address_book.learn(tenant, lease, [saved("Alice")]) == []
    assert len(await address_book.kept(tenant, session.id)) == 1
    await address_book.learn(tenant, lease, [saved("Mrs. A.")])
    await history.record(tenant, lease, contacts=told, past=past, messages=[])
    shown = await chat(session)
    assert shown is not None
    assert shown.name == "Mrs. A."
    await address_book.learn(tenant, lease, [saved("")])
    shown = await chat(session)
    assert shown is not None
    assert shown.name is None


async def test_two_addresses_keep_what_is_known_by_each(lease: Lease, session: SessionRow):
    """The saved name wins, and what was known by the LID alone is not lost."""
    tenant, place = session.tenant, session.id
    await contacts.learn(tenant, place, [Learned(contact=LID, push_name="ally", about="Busy")])
    await address_book.learn(tenant, lease, [saved("Alice A.")])
    [change] = await contacts.learn(tenant, place, [Learned(contact=ALICE, lid=LID)])
    assert change.merged
    [one] = await contacts.list_contacts(tenant, place)
    assert (one.id, one.lid, one.name, one.push_name) == (ALICE, LID, "Alice A.", "ally")
    assert one.about == "Busy"
    assert one.about_at is not None
    assert await contacts.list_contacts(tenant, place, name="ally") == [one]

    other, other_lid = "5511999990002@s.whatsapp.net", "100000000000002@lid"
    await contacts.learn(tenant, place, [Learned(contact=other, name="From history")])
    await address_book.learn(tenant, lease, [saved("Saved", contact=other_lid)])
    await contacts.learn(tenant, place, [Learned(contact=other, lid=other_lid)])
    assert (await contacts.get(tenant, place, other)).name == "Saved"
    assert Kept(other, other_lid, "Saved") in await address_book.kept(tenant, place)


async def test_a_former_owner_saves_nothing(lease: Lease, session: SessionRow):
    """As with everything that an owner writes."""
    await fleet.claim(session.id, lease_on(session.id, 2, "wrk_2"))
    with pytest.raises(Fenced):
        await address_book.learn(session.tenant, lease, [saved("Alice")])
    assert await address_book.kept(session.tenant, session.id) == []
