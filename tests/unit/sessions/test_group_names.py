"""Groups without a name are asked for: one at a time, seldom, and no more than is good."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.unit.sessions.fakes import FRIEND, Engine, Records, owned, until
from wa_api.domain.addresses import parse_address
from wa_api.domain.groups import GetGroup, Group
from wa_api.store.chat_facts import Noted
from workers.engine.port import CallFailed, EngineNotReady
from workers.sessions import group_names as module
from workers.sessions.group_names import GroupNames
from workers.sessions.insist import Lost


def group(n: int) -> str:
    """The n-th group's address."""
    return f"12036300000000{n:04}@g.us"


@dataclass
class Stage:
    """Names of one session, whose groups WhatsApp calls "Choir"."""

    records: Records = field(default_factory=Records)
    engine: Engine = field(default_factory=lambda: Engine(_nothing))
    noted: list[Noted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine.answer = Group(id=group(0), name="Choir")
        self.names = GroupNames(owned(), self.records, self._note, Lost())

    async def _note(self, news: Sequence[Noted]) -> None:
        self.noted += news

    def hear(self, *numbers: int) -> None:
        """These groups write."""
        for n in numbers:
            self.names.heard(parse_address(group(n)))

    @property
    def asked(self) -> list[str]:
        """Which groups WhatsApp was asked for, in order."""
        return [what.group for what in self.engine.asked if isinstance(what, GetGroup)]


async def _nothing(_: object) -> None:
    return


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)
    made = Stage()
    yield made
    made.names.offline()


async def test_listed_groups_without_a_name_are_asked_for_when_online(stage: Stage):
    """Up to a limit; what is found is kept."""
    stage.records.unnamed = {group(n) for n in range(module.MOST + 20)}
    stage.names.online(stage.engine)
    await until(lambda: len(stage.asked) == module.MOST)
    await asyncio.sleep(0.01)
    assert len(set(stage.asked)) == len(stage.asked) == module.MOST
    assert {one.name for one in stage.noted} == {"Choir"}


async def test_a_group_that_writes_is_looked_at_once(stage: Stage):
    """Only if it has no name; people are never asked for."""
    stage.names.online(stage.engine)
    stage.records.unnamed = {group(1)}
    stage.hear(1, 2, 1)
    stage.names.heard(FRIEND)
    await until(lambda: bool(stage.noted))
    stage.hear(1, 2)
    await asyncio.sleep(0.01)
    assert stage.asked == [group(1)]


async def test_what_writes_while_offline_is_asked_for_later(stage: Stage):
    """The questions wait, but no more than so many."""
    numbers = range(module.MOST + 5)
    stage.records.unnamed = {group(n) for n in numbers}
    stage.hear(*numbers)
    assert stage.asked == []
    stage.names.online(stage.engine)
    await until(lambda: len(stage.asked) >= module.MOST)
    await asyncio.sleep(0.01)
    assert len(stage.asked) <= 2 * module.MOST


@pytest.mark.parametrize(
    "failure", [CallFailed("rate_limited", "slower"), EngineNotReady()], ids=["slower", "offline"]
)
async def test_questions_end_when_whatsapp_wants_none(stage: Stage, failure: Exception):
    """After the first refusal of that kind nothing more is asked."""
    stage.engine.failure = failure
    stage.records.unnamed = {group(n) for n in range(5)}
    stage.names.online(stage.engine)
    await until(lambda: bool(stage.asked))
    await asyncio.sleep(0.01)
    assert len(stage.asked) == 1


async def test_one_group_that_is_gone_does_not_stop_the_others(stage: Stage):
    """It stays without a name."""
    stage.engine.failure = CallFailed("group_not_found", "gone")
    stage.records.unnamed = {group(n) for n in range(3)}
    stage.names.online(stage.engine)
    await until(lambda: len(stage.asked) == 3)
    assert stage.noted == []


async def test_nothing_is_asked_any_more_when_offline(stage: Stage):
    """Whatever was under way ends."""
    stage.records.unnamed = {group(n) for n in range(3)}
    stage.names.online(stage.engine)
    stage.names.offline()
    await asyncio.sleep(0.01)
    assert stage.asked == []
