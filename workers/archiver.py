"""Copies the live logs from Redis into the database, and lets Redis forget what was copied.

Every step may be repeated, and is after a kill: entries are rows once by (tenant, cursor), the
place up to which all is archived only grows, and Redis drops only what lies before it. So two
archivers on one tenant would do no harm; a lease per tenant keeps them from doing the work twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from wa_api.bus.ports import EventLog, Leases, LogEntry, Renewal
from wa_api.domain.errors import CursorGone, Unavailable
from wa_api.domain.events import Cursor, LogGap, event
from wa_api.domain.ids import SessionId, TenantId, WorkerId
from wa_api.domain.leases import Lease
from wa_api.store import events, tenants
from wa_api.store.events import Archived

log = structlog.get_logger()

#: A tenant without news for this long is let go (seconds).
_IDLE = 60.0
#: Batches of one tenant in one round, so that a busy one does not hold the others up.
_MOST_BATCHES = 20


@dataclass(slots=True)
class _Held:
    """A tenant whose log this process copies, and how far it got."""

    lease: Lease
    after: Cursor
    generation: str
    busy_until: float


class Archiver:
    """One process's share of archiving; any number may run."""

    def __init__(
        self,
        live: EventLog,
        leases: Leases,
        worker: WorkerId,
        *,
        interval: float = 0.25,
        batch: int = 500,
        keep_seconds: float = 900.0,
        keep_entries: int = 20_000,
        sweep_seconds: float = 60.0,
        side_by_side: int = 8,
    ) -> None:
        """Look for news every `interval` seconds and copy `batch` entries at a time.

        Of what is archived, `keep_seconds` and at most `keep_entries` stay in Redis per tenant.
        Every `sweep_seconds` all tenants are looked at, in case a mark was lost. `side_by_side`
        tenants are copied at once.
        """
        self._live = live
        self._leases = leases
        self._worker = worker
        self._interval = interval
        self._batch = batch
        self._keep = (keep_seconds, keep_entries)
        self._sweep_seconds = sweep_seconds
        self._room = asyncio.Semaphore(side_by_side)
        self._held: dict[TenantId, _Held] = {}
        self._renewed = self._swept = 0.0
        self.archived = 0  #: events copied so far, for the figures

    async def run(self, stop: asyncio.Event) -> None:
        """Archive until `stop`, then what is left, once; lets go of its tenants."""
        while not stop.is_set():
            await self._guarded_round()
            try:
                await asyncio.wait_for(stop.wait(), self._interval)
            except TimeoutError:
                continue
        await self._guarded_round()
        await self._let_go()

    async def _guarded_round(self) -> None:
        try:
            await self.round()
        except Unavailable as error:
            log.warning("archiver.waiting", detail=error.detail)

    async def round(self) -> None:
        """Copy what is new of every tenant that this process has or can get."""
        await self._renew()
        waiting = set(await self._live.dirty())
        now = time.monotonic()
        if now - self._swept >= self._sweep_seconds:
            waiting |= await self._unmarked()
            self._swept = now
        async with asyncio.TaskGroup() as group:
            for tenant in waiting:
                group.create_task(self._copy_one(tenant))

    async def _copy_one(self, tenant: TenantId) -> None:
        async with self._room:
            try:
                held = await self._hold(tenant)
                for _ in range(_MOST_BATCHES):
                    if held is None or not await self._copy(tenant, held):
                        break
            except Unavailable as error:  # its own trouble; the others go on
                log.warning("archiver.failed", tenant=tenant, detail=error.detail)

    async def _hold(self, tenant: TenantId) -> _Held | None:
        held = self._held.get(tenant)
        if held is None:
            lease = await self._leases.acquire(SessionId(f"log:{tenant}"), self._worker)
            if lease is None:
                return None
            state = await events.log_state(tenant)
            held = _Held(lease, Cursor(str(state.archived)), state.generation, 0.0)
            self._held[tenant] = held
        held.busy_until = time.monotonic() + _IDLE
        return held

    async def _copy(self, tenant: TenantId, held: _Held) -> bool:
        """Copy one batch; whether there is at once more to do."""
        generation = await self._live.generation(tenant)
        if generation != held.generation:
            await self._begin_generation(tenant, held, generation)
        entries = await self._next(tenant, held)
        if entries:
            last = entries[-1].cursor
            await events.archive(tenant, last, _rows(entries))
            held.after = last
            self.archived += len(entries)
        clean = await self._live.trim(tenant, held.after, *self._keep)
        return not clean and len(entries) >= self._batch

    async def _next(self, tenant: TenantId, held: _Held) -> list[LogEntry]:
        try:
            entries = await self._live.tail(tenant, held.after, self._batch)
        except CursorGone:
            entries = None
        if entries is not None:
            return entries
        # Our place is not in the live log: the database is an old copy, or Redis is.
        await self._tell_gap(tenant, held)
        return await self._live.tail(tenant, None, self._batch) or []

    async def _begin_generation(self, tenant: TenantId, held: _Held, generation: str) -> None:
        if held.generation:
            await self._tell_gap(tenant, held)
        await events.note_generation(tenant, generation)
        held.generation = generation

    async def _tell_gap(self, tenant: TenantId, held: _Held) -> None:
        log.error("archiver.log_lost", tenant=tenant, after=held.after)
        await self._live.append([event(tenant, None, LogGap(after=held.after))])

    async def _unmarked(self) -> set[TenantId]:
        """Tenants with news that nobody marked."""
        found: set[TenantId] = set()
        after = ""
        while page := await tenants.list_tenants(after=after, limit=tenants.MAX_LIMIT):
            for tenant in page:
                archived = (await events.log_state(tenant.id)).archived
                if int(await self._live.head(tenant.id)) > archived:
                    found.add(tenant.id)
            after = page[-1].id
        return found

    async def _renew(self) -> None:
        now = time.monotonic()
        if now - self._renewed < self._leases.ttl / 3:
            return
        self._renewed = now
        for tenant in [one for one, held in self._held.items() if held.busy_until < now]:
            del self._held[tenant]  # its lease ends by itself
        by_session = {held.lease.session: tenant for tenant, held in self._held.items()}
        renewals = await self._leases.renew([held.lease for held in self._held.values()])
        for session, renewal in renewals.items():
            if renewal is Renewal.LOST:
                self._held.pop(by_session[session], None)

    async def _let_go(self) -> None:
        for held in self._held.values():
            try:
                await self._leases.release(held.lease)
            except Unavailable:
                break  # they end by themselves
        self._held.clear()


def _rows(entries: Iterable[LogEntry]) -> list[Archived]:
    return [Archived(one.cursor, one.session, one.type, one.tail) for one in entries]
