"""What must be done now and then, by one process of the fleet: expiry, retention, purging.

In small steps, so that no transaction is long. Doing it twice at once would do no harm; the lease
only saves the work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from wa_api.bus.ports import Appender, Leases, Renewal
from wa_api.domain.errors import WaError
from wa_api.domain.events import event
from wa_api.domain.ids import SessionId, WorkerId
from wa_api.domain.leases import Lease
from wa_api.store import events, fleet, tenants
from workers.filekeeping import FileKeeper

log = structlog.get_logger()

_LEASE = SessionId("housekeeping")
_DAY = 86_400.0
_STEP = 1000


class Housekeeper:
    """Ends overdue messages, forgets old events, removes what was deleted."""

    def __init__(
        self,
        live: Appender,
        leases: Leases,
        worker: WorkerId,
        *,
        retention_days: float = 7.0,
        audit_days: float = 365.0,
        media_days: float = 30.0,
        purge_seconds: float = 60.0,
        files: FileKeeper | None = None,
    ) -> None:
        """The days hold for tenants without their own (`audit_days` for the audit trail); purge
        every `purge_seconds`.
        """
        self._live = live
        self._leases = leases
        self._worker = worker
        self._retention_days, self._audit_days = retention_days, audit_days
        self._purge_seconds = purge_seconds
        self._files, self._media_days = files, media_days
        self._lease: Lease | None = None
        self._purged = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Keep house until `stop`."""
        while not stop.is_set():
            try:
                if await self._mine():
                    await self.round(stop)
            except WaError as error:
                log.warning("housekeeping.failed", code=error.code, detail=error.detail)
            try:
                await asyncio.wait_for(stop.wait(), self._leases.ttl / 3)
            except TimeoutError:
                continue

    async def _mine(self) -> bool:
        if self._lease is not None:
            renewed = await self._leases.renew([self._lease])
            if renewed.get(_LEASE) is Renewal.RENEWED:
                return True
        self._lease = await self._leases.acquire(_LEASE, self._worker)
        return self._lease is not None

    async def round(self, stop: asyncio.Event) -> None:
        """End what is overdue; once in a while remove what is over."""
        await self.expire()
        now = time.monotonic()
        if now - self._purged < self._purge_seconds:
            return
        self._purged = now
        await _in_steps(stop, lambda: fleet.purge(limit=_STEP))
        old = time.time() - self._audit_days * _DAY
        await _in_steps(stop, lambda: fleet.forget_audit(old, limit=_STEP))
        await self.retain(stop)
        if self._files is not None:
            await self._files.sweep(stop)

    async def expire(self) -> None:
        """End messages whose deadline passed before an owner could send them, and say so."""
        for change in await fleet.expire():
            told = event(change.tenant, change.session, change.data)
            await self._live.append([told])

    async def retain(self, stop: asyncio.Event) -> None:
        """Delete what is older than its tenant keeps it: archived events, and unused media."""
        after = ""
        while page := await tenants.list_tenants(after=after, limit=tenants.MAX_LIMIT):
            for tenant in page:
                days = tenant.retention_days or self._retention_days
                step = partial(events.retain, tenant.id, time.time() - days * _DAY, limit=_STEP)
                await _in_steps(stop, step)
                if self._files is not None:
                    oldest = time.time() - (tenant.retention_days or self._media_days) * _DAY
                    await _in_steps(stop, partial(self._files.retain, tenant.id, oldest))
            after = page[-1].id


async def _in_steps(stop: asyncio.Event, step: Callable[[], Awaitable[int]]) -> None:
    """Repeat a bounded deletion until it finds nothing more."""
    while not stop.is_set():
        if not await step():
            return
