"""Finding sessions without an owner, and taking them: at once when told, by sweeping otherwise."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from wa_api.bus.ports import Fleet, Lease, Leases, WorkerInfo
from wa_api.domain.errors import Fenced, Unavailable
from wa_api.domain.events import SessionStateChanged, event
from wa_api.domain.ids import SessionId, WorkerId
from wa_api.domain.sessions import Reason, SessionState
from workers.sessions import views
from workers.sessions.actor import Means
from workers.sessions.clock import boottime
from workers.sessions.keeper import Keeper
from workers.sessions.pace import Pace
from workers.sessions.placement import patience
from workers.sessions.records import Change, Owned, Wanted
from workers.sessions.roster import Roster
from workers.sessions.verdicts import Finish

log = structlog.get_logger()

SWEEP = 10.0  #: seconds between looks at all wanted sessions
HURRY = 0.7  #: the same while a worker has just vanished
AT_ONCE = 8  #: claims under way
QUARANTINE = 5  #: starts without running well, after which a session is held back
HOLD = (60.0, 3600.0)  #: first and longest quarantine, seconds


@dataclass(frozen=True, slots=True)
class Place:
    """Where this worker stands: its id, its network, and how many sessions it takes."""

    worker: WorkerId
    network: str
    capacity: int


class Claims:
    """Takes what is wanted and unowned."""

    def __init__(
        self,
        place: Place,
        leases: Leases,
        fleet: Fleet,
        means: Means,
        keeper: Keeper,
        roster: Roster,
        pace: Pace,
        others: Callable[[], Sequence[WorkerInfo]],
    ) -> None:
        """`others` tells which workers could take sessions too."""
        self._place, self._leases, self._fleet, self._means = place, leases, fleet, means
        self._keeper, self._roster, self._pace, self._others = keeper, roster, pace, others
        self._heard: set[SessionId] = set()
        self._given: set[SessionId] = set()
        self._news = asyncio.Event()
        self._taking: dict[SessionId, asyncio.Task[None]] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._hurry_until = 0.0
        self._swept = asyncio.Event()
        self.closed = False

    @property
    def load(self) -> int:
        """Sessions here, those that are just being taken included."""
        return len(self._roster) + len(self._taking)

    def hear(self, session: SessionId, given: bool = False) -> None:
        """A session may need an owner; `given`: it was handed to us."""
        self._heard.add(session)
        if given:
            self._given.add(session)
        self._news.set()

    def hurry(self) -> None:
        """A worker vanished: look often until its leases must have expired."""
        self._hurry_until = time.monotonic() + self._leases.ttl + 2.0
        self._swept.set()

    async def close(self) -> None:
        """Take nothing more; what is half taken is let go."""
        self.closed = True
        if self._taking:
            await asyncio.wait([*self._taking.values()], timeout=2.0)

    async def listen(self) -> None:
        """Hear what is announced, for ever."""
        async for session in self._fleet.wanted(self._place.network):
            self.hear(session)

    async def work(self) -> None:
        """Look at what was heard of, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            heard, self._heard = self._heard, set()
            try:
                rows = await self._means.records.wanted(self._place.network, sorted(heard))
            except Unavailable:
                self._heard |= heard
                self._news.set()
                await asyncio.sleep(0.5)
                continue
            self._stop_unwanted(heard & self._roster.actors.keys(), rows)
            self._adopt(rows)
            self._consider(rows)

    async def sweep(self) -> None:
        """Look at everything now and then, for ever."""
        while True:
            try:
                await self._look()
            except Unavailable as error:
                log.warning("claims.sweep_failed", error=str(error))
            hurried = time.monotonic() < self._hurry_until
            pause = (HURRY if hurried else SWEEP) * random.uniform(0.7, 1.3)  # noqa: S311
            self._swept.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._swept.wait()
            except TimeoutError:
                pass

    async def _look(self) -> None:
        mine = set(self._roster.actors)
        rows = await self._means.records.wanted(self._place.network)
        for session in mine - {row.session for row in rows}:
            self.hear(session)  # looked at once more before it is stopped
        for row in rows:
            actor = self._roster.actors.get(row.session)
            if actor is not None and not actor.follows(row):
                self.hear(row.session)  # a page may be older than what was adopted meanwhile
        away = [row for row in rows if row.session not in self._roster.actors]
        owners = await self._leases.owners([row.session for row in away]) if away else {}
        self._consider([row for row in away if row.session not in owners])

    def _stop_unwanted(self, ours: set[SessionId], rows: Sequence[Wanted]) -> None:
        for session in ours - {row.session for row in rows}:
            if (actor := self._roster.actors.get(session)) is not None:
                actor.judge(Finish(Change(SessionState.STOPPED, Reason.REQUESTED)))

    def _adopt(self, rows: Sequence[Wanted]) -> None:
        """What runs here goes by its present settings."""
        for row in rows:
            if (actor := self._roster.actors.get(row.session)) is not None:
                actor.adopt(row)

    def _consider(self, rows: Sequence[Wanted]) -> None:
        # Shuffled, so that workers that sweep at once do not all try the same ones.
        for row in random.sample(rows, len(rows)):
            session = row.session
            if session in self._roster.actors or session in self._taking or self.closed:
                continue
            task = asyncio.create_task(self._try(row), name=f"claim {session}")
            self._taking[session] = task
            task.add_done_callback(partial(self._taken, session))

    def _taken(self, session: SessionId, _: asyncio.Task[None]) -> None:
        self._taking.pop(session, None)

    async def _try(self, row: Wanted) -> None:
        given = row.session in self._given
        self._given.discard(row.session)
        if not given:
            await self._wait_for_others(row.session)
        async with self._gate:
            if self.closed or len(self._roster) >= self._place.capacity:
                return
            await self._pace.take()
            try:
                await self._take(row)
            except Unavailable as error:
                log.warning("session.claim_failed", session=row.session, error=str(error))
            except Exception:
                log.exception("session.claim_broke", session=row.session)

    async def _wait_for_others(self, session: SessionId) -> None:
        pause = patience(session, self._place.worker, len(self._roster), self._others())
        if pause:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311

    async def _take(self, row: Wanted) -> None:
        since = boottime()
        lease = await self._leases.acquire(row.session, self._place.worker, row.epoch)
        if lease is None:
            self._pace.give_back()
            return
        self._keeper.hold(lease, since)
        adopted = False
        try:
            adopted = await self._begin(row, lease)
        finally:
            if not adopted:
                await self._roster.release(lease)

    async def _begin(self, row: Wanted, lease: Lease) -> bool:
        stopped = row.state is SessionState.STOPPED
        reason = Reason.REQUESTED if stopped else Reason.OWNER_CHANGED
        claimed = await self._means.records.claim(row, lease, reason)
        if claimed is None or self.closed or not self._keeper.holds(lease):
            return False
        # After a quarantine (`failed`) one attempt is free; anything else that comes here so
        # often ended with its worker's death.
        if claimed.attempts > QUARANTINE and row.state is not SessionState.FAILED:
            await self._quarantine(claimed, lease)
            return False
        self._roster.adopt(claimed, lease, reason)
        return True

    async def _quarantine(self, row: Wanted, lease: Lease) -> None:
        first, most = HOLD
        until = time.time() + min(most, first * 2.0 ** ((row.attempts - QUARANTINE) // 2))
        reason, detail = Reason.CRASHED_REPEATEDLY, f"{row.attempts} starts ended with a crash."
        change = Change(SessionState.FAILED, reason, detail, until=until)
        fact = SessionStateChanged(
            state=change.state,
            reason=reason,
            previous=row.state,
            detail=detail,
            worker=lease.worker,
            epoch=lease.epoch,
            until=views.stamp(until),
        )
        log.warning("session.quarantined", session=row.session, attempts=row.attempts)
        try:
            await self._means.records.set_state(Owned(row.tenant, lease), change)
            await self._means.events.append(
                [event(row.tenant, row.session, fact, row.metadata)], lease
            )
        except Fenced:
            log.info("session.quarantine_fenced", session=row.session)
