"""Telling the fleet that a process lives: for roles that do not own sessions."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import psutil
import structlog

from wa_api.bus.ports import Fleet, WorkerInfo
from wa_api.domain.errors import Unavailable
from wa_api.domain.ids import WorkerId

log = structlog.get_logger()

BEAT_SECONDS = 1.0


@asynccontextmanager
async def beating(
    fleet: Fleet,
    worker: WorkerId,
    role: str,
    network: str = "",
    figures: Callable[[], dict[str, float]] = dict,
) -> AsyncIterator[None]:
    """Beat while the context lasts, then leave the fleet; `figures` are told with each beat."""
    info = WorkerInfo(
        worker=worker,
        role=role,
        network=network,
        host=socket.gethostname(),
        pid=os.getpid(),
        state="ready",
        capacity=0,
        sessions=0,
        started=time.time(),
        figures={},
    )
    task = asyncio.create_task(
        _beat(fleet, lambda: replace(info, figures={**_figures(), **figures()}))
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(1.0):
                await fleet.leave(worker)


async def _beat(fleet: Fleet, info: Callable[[], WorkerInfo]) -> None:
    while True:
        try:
            await fleet.beat(info())
        except Unavailable as error:
            log.warning("worker.beat_failed", error=str(error))
        await asyncio.sleep(BEAT_SECONDS)


def _figures() -> dict[str, float]:
    return {"rss_bytes": float(psutil.Process().memory_info().rss)}
