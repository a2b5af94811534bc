"""Housekeeping of media: what was not used for long goes, and files that nothing names."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

import structlog

from wa_api.domain.ids import TenantId
from wa_api.media.files import Kept
from wa_api.shelf import Shelf
from wa_api.store import media as rows

log = structlog.get_logger()

#: A file without a row is left alone for so long (seconds): its row may be about to be written.
YOUNG = 3600.0
_STEP = 500


class FileKeeper:
    """Removes files in small steps; two at once would do no harm."""

    def __init__(self, shelf: Shelf, *, sweep_seconds: float = 3600.0) -> None:
        """All files are looked through every `sweep_seconds`."""
        self._shelf, self._sweep_seconds = shelf, sweep_seconds
        self._swept: float | None = None

    async def retain(self, tenant: TenantId, before: float) -> int:
        """One step of forgetting a tenant's media not used since `before` (Unix seconds)."""
        hashes = await rows.expire(tenant, before, _STEP)
        return await self._shelf.remove_unused(tenant, hashes) or len(hashes)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Now and then: remove drafts of killed processes, and files that no row names."""
        now = time.monotonic()
        if self._swept is not None and now - self._swept < self._sweep_seconds:
            return
        self._swept = now
        await asyncio.to_thread(self._shelf.drafts.sweep)
        batch: list[Kept] = []
        async for kept in self._shelf.files.kept():
            if kept.modified < time.time() - YOUNG:
                batch.append(kept)
            if len(batch) >= _STEP:
                await self._orphans(batch)
                batch = []
            if stop.is_set():
                return
        await self._orphans(batch)

    async def _orphans(self, batch: list[Kept]) -> None:
        by_tenant: defaultdict[str, list[str]] = defaultdict(list)
        for kept in batch:
            by_tenant[kept.key.tenant].append(kept.key.sha256)
        for tenant, hashes in by_tenant.items():
            removed = await self._shelf.remove_unused(TenantId(tenant), hashes)
            if removed:
                log.info("media.orphans_removed", tenant=tenant, files=removed)
