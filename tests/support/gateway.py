"""A whole gateway for a test: `wa-api serve` on free ports with its data in a directory.

    async with Gateway.start(tmp_path, WA_HTTP_WORKERS="2") as gateway:
        tenant = await gateway.tenant()
        async with tenant.feed() as feed:
            anna = await tenant.link_session(feed)

Everything goes through the public surface: REST, WebSocket, signals.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.migrated import put_migrated
from tests.support.places import short_place
from wa_api.demo.client import Feed, Json, Rest, feed, new_tenant, sign_in
from wa_api.demo.process import Served, served

#: Small and quick: what a test needs unless it says otherwise.
SMALL = {
    "WA_HTTP_WORKERS": "1",
    "WA_SESSIONS_WORKERS": "1",
    "WA_SESSIONS_NETWORKS": "sandbox",
    "WA_LOG_LEVEL": "info",
    "WA_LOG_FORMAT": "json",
}


async def eventually(true: Callable[[], bool], limit: float = 60.0, why: str = "") -> None:
    """Poll with a limit."""
    try:
        async with asyncio.timeout(limit):
            while not true():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(why or "it did not happen in time") from None


@dataclass(frozen=True, slots=True)
class Linked:
    """A connected sandbox session and the phone that it is linked to."""

    session: str
    phone: str
    number: str


@dataclass(slots=True)
class Tenant:
    """A tenant with a client that has all its rights."""

    id: str
    rest: Rest
    url: str

    def feed(self, query: str = "") -> AbstractAsyncContextManager[Feed]:
        """A WebSocket with all the tenant's events."""
        return feed(self.url, self.rest.credential, query)

    async def new_phone(self, name: str = "Phone") -> Json:
        """A virtual phone."""
        phone: Json = await self.rest.post("/sandbox/phones", {"name": name})
        return phone

    async def link_session(self, events: Feed, limit: float = 30.0, **more: object) -> Linked:
        """Create (with `more` in the body), start and scan: returns when it is connected."""
        phone = await self.new_phone()
        body = {"network": "sandbox", "start": True, **more}
        session = (await self.rest.post("/sessions", body))["id"]
        qr = await events.event("session.qr_issued", session, limit)
        scan = {"qr": qr.event["data"]["qr"]}
        await self.rest.post(f"/sandbox/phones/{phone['phone']}/scan", scan)
        await events.event(
            "session.state_changed", session, limit, lambda data: bool(data["state"] == "connected")
        )
        return Linked(session, phone["phone"], phone["number"])


@dataclass
class Gateway:
    """A running gateway, its processes, and who may use it."""

    served: Served
    _stack: AsyncExitStack = field(repr=False)
    _admin: Rest | None = None

    @staticmethod
    @asynccontextmanager
    async def start(directory: Path, **settings: str) -> AsyncIterator[Gateway]:
        """Start it and wait until it is ready; everything is gone when the block ends."""
        async with AsyncExitStack() as stack:
            chosen = {**SMALL, **settings}
            if "WA_DATABASE_URL" not in chosen:
                put_migrated(Path(chosen.get("WA_DATA_DIR", directory / "data")))
            running = await stack.enter_async_context(served(directory, chosen))
            yield Gateway(running, stack)

    @staticmethod
    @asynccontextmanager
    async def own(**settings: str) -> AsyncIterator[Gateway]:
        """The same in a directory of its own, which goes with it."""
        with short_place() as directory:
            async with Gateway.start(directory, **settings) as running:
                yield running

    @property
    def url(self) -> str:
        """Where it serves."""
        return self.served.url

    async def admin(self) -> Rest:
        """The platform's administrator."""
        if self._admin is None:
            self._admin = await sign_in(self.url, self.served.token)
            self._stack.push_async_callback(self._admin.close)
        return self._admin

    async def tenant(self, name: str = "Test") -> Tenant:
        """A new tenant."""
        name, rest = await new_tenant(await self.admin(), name)
        self._stack.push_async_callback(rest.close)
        return Tenant(name, rest, self.url)

    def processes(self) -> list[psutil.Process]:
        """The supervisor and all that descend from it."""
        parent = psutil.Process(self.served.process.pid)
        return [parent, *parent.children(recursive=True)]

    def children(self, *words: str) -> list[psutil.Process]:
        """Children whose command line has all these words, such as "sessions", "sandbox"."""
        return [one for one in self.processes()[1:] if _has(one, words)]


def _has(process: psutil.Process, words: Iterable[str]) -> bool:
    try:
        line = " ".join(process.cmdline()).split()
    except psutil.Error:
        return False
    return all(any(word == part or part.endswith(f"/{word}") for part in line) for word in words)


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that still run (a zombie does not)."""
    return [one for one in processes if _runs(one)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def modes(directory: Path) -> dict[str, str]:
    """Permissions of everything in a directory, as octal text."""
    return {
        str(path.relative_to(directory)): oct(os.lstat(path).st_mode & 0o777)
        for path in directory.rglob("*")
    }
