"""Writes down, in batches, what deliverers did: no event costs a transaction of its own."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from wa_api.domain.errors import WaError
from wa_api.domain.ids import WebhookId
from wa_api.store import delivering
from wa_api.store.webhook_rows import DeliveryRow, Progress

log = structlog.get_logger()

_EVERY = 0.25
#: Log lines written at a time, and that may wait; successes beyond that are not logged.
_BATCH, _MOST = 1000, 5000


class Recorder:
    """Progress, finished backlog and delivery log of all deliverers of this process."""

    def __init__(self) -> None:
        """Nothing to write yet."""
        self._progress: dict[WebhookId, Progress] = {}
        self._delivered: list[tuple[WebhookId, int]] = []
        self._log: deque[DeliveryRow] = deque()
        self._lock = asyncio.Lock()
        self.dropped = 0  #: log lines that there was no room for

    def progress(self, progress: Progress) -> None:
        """A deliverer got this far."""
        self._progress[progress.held.webhook] = progress

    def delivered(self, webhook: WebhookId, cursor: int) -> None:
        """An event that was kept needs to be kept no more."""
        self._delivered.append((webhook, cursor))

    def tried(self, row: DeliveryRow) -> None:
        """A request was made."""
        if len(self._log) < _MOST or (not row.delivered and len(self._log) < 2 * _MOST):
            self._log.append(row)
        else:
            self.dropped += 1

    async def run(self) -> None:
        """Write every quarter of a second; ends when cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Write all now. What cannot be written waits for the next time."""
        async with self._lock:
            try:
                await self._flush()
            except WaError as error:
                log.warning("webhooks.cannot_record", code=error.code, detail=error.detail)

    async def _flush(self) -> None:
        if self._delivered:
            done = self._delivered[:_BATCH]
            await delivering.delivered(done)
            del self._delivered[: len(done)]
        if self._progress:
            progress, self._progress = self._progress, {}
            try:
                await delivering.save(list(progress.values()))
            except WaError:
                self._progress = progress | self._progress
                raise
        while self._log:
            rows = [self._log[i] for i in range(min(_BATCH, len(self._log)))]
            await delivering.log(rows)
            for _ in rows:
                self._log.popleft()
