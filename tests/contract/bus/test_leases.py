"""Leases: one owner at any time, and a number that tells an old owner from a new one."""

from __future__ import annotations

import asyncio
import sys
import time

from tests.contract.bus.servers import eventually
from wa_api.bus.leases import RedisLeases
from wa_api.bus.open import Bus
from wa_api.bus.ports import Lease, Renewal
from wa_api.domain.ids import Epoch, SessionId, WorkerId, new_id

RACER = """
import asyncio, sys
from wa_api.bus.open import open_bus
from wa_api.domain.ids import new_id
async def main(url, prefix, *sessions):
    worker = new_id("wrk")
    async with open_bus(url, prefix, lease_seconds=30) as bus:
        await bus.ping()
        print("ready", flush=True)
        sys.stdin.readline()
        got = await asyncio.gather(*(bus.leases.acquire(s, worker) for s in sessions))
        print(*(lease.session for lease in got if lease), flush=True)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_held_lease_cannot_be_had(bus: Bus, other: Bus, session, alice, bob):
    """Whoever comes second gets nothing, not even the holder itself."""
    assert await bus.leases.acquire(session, alice) is not None
    assert await other.leases.acquire(session, bob) is None
    assert await bus.leases.acquire(session, alice) is None


async def test_each_owner_has_a_higher_epoch(bus: Bus, session, alice, bob):
    """The epoch grows with every change of owner."""
    first = await bus.leases.acquire(session, alice)
    assert await bus.leases.release(first)
    second = await bus.leases.acquire(session, bob)
    assert second.epoch > first.epoch


async def test_a_redis_that_lost_its_data_gives_nothing_before_old_leases_ended(
    bus: Bus, session, alice, bob
):
    """Who held a lease that Redis forgot may still be connected: one lease time passes first."""
    first = await bus.leases.acquire(session, alice, Epoch(0))
    await bus.leases.release(first)
    lost = Epoch(41)  # in the database, and no more in Redis
    began = time.monotonic()
    assert await bus.leases.acquire(session, bob, lost) is None
    second = await eventually(lambda: bus.leases.acquire(session, bob, lost))
    assert second.epoch == 42
    assert time.monotonic() - began >= bus.leases.ttl * 0.95


async def test_nobody_takes_leases_for_a_while_when_redis_clock_is_set_forward(
    bus: Bus, session, alice, bob
):
    """They all expired at once, and their holders do not know it yet. (A Cluster has one clock
    per server, and is not watched.)
    """
    skipped = 0.0
    keys = bus.leases._keys
    leases = RedisLeases(bus.redis, keys, 1.0, clock=lambda: time.monotonic() - skipped)
    await leases.acquire(session, alice)
    skipped = 1.0  # the same as a Redis whose clock is a second ahead all at once
    await bus.redis.execute(keys.lease(session), "DEL", keys.lease(session))
    began = time.monotonic()
    taken = await leases.acquire(session, bob)
    if bus.redis.sharded:
        assert taken is not None
        return
    assert taken is None
    await eventually(lambda: leases.acquire(session, bob))
    assert time.monotonic() - began >= 1.0


async def test_a_low_floor_does_not_lower_the_epoch(bus: Bus, session, alice):
    """The floor only ever raises."""
    await bus.leases.release(await bus.leases.acquire(session, alice))
    await bus.leases.release(await bus.leases.acquire(session, alice, Epoch(1)))
    assert (await bus.leases.acquire(session, alice, Epoch(1))).epoch == 3


async def test_a_lost_lease_cannot_be_renewed(bus: Bus, other: Bus, session, alice, bob):
    """An owner that slept past its lease learns that somebody newer has it."""
    stale = await bus.leases.acquire(session, alice)
    fresh = await eventually(lambda: other.leases.acquire(session, bob))
    assert fresh.epoch > stale.epoch
    assert await bus.leases.renew([stale]) == {session: Renewal.LOST}
    assert await other.leases.renew([fresh]) == {session: Renewal.RENEWED}


async def test_an_expired_lease_is_lost_even_if_nobody_took_it(bus: Bus, session, alice):
    """What others may have by now is not taken back."""
    lease = await bus.leases.acquire(session, alice)

    async def free() -> bool:
        return not await bus.leases.owners([session])

    await eventually(free)
    assert await bus.leases.renew([lease]) == {session: Renewal.LOST}


async def test_a_renewed_lease_outlives_its_first_time(bus: Bus, other: Bus, session, alice, bob):
    """Renewing keeps others out for as long as it goes on."""
    lease = await bus.leases.acquire(session, alice)
    loop = asyncio.get_running_loop()
    until = loop.time() + 2.5 * bus.leases.ttl
    while loop.time() < until:
        assert await bus.leases.renew([lease]) == {session: Renewal.RENEWED}
        assert await other.leases.acquire(session, bob) is None
        await asyncio.sleep(bus.leases.ttl / 5)


async def test_many_leases_are_renewed_at_once(process, alice):
    """More than one batch, each with its own outcome."""
    bus = await process(lease_seconds=30)
    sessions = [SessionId(new_id("ses")) for _ in range(1201)]
    leases = await asyncio.gather(*(bus.leases.acquire(name, alice) for name in sessions))
    await bus.leases.release(leases[600])
    outcome = await bus.leases.renew(leases)
    assert list(outcome) == sessions
    lost = [name for name in sessions if outcome[name] is Renewal.LOST]
    assert lost == [sessions[600]]


async def test_renewing_nothing_is_fine(bus: Bus):
    """A worker without sessions renews too."""
    assert await bus.leases.renew([]) == {}
    assert await bus.leases.owners([]) == {}


async def test_a_stale_owner_cannot_release(bus: Bus, session, alice):
    """An old epoch of the same worker does not free the new one."""
    first = await bus.leases.acquire(session, alice)
    await bus.leases.release(first)
    second = await bus.leases.acquire(session, alice)
    assert not await bus.leases.release(first)
    assert await bus.leases.owners([session]) == {session: second}


async def test_a_chosen_successor_comes_first(bus: Bus, other: Bus, session, alice, bob):
    """After a directed hand-over nobody else can slip in."""
    lease = await bus.leases.acquire(session, alice)
    await bus.leases.release(lease, successor=bob)
    assert await bus.leases.acquire(session, alice) is None
    assert await other.leases.acquire(session, bob) is not None


async def test_a_successor_that_does_not_come_is_not_waited_for(bus: Bus, session, alice, bob):
    """The reservation ends by itself."""
    lease = await bus.leases.acquire(session, alice)
    await bus.leases.release(lease, successor=bob)
    assert await eventually(lambda: bus.leases.acquire(session, alice))


async def test_the_leases_of_a_dead_worker_are_freed_at_once(process, alice, bob):
    """Its supervisor frees them; those of others, and those that it gave up before, stay."""
    bus, supervisor = await process(lease_seconds=30), await process(lease_seconds=30)
    names = [SessionId(new_id("ses")) for _ in range(4)]
    leases = [await bus.leases.acquire(name, alice) for name in names]
    await bus.leases.release(leases[0])
    bobs = await bus.leases.acquire(names[0], bob)
    assert sorted(await supervisor.leases.release_all(alice)) == sorted(names[1:])
    assert await bus.leases.owners(names) == {names[0]: bobs}
    assert await supervisor.leases.release_all(alice) == []


async def test_owners_are_those_of_now(bus: Bus, other: Bus, session, alice):
    """Anybody can ask who runs what."""
    lease = await bus.leases.acquire(session, alice)
    free = SessionId(new_id("ses"))
    assert await other.leases.owners([session, free]) == {session: lease}
    assert lease == Lease(session, WorkerId(alice), Epoch(1))


async def test_processes_that_race_never_share_a_session(url, prefix):
    """Three processes grab the same sessions at once: each goes to exactly one of them."""
    sessions = [new_id("ses") for _ in range(150)]
    racers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RACER, url, prefix, *sessions),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for racer in racers:
        async with asyncio.timeout(60):
            while (await racer.stdout.readline()) != b"ready\n":
                pass
    answers = await asyncio.gather(*(racer.communicate(b"go\n") for racer in racers))
    got = [name for out, _ in answers for name in out.decode().splitlines()[-1].split()]
    assert sorted(got) == sorted(sessions)
