"""A gateway without HTTP: real workers, a real Valkey, SQLite and the sandbox."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.support.migrated import put_migrated
from wa_api.bus.embedded import run_embedded
from wa_api.bus.open import Bus, open_bus
from wa_api.bus.sandbox import SandboxClient
from wa_api.domain.commands import Command, Reply
from wa_api.domain.content import Text
from wa_api.domain.ids import MessageId, SessionId, TenantId, WorkerId, new_id
from wa_api.domain.messages import MessageView
from wa_api.domain.sessions import Desired
from wa_api.store import messages, sessions, tenants
from wa_api.store.open import open_store
from wa_api.store.rows import NewMessage

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0


@dataclass
class Worker:
    """A process under test."""

    id: WorkerId
    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code."""
        return await until(self.process.poll)


@dataclass
class Stage:
    """What a test acts on."""

    folder: Path
    env: dict[str, str]
    bus: Bus
    sandbox: SandboxClient
    tenant: TenantId
    redis: int  # process id
    workers: list[Worker] = field(default_factory=list)

    def start(self, *role: str) -> Worker:
        """Start a worker process."""
        name = WorkerId(new_id("wrk"))
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers", *role],
                cwd=ROOT,
                env={**self.env, "WA_WORKER_ID": name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        worker = Worker(name, process, log)
        self.workers.append(worker)
        return worker

    async def session_worker(self) -> Worker:
        """A session worker that is ready."""
        worker = self.start("sessions", "--network", "sandbox")
        await self.ready(worker)
        return worker

    async def ready(self, worker: Worker) -> None:
        """Wait until the fleet knows a worker."""

        async def known() -> bool:
            assert worker.process.poll() is None, worker.log.read_text()
            return any(one.worker == worker.id for one in await self.bus.fleet.workers())

        await until(known)

    async def events(self, kind: str = "", session: str = "") -> list[dict[str, Any]]:
        """The tenant's log so far: data with `type` and `cursor`."""
        found, after = [], None
        while entries := await self.bus.log.tail(self.tenant, after, 1000):
            for entry in entries:
                if kind in ("", entry.type) and session in ("", entry.session):
                    data = orjson.loads(b"{" + entry.tail)["data"]
                    found.append({**data, "event": entry.type, "cursor": entry.cursor})
            after = entries[-1].cursor
        return found

    async def create(self) -> SessionId:
        """A session that is to run."""
        row = await sessions.create(self.tenant, network="sandbox", desired=Desired.RUNNING)
        await self.bus.fleet.announce("sandbox", row.id)
        return row.id

    async def link(self, session: SessionId, **phone: Any) -> dict[str, Any]:
        """Scan the session's QR code with a new phone; returns the phone."""
        made = await self.sandbox.call("phone.create", tenant=self.tenant, **phone)
        codes = await until(lambda: self.events("session.qr_issued", session))
        await self.sandbox.call(
            "phone.scan", tenant=self.tenant, phone=made["phone"], qr=codes[-1]["qr"]
        )
        await self.connected(session)
        return made

    async def state(self, session: SessionId) -> str:
        """What the row says."""
        return (await sessions.get(self.tenant, session)).state

    async def connected(self, session: SessionId) -> None:
        """Wait until it is."""

        async def is_connected() -> bool:
            return await self.state(session) == "connected"

        await until(is_connected)

    async def owner(self, session: SessionId) -> WorkerId | None:
        """Who has the lease."""
        lease = (await self.bus.leases.owners([session])).get(session)
        return lease.worker if lease else None

    async def send(self, session: SessionId, to: str, body: str) -> MessageId:
        """Accept a message and tell the owner, as HTTP does."""
        content = Text(body=body)
        new = NewMessage(session=session, chat=to, content=content, deadline=time.time() + 60)
        accepted = await messages.accept(self.tenant, new)
        await self.bus.commands.send(
            self.command(session, "message.send", {"id": accepted.view.id, "to": to}, lane=to)
        )
        return MessageId(accepted.view.id)

    def command(
        self, session: SessionId, name: str, data: dict[str, Any], lane: str = ""
    ) -> Command:
        """A command that is good for twenty seconds."""
        return Command(
            id=new_id("cmd"),
            tenant=self.tenant,
            session=session,
            name=name,
            data=data,
            deadline=time.time() + 20,
            lane=lane,
        )

    async def ask(self, session: SessionId, name: str, **data: Any) -> Reply:
        """Ask the owner something."""
        return await self.bus.commands.call(self.command(session, name, data))

    async def message(self, message: MessageId) -> MessageView:
        """As it is now."""
        return await messages.get(self.tenant, message)

    async def overlaps(self) -> list[Any]:
        """Moments at which a device had two connections."""
        found: list[Any] = await self.sandbox.call("judge.overlaps", tenant=self.tenant)
        return found


async def until(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The first true value of `condition` (which may be a coroutine function)."""
    limit = time.monotonic() + patience
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value or (value is not None and not isinstance(value, bool | list | dict)):
            return value
        assert time.monotonic() < limit, "waited in vain"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def stage(folder: Path, **settings: str) -> AsyncIterator[Stage]:
    """Redis, a database, the sandbox, and no worker yet; everything ends with the block."""
    database = f"sqlite://{folder / 'wa-api.sqlite3'}"
    env = {**os.environ, "WA_DATA_DIR": str(folder), "WA_LOG_FORMAT": "json", **settings}
    put_migrated(folder)
    async with (
        run_embedded(folder / "redis") as server,
        open_store(database),
        open_bus(server.url, lease_seconds=6.0) as bus,
    ):
        client = SandboxClient(folder / "sandbox" / "control.sock")
        made = (await tenants.create("e2e")).id
        it = Stage(folder, env, bus, client, made, server.pid)
        try:
            it.start("sandbox")
            await until((folder / "sandbox" / "network.json").exists)
            yield it
        finally:
            await client.close()
            for worker in it.workers:
                if worker.process.poll() is None:
                    worker.signal(signal.SIGKILL)
                worker.process.wait()
