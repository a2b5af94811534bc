"""From the log to live without a hole or a repeat, whatever happens in between."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wa_api.domain.errors import CursorGone, Unavailable
from wa_api.domain.events import Cursor
from wa_api.domain.ids import TenantId
from wa_api.http.feed import follower
from wa_api.http.feed.closes import TRY_LATER, Close
from wa_api.http.feed.follower import HELD, Follower
from wa_api.http.feed.hub import Item
from wa_api.services.events import Entry, Filter, Page


class Log:
    """A log in memory whose reads can let something happen first."""

    def __init__(self) -> None:
        self.entries: list[int] = []
        self.during: list[int] = []
        self.followers: list[Follower] = []
        self.error: Exception | None = None
        self.forgotten = 0

    def append(self, count: int = 1) -> None:
        """Something happens: it is in the log, and then live."""
        for _ in range(count):
            cursor = len(self.entries) + 1
            self.entries.append(cursor)
            for one in self.followers:
                if one.take(Item(cursor, "ses_1", "t.x", b"{}")):
                    one.flush()

    async def page(self, tenant: TenantId, after: int, limit: int, wants: Filter) -> Page:
        """See services.events.Events.page."""
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if after < self.forgotten:
            raise CursorGone(goes_on=str(self.forgotten))
        if self.during:
            self.append(self.during.pop(0))
        found = [c for c in self.entries if c > after][:limit]
        if self.during:
            self.append(self.during.pop(0))
        entries = [Entry(Cursor(str(c)), "ses_1", "t.x", b"{}") for c in found]
        return Page(entries, found[-1] if found else after, len(found) >= limit)


class Out:
    """Keeps what is delivered."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.closed: Close | None = None
        self.asked: list[int] = []
        self.gaps: list[tuple[int, int]] = []
        self.open = True

    def deliver(self, items: list[Item]) -> None:
        """See follower.Output."""
        self.got += [item.cursor for item in items]

    async def drained(self) -> None:
        """See follower.Output."""

    def close(self, close: Close) -> None:
        """See follower.Output."""
        self.closed = close

    def gap(self, after: int, goes_on: int) -> None:
        """See follower.Output."""
        self.gaps.append((after, goes_on))

    def missed(self, after: int) -> None:
        """See follower.Output."""
        self.asked.append(after)


def _follower(log: Log) -> tuple[Follower, Out]:
    out = Out()
    one = Follower(log, TenantId("ten_1"), Filter(), out)  # type: ignore[arg-type]
    log.followers.append(one)
    return one, out


async def _follow(before: int, during: list[int], after: int, start: int) -> None:
    log = Log()
    log.append(before)
    one, out = _follower(log)
    log.during = list(during)
    await one.catch_up(min(start, before))
    log.append(after)
    assert out.got == log.entries[min(start, before) :]


async def test_more_may_happen_during_a_read_than_is_held_back() -> None:
    """Then the log is read again."""
    assert HELD < 2500
    await _follow(700, [2500, 3, 2500, 1], 3, 100)


@given(
    before=st.integers(0, 1200),
    during=st.lists(st.integers(0, 2500), max_size=8),
    after=st.integers(0, 5),
    start=st.integers(0, 1200),
)
@settings(max_examples=50)
def test_each_event_comes_once_and_in_order(
    before: int, during: list[int], after: int, start: int
) -> None:
    """Whatever happens before, during and after the reads of the log."""
    asyncio.run(_follow(before, during, after, start))


async def test_a_gap_in_the_live_feed_is_read_from_the_log() -> None:
    """What the subscription lost is asked for from the last event that was delivered."""
    log = Log()
    one, out = _follower(log)
    log.append(2)
    await one.catch_up(0)
    log.entries += [3, 4]  # never came live
    one.gap()
    log.append(1)
    assert out.asked == [2]
    await one.catch_up(out.asked[0])
    log.append(1)
    assert out.got == [1, 2, 3, 4, 5, 6]


async def test_a_later_resume_takes_the_place_of_an_earlier_one() -> None:
    """Two at once deliver as the later one alone would have."""
    log = Log()
    log.append(1200)
    one, out = _follower(log)
    await asyncio.gather(one.catch_up(0), one.catch_up(1190))
    log.append(1)
    assert out.got == list(range(1191, 1202))


async def test_a_log_that_cannot_be_read_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After some patience, with the code that says to come back with the cursor."""
    monkeypatch.setattr(follower, "PATIENCE", -1.0)
    log = Log()
    log.error = Unavailable()
    one, out = _follower(log)
    await one.catch_up(0)
    assert out.closed == TRY_LATER


async def test_what_is_kept_no_more_is_told_and_the_rest_delivered() -> None:
    """A gap says between which cursors; from there on nothing is missing."""
    log = Log()
    log.append(20)
    log.forgotten = 12
    one, out = _follower(log)
    log.during = [1]
    await one.catch_up(5)
    log.append(1)
    assert out.gaps == [(5, 12)]
    assert out.got == list(range(13, 23))


async def test_a_filter_lets_through_what_was_asked_for() -> None:
    """By type, family of types and session."""
    wants = Filter(frozenset({"ses_1"}), frozenset({"message.*", "session.qr_issued"}))
    assert wants("ses_1", "message.received")
    assert wants("ses_1", "session.qr_issued")
    assert not wants("ses_1", "session.state_changed")
    assert not wants("ses_2", "message.received")
    assert not wants(None, "message.received")
