"""What nobody runs and somebody must finish: stopped sessions without a last word, deleted ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from wa_api.bus.ports import Leases
from wa_api.domain.errors import Conflict, Fenced
from wa_api.domain.events import SessionStateChanged, event
from wa_api.domain.ids import WorkerId
from wa_api.domain.leases import Lease
from wa_api.domain.sessions import Reason, SessionState
from workers.sessions.actor import Means
from workers.sessions.records import Change, Owned, Wanted

log = structlog.get_logger()


class Leftovers:
    """Finishes them under a lease of their own, so that no engine runs meanwhile.

    Each takes much less time than a lease lives.
    """

    def __init__(self, worker: WorkerId, network: str, leases: Leases, means: Means) -> None:
        self._worker, self._network, self._leases, self._means = worker, network, leases, means

    async def look(self) -> None:
        """Finish what there is; raises Unavailable."""
        records = self._means.records
        for row in await records.unsettled(self._network):
            await self._under_lease(row, self._say_stopped)
        for row in await records.deleted(self._network):
            await self._under_lease(row, self._forget)

    async def _under_lease(
        self, row: Wanted, finish: Callable[[Wanted, Lease], Awaitable[None]]
    ) -> None:
        lease = await self._leases.acquire(row.session, self._worker, row.epoch)
        if lease is None:
            return  # its owner is still at it
        try:
            await finish(row, lease)
        except (Fenced, Conflict) as error:
            log.info("session.leftover_changed", session=row.session, error=str(error))
        finally:
            await self._leases.release(lease)

    async def _say_stopped(self, row: Wanted, lease: Lease) -> None:
        if not await self._means.records.claim_leftover(row, lease):
            return
        change = Change(SessionState.STOPPED, Reason.REQUESTED)
        await self._means.events.raise_fence(row.tenant, lease)
        await self._means.records.set_state(Owned(row.tenant, lease), change)
        fact = SessionStateChanged(
            state=change.state, reason=change.reason, previous=row.state, epoch=lease.epoch
        )
        await self._means.events.append([event(row.tenant, row.session, fact, row.metadata)], lease)
        log.info("session.said_stopped", session=row.session)

    async def _forget(self, row: Wanted, lease: Lease) -> None:
        await self._means.factory.forget(row.session)
        await self._means.records.forgotten(row.session)
        log.info("session.forgotten", session=row.session)
