"""A worker takes its share, gives away what it should, and leaves in good order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest

from tests.unit.sessions.fakes import (
    FRIEND,
    ME,
    MEDIA,
    OTHER,
    SESSION,
    Factory,
    Fleet,
    Inbox,
    Leases,
    Log,
    Records,
    Timer,
    until,
    wanted,
    worker,
)
from wa_api.domain.ids import SessionId
from wa_api.domain.sessions import Reason, SessionState
from workers.engine import port
from workers.sessions import claims, supervisor
from workers.sessions.actor import Means
from workers.sessions.claims import Place
from workers.sessions.supervisor import Limits, Supervisor
from workers.sessions.voice import Debts

ONLINE = port.Online(FRIEND, None, "Me")


@dataclass
class Stage:
    """A supervisor over fakes."""

    leases: Leases = field(default_factory=Leases)
    records: Records = field(default_factory=Records)
    log: Log = field(default_factory=Log)
    factory: Factory = field(default_factory=Factory)
    fleet: Fleet = field(default_factory=Fleet)
    timer: Timer = field(default_factory=Timer)
    capacity: int = 100
    task: asyncio.Task[int] | None = None
    boss: Supervisor | None = None

    def want(self, count: int, **more: object) -> list[SessionId]:
        """Sessions that should run."""
        names = [SessionId(f"ses_{number}") for number in range(1, count + 1)]
        for name in names:
            self.records.wanted_rows[name] = replace(wanted(), session=name, **more)
        return names

    async def start(self) -> Supervisor:
        """Run it."""
        means = Means(self.records, self.log, Inbox(), self.factory, Debts(), MEDIA)
        self.boss = Supervisor(
            Place(ME, "sandbox", self.capacity),
            Limits(starts_per_second=1000, drain_seconds=2.0, beat_seconds=0.05),
            self.leases,
            self.fleet,
            means,
            self.timer,
        )
        self.task = asyncio.create_task(self.boss.run())
        await until(lambda: self.fleet.beats)
        return self.boss

    async def running(self, count: int) -> Supervisor:
        """Run it until so many sessions are online."""
        self.want(count)
        boss = await self.start()
        await until(lambda: len(self.factory.engines) == count)
        await until(lambda: all(engine.started for engine in self.factory.engines))
        for engine in self.factory.engines:
            await engine.emit(ONLINE)
        return boss

    async def code(self) -> int:
        """Its exit code."""
        assert self.task is not None
        return await asyncio.wait_for(self.task, 5)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(supervisor, "BALANCE", (0.01, 0.01))
    monkeypatch.setattr(supervisor, "CHORES", 0.02)
    monkeypatch.setattr(claims, "SWEEP", 0.02)
    made = Stage()
    yield made
    if made.boss is not None:
        made.boss.leave()
        await made.code()


async def test_wanted_sessions_are_taken_by_sweeping(stage: Stage):
    """Even those that nobody announced."""
    boss = await stage.running(3)
    assert len(boss.roster) == 3
    assert len(stage.leases.held) == 3


async def test_an_announced_session_is_taken_at_once(stage: Stage, monkeypatch):
    """Without waiting for a sweep."""
    monkeypatch.setattr(claims, "SWEEP", 60.0)
    await stage.start()
    await asyncio.sleep(0.05)
    stage.want(1)
    await stage.fleet.announce("sandbox", SESSION)
    await until(lambda: stage.factory.engines)


async def test_owned_sessions_are_left_alone(stage: Stage):
    """A lease of somebody else is respected."""
    stage.want(1)
    await stage.leases.acquire(SESSION, OTHER)
    await stage.start()
    await asyncio.sleep(0.1)
    assert stage.factory.engines == []


async def test_no_more_than_the_capacity(stage: Stage):
    """The rest is for others."""
    stage.capacity = 2
    stage.want(5)
    await stage.start()
    await until(lambda: len(stage.factory.engines) == 2)
    await asyncio.sleep(0.1)
    assert len(stage.factory.engines) == 2


async def test_what_is_not_wanted_any_more_is_stopped(stage: Stage):
    """Though its command was lost."""
    boss = await stage.running(1)
    stage.records.wanted_rows.clear()
    await until(lambda: len(boss.roster) == 0)
    assert stage.records.states[-1].state is SessionState.STOPPED
    assert stage.factory.engine.stopped


async def test_a_session_that_crashed_its_workers_is_held_back(stage: Stage):
    """It fails with a reason and a time, and takes no further worker down."""
    stage.want(1, attempts=claims.QUARANTINE + 1, state=SessionState.STARTING)
    await stage.start()
    await until(lambda: stage.records.states)
    change = stage.records.states[0]
    assert (change.state, change.reason) == (SessionState.FAILED, Reason.CRASHED_REPEATEDLY)
    assert change.until is not None
    assert stage.factory.engines == []


async def test_after_a_quarantine_one_attempt_is_free(stage: Stage):
    """Otherwise it would never run again."""
    stage.want(1, attempts=claims.QUARANTINE + 2, state=SessionState.FAILED)
    await stage.start()
    await until(lambda: stage.factory.engines)


async def test_leases_that_cannot_be_renewed_end_their_engines(stage: Stage):
    """Redis is away: connections are held until the deadline, then dropped, and come back."""
    stage.leases.ttl = 2.0
    boss = await stage.running(2)
    engines = list(stage.factory.engines)
    stage.leases.away = True
    await asyncio.sleep(0.1)
    assert not any(engine.stopped for engine in engines)
    await until(lambda: all(engine.stopped for engine in engines))
    await until(lambda: len(boss.roster) == 0)
    stage.leases.away = False
    stage.leases.held.clear()
    await until(lambda: len(stage.factory.engines) == 4)


async def test_leaving_hands_over_to_the_least_loaded(stage: Stage):
    """Every engine is gone before its lease is, which is kept for the successor."""
    stage.fleet.others = [worker(OTHER, 100), worker("wrk_busy", 99)]
    boss = await stage.running(2)
    boss.leave()
    assert await stage.code() == supervisor.STOPPED
    assert all(engine.stopped for engine in stage.factory.engines)
    assert {heir for _, heir in stage.leases.released} == {"wrk_busy"}
    assert stage.fleet.left
    assert stage.timer.deadline is None


async def test_leaving_alone_still_ends_in_time(stage: Stage):
    """Nobody takes over: sessions are disconnected and released all the same."""
    boss = await stage.running(3)
    boss.leave()
    assert await stage.code() == 0
    assert stage.leases.held == {}


async def test_a_joining_worker_is_given_its_share(stage: Stage):
    """One session after the other, until the shares are fair."""
    boss = await stage.running(4)
    stage.fleet.others = [worker(OTHER, 0)]

    def counted() -> bool:
        given = [session for session, heir in stage.leases.released if heir == OTHER]
        for session in given:
            stage.records.wanted_rows.pop(session, None)
        stage.fleet.others = [worker(OTHER, len(given))]
        return len(boss.roster) == 2

    await until(counted)
    await asyncio.sleep(0.2)
    assert len(boss.roster) == 2


async def test_nothing_is_handed_over_while_the_stores_are_away(stage: Stage):
    """Each engine may have a message in hand that it cannot decrypt yet."""
    boss = await stage.running(1)
    stage.fleet.others = [worker(OTHER)]
    await until(lambda: boss._others)
    stage.factory.stores_away = True
    await stage.fleet.commands.put(("move", str(SESSION)))
    await asyncio.sleep(0.1)
    assert not stage.factory.engine.stopped
    stage.factory.stores_away = False
    await until(lambda: (SESSION, OTHER) in stage.leases.released)


async def test_a_stuck_library_ends_the_process(stage: Stage, monkeypatch):
    """It cannot disconnect anybody any more: the kernel's timer ends it, and others take over."""
    monkeypatch.setattr(supervisor, "PROBE", 0.01)
    monkeypatch.setattr(supervisor, "STEP", 0.002)
    await stage.running(1)
    assert not stage.timer.fired
    stage.factory.stuck = True
    await until(lambda: stage.timer.fired)


async def test_a_worn_out_process_asks_to_be_replaced(stage: Stage, monkeypatch):
    """It hands over first, and says so by its exit code."""
    monkeypatch.setattr(supervisor, "YOUNG", 0.0)
    await stage.running(1)
    stage.factory.worn_out = True
    assert await stage.code() == supervisor.WORN_OUT
    assert stage.leases.held == {}


@pytest.mark.parametrize(
    ("order", "ended"),
    [
        (("drain", ""), lambda stage: stage.task.done()),
        (("move", f"{SESSION} {OTHER}"), lambda stage: (SESSION, OTHER) in stage.leases.released),
    ],
)
async def test_orders_are_followed(
    stage: Stage, order: tuple[str, str], ended: Callable[[Stage], bool]
):
    """What operators ask of a worker."""
    stage.fleet.others = [worker(OTHER, 5)]
    await stage.running(1)
    await stage.fleet.commands.put(order)
    await until(lambda: ended(stage))


async def test_a_deleted_sessions_device_store_is_removed(stage: Stage):
    """Under a lease, so that no engine has it open."""
    stage.records.deleted_rows = [wanted()]
    await stage.start()
    await until(lambda: stage.factory.forgotten == [SESSION])
    await until(lambda: stage.records.deleted_rows == [])
