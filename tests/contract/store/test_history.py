"""The phone's history: in its place by time, once, and never against what is known already."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.store.conftest import lease_on
from tests.contract.store.test_chats import listed, number
from tests.contract.store.test_messages import arrived, sent
from wa_api.domain.errors import Fenced
from wa_api.domain.leases import Lease
from wa_api.domain.messages import Status
from wa_api.store import chats, contacts, fleet, history, messages, running
from wa_api.store.chats import Change, Filter
from wa_api.store.contacts import Learned
from wa_api.store.history import PastChat, PastMessage
from wa_api.store.rows import SessionRow
from wa_api.store.search import Filter as Words
from wa_api.store.search import search

ALICE = "5511999990001@s.whatsapp.net"
LID = "100000000000001@lid"
GROUP = "120363000000000001@g.us"
LONG_AGO = 1_600_000_000.0


def past(n: int, text: str = "past", **more: Any) -> PastMessage:
    """The n-th message of the past, from Alice."""
    new = arrived(f"H{n}", text, timestamp=LONG_AGO + n)
    status = Status.READ if more.get("from_me") else Status.RECEIVED
    return PastMessage(replace(new, **more), status)


async def record(
    session: SessionRow,
    lease: Lease,
    *messages: PastMessage,
    past: list[PastChat] | None = None,
    contacts: list[Learned] | None = None,
) -> int:
    """Keep a part of the history."""
    return await history.record(
        session.tenant, lease, contacts=contacts or [], past=past or [], messages=messages
    )


async def test_the_past_stands_before_the_present(lease: Lease, session: SessionRow):
    """Whatever came live first: pages, the list and search are in the order of time."""
    await messages.record_inbound(session.tenant, lease, [arrived("L1", "now")])
    whole = PastChat(chat=ALICE, time=LONG_AGO + 3, name="Alice A.", unread=1, archived=True)
    mine = past(2, "mine", from_me=True)
    known = [Learned(contact=ALICE, name="Alice A.")]
    assert await record(session, lease, past(1), mine, past(3), past=[whole], contacts=known) == 3
    page = await messages.list_messages(session.tenant, session.id, chat=ALICE)
    assert [one.content["body"] for one in page] == ["now", "past", "mine", "past"]
    assert [one.source for one in page] == ["contact", "history", "history", "history"]
    assert [one.status for one in page][2] is Status.READ
    [chat] = await listed(session)
    assert chat.last_message is not None
    assert (chat.last_message["text"], chat.unread, chat.name) == ({"body": "now"}, 1, "Alice A.")
    found, _ = await search(session.tenant, session.id, "mine past", Words())
    assert found == []
    found, _ = await search(session.tenant, session.id, "past", Words())
    assert len(found) == 2


async def test_a_chat_is_as_the_phone_has_it(lease: Lease, session: SessionRow):
    """Name, counts and marks come with it; an empty chat is there too; later marks are ours."""
    group = PastChat(chat=GROUP, time=LONG_AGO, name="Choir", unread=7, pinned=True)
    muted = PastChat(chat=ALICE, time=LONG_AGO, archived=True, muted_until=4e9)
    for _ in range(2):
        await record(session, lease, past(1), past=[group, muted])
    first, second = await listed(session)
    assert (first.id, first.name, first.unread, first.pinned) == (GROUP, "Choir", 7, True)
    assert (second.archived, second.muted_until is not None, second.unread) == (True, True, 0)
    assert second.last_message is not None
    await chats.change(session.tenant, session.id, ALICE, Change(archived=False))
    await record(session, lease, past=[muted])
    assert not (await chats.get(session.tenant, session.id, ALICE)).archived


async def test_nothing_comes_twice(lease: Lease, session: SessionRow):
    """Neither a part that is sent again, nor what came live or was sent from here."""
    await messages.record_inbound(session.tenant, lease, [arrived("H1", "live")])
    await sent(lease, session, "H2")
    given = [past(1), past(2, from_me=True, sender="5511888880000@s.whatsapp.net"), past(3)]
    assert await record(session, lease, *given) == 1
    assert await record(session, lease, *given) == 0
    page = await messages.list_messages(session.tenant, session.id)
    assert sorted(one.wa_id or "" for one in page) == ["H1", "H2", "H3"]


async def test_the_past_is_told_to_nobody(lease: Lease, session: SessionRow):
    """A new owner that tells what was not told leaves the history out."""
    [first] = await messages.record_inbound(session.tenant, lease, [arrived("L1")])
    recent = past(1)
    now = replace(recent.message, timestamp=time.time())
    await record(session, lease, replace(recent, message=now))
    untold = await running.arrived_after(session.tenant, session.id, "", 0.0)
    assert [one.id for one in untold] == [first.id]


async def test_people_of_the_past_have_one_identity(lease: Lease, session: SessionRow):
    """Pairs and names that come with it join what was under the LID."""
    await messages.record_inbound(session.tenant, lease, [arrived("L1", chat=LID, sender=LID)])
    names = [Learned(contact=ALICE, lid=LID), Learned(contact=ALICE, push_name="Alice")]
    await record(session, lease, past(1), contacts=names)
    [chat] = await listed(session)
    assert (chat.id, chat.lid, chat.name) == (ALICE, LID, "Alice")
    known = await contacts.phones(session.tenant, session.id, [LID, number(9)])
    assert known == {LID: ALICE}


async def test_a_former_owner_adds_no_history(lease: Lease, session: SessionRow):
    """Fenced, like all that an owner writes."""
    await fleet.claim(session.id, lease_on(session.id, 2, "wrk_2"))
    with pytest.raises(Fenced):
        await record(session, lease, past(1))
    assert (await chats.list_chats(session.tenant, session.id, Filter()))[0] == []
