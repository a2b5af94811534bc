"""The event log: appended once, in order, under a cursor that only grows."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import orjson
import pytest

from tests.contract.bus.servers import eventually
from wa_api.bus.open import Bus
from wa_api.bus.ports import Behind, Lease, Once
from wa_api.domain.errors import CursorGone, Fenced, Unavailable
from wa_api.domain.events import Cursor, Event, SessionStateChanged, event, with_cursor
from wa_api.domain.ids import Epoch


def made(tenant: str, *reasons: object, session: str | None = None) -> list[Event]:
    """Events that can be told apart."""
    return [
        event(tenant, session, SessionStateChanged(state="x", reason=str(reason)))
        for reason in reasons
    ]


def reasons(rows) -> list[str]:
    """What tells them apart."""
    return [orjson.loads(with_cursor(row.cursor, row.tail))["data"]["reason"] for row in rows]


async def test_what_is_appended_can_be_read(bus: Bus, other: Bus, tenant, session):
    """With its cursor, session, type and the whole envelope."""
    first, second = await bus.log.append([*made(tenant, "a", session=session), *made(tenant, "b")])
    rows = await other.log.tail(tenant, None, 10)
    assert [(row.cursor, row.session, row.type) for row in rows] == [
        (first, session, "session.state_changed"),
        (second, None, "session.state_changed"),
    ]
    assert orjson.loads(with_cursor(first, rows[0].tail))["id"] == first
    assert reasons(await other.log.tail(tenant, first, 10)) == ["b"]
    assert await other.log.tail(tenant, second, 10) == []
    assert await other.log.head(tenant) == second


async def test_an_empty_log_has_no_head(bus: Bus, tenant):
    """A tenant to whom nothing has happened."""
    assert await bus.log.head(tenant) == "0"
    assert await bus.log.tail(tenant, None, 10) == []
    assert await bus.log.tail(tenant, Cursor("0"), 10) == []
    assert await bus.log.append([]) == []


async def test_cursors_only_grow_whoever_appends(bus: Bus, other: Bus, tenant):
    """Two processes at once: every event has its own place, each process's in its order."""
    batches = await asyncio.gather(
        *(where.log.append(made(tenant, n, n)) for n in range(100) for where in (bus, other))
    )
    cursors = [int(row.cursor) for row in await bus.log.tail(tenant, None, 1000)]
    assert cursors == sorted({int(cursor) for batch in batches for cursor in batch})
    assert len(cursors) == 400
    assert all(
        int(second) == int(first) + 1 or int(second) > int(first) for first, second in batches
    )


async def test_tenants_do_not_share_a_log(bus: Bus, tenant):
    """Nobody sees another's events."""
    await bus.log.append(made(tenant, "mine"))
    assert await bus.log.tail("ten_other", None, 10) == []


async def test_reading_goes_on_in_pages(bus: Bus, tenant):
    """At most as many as asked for."""
    await bus.log.append(made(tenant, *range(5)))
    first = await bus.log.tail(tenant, None, 2)
    assert reasons(first) == ["0", "1"]
    assert reasons(await bus.log.tail(tenant, first[-1].cursor, 2)) == ["2", "3"]


async def test_an_old_owner_cannot_append(bus: Bus, other: Bus, tenant, session, alice, bob):
    """From the moment the new owner raised the fence, and nothing of the batch gets in."""
    old = Lease(session, alice, Epoch(1))
    await bus.log.append(made(tenant, "a", session=session), old)
    await other.log.raise_fence(tenant, Lease(session, bob, Epoch(2)))
    with pytest.raises(Fenced):
        await bus.log.append(made(tenant, "b", "c", session=session), old)
    await other.log.raise_fence(tenant, old)  # a fence never goes down
    with pytest.raises(Fenced):
        await bus.log.append(made(tenant, "d", session=session), old)
    assert reasons(await bus.log.tail(tenant, None, 10)) == ["a"]


async def test_an_append_raises_the_fence_too(bus: Bus, tenant, session, alice):
    """So that a fence that Redis lost comes back with the owner's next event."""
    new = Lease(session, alice, Epoch(7))
    await bus.log.append(made(tenant, "a"), new)
    with pytest.raises(Fenced):
        await bus.log.append(made(tenant, "b"), replace(new, epoch=Epoch(6)))


async def test_an_append_may_be_repeated_under_its_mark(bus: Bus, tenant):
    """Whoever does not know whether it was appended says it again, and it is there once."""
    assert await bus.log.mark(tenant, "slot") is None
    assert len(await bus.log.append(made(tenant, "a"), once=Once("slot", "1"))) == 1
    assert await bus.log.append(made(tenant, "a"), once=Once("slot", "1")) == []
    assert len(await bus.log.append(made(tenant, "b"), once=Once("slot", "2"))) == 1
    assert reasons(await bus.log.tail(tenant, None, 10)) == ["a", "b"]
    assert await bus.log.mark(tenant, "slot") == "2"


async def test_an_append_that_follows_another_mark_is_refused(bus: Bus, tenant):
    """Redis went back to an older state, or somebody else appended: the caller looks again."""
    with pytest.raises(Behind):
        await bus.log.append(made(tenant, "a"), once=Once("slot", "2", after="1"))
    await bus.log.append(made(tenant, "a"), once=Once("slot", "1", after=""))
    await bus.log.append(made(tenant, "b"), once=Once("slot", "2", after="1"))
    with pytest.raises(Behind):
        await bus.log.append(made(tenant, "c"), once=Once("slot", "3", after="1"))
    with pytest.raises(Behind):
        await bus.log.append(made(tenant, "c"), once=Once("slot", "3", after=""))
    assert await bus.log.append(made(tenant, "b"), once=Once("slot", "2", after="1")) == []
    assert reasons(await bus.log.tail(tenant, None, 10)) == ["a", "b"]


async def test_a_new_log_begins_above_the_database(process, tenant):
    """A Redis that lost its data does not hand out cursors that are in the database."""
    ahead = Cursor(str((int(time.time() * 1000) + 60_000) << 20))

    async def floor(_: str) -> Cursor:
        return ahead

    bus = await process(floor=floor)
    assert await bus.log.head(tenant) == ahead
    (cursor,) = await bus.log.append(made(tenant, "a"))
    assert int(cursor) == int(ahead) + 1
    assert await bus.log.tail(tenant, Cursor("5"), 10) is None
    assert reasons(await bus.log.tail(tenant, ahead, 10)) == ["a"]


async def test_a_lost_log_is_noticed(bus: Bus, tenant):
    """The generation changes, and cursors of the lost one that lie ahead are refused."""
    (cursor,) = await bus.log.append(made(tenant, "a"))
    before = await bus.log.generation(tenant)
    assert await bus.log.generation(tenant) == before
    await lose(bus, tenant)
    with pytest.raises(CursorGone):
        await bus.log.tail(tenant, cursor, 10)
    assert await bus.log.generation(tenant) != before


async def lose(bus: Bus, tenant: str) -> None:
    """What a failover to a replica that had nothing yet looks like."""
    keys = bus.log._keys
    for name in (keys.log(tenant), keys.state(tenant), keys.fences(tenant)):
        await bus.redis.execute(name, "DEL", name)


async def test_appends_mark_the_log_for_the_archiver(bus: Bus, other: Bus, tenant):
    """Until all of it is archived."""
    first, second = await bus.log.append(made(tenant, "a", "b"))
    assert tenant in await other.log.dirty()
    assert not await other.log.trim(tenant, first, 3600)
    assert tenant in await other.log.dirty()
    assert await other.log.trim(tenant, second, 3600)
    assert tenant not in await other.log.dirty()
    assert reasons(await other.log.tail(tenant, None, 10)) == ["a", "b"]
    await bus.log.append(made(tenant, "c"))
    assert tenant in await other.log.dirty()


async def test_only_what_is_archived_is_trimmed(bus: Bus, tenant):
    """Old or not."""
    first, second = await bus.log.append(made(tenant, "a", "b"))
    await eventually(lambda: _trimmed(bus, tenant, first, left=["b"]))
    assert await bus.log.tail(tenant, Cursor(str(int(first) - 1)), 10) is None
    assert reasons(await bus.log.tail(tenant, first, 10)) == ["b"]
    await eventually(lambda: _trimmed(bus, tenant, second))
    assert await bus.log.head(tenant) == second
    assert await bus.log.tail(tenant, second, 10) == []


async def _trimmed(bus: Bus, tenant, upto, left=()) -> bool:
    await bus.log.trim(tenant, upto, 0)
    return reasons(await bus.log.tail(tenant, None, 10)) == list(left)


async def test_archiving_never_goes_back(bus: Bus, tenant):
    """Two archivers, one of them late: the later word counts."""
    first, second = await bus.log.append(made(tenant, "a", "b"))
    assert await bus.log.trim(tenant, second, 3600)
    assert await bus.log.trim(tenant, first, 3600)


async def test_a_log_that_nobody_archives_fills_up(process, tenant):
    """Appends are refused rather than let Redis run out of memory, and go on after archiving."""
    bus = await process(most_entries=3)
    cursors = await bus.log.append(made(tenant, *range(3)))
    with pytest.raises(Unavailable):
        await bus.log.append(made(tenant, "more"))
    await eventually(lambda: _trimmed(bus, tenant, cursors[-1]))
    await bus.log.append(made(tenant, "more"))


async def test_a_mark_that_was_lost_comes_back(bus: Bus, tenant, monkeypatch):
    """If whoever appended died before marking the log, a later append marks it."""
    await bus.log.append(made(tenant, "a"))
    dirty, state = bus.log._keys.dirty, bus.log._keys.state(tenant)
    await bus.redis.execute(dirty, "SREM", dirty, tenant)
    await bus.redis.execute(state, "HINCRBY", state, "told", -6000)
    await bus.log.append(made(tenant, "b"))
    assert tenant in await bus.log.dirty()
