"""Scheduled messages fall due: one process of the fleet looks, every second, and tells.

The row is the promise: a message that fell due waits in its session's queue from the same
statement on, so an owner that was not told finds it by itself. Two schedulers at once do no harm;
the lease only saves the work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from wa_api.bus.ports import Appender, Commands, Leases, Renewal
from wa_api.domain.commands import Command
from wa_api.domain.errors import WaError
from wa_api.domain.events import event
from wa_api.domain.ids import SessionId, WorkerId, new_id
from wa_api.domain.leases import Lease
from wa_api.store import fleet
from wa_api.store.rows import Changed

log = structlog.get_logger()

_LEASE = SessionId("scheduler")
#: A session's owner hears within this time or finds the rows by itself.
_SECONDS = 15.0


class Scheduler:
    """Moves messages from `scheduled` into their session's queue."""

    def __init__(
        self,
        live: Appender,
        commands: Commands,
        leases: Leases,
        worker: WorkerId,
        *,
        interval: float = 1.0,
        batch: int = 500,
    ) -> None:
        """Look every `interval` seconds, and move `batch` at a time."""
        self._live, self._commands, self._leases, self._worker = live, commands, leases, worker
        self._interval, self._batch = interval, batch
        self._lease: Lease | None = None
        self._renewed = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            try:
                if await self._mine():
                    while await self.round() >= self._batch and not stop.is_set():
                        continue
            except WaError as error:
                log.warning("scheduler.failed", code=error.code, detail=error.detail)
            try:
                await asyncio.wait_for(stop.wait(), self._interval)
            except TimeoutError:
                continue

    async def round(self) -> int:
        """Move what is due, say so, and tell the owners; how many there were."""
        due = await fleet.fall_due(limit=self._batch)
        by_session: dict[str, list[Changed]] = {}
        for change in due:
            by_session.setdefault(change.session, []).append(change)
        for changes in by_session.values():
            await self._tell(changes)
        return len(due)

    async def _tell(self, changes: Sequence[Changed]) -> None:
        tenant, session = changes[0].tenant, changes[0].session
        await self._live.append([event(tenant, session, one.data) for one in changes])
        await self._commands.send(
            Command(
                id=new_id("cmd"),
                tenant=tenant,
                session=session,
                name="queue.refresh",
                data={},
                deadline=time.time() + _SECONDS,
            )
        )

    async def _mine(self) -> bool:
        now = time.monotonic()
        if self._lease is not None and now - self._renewed < self._leases.ttl / 3:
            return True
        if self._lease is not None:
            renewed = await self._leases.renew([self._lease])
            if renewed.get(_LEASE) is not Renewal.RENEWED:
                self._lease = None
        if self._lease is None:
            self._lease = await self._leases.acquire(_LEASE, self._worker)
        self._renewed = now
        return self._lease is not None
