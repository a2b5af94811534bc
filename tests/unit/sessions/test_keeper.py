"""Leases are kept as long as they surely are ours, and let go before others may have them."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.sessions.fakes import SESSION, Leases, Timer, lease, until
from wa_api.domain.leases import Lease
from workers.sessions.clock import boottime
from workers.sessions.keeper import Keeper


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases() -> Leases:
    return Leases(held={SESSION: lease()})


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def lost() -> list[Lease]:
    return []


@pytest.fixture
def keeper(leases: Leases, lost: list[Lease], timer: Timer, clock: Clock) -> Keeper:
    made = Keeper(leases, lost.append, timer, clock)
    made.hold(lease(), clock())
    return made


async def test_a_renewed_lease_is_kept(keeper: Keeper, clock: Clock, lost: list[Lease]):
    """Every renewal moves both deadlines on."""
    for _ in range(10):
        clock.now += 2
        assert await keeper.renew()
    assert lost == []
    assert keeper.holds(lease())


async def test_no_answer_means_unknown_until_the_soft_deadline(
    keeper: Keeper, leases: Leases, clock: Clock, lost: list[Lease]
):
    """While Redis is away the owner goes on, and stops before the lease can expire."""
    leases.away = True
    clock.now += 4.4
    assert not await keeper.renew()
    assert lost == []
    clock.now += 0.2
    keeper.expire()
    assert lost == [lease()]
    assert not keeper.holds(lease())


async def test_deadlines_are_kept_while_an_answer_is_waited_for(lost: list[Lease], timer: Timer):
    """A Redis that hangs: the owner is told in time, and the kernel's timer does not fire."""
    leases = Leases(ttl=3.0, held={SESSION: lease()})
    keeper = Keeper(leases, lost.append, timer)
    keeper.hold(lease(), boottime())
    running = asyncio.create_task(keeper.run())
    await asyncio.sleep(0.1)
    leases.hangs = True
    await until(lambda: lost)
    assert timer.deadline is not None
    assert boottime() < timer.deadline - 0.02
    running.cancel()


async def test_a_lost_lease_is_told_at_once_and_once(
    keeper: Keeper, leases: Leases, lost: list[Lease]
):
    """Somebody else has it: stop now."""
    leases.held.clear()
    await keeper.renew()
    await keeper.renew()
    assert lost == [lease()]


async def test_the_kernel_is_to_kill_us_before_the_lease_is_free(
    keeper: Keeper, timer: Timer, clock: Clock
):
    """The hard deadline lies before the end of the lease, counted from the renewal's start."""
    assert timer.deadline is not None
    assert 105.0 < timer.deadline < 106.0
    clock.now += 2
    await keeper.renew()
    assert 107.0 < timer.deadline < 108.0


async def test_the_timer_stays_armed_until_the_engine_is_gone(
    keeper: Keeper, leases: Leases, timer: Timer, clock: Clock
):
    """Being told to stop is not having stopped: only `drop` takes the deadline away."""
    leases.away = True
    clock.now += 5
    await keeper.renew()
    assert timer.deadline is not None
    assert timer.deadline < 106.0
    keeper.drop(lease())
    assert timer.deadline > 106.0


async def test_an_old_lease_does_not_drop_a_newer_one(keeper: Keeper, clock: Clock):
    """A late end of a former run leaves the present lease alone."""
    keeper.hold(lease(2), clock())
    keeper.drop(lease(1))
    assert keeper.holds(lease(2))
