"""Whatever is lost, repeated or late on the way, a reader gets each event once and in order."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wa_api.bus.feed import _Reader, _Stream
from wa_api.bus.log import Reading, encode
from wa_api.bus.ports import LogEntry
from wa_api.bus.tasks import Tasks
from wa_api.domain.errors import Unavailable
from wa_api.domain.events import Cursor, Event, encode_tail


class Log:
    """A log in memory, whose reads may fail and take a while."""

    def __init__(self, failures: list[bool]) -> None:
        self.entries: list[LogEntry] = []
        self._failures = failures

    def append(self) -> bytes:
        """Add an event; what would be published of it."""
        number = len(self.entries)
        event = Event(type="x.happened", tenant="t", time="", data=number)
        cursor = Cursor(str((number + 1) << 20))
        self.entries.append(LogEntry(cursor, None, "x.happened", encode_tail(event)))
        return f"gen {number}-0 {number + 1}-0 ".encode() + encode(event)

    async def position(self, tenant: str) -> tuple[Cursor, str]:
        return self._head, "gen"

    async def read(self, tenant: str, after: Cursor | None, limit: int) -> Reading:
        await asyncio.sleep(0)
        if self._failures and self._failures.pop():
            raise Unavailable
        since = 0 if after is None else int(after)
        found = [entry for entry in self.entries if int(entry.cursor) > since][:limit]
        head = self._head
        await asyncio.sleep(0)
        return Reading("gen", head, found, ahead=False)

    @property
    def _head(self) -> Cursor:
        return self.entries[-1].cursor if self.entries else Cursor("0")


Step = st.sampled_from(["heard", "lost", "twice", "late", "ready", "pause"])


@settings(max_examples=300)
@given(steps=st.lists(Step, max_size=60), failures=st.lists(st.booleans(), max_size=3))
def test_each_event_arrives_once_and_in_order(steps: list[str], failures: list[bool]):
    """For any history of losses, repeats, delays, reconnects and failing reads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wa_api.bus.feed.backoff", lambda attempt: 0)
        patch.setattr("wa_api.bus.feed._MOST_HELD", 5)  # so that it overflows too
        asyncio.run(_live_through(steps, failures))


async def _live_through(steps: list[str], failures: list[bool]) -> None:
    log, tasks, got, late = Log([]), Tasks(), [], []
    stream = _Stream("t", log, tasks)
    stream.readers = (_Reader(lambda cursor, *_: got.append(cursor), None),)
    await stream.open(asyncio.sleep(0))
    log._failures = failures
    for step in steps:
        if step == "pause":
            await asyncio.sleep(0)
        else:
            _happen(step, stream, log, late)
    stream.catch_up()
    async with asyncio.timeout(60):
        while stream._filling:
            await asyncio.sleep(0)
    await tasks.close()
    assert got == [entry.cursor for entry in log.entries]


def _happen(step: str, stream: _Stream, log: Log, late: list[bytes]) -> None:
    match step:
        case "heard":
            stream.on_message(log.append())
        case "lost":
            log.append()
        case "twice":
            published = log.append()
            stream.on_message(published)
            stream.on_message(published)
        case "late":
            late.append(log.append())
        case "ready":
            stream.catch_up()
            for published in late:
                stream.on_message(published)
