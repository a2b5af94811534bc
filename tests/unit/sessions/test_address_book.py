"""The address book: read soon and often, stored where it differs, told within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.sessions.fakes import Engine, Inbox, Log, Records, owned, until
from wa_api.domain.addresses import Jid
from wa_api.store.address_book import STEP, Kept
from workers.engine.port import CallFailed, EngineNotReady, Saved
from workers.sessions import address_book as module
from workers.sessions.address_book import MOST_TOLD, AddressBook, differences
from workers.sessions.insist import Lost
from workers.sessions.voice import Debts, Voice

LID, NUMBER = "700000@lid", "500000@s.whatsapp.net"


def entry(
    user: str = "500000", name: str = "Ann", server: str = "s.whatsapp.net", **more: Any
) -> Saved:
    """Somebody in the book."""
    return Saved(contact=Jid(user, server), name=name, **more)


async def nothing(_: object) -> None:
    """No handler."""


class Stage:
    """A book, and what it works with."""

    def __init__(self, seconds: float = 100.0) -> None:
        self.records, self.log, self.engine = Records(), Log(), Engine(nothing)
        lost = Lost()
        voice = Voice(owned(), self.log, Inbox(), Debts(), lost)
        self.book = AddressBook(owned(), self.records, voice, lost, seconds)

    async def read(self, *saved: Saved, settled: bool = True) -> None:
        """Read a book of these entries."""
        self.engine.saved = list(saved)
        await self.book.read(self.engine, settled=settled)

    @property
    def names(self) -> dict[str, str]:
        """What is stored."""
        return {one.contact: one.name for one in self.records.book.values()}

    @property
    def readings(self) -> int:
        """How often the engine was asked."""
        return self.engine.calls.count(("saved_contacts",))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    made.book.offline()


async def test_what_differs_is_stored_and_told(stage: Stage):
    """New, renamed and removed entries, each once."""
    await stage.read(entry(), entry("600000", "Bob"))
    await stage.read(entry(), entry("600000", "Bob"))
    await stage.read(entry(name="Anna"))
    assert stage.names == {NUMBER: "Anna"}
    told = [(one.contact.id[0], one.contact.name) for one in stage.log.said("contact.changed")]
    assert told == [("5", "Ann"), ("6", "Bob"), ("5", "Anna"), ("6", None)]


async def test_an_empty_book_may_not_have_come_yet(stage: Stage):
    """Nothing is taken away because of it at first."""
    await stage.read(entry())
    await stage.read(settled=False)
    assert stage.names == {NUMBER: "Ann"}
    await stage.read()
    assert stage.names == {}


async def test_many_changes_are_told_as_one(stage: Stage):
    """In transactions of bounded size."""
    many = [entry(str(100_000 + n), f"No. {n}") for n in range(STEP + 1)]
    await stage.read(*many[:MOST_TOLD])
    assert len(stage.log.said("contact.changed")) == MOST_TOLD
    await stage.read(*many)
    [one] = stage.log.said("session.contacts_changed")
    assert one.contacts == len(many) - MOST_TOLD
    assert len(stage.log.said("contact.changed")) == MOST_TOLD
    assert len(stage.names) == len(many)


async def test_a_lid_is_saved_under_its_number(stage: Stage):
    """The engine knows it, or the store does; saved under both, it is one entry."""
    stage.records.pairs[LID] = NUMBER
    await stage.read(
        entry("700000", "Ann", "lid"),
        entry("800000", "Bea", "lid", other=Jid("600000", "s.whatsapp.net")),
    )
    assert stage.names == {NUMBER: "Ann", "600000@s.whatsapp.net": "Bea"}
    assert stage.records.book[NUMBER].lid == LID
    await stage.read(entry("700000", "Lid", "lid"), entry(name="Number"))
    assert stage.names == {NUMBER: "Number"}


def test_who_was_known_by_his_lid_is_not_removed():
    """He is stored under the number now."""
    kept = [Kept(LID, None, "Ann")]
    [one] = differences(
        [entry("700000", "Ann", "lid")],
        kept,
        {Jid("700000", "lid"): Jid("500000", "s.whatsapp.net")},
        complete=True,
    )
    assert (one.contact, one.lid, one.saved) == (NUMBER, LID, True)


async def test_it_is_read_early_and_after_history(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    """Several times after linking; failures do not end it, going offline does."""
    monkeypatch.setattr(module, "EARLY", (0.01, 0.01))
    monkeypatch.setattr(module, "SETTLING", 0.01)
    stage.engine.failure = CallFailed("whatsapp_timeout", "late")
    stage.book.online(stage.engine, linked=True)
    await until(lambda: stage.readings == 1)
    stage.engine.failure = EngineNotReady()
    await until(lambda: stage.readings == 2)
    stage.engine.failure, stage.engine.saved = None, [entry()]
    stage.book.history_came()
    await until(lambda: stage.names)
    stage.book.offline()
    stage.book.history_came()
    await asyncio.sleep(0.05)
    assert stage.readings == 3


async def test_it_is_read_again_at_intervals():
    """Whoever took the session over reads it, too."""
    stage = Stage(0.02)
    stage.book.online(stage.engine, linked=False)
    await until(lambda: stage.readings >= 3)
    stage.book.offline()


async def test_a_former_owner_stops_reading(stage: Stage):
    """Whoever is newer does it."""
    stage.records.newest = 2
    stage.book._seconds = 0.01
    stage.engine.saved = [entry()]
    stage.book.online(stage.engine, linked=False)
    await until(lambda: stage.book._task is not None and stage.book._task.done())
    assert stage.names == {}
