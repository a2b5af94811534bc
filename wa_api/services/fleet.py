"""What processes there are and what they run, for platform administrators."""

from __future__ import annotations

import msgspec

from wa_api.bus.ports import Fleet, Leases, WorkerInfo
from wa_api.domain.errors import NotFound, SessionNotFound
from wa_api.domain.ids import SessionId, WorkerId
from wa_api.domain.principals import Principal
from wa_api.services.audit import record
from wa_api.services.views import at
from wa_api.store import fleet as rows
from wa_api.store.rows import SessionRow


class FleetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All processes that live."""

    workers: list[WorkerInfo]


class OwnedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that should run, without what is its tenant's own business: its state since when
    and why, the newest epoch, and the worker that owns it now (null: nobody).
    """

    id: str
    tenant: str
    network: str
    state: str
    reason: str
    since: str
    epoch: int
    owner: str | None


class FleetView:
    """Use cases about the fleet."""

    def __init__(self, fleet: Fleet, leases: Leases) -> None:
        """`fleet` knows who lives, `leases` who runs which session."""
        self._fleet, self._leases = fleet, leases

    async def workers(self, who: Principal) -> FleetAnswer:
        """Who lives and what they do."""
        who.require_platform()
        found = await self._fleet.workers()
        return FleetAnswer(workers=sorted(found, key=lambda w: (w.role, w.network, w.worker)))

    async def drain(self, who: Principal, worker: WorkerId) -> None:
        """Tell a session worker to hand its sessions over and to end."""
        who.require_platform()
        await self._known(worker)
        await self._fleet.tell(worker, "drain")
        await record(who, None, "worker.drained", worker)

    async def sessions(
        self, who: Principal, worker: WorkerId, after: str, limit: int
    ) -> list[OwnedSession]:
        """What a session worker runs."""
        who.require_platform()
        await self._known(worker)
        return await self._shown(await rows.run_by(worker, after=after, limit=limit))

    async def all_sessions(self, who: Principal, after: str, limit: int) -> list[OwnedSession]:
        """What should run, of all tenants, owned or not."""
        who.require_platform()
        return await self._shown(await rows.running(after=after, limit=limit))

    async def _shown(self, found: list[SessionRow]) -> list[OwnedSession]:
        owners = await self._leases.owners([row.id for row in found])
        return [
            OwnedSession(
                id=row.id,
                tenant=row.tenant,
                network=row.network,
                state=row.state,
                reason=row.reason,
                since=at(row.since),
                epoch=row.epoch,
                owner=owners[row.id].worker if row.id in owners else None,
            )
            for row in found
        ]

    async def move(self, who: Principal, session: SessionId, to: WorkerId | None) -> None:
        """Tell a session's owner to hand it to another worker (None: to any that has room)."""
        who.require_platform()
        lease = (await self._leases.owners([session])).get(session)
        if lease is None:
            raise SessionNotFound("No worker runs such a session now.")
        if to is not None:
            await self._known(to)
        await self._fleet.tell(lease.worker, "move", f"{session} {to or ''}".strip())
        await record(who, None, "session.moved", session, worker=lease.worker, to=to)

    async def _known(self, worker: WorkerId) -> None:
        if all(found.worker != worker for found in await self._fleet.workers()):
            raise NotFound("There is no such worker.")
