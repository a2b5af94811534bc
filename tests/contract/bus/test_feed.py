"""The feed: every event once, in order, without holes, whatever the network does."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from tests.contract.bus.servers import eventually
from tests.contract.bus.test_log import lose, made
from wa_api.bus.open import Bus


class Reader:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str | None, str, bytes]] = []
        self.gaps: list[tuple[str, str]] = []

    def on_event(self, *event) -> None:
        self.events.append(event)

    def on_gap(self, *gap) -> None:
        self.gaps.append(gap)

    @property
    def cursors(self) -> list[str]:
        return [event[0] for event in self.events]


async def deafen(bus: Bus) -> None:
    """Break the subscription connection; it comes back by itself."""
    connection = await eventually(lambda: bus.feed._subscriptions._connection)
    connection.abort()
    await eventually(lambda: bus.feed._subscriptions._connection is not connection)


async def test_events_of_other_processes_arrive(bus: Bus, other: Bus, tenant, session):
    """As the envelope that every reader gets."""
    reader = Reader()
    await other.feed.follow(tenant, reader.on_event)
    cursors = await bus.log.append(made(tenant, "a", "b", session=session))
    await eventually(lambda: len(reader.events) == 2)
    assert reader.cursors == cursors
    cursor, about, kind, body = reader.events[0]
    assert (about, kind) == (session, "session.state_changed")
    assert orjson.loads(body)["id"] == cursor
    assert orjson.loads(body)["data"]["reason"] == "a"


async def test_what_happened_before_is_not_repeated(bus: Bus, tenant):
    """A new reader begins with the present."""
    await bus.log.append(made(tenant, "before"))
    reader = Reader()
    await bus.feed.follow(tenant, reader.on_event)
    cursors = await bus.log.append(made(tenant, "after"))
    await eventually(lambda: reader.events)
    assert reader.cursors == cursors


async def test_nothing_is_missed_from_the_moment_of_following(bus: Bus, other: Bus, tenant):
    """Whatever is appended after `follow` returned arrives, under load too."""
    appended: list[str] = []
    begun = 0

    async def append() -> None:
        nonlocal begun
        for n in range(300):
            begun += 1
            appended.extend(await other.log.append(made(tenant, n)))

    appending = asyncio.create_task(append())
    await eventually(lambda: len(appended) > 20)
    reader = Reader()
    await bus.feed.follow(tenant, reader.on_event)
    before = begun
    await appending
    await eventually(lambda: reader.cursors and reader.cursors[-1] == appended[-1])
    assert reader.cursors == appended[-len(reader.cursors) :]
    assert len(reader.cursors) >= len(appended) - before


async def test_all_readers_of_a_process_get_the_same(bus: Bus, other: Bus, tenant):
    """An event is built once, and one reader's fault is not the others'."""
    first, second = Reader(), Reader()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    for on_event in (first.on_event, broken, second.on_event):
        await bus.feed.follow(tenant, on_event)
    await other.log.append(made(tenant, "a"))
    await eventually(lambda: second.events)
    assert first.events == second.events
    assert first.events[0][3] is second.events[0][3]


async def test_a_reader_that_left_gets_nothing(bus: Bus, tenant):
    """And those that stay are not disturbed; leaving twice is fine."""
    leaver, stayer = Reader(), Reader()
    leave = await bus.feed.follow(tenant, leaver.on_event)
    await bus.feed.follow(tenant, stayer.on_event)
    await leave()
    await leave()
    await bus.log.append(made(tenant, "a"))
    await eventually(lambda: stayer.events)
    assert leaver.events == []


async def test_following_again_after_all_have_left_works(bus: Bus, tenant):
    """Subscribing and unsubscribing in quick succession ends subscribed."""
    for _ in range(20):
        leave = await bus.feed.follow(tenant, Reader().on_event)
        await leave()
    reader = Reader()
    await bus.feed.follow(tenant, reader.on_event)
    await bus.log.append(made(tenant, "a"))
    await eventually(lambda: reader.events)


async def test_a_broken_subscription_leaves_no_hole(bus: Bus, other: Bus, tenant):
    """What was published meanwhile is read from the log."""
    reader = Reader()
    await bus.feed.follow(tenant, reader.on_event, reader.on_gap)
    appended: list[str] = []
    for n in range(8):
        appended += await other.log.append(made(tenant, n, n))
        if n % 3 == 0:
            await deafen(bus)
    await eventually(lambda: len(reader.events) >= len(appended))
    assert reader.cursors == appended
    assert reader.gaps == []


async def test_more_than_one_page_is_filled(bus: Bus, other: Bus, tenant):
    """A long absence."""
    reader = Reader()
    await bus.feed.follow(tenant, reader.on_event)
    bus.feed._subscriptions._connection.abort()
    appended = await other.log.append(made(tenant, *range(1300)))
    await eventually(lambda: len(reader.events) >= len(appended))
    assert reader.cursors == appended


async def test_a_feed_that_hears_nothing_reads_the_log(process, tenant, monkeypatch):
    """A subscription that is silently dead delays events, no more."""
    monkeypatch.setattr("wa_api.bus.feed._SWEEP_SECONDS", 0.05)
    bus, reader = await process(), Reader()
    await bus.feed.follow(tenant, reader.on_event)
    bus.feed._subscriptions.remove(bus.feed._streams[tenant][1])
    appended = await bus.log.append(made(tenant, "a"))
    await eventually(lambda: reader.cursors == appended)


async def test_a_gap_that_cannot_be_filled_is_said(bus: Bus, other: Bus, tenant):
    """When the log was trimmed beyond the reader it is told, and the rest is delivered."""
    reader = Reader()
    await bus.feed.follow(tenant, reader.on_event, reader.on_gap)
    (seen,) = await other.log.append(made(tenant, "seen"))
    await eventually(lambda: reader.events)
    stream, subscription = bus.feed._streams[tenant]
    bus.feed._subscriptions.remove(subscription)  # deaf for longer than the log is kept
    (missed,) = await other.log.append(made(tenant, "missed"))
    await eventually(lambda: _gone(other, tenant, missed))
    kept = await other.log.append(made(tenant, "kept"))
    bus.feed._subscriptions.add(subscription.channel, stream.on_message, stream.catch_up)
    await eventually(lambda: len(reader.events) == 2)
    assert reader.cursors == [seen, *kept]
    ((after, goes_on),) = reader.gaps
    assert after == seen
    assert int(missed) <= int(goes_on) < int(kept[0])


async def _gone(bus: Bus, tenant, cursor) -> bool:
    await bus.log.trim(tenant, cursor, 0)
    return not await bus.log.tail(tenant, None, 1)


async def test_a_lost_log_is_said(bus: Bus, other: Bus):
    """Readers go on with what the new log has, and know that something may be gone."""
    for number in range(20):  # the loss hits the feed's own reading at different moments
        await _lose_while_reading(bus, other, f"ten_{number}", number % 5)


async def _lose_while_reading(bus: Bus, other: Bus, tenant: str, turns: int) -> None:
    reader = Reader()
    await bus.feed.follow(tenant, reader.on_event, reader.on_gap)
    (seen,) = await other.log.append(made(tenant, "seen"))
    await eventually(lambda: reader.events)
    for _ in range(turns):
        await asyncio.sleep(0)
    await lose(other, tenant)
    fresh = await other.log.append(made(tenant, "a", "b"))
    await eventually(lambda: len(reader.events) == 3)
    assert reader.cursors == [seen, *fresh]
    assert [after for after, _ in reader.gaps] == [seen]


async def test_a_follower_that_gives_up_leaves_nothing_behind(bus: Bus, tenant):
    """Cancelled while it waits."""
    following = asyncio.create_task(bus.feed.follow(tenant, Reader().on_event))
    await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert not bus.feed._streams
