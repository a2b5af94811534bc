"""What operators ask of a running fleet: `wa-api status`, `drain`, `move`, `restart`."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from config.settings import Settings
from wa_api.bus.embedded import socket_path
from wa_api.bus.open import Bus, open_bus
from wa_api.bus.ports import WorkerInfo
from wa_api.domain.errors import NotFound, SessionNotFound, Unavailable
from wa_api.domain.ids import SessionId, WorkerId
from wa_api.serve import ready_file
from wa_api.store import fleet as store
from wa_api.store.open import open_store
from wa_api.store.rows import SessionRow

#: Sessions that `status` shows; all are at `GET /v1/fleet/sessions`.
_SHOWN = 500


@asynccontextmanager
async def _bus(settings: Settings) -> AsyncIterator[Bus]:
    url = settings.redis_url or f"unix://{socket_path(settings.data / 'redis')}"
    async with open_bus(url, settings.redis.prefix) as bus:
        try:
            await bus.ping()
        except Unavailable:
            raise Unavailable("Redis does not answer: does the gateway run?") from None
        yield bus


async def show(settings: Settings) -> str:
    """Workers with their load, and sessions with owner, epoch, since when and the last reason."""
    async with _bus(settings) as bus, open_store(settings.database_url, pool=1):
        workers = sorted(await bus.fleet.workers(), key=lambda info: (info.role, info.network))
        rows = await store.running(limit=_SHOWN)
        leases = await bus.leases.owners([row.id for row in rows])
        owners = {session: str(lease.worker) for session, lease in leases.items()}
    return "\n\n".join(
        (
            _table(["worker", "role", "network", "host", "pid", "state", "sessions", "up"],
                   [_worker(info) for info in workers]),
            _table(["session", "network", "state", "reason", "owner", "epoch", "since"],
                   [_session(row, owners.get(row.id, "-")) for row in rows]),
        )
    )  # fmt: skip


def _worker(info: WorkerInfo) -> list[str]:
    load = f"{info.sessions}/{info.capacity}" if info.role == "sessions" else "-"
    up = f"{time.time() - info.started:.0f} s"
    row = [info.worker, info.role, info.network or "-", info.host, info.pid, info.state, load, up]
    return [str(cell) for cell in row]


def _session(row: SessionRow, owner: str) -> list[str]:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.since))
    cells = [row.id, row.network, row.state, row.reason, owner, row.epoch, since]
    return [str(cell) for cell in cells]


def _table(head: list[str], rows: Sequence[list[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
             for row in [head, *rows])  # fmt: skip
    return "\n".join(line.rstrip() for line in lines)


async def drain(settings: Settings, worker: str) -> str:
    """Tell a session worker to hand everything over; raises NotFound."""
    async with _bus(settings) as bus:
        known = {str(info.worker): info for info in await bus.fleet.workers()}
        if worker not in known or known[worker].role != "sessions":
            raise NotFound("There is no such session worker; see `wa-api status`.")
        await bus.fleet.tell(WorkerId(worker), "drain")
    return f"{worker} was told to hand over {known[worker].sessions} sessions and end."


async def move(settings: Settings, session: str, to: str | None) -> str:
    """Tell a session's owner to hand it over; raises SessionNotFound, NotFound."""
    async with _bus(settings) as bus:
        lease = (await bus.leases.owners([SessionId(session)])).get(SessionId(session))
        if lease is None:
            raise SessionNotFound("No worker owns such a session now; see `wa-api status`.")
        if to is not None and to not in {str(info.worker) for info in await bus.fleet.workers()}:
            raise NotFound("There is no such worker; see `wa-api status`.")
        await bus.fleet.tell(lease.worker, "move", f"{session} {to or ''}".strip())
    return f"{lease.worker} was told to hand over {session}."


async def healthy(settings: Settings) -> str:
    """Say that a process on this host (in this container) is ready; raises Unavailable."""
    host = socket.gethostname()
    async with _bus(settings) as bus:
        mine = [info for info in await bus.fleet.workers() if info.host == host]
    if not any(info.state == "ready" for info in mine):
        raise Unavailable(f"No process on {host} is ready ({len(mine)} known).")
    return f"{len(mine)} ready"


def roll(settings: Settings) -> str:
    """Ask the gateway that serves this data directory for a rolling restart; raises NotFound."""
    facts = ready_file.read(settings.data)
    try:
        if facts is None:
            raise ProcessLookupError
        os.kill(int(facts["pid"]), signal.SIGHUP)
    except (ProcessLookupError, PermissionError):
        raise NotFound("No gateway serves this data directory (WA_DATA_DIR).") from None
    return "Every process is being replaced, one by one; the log says when it is done."
