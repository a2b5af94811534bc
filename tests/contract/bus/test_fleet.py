"""The fleet: who lives, and words that reach them."""

from __future__ import annotations

import asyncio

from tests.contract.bus.servers import eventually
from wa_api.bus.open import Bus
from wa_api.bus.ports import WorkerInfo


def info(worker: str, sessions: int = 0) -> WorkerInfo:
    """A heartbeat."""
    return WorkerInfo(
        worker=worker,
        role="sessions",
        network="sandbox",
        host="here",
        pid=1,
        state="ready",
        capacity=10,
        sessions=sessions,
        started=1.5,
        figures={"rss": 1.0},
    )


async def heard(bus: Bus) -> None:
    """Wait until all listening has reached Redis."""
    subscriptions = bus.fleet._subscriptions
    await eventually(lambda: subscriptions._listeners.keys() <= subscriptions._confirmed)


async def test_who_beats_is_seen_by_all(bus: Bus, other: Bus, alice, bob):
    """With the figures of the last beat."""
    await bus.fleet.beat(info(alice))
    await bus.fleet.beat(info(bob))
    await bus.fleet.beat(info(alice, sessions=3))
    seen = {worker.worker: worker for worker in await other.fleet.workers()}
    assert seen == {alice: info(alice, sessions=3), bob: info(bob)}


async def test_who_leaves_is_forgotten(bus: Bus, alice):
    """At once."""
    await bus.fleet.beat(info(alice))
    await bus.fleet.leave(alice)
    assert await bus.fleet.workers() == []


async def test_who_stops_beating_is_forgotten(process, alice):
    """After three missed beats; and is back with the next one."""
    bus = await process(beat_seconds=0.05)
    await bus.fleet.beat(info(alice))
    assert await bus.fleet.workers()

    async def nobody() -> bool:
        return not await bus.fleet.workers()

    await eventually(nobody)
    await bus.fleet.beat(info(alice))
    assert await bus.fleet.workers()


async def test_wanted_sessions_are_heard_on_their_network(bus: Bus, other: Bus, session):
    """From the call of `wanted` on, not only from its first step."""
    mine, foreign = bus.fleet.wanted("sandbox"), bus.fleet.wanted("whatsapp")
    await heard(bus)
    await other.fleet.announce("sandbox", session)
    assert await asyncio.wait_for(anext(mine), 5) == session
    await other.fleet.announce("whatsapp", "ses_2")
    assert await asyncio.wait_for(anext(foreign), 5) == "ses_2"


async def test_a_released_session_is_heard_by_all(bus: Bus, other: Bus, session, alice):
    """Whatever its network, so that another worker takes it at once."""
    wanted = bus.fleet.wanted("sandbox")
    await heard(bus)
    await other.leases.release(await other.leases.acquire(session, alice))
    assert await asyncio.wait_for(anext(wanted), 5) == session


async def test_a_successor_is_told_and_nobody_else(bus: Bus, other: Bus, session, alice, bob):
    """In the same step that frees the session for it."""
    wanted, orders = bus.fleet.wanted("sandbox"), bus.fleet.orders(bob)
    await heard(bus)
    await other.leases.release(await other.leases.acquire(session, alice), successor=bob)
    assert await asyncio.wait_for(anext(orders), 5) == ("take", session)
    await other.fleet.announce("sandbox", "ses_later")
    assert await asyncio.wait_for(anext(wanted), 5) == "ses_later"


async def test_orders_reach_one_worker(bus: Bus, other: Bus, alice, bob):
    """In order, with their argument."""
    alices, bobs = bus.fleet.orders(alice), bus.fleet.orders(bob)
    await heard(bus)
    await other.fleet.tell(alice, "move", "ses_1 wrk_2")
    await other.fleet.tell(alice, "drain")
    await other.fleet.tell(bob, "drain")
    assert await asyncio.wait_for(anext(alices), 5) == ("move", "ses_1 wrk_2")
    assert await asyncio.wait_for(anext(alices), 5) == ("drain", "")
    assert await asyncio.wait_for(anext(bobs), 5) == ("drain", "")


async def test_words_are_heard_again_after_a_broken_subscription(bus: Bus, other: Bus, alice):
    """Listening survives the connection."""
    orders = bus.fleet.orders(alice)
    await heard(bus)
    connection = bus.fleet._subscriptions._connection
    connection.abort()
    await eventually(lambda: bus.fleet._subscriptions._connection not in (None, connection))
    await heard(bus)
    await other.fleet.tell(alice, "drain")
    assert await asyncio.wait_for(anext(orders), 5) == ("drain", "")
