"""The sessions that this process owns: begun, watched and released in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from wa_api.bus.ports import Lease, Leases
from wa_api.domain.errors import Fenced, Unavailable
from wa_api.domain.ids import SessionId, WorkerId
from wa_api.domain.sessions import ONLINE, Reason
from workers.sessions.actor import Actor, Means
from workers.sessions.keeper import Keeper
from workers.sessions.records import Owned, Wanted
from workers.sessions.verdicts import Leave

log = structlog.get_logger()

RELEASE_SECONDS = 2.0  #: for telling Redis; a lease that is not released expires


class Roster:
    """Actors by session. A lease is kept from `adopt` until its engine is gone."""

    def __init__(self, means: Means, leases: Leases, keeper: Keeper) -> None:
        self._means, self._leases, self._keeper = means, leases, keeper
        self.actors: dict[SessionId, Actor] = {}
        self._tasks: dict[SessionId, asyncio.Task[None]] = {}
        self._losing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self.actors)

    def adopt(self, wanted: Wanted, lease: Lease, reason: Reason) -> None:
        """Run a session that was claimed under this lease."""
        actor = Actor(wanted, Owned(wanted.tenant, lease), self._means)
        self.actors[lease.session] = actor
        self._tasks[lease.session] = asyncio.create_task(
            self._run(actor, reason), name=f"session {lease.session}"
        )

    def lose(self, lease: Lease) -> None:
        """The lease is gone: no engine may run under it."""
        task = asyncio.create_task(self._lose(lease))
        self._losing.add(task)
        task.add_done_callback(self._losing.discard)

    async def leave(self, session: SessionId, successor: WorkerId | None) -> bool:
        """Hand a session over in good order; False when it is not ours, or ends anyhow."""
        actor, task = self.actors.get(session), self._tasks.get(session)
        if actor is None or task is None or not actor.judge(Leave(successor)):
            return False
        await asyncio.wait([task])
        return True

    async def finished(self, seconds: float) -> bool:
        """Wait for all to end; False if not in time."""
        if self._tasks:
            await asyncio.wait([*self._tasks.values()], timeout=seconds)
        return not self._tasks

    async def release(self, lease: Lease, successor: WorkerId | None = None) -> None:
        """Give a lease up whose engine is gone, and tell whom it concerns."""
        self._keeper.drop(lease)
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._leases.release(lease, successor)
        except (Unavailable, TimeoutError) as error:
            log.warning("session.release_failed", session=lease.session, error=str(error))

    async def settle(self, actors: Sequence[Actor]) -> None:
        """Their attempts are forgotten: whatever kills this process now was not them."""
        try:
            await self._means.records.settled([actor.owned for actor in actors])
        except (Unavailable, Fenced) as error:
            log.warning("session.settling_failed", sessions=len(actors), error=str(error))
            return
        for actor in actors:
            actor.settled = True

    def online(self) -> int:
        """How many are connected."""
        return sum(actor.state in ONLINE for actor in self.actors.values())

    async def _run(self, actor: Actor, reason: Reason) -> None:
        session, lease = actor.owned.session, actor.owned.lease
        log.info("session.claimed", session=session, epoch=lease.epoch)
        try:
            await actor.run(reason)
            if not actor.settled and self._keeper.holds(lease):
                await self.settle([actor])
        finally:
            del self.actors[session], self._tasks[session]
            await self.release(lease, actor.successor)
            log.info("session.released", session=session, epoch=lease.epoch, left=actor.left)

    async def _lose(self, lease: Lease) -> None:
        actor = self.actors.get(lease.session)
        if actor is not None and actor.owned.lease == lease:
            await actor.lose()
        self._keeper.drop(lease)
