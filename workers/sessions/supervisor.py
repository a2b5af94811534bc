"""Which sessions this process owns: claims, shares, hands over and leaves in good order."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import structlog

from wa_api.bus.ports import Fleet, Lease, Leases, WorkerInfo
from wa_api.domain.errors import Fenced, Unavailable
from wa_api.domain.ids import SessionId, WorkerId
from wa_api.domain.sessions import ONLINE, SessionState
from workers.sessions.actor import Actor, Means
from workers.sessions.claims import Claims, Place
from workers.sessions.clock import boottime
from workers.sessions.deadman import Deadman
from workers.sessions.keeper import Keeper
from workers.sessions.leftovers import Leftovers
from workers.sessions.pace import Pace
from workers.sessions.placement import peers, successor, surplus
from workers.sessions.roster import Roster

log = structlog.get_logger()

#: Exit codes; whoever started this process starts another one, except after a stop it asked for.
STOPPED, BROKEN, WORN_OUT = 0, 70, 75

STABLE = 10.0  #: seconds online after which a session is thought to run well
YOUNG = 60.0  #: seconds before which a process does not think of itself as worn out
PROBE, STEP, STUCK = 2.0, 1.0, 10  #: seconds between questions to the library; steps of waiting
CHORES = 5.0  #: seconds between looks for sends whose command was lost
OVERDUE = 5.0  #: age of a waiting send that is looked for, seconds
HANDOVERS = 5  #: sessions handed over at once when leaving, at least, and ...
PART = 6  #: ... one in so many: each costs its heir some work while nobody is connected
BALANCE = (0.2, 2.0)  #: seconds to the next look after one was given away, and after none was


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator sets."""

    starts_per_second: float
    drain_seconds: float
    beat_seconds: float


@dataclass(slots=True)
class _Given:
    """Sessions given to others that their last words do not count yet."""

    at: list[tuple[float, WorkerId]] = field(default_factory=list)

    def note(self, worker: WorkerId) -> None:
        self.at.append((time.monotonic(), worker))

    def counts(self, seconds: float) -> dict[WorkerId, int]:
        since = time.monotonic() - seconds
        self.at = [(at, worker) for at, worker in self.at if at > since]
        counts: dict[WorkerId, int] = {}
        for _, worker in self.at:
            counts[worker] = counts.get(worker, 0) + 1
        return counts


class Supervisor:
    """One session worker process."""

    def __init__(
        self,
        place: Place,
        limits: Limits,
        leases: Leases,
        fleet: Fleet,
        means: Means,
        timer: Deadman,
    ) -> None:
        self._place, self._limits, self._fleet, self._means = place, limits, fleet, means
        self._timer = timer
        self._keeper = Keeper(leases, self._lose, timer)
        self.roster = Roster(means, leases, self._keeper)
        pace = Pace(limits.starts_per_second)
        self.claims = Claims(
            place, leases, fleet, means, self._keeper, self.roster, pace, lambda: self._others
        )
        self._leftovers = Leftovers(place.worker, place.network, leases, means)
        self._others: Sequence[WorkerInfo] = ()
        self._alive: set[WorkerId] = set()
        self._given = _Given()
        self._started, self._born = time.time(), time.monotonic()
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._state, self._lag = "ready", 0.0
        self._away = False
        self._moves: set[asyncio.Task[None]] = set()
        self._process = psutil.Process()

    def _lose(self, lease: Lease) -> None:
        self.roster.lose(lease)
        self.claims.hurry()  # when Redis lost it, nobody else may be looking

    def leave(self, code: int = STOPPED) -> None:
        """Begin to leave: from a signal, an order, or wear."""
        if not self._code.done():
            self._code.set_result(code)

    async def run(self) -> int:
        """Work until told to leave; the exit code. Every engine is stopped when this returns."""
        keeping = asyncio.create_task(self._keeper.run(), name="keeper")
        beating = asyncio.create_task(self._beats(), name="beats")
        loops: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self.claims.listen,
            self.claims.work,
            self.claims.sweep,
            self._orders,
            self._balance,
            self._chores,
            self._watch_library,
        ]
        tasks = [asyncio.create_task(loop()) for loop in loops]
        everything = [keeping, beating, *tasks]
        for task in everything:
            task.add_done_callback(self._on_loop_end)
        await asyncio.shield(self._code)
        await self._drain(tasks)
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        self._timer.arm(None)
        return self._code.result()

    def _on_loop_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.error("worker.loop_ended", loop=task.get_name(), exc_info=task.exception())
            self.leave(BROKEN)

    # Leaving.

    async def _drain(self, tasks: list[asyncio.Task[None]]) -> None:
        limit = time.monotonic() + self._limits.drain_seconds
        self._state = "draining"
        log.info("worker.draining", sessions=len(self.roster))
        for task in tasks:
            task.cancel()
        await self._beat()
        await self.claims.close()
        count = len(self.roster)
        gate = asyncio.Semaphore(max(HANDOVERS, count // PART) if self._others else count + 1)
        left = [self._hand_over(each, gate) for each in list(self.roster.actors)]
        try:
            async with asyncio.timeout(max(0.1, limit - time.monotonic())):
                await asyncio.gather(*left)
                await self._means.debts.settle(limit - time.monotonic())
        except TimeoutError:
            log.warning("worker.drain_cut_short", sessions=len(self.roster))
            await asyncio.gather(*(each.lose() for each in self.roster.actors.values()))
            await self.roster.finished(1.0)
        try:
            async with asyncio.timeout(1.0):
                await self._fleet.leave(self._place.worker)
        except (Unavailable, TimeoutError):
            pass
        log.info("worker.drained", sessions=len(self.roster))

    async def _hand_over(self, session: SessionId, gate: asyncio.Semaphore) -> None:
        async with gate:
            await self._means.factory.stores_answer()
            heir = successor(self._others, self._given.counts(self._limits.beat_seconds * 2))
            if heir is not None:
                self._given.note(heir)
            await self.roster.leave(session, heir)

    # Words from and to the fleet.

    async def _orders(self) -> None:
        async for order, argument in self._fleet.orders(self._place.worker):
            log.info("worker.order", order=order, argument=argument)
            if order == "drain":
                self.leave()
            elif order == "take":
                self.claims.hear(SessionId(argument), given=True)
            elif order == "move":
                task = asyncio.create_task(self._move(*argument.split()))
                self._moves.add(task)
                task.add_done_callback(self._moves.discard)
            else:
                log.warning("worker.unknown_order", order=order)

    async def _move(self, session: str = "", heir: str = "") -> None:
        target = WorkerId(heir) if heir else successor(self._others, {})
        if target is None or target == self._place.worker:
            log.warning("worker.move_refused", session=session, reason="no other worker")
            return
        await self._means.factory.stores_answer()
        self._given.note(target)
        if not await self.roster.leave(SessionId(session), target):
            log.warning("worker.move_refused", session=session, reason="not owned here")

    async def _beats(self) -> None:
        """Speak and listen to the fleet, and measure how late the loop runs."""
        step, spoken = min(0.25, self._limits.beat_seconds), 0.0
        while True:
            if time.monotonic() - spoken >= self._limits.beat_seconds:
                spoken = time.monotonic()
                await self._beat()
            before = time.monotonic()
            await asyncio.sleep(step)
            self._lag = max(self._lag * 0.9, time.monotonic() - before - step)

    async def _beat(self) -> None:
        place = self._place
        info = WorkerInfo(
            worker=place.worker,
            role="sessions",
            network=place.network,
            host=socket.gethostname(),
            pid=os.getpid(),
            state=self._state,
            capacity=place.capacity,
            sessions=self.claims.load,
            started=self._started,
            figures=self.figures(),
        )
        try:
            await self._fleet.beat(info)
            workers = await self._fleet.workers()
        except Unavailable as error:
            log.warning("worker.beat_failed", error=str(error))
            self._away = True
            return
        if self._away:  # announcements were lost, and leases may have expired
            self._away = False
            self.claims.hurry()
        self._others = peers(workers, place.worker, place.network)
        alive = {each.worker for each in workers if each.role == "sessions"}
        if self._alive - alive:
            self.claims.hurry()
        self._alive = alive

    def figures(self) -> dict[str, float]:
        """What this worker says of itself."""
        return {
            "rss_bytes": float(self._process.memory_info().rss),
            "loop_lag_seconds": round(self._lag, 4),
            "online": float(self.roster.online()),
            "leases_renewed": float(self._keeper.renewed),
            "owed": float(len(self._means.debts)),
        }

    # Balance and chores.

    async def _balance(self) -> None:
        quick, slow = BALANCE
        pause = slow
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads workers
            await self._means.factory.stores_answer()
            pause = quick if await self._give_one() else slow

    async def _give_one(self) -> bool:
        given = self._given.counts(self._limits.beat_seconds * 2)
        heir = surplus(len(self.roster), self._others, given)
        idle = [
            session
            for session, actor in self.roster.actors.items()
            if actor.state in ONLINE and actor.idle and not actor.ending
        ]
        if heir is None or not idle:
            return False
        session = random.choice(idle)  # noqa: S311 - any will do
        log.info("session.balanced", session=session, successor=heir)
        self._given.note(heir)
        return await self.roster.leave(session, heir)

    async def _chores(self) -> None:
        while True:
            await asyncio.sleep(CHORES * random.uniform(0.8, 1.2))  # noqa: S311 - spreads workers
            await self._settle_stable()
            await self._find_overdue()
            await self._finish_leftovers()
            if self._means.factory.worn_out and time.monotonic() - self._born > YOUNG:
                log.warning("worker.worn_out", **self.figures())
                self.leave(WORN_OUT)

    async def _finish_leftovers(self) -> None:
        try:
            await self._leftovers.look()
        except Unavailable as error:
            log.warning("worker.leftovers_wait", error=str(error))

    async def _watch_library(self) -> None:
        """A runtime that is stuck cannot be asked to disconnect anybody: the process ends itself,
        as one whose loop hangs is ended by the same timer.
        """
        while True:
            await asyncio.sleep(PROBE)
            asked = asyncio.create_task(self._means.factory.respond())
            for _ in range(STUCK):  # in steps: while we are stopped ourselves only one passes
                await asyncio.wait({asked}, timeout=STEP)
            if not asked.done():
                asked.cancel()
                log.error("worker.library_is_stuck", sessions=len(self.roster))
                self._timer.arm(boottime())
                return

    async def _settle_stable(self) -> None:
        before = time.monotonic() - STABLE
        running = {SessionState.PAIRING, *ONLINE}
        stable = [
            actor
            for actor in self.roster.actors.values()
            if actor.state in running and actor.since < before and not actor.settled
        ]
        if stable:
            await self.roster.settle(stable)

    async def _find_overdue(self) -> None:
        owned = [actor.owned for actor in self.roster.actors.values() if not actor.ending]
        if not owned:
            return
        try:
            waiting = await self._means.records.overdue(owned, time.time() - OVERDUE)
        except Unavailable as error:
            log.warning("worker.overdue_unknown", error=str(error))
            return
        for session, count in waiting.items():
            actor = self.roster.actors.get(session)
            if actor is not None and not actor.ending and count > len(actor.sends):
                await self._reconcile(actor)

    async def _reconcile(self, actor: Actor) -> None:
        try:
            await actor.sends.reconcile()
        except Fenced:
            log.info("session.fenced", session=actor.owned.session)
