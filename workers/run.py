"""Starting and ending a worker process: what it opens, and what ends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
import uvloop

from config import logging
from config.settings import Settings
from wa_api.bus.embedded import socket_path
from wa_api.bus.log import Floor, no_floor
from wa_api.bus.open import Bus, open_bus
from wa_api.domain.events import Cursor
from wa_api.domain.ids import TenantId, WorkerId, new_id
from wa_api.store import events
from wa_api.store.open import open_store
from workers.pulse import beating

log = structlog.get_logger()

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def sessions(settings: Settings, network: str) -> int:
    """A session worker; see `workers.sessions.supervisor` for its exit codes."""
    # The engine's library prints past every log: capture that before it is loaded.
    from workers.engine.capture import OutputCapture, report_dead

    worker = _worker(settings)
    folder = settings.prepare() / "workers"
    folder.mkdir(mode=0o700, exist_ok=True)
    capture = OutputCapture(folder / f"{worker}.out")
    _log(settings, worker, "sessions")
    report_dead(folder)
    from workers.sessions.process import work

    code = uvloop.run(work(settings, network, worker))
    capture.close()
    return code


def webhooks(settings: Settings) -> int:
    """The process behind the event log; see `workers.upkeep`."""
    worker = _worker(settings)
    _log(settings, worker, "webhooks")
    from workers.upkeep import work

    return uvloop.run(work(settings, worker))


def sandbox(settings: Settings) -> int:
    """The network without phones."""
    from workers.sandbox.process import run
    from workers.sandbox.settings import SandboxSettings

    worker = _worker(settings)
    _log(settings, worker, "sandbox")
    chosen = SandboxSettings(settings.prepare(), settings.sandbox.host, settings.sandbox.port)

    async def serve() -> int:
        stop = asyncio.Event()
        on_signals(stop.set)
        async with _open_bus(settings, worker) as bus, beating(bus.fleet, worker, "sandbox"):
            await run(chosen, stop)
        return 0

    return uvloop.run(serve())


def on_signals(leave: Callable[[], object]) -> None:
    """Call `leave` on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, leave)


@asynccontextmanager
async def open_shared(settings: Settings, worker: WorkerId) -> AsyncIterator[Bus]:
    """The database and the bus; closed in reverse order."""
    async with (
        open_store(settings.database_url, pool=settings.database.pool_size),
        _open_bus(settings, worker, _floor) as bus,
    ):
        yield bus


def _open_bus(
    settings: Settings, worker: WorkerId, floor: Floor = no_floor
) -> AbstractAsyncContextManager[Bus]:
    url = settings.redis_url or f"unix://{socket_path(settings.data / 'redis')}"
    return open_bus(
        url,
        settings.redis.prefix,
        settings.sessions.lease_seconds,
        worker,
        floor=floor,
        time_limit=settings.redis.timeout_seconds,
    )


async def _floor(tenant: TenantId) -> Cursor:
    state = await events.log_state(tenant)
    return Cursor(str(max(state.archived, state.floor)))


def _worker(settings: Settings) -> WorkerId:
    return WorkerId(settings.worker_id or new_id("wrk"))


def _log(settings: Settings, worker: WorkerId, role: str) -> None:
    logging.configure(settings.log.level, settings.log.format, role=role, worker=worker)
