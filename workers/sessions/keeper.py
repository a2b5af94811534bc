"""Keeps the leases of this process: renews them in one batch, and knows when to let go.

Two deadlines per lease, both counted from the *start* of the last renewal that succeeded, so
that they lie before the moment at which Redis lets others in: at the soft one the owner is told
to stop its engine, at the hard one the dead man's timer ends the process, engine and all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from wa_api.bus.ports import Lease, Leases, Renewal
from wa_api.domain.errors import Unavailable
from wa_api.domain.ids import SessionId
from workers.sessions.clock import boottime
from workers.sessions.deadman import Deadman

log = structlog.get_logger()

#: Parts of the lease's time to live: renewed every third; told to stop a quarter before its end;
#: killed a twelfth before its end (with 6 s: 2 s, 1.5 s, 0.5 s).
RENEW, SOFT, HARD = 1 / 3, 1 / 4, 1 / 12
_IDLE = 5.0  # times to live after which a loop without leases is thought to hang


@dataclass(slots=True)
class _Held:
    lease: Lease
    since: float  # start of the last renewal that succeeded
    told: bool = False


class Keeper:
    """Holds leases until they are dropped, lost, or cannot be renewed in time."""

    def __init__(
        self,
        leases: Leases,
        on_lost: Callable[[Lease], None],
        timer: Deadman,
        clock: Callable[[], float] = boottime,
    ) -> None:
        """`on_lost` is called once per lease when its owner must stop at once; the owner calls
        `drop` when its engine is gone.
        """
        self._leases, self._on_lost, self._timer, self._clock = leases, on_lost, timer, clock
        self._ttl = leases.ttl
        self._held: dict[SessionId, _Held] = {}
        self._beat = clock()
        self.renewed = 0  #: leases renewed so far, for the figures

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, lease: Lease, since: float) -> None:
        """Keep a lease whose acquisition was begun at `since` (of the clock)."""
        self._held[lease.session] = _Held(lease, since)
        self._arm()

    def drop(self, lease: Lease) -> None:
        """Keep it no longer: its engine is gone."""
        held = self._held.get(lease.session)
        if held is not None and held.lease == lease:
            del self._held[lease.session]
            self._arm()

    def holds(self, lease: Lease) -> bool:
        """Whether the lease is still surely ours."""
        held = self._held.get(lease.session)
        return held is not None and held.lease == lease and not held.told

    async def run(self) -> None:
        """Renew for ever; ends when cancelled."""
        async with asyncio.TaskGroup() as group:
            # Beside each other: an answer that is waited for must not hold the deadlines up.
            group.create_task(self._renewals())
            group.create_task(self._deadlines())

    async def _renewals(self) -> None:
        while True:
            started = self._clock()
            known = await self.renew()
            pause = self._ttl * RENEW if known else self._ttl * RENEW / 4
            await asyncio.sleep(max(self._ttl / 60, started + pause - self._clock()))

    async def _deadlines(self) -> None:
        while True:
            self._beat = self._clock()
            self.expire()
            await asyncio.sleep(self._ttl * SOFT / 6)

    async def renew(self) -> bool:
        """Renew all once; False when Redis could not be asked."""
        started = self._clock()
        leases = [held.lease for held in self._held.values() if not held.told]
        results = await self._ask(leases) if leases else {}
        for lease in leases:
            held = self._held.get(lease.session)
            if results is None or held is None or held.lease != lease:
                continue
            result = results.get(lease.session)
            if result is Renewal.RENEWED:
                held.since = started
                self.renewed += 1
            elif result is Renewal.LOST:
                self._lose(held, "session.lease_lost")
        self.expire()
        self._arm()
        return results is not None

    def expire(self) -> None:
        """Give up what was not renewed in time."""
        now = self._clock()
        for held in list(self._held.values()):
            if not held.told and now >= held.since + self._ttl * (1 - SOFT):
                self._lose(held, "session.lease_not_renewed")

    async def _ask(self, leases: list[Lease]) -> dict[SessionId, Renewal] | None:
        try:
            async with asyncio.timeout(self._ttl * RENEW):
                return dict(await self._leases.renew(leases))
        except (Unavailable, TimeoutError) as error:
            log.warning("leases.renewal_unknown", leases=len(leases), error=str(error))
            return None

    def _lose(self, held: _Held, event: str) -> None:
        held.told = True
        log.warning(event, session=held.lease.session, epoch=held.lease.epoch)
        self._on_lost(held.lease)

    def _arm(self) -> None:
        """Set the dead man's timer to the first of all hard deadlines."""
        deadline = self._beat + self._ttl * _IDLE
        for held in self._held.values():
            deadline = min(deadline, held.since + self._ttl * (1 - HARD))
        self._timer.arm(deadline)
