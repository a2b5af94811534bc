"""What a connection remembers: bounded, and never older than what happened."""

from __future__ import annotations

import pytest

from wa_api.domain.groups import Group, Participant
from wa_api.domain.messages import Address
from workers.engine.memory import MOST_CALLS, Calls, Groups


def group(jid: str, members: int = 1) -> Group:
    """A group with so many members."""
    people = [Participant(contact=Address(id=str(number))) for number in range(members)]
    return Group(id=jid, name=jid, participants=people)


@pytest.fixture
def groups() -> Groups:
    """Room for ten members."""
    return Groups(most_members=10)


def test_a_group_is_remembered_until_something_happens_in_it(groups: Groups) -> None:
    """Then the next one who asks gets a fresh answer."""
    groups.put(group("a"), groups.begin())
    groups.put(group("b"), groups.begin())
    assert groups.find("a") == group("a")
    groups.forget("a")
    assert (groups.find("a"), groups.find("b")) == (None, group("b"))
    groups.forget()
    assert groups.find("b") is None


def test_an_answer_that_was_overtaken_is_not_remembered(groups: Groups) -> None:
    """It may have been true only before what happened meanwhile."""
    mark = groups.begin()
    groups.forget("a")
    groups.put(group("a"), mark)
    assert groups.find("a") is None


def test_members_are_bounded_and_the_least_used_group_goes(groups: Groups) -> None:
    """Groups are of very different sizes: their members count."""
    for jid in "abc":
        groups.put(group(jid, 3), groups.begin())
    groups.find("a")
    groups.put(group("d", 3), groups.begin())
    assert [jid for jid in "abcd" if groups.find(jid)] == ["a", "c", "d"]
    groups.put(group("huge", 11), groups.begin())
    assert groups.find("huge") is None
    groups.put(group("a", 4), groups.begin())
    assert [jid for jid in "acd" if groups.find(jid)] == ["a", "c", "d"]


def test_a_call_is_known_until_it_ends() -> None:
    """And no more than some at once."""
    calls = Calls()
    for number in range(MOST_CALLS + 1):
        calls.begin(str(number), f"caller {number}")
    assert calls.find("0") is None
    assert calls.end("1") == "caller 1"
    assert calls.end("1") is None
