"""The archive is the log: every event once, in order, whatever dies in between."""

from __future__ import annotations

import asyncio
import random

import pytest

from wa_api import readers
from wa_api.bus.open import Bus
from wa_api.domain.events import ChatTyping, Cursor, event
from wa_api.domain.ids import TenantId, WorkerId, new_id
from wa_api.domain.messages import Address
from wa_api.store import events, tenants
from workers.archiver import Archiver


def archiver(bus: Bus, **more: object) -> Archiver:
    """An archiver of a process of its own."""
    return Archiver(bus.log, bus.leases, WorkerId(new_id("wrk")), **more)


async def say(bus: Bus, tenant: TenantId, count: int) -> list[Cursor]:
    """Append events; their cursors."""
    alice = Address(id="1@lid")
    typing = ChatTyping(chat=alice, sender=alice, state="typing")
    return await bus.log.append([event(tenant, "ses_1", typing) for _ in range(count)])


async def forget(bus: Bus, pattern: str) -> None:
    """Lose keys, as a Redis without persistence does."""
    for key in (await bus.redis.execute("", "SCAN", 0, "MATCH", pattern, "COUNT", 100_000))[1]:
        await bus.redis.execute(key.decode(), "DEL", key)


async def archived(tenant: TenantId) -> list[Cursor]:
    """The cursors that are rows."""
    found: list[Cursor] = []
    while page := await events.read(tenant, found[-1] if found else None, 1000):
        found += [one.cursor for one in page]
    return found


async def test_everything_appended_is_archived_as_it_was(bus: Bus, tenant: TenantId):
    """Same cursors, same bytes, in order, over several batches."""
    cursors = await say(bus, tenant, 25)
    live = await bus.log.tail(tenant, None, 100)
    await archiver(bus, batch=10).round()
    assert await archived(tenant) == cursors
    rows = await events.read(tenant, None, 100)
    assert [(r.cursor, r.session, r.type, r.tail) for r in rows] == [tuple(one) for one in live]
    assert await bus.log.dirty() == []


async def test_redis_keeps_only_the_newest_of_what_is_archived(bus: Bus, tenant: TenantId):
    """Readers behind the live tail are sent to the database, which has the rest."""
    cursors = await say(bus, tenant, 30)
    await archiver(bus, keep_entries=10).round()
    assert await bus.log.tail(tenant, cursors[0], 100) is None
    assert [one.cursor for one in await bus.log.tail(tenant, None, 100)] == cursors[-10:]
    assert await archived(tenant) == cursors


async def test_one_page_has_what_is_archived_and_what_is_not_yet(bus: Bus, tenant: TenantId):
    """As far as there is room; the next page goes on where it ended."""
    cursors = await say(bus, tenant, 30)
    await archiver(bus, keep_entries=10).round()
    cursors += await say(bus, tenant, 5)
    for limit, expected in ((100, cursors), (35, cursors), (32, cursors[:32]), (30, cursors[:30])):
        page = await readers.page(bus.log, tenant, 0, limit)
        assert [one.cursor for one in page.entries] == [int(one) for one in expected]
        rest = await readers.page(bus.log, tenant, page.upto, limit)
        assert [one.cursor for one in rest.entries] == [
            int(one) for one in cursors[len(expected) :]
        ]
        assert page.more is (limit < 100)


async def test_a_log_that_was_lost_does_not_hide_the_archive(bus: Bus, tenant: TenantId):
    """Redis is empty and nothing has happened since: a page is what the database has."""
    cursors = await say(bus, tenant, 5)
    await archiver(bus).round()
    await forget(bus, "*")
    page = await readers.page(bus.log, tenant, 0, 100)
    assert [one.cursor for one in page.entries] == [int(one) for one in cursors]


async def test_what_is_not_archived_is_never_dropped(bus: Bus, tenant: TenantId):
    """However small the live tail should be."""
    cursors = await say(bus, tenant, 30)
    await bus.log.trim(tenant, cursors[4], 3600, 1)
    assert [one.cursor for one in await bus.log.tail(tenant, None, 100)] == cursors[5:]


async def test_two_archivers_under_traffic_make_each_row_once(bus: Bus, tenant: TenantId):
    """They share tenants, and even on the same one nothing is doubled or lost."""
    other = (await tenants.create("B")).id
    stop = asyncio.Event()
    both = [archiver(bus, batch=7, interval=0.005, keep_entries=20) for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        for one in both:
            group.create_task(one.run(stop))
        said: dict[TenantId, list[Cursor]] = {tenant: [], other: []}
        for _ in range(30):
            for whose in said:
                said[whose] += await say(bus, whose, 5)
            await asyncio.sleep(0.002)
        stop.set()
    for whose, cursors in said.items():
        assert await archived(whose) == cursors


@pytest.mark.parametrize("seed", range(5))
async def test_an_archiver_may_die_at_any_point(bus: Bus, tenant: TenantId, seed: int):
    """Cut off after a random number of steps, again and again; the next goes on."""
    chance = random.Random(seed)
    cursors: list[Cursor] = []
    for _ in range(8):
        cursors += await say(bus, tenant, 12)
        victim = WorkerId(new_id("wrk"))
        dying = asyncio.create_task(
            Archiver(bus.log, bus.leases, victim, batch=5, keep_entries=8).round()
        )
        await asyncio.sleep(chance.random() * 0.02)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        await bus.leases.release_all(victim)
    await archiver(bus, batch=5).round()
    assert await archived(tenant) == cursors


async def test_a_mark_that_was_lost_is_found_by_the_sweep(bus: Bus, tenant: TenantId, prefix: str):
    """An appender that died before it marked its tenant delays nothing for long."""
    cursors = await say(bus, tenant, 3)
    await forget(bus, f"{prefix}*dirty*")
    assert await bus.log.dirty() == []
    await archiver(bus).round()
    assert await archived(tenant) == cursors


async def test_a_lost_redis_leaves_a_mark_in_the_log(bus: Bus, tenant: TenantId, prefix: str):
    """Cursors go on above the old ones, and readers are told that something may be missing."""
    one = archiver(bus)
    before = await say(bus, tenant, 3)
    await one.round()
    await say(bus, tenant, 2)  # lost: not archived yet
    await forget(bus, f"{prefix}*")
    after = await say(bus, tenant, 2)
    assert int(after[0]) > int(before[-1])
    await one.round()
    rows = await events.read(tenant, None, 100)
    assert [row.cursor for row in rows if row.type != "log.gap"] == before + after
    gaps = [row for row in rows if row.type == "log.gap"]
    assert len(gaps) == 1
    assert f'"after":"{before[-1]}"'.encode() in gaps[0].tail


async def test_a_database_from_yesterday_is_told_too(bus: Bus, tenant: TenantId):
    """Where the live tail does not reach back to the archive's end, readers are told."""
    cursors = await say(bus, tenant, 5)
    await bus.log.trim(tenant, cursors[2], 3600, 1)  # archived in a database that is gone
    await archiver(bus).round()
    rows = await events.read(tenant, None, 100)
    assert [row.type for row in rows].count("log.gap") == 1
    assert [row.cursor for row in rows][:2] == cursors[3:]


async def test_stopping_archives_what_is_left(bus: Bus, tenant: TenantId):
    """A clean stop leaves nothing behind in Redis only, and lets go at once."""
    stop = asyncio.Event()
    one = archiver(bus, interval=30)
    task = asyncio.create_task(one.run(stop))
    cursors = await say(bus, tenant, 3)
    stop.set()
    await asyncio.wait_for(task, 10)
    assert await archived(tenant) == cursors
    cursors += await say(bus, tenant, 1)
    await archiver(bus).round()
    assert await archived(tenant) == cursors
