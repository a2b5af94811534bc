"""Searching by words: the same on both databases, scoped, safe, and true after every change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.store.test_messages import arrived, new
from wa_api.domain.content import Text
from wa_api.domain.ids import MessageId, TenantId
from wa_api.domain.leases import Lease
from wa_api.store import chats, contacts, messages, sessions
from wa_api.store.batches import Item, accept_batch
from wa_api.store.contacts import Learned
from wa_api.store.db import database
from wa_api.store.rows import SessionRow
from wa_api.store.search import Filter, search, snippet
from wa_api.store.terms import words_of

ALICE, BOB = "5511999990001@s.whatsapp.net", "5511999990002@s.whatsapp.net"
LID = "100000000000001@lid"


async def receive(session: SessionRow, lease: Lease, *texts: str, chat: str = ALICE) -> list[str]:
    """Messages with these texts; their ids."""
    come = [arrived(f"{chat[:20]}{text[:80]}", text, chat=chat, sender=chat) for text in texts]
    return [one.id for one in await messages.record_inbound(session.tenant, lease, come)]


async def found(session: SessionRow, asked: str, **given: Any) -> list[str]:
    """The texts that a search finds."""
    hits, _ = await search(session.tenant, session.id, asked, Filter(**given))
    return [hit.message.content["body"] for hit in hits]


async def test_words_are_found_whatever_their_form(lease: Lease, session: SessionRow):
    """All words must be there; capitals, accents and order do not matter; the last may go on."""
    await receive(session, lease, "Olá, São Paulo!", "sao tome", "Ελλάδα ΑΘΗΝΑ", "привет мир")
    assert await found(session, "PAULO sao") == ["Olá, São Paulo!"]
    assert await found(session, "sao") == ["sao tome", "Olá, São Paulo!"]
    assert await found(session, "sao pau") == ["Olá, São Paulo!"]
    assert await found(session, "pau sao") == []
    assert await found(session, "αθήνα") == ["Ελλάδα ΑΘΗΝΑ"]
    assert await found(session, "Привет") == ["привет мир"]
    assert await found(session, "...") == []


@pytest.mark.parametrize(
    "asked",
    ["'; DROP TABLE messages; --", '" OR "', "a & !b | (c)", "x:*", "NEAR(a b)", "*", "\\'", "😀"],
)
async def test_what_users_type_is_never_syntax(lease: Lease, session: SessionRow, asked: str):
    """Operators of either database are words or nothing."""
    await receive(session, lease, "hello")
    assert await found(session, asked) == []
    assert await found(session, f"hello {asked}") in ([], ["hello"])


async def test_outbound_messages_are_found_too(session: SessionRow):
    """By each way in."""
    await messages.accept(session.tenant, new(session, "apples one"))
    await messages.accept(session.tenant, new(session, "apples two"), "key", "hash")
    await accept_batch(session.tenant, session.id, [Item(new(session, "apples three"))])
    assert await found(session, "apples") == ["apples three", "apples two", "apples one"]


async def test_filters_and_pages(lease: Lease, session: SessionRow):
    """By chat, sender and time; a page goes on where the last one ended."""
    await receive(session, lease, "apple 1", "apple 2", "apple 3")
    await receive(session, lease, "apple 4", chat=BOB)
    assert await found(session, "apple", chat=ALICE) == ["apple 3", "apple 2", "apple 1"]
    assert await found(session, "apple", sender=BOB) == ["apple 4"]
    assert await found(session, "apple", type="image") == []
    assert await found(session, "apple", until=1_700_000_000) == []
    assert len(await found(session, "apple", since=1_700_000_000)) == 4
    seen, before = [], None
    while True:
        hits, before = await search(
            session.tenant, session.id, "apple", Filter(), before=before, limit=3
        )
        seen += [hit.message.content["body"] for hit in hits]
        if before is None:
            break
    assert seen == ["apple 4", "apple 3", "apple 2", "apple 1"]


async def test_nobody_finds_anothers(lease: Lease, session: SessionRow):
    """Neither another tenant nor another session of the same one."""
    await receive(session, lease, "secret")
    assert (await search(TenantId("ten_other"), session.id, "secret", Filter()))[0] == []
    other = await sessions.create(session.tenant, network="sandbox")
    assert await found(other, "secret") == []
    assert await found(session, session.id) == []


async def test_changes_are_seen(lease: Lease, session: SessionRow):
    """An edited text is found by its new words, a revoked or deleted message not at all."""
    ids = await receive(session, lease, "old words", "revoked words", "deleted words")

    async def rewrite(message: str, text: str | None) -> None:
        await database().fetch("UPDATE messages SET text = $2 WHERE id = $1", message, text)

    await rewrite(ids[0], words_of(Text(body="new phrase")))
    await rewrite(ids[1], None)
    await chats.delete_message(session.tenant, session.id, MessageId(ids[2]))
    assert await found(session, "words") == []
    assert len(await found(session, "phrase")) == 1
    await rewrite(ids[0], "again")
    assert (await found(session, "phrase"), len(await found(session, "again"))) == ([], 1)


async def test_a_merged_chat_is_searched_as_one(lease: Lease, session: SessionRow):
    """What came under a LID is found in the number's chat afterwards."""
    await receive(session, lease, "apple lid", chat=LID)
    await receive(session, lease, "apple number")
    await contacts.learn(session.tenant, session.id, [Learned(contact=ALICE, lid=LID)])
    assert await found(session, "apple", chat=ALICE) == ["apple number", "apple lid"]


def test_snippets_show_what_was_found():
    """A part of a long text around the first hit, with the places of all hits in it."""
    text = "Zero " * 100 + "the Ánswer is here " + "later " * 100
    part, at = snippet(text, ["answer", "her"])
    assert [part[a:b] for a, b in at] == ["Ánswer", "here"]
    assert len(part) <= 120
    assert snippet("nothing", ["x"]) == ("nothing", [])
