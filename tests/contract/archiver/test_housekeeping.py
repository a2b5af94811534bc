"""What is over goes, what is overdue is told, by one process at a time."""

from __future__ import annotations

import asyncio
import time

from wa_api.bus.open import Bus
from wa_api.domain.content import Text
from wa_api.domain.events import Cursor
from wa_api.domain.ids import MessageId, TenantId, WorkerId, new_id
from wa_api.domain.messages import Status
from wa_api.store import events, logins, messages, sessions, tenants
from wa_api.store.events import Archived
from wa_api.store.rows import NewMessage
from workers.housekeeping import Housekeeper


def housekeeper(bus: Bus, **more: object) -> Housekeeper:
    """A housekeeper of a process of its own."""
    return Housekeeper(bus.log, bus.leases, WorkerId(new_id("wrk")), **more)


async def test_an_overdue_message_ends_and_its_readers_are_told(bus: Bus, tenant: TenantId):
    """Row first, then the event."""
    session = await sessions.create(tenant, network="sandbox")
    new = NewMessage(
        session=session.id, chat="1@lid", content=Text(body="x"), deadline=time.time() - 1
    )
    accepted = (await messages.accept(tenant, new)).view
    await housekeeper(bus).round(asyncio.Event())
    (entry,) = await bus.log.tail(tenant, None, 10)
    assert (entry.session, entry.type) == (session.id, "message.status_changed")
    assert b'"expired"' in entry.tail
    view = await messages.get(tenant, MessageId(accepted.id))
    assert view.status is Status.EXPIRED


async def test_each_tenant_keeps_its_events_as_long_as_it_wants(bus: Bus, tenant: TenantId):
    """The platform's default, or the tenant's own days."""
    longer = (await tenants.create("B", retention_days=30)).id
    old = Cursor(str(int((time.time() - 10 * 86_400) * 1000) << 20))
    for whose in (tenant, longer):
        await events.archive(whose, old, [Archived(old, None, "x", b"")])
    await housekeeper(bus, retention_days=7).round(asyncio.Event())
    assert await events.read(tenant, None, 10) == []
    assert len(await events.read(longer, None, 10)) == 1


async def test_one_keeps_house_until_it_stops(bus: Bus, tenant: TenantId):
    """The other waits; purging happens."""
    await logins.revoke("j", time.time() - 1)
    stop = asyncio.Event()
    first, second = housekeeper(bus), housekeeper(bus)
    task = asyncio.create_task(first.run(stop))
    try:
        async with asyncio.timeout(60):
            while await logins.is_revoked("j"):
                await asyncio.sleep(0.01)
        assert not await second._mine()
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)
