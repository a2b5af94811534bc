"""Scheduled messages fall due: told once, by one process at a time."""

from __future__ import annotations

import asyncio
import time

import orjson

from wa_api.bus.open import Bus
from wa_api.domain.commands import Command
from wa_api.domain.content import Text
from wa_api.domain.ids import MessageId, SessionId, TenantId, WorkerId, new_id
from wa_api.domain.messages import Status
from wa_api.store import messages, sessions
from wa_api.store.rows import NewMessage
from workers.scheduler import Scheduler


def scheduler(bus: Bus, **more: float) -> Scheduler:
    """A scheduler of a process of its own."""
    return Scheduler(bus.log, bus.commands, bus.leases, WorkerId(new_id("wrk")), **more)


async def schedule(tenant: TenantId, session: SessionId, at: float) -> MessageId:
    """A message for later."""
    new = NewMessage(session=session, chat="1@lid", content=Text(body="x"), send_at=at)
    return MessageId((await messages.accept(tenant, new)).view.id)


async def told(bus: Bus, tenant: TenantId) -> list[tuple[str, str]]:
    """Messages and their statuses, as readers heard them."""
    entries = await bus.log.tail(tenant, None, 100)
    facts = [orjson.loads(b"{" + one.tail)["data"] for one in entries or ()]
    return [(fact["id"], fact["status"]) for fact in facts]


async def test_what_is_due_is_queued_and_its_owner_told(bus: Bus, tenant: TenantId):
    """What is not, is not."""
    session = (await sessions.create(tenant, network="sandbox")).id
    now = time.time()
    second, first, later = [await schedule(tenant, session, now + s) for s in (-1, -2, 60)]
    heard: list[Command] = []

    async def on_command(command: Command) -> None:
        heard.append(command)

    lease = await bus.leases.acquire(session, WorkerId("wrk_owner"))
    assert lease is not None
    bus.inbox.attach(lease, on_command)
    assert await scheduler(bus).round() == 2
    assert await told(bus, tenant) == [(first, "queued"), (second, "queued")]
    assert (await messages.get(tenant, later)).status is Status.SCHEDULED
    async with asyncio.timeout(60):
        while not heard:
            await asyncio.sleep(0.01)
    assert [one.name for one in heard] == ["queue.refresh"]
    await bus.inbox.detach(session)


async def test_two_schedulers_tell_once(bus: Bus, tenant: TenantId):
    """One has the lease; the other takes it when that one is gone."""
    session = (await sessions.create(tenant, network="sandbox")).id
    due = [await schedule(tenant, session, time.time() + 0.05 * n) for n in range(10)]
    stop = asyncio.Event()
    running = [
        asyncio.create_task(scheduler(bus, interval=0.02, batch=3).run(stop)) for _ in range(2)
    ]
    async with asyncio.timeout(60):
        while len(await told(bus, tenant)) < len(due):
            await asyncio.sleep(0.02)
    stop.set()
    await asyncio.gather(*running)
    assert sorted(await told(bus, tenant)) == [(one, "queued") for one in sorted(due)]
