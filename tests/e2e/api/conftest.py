"""Real HTTP processes with a real Redis-compatible server and a database, and no engine.

Where a session must be linked, the test plays its owner: it writes through the store and answers
on the bus exactly as a session worker does.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.api.owner import Owner, own
from tests.support.migrated import put_migrated
from tests.support.servers import redis_server
from wa_api.bus.open import Bus, open_bus
from wa_api.domain.ids import SessionId, TenantId
from wa_api.store import logins
from wa_api.store.open import open_store

#: As in the console's tests: what cannot run is not collected, and CI installs the browser.
collect_ignore = [] if shutil.which("chromium") else ["test_browser.py"]

SECRET = secrets.token_urlsafe(32)


@dataclass
class Process:
    """One HTTP process."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def ws(self) -> str:
        """Its WebSocket's address."""
        return self.url.replace("http://", "ws://") + "/v1/ws"


@dataclass
class Gateway:
    """HTTP processes that share a Redis and a database."""

    processes: list[Process]
    database_url: str
    redis_url: str
    prefix: str
    directory: Path

    @property
    def url(self) -> str:
        """The first process."""
        return self.processes[0].url

    @property
    def other(self) -> str:
        """The second process."""
        return self.processes[1].url


def environment(directory: Path, redis_url: str, prefix: str, **more: str) -> dict[str, str]:
    """What an HTTP process is started with."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WA_")}
    return kept | {
        "WA_DATA_DIR": str(directory),
        "WA_REDIS_URL": redis_url,
        "WA_REDIS_PREFIX": prefix,
        "WA_AUTH_JWT_SECRET": SECRET,
        "WA_HTTP_HEARTBEAT_SECONDS": "2",
        **more,
    }


def start_http(env: dict[str, str]) -> Process:
    """Start one HTTP process on a free port; returns when it is ready."""
    sock = socket.create_server(("127.0.0.1", 0))
    fd = sock.fileno()
    process = subprocess.Popen(
        [sys.executable, "-m", "wa_api", "http", "--fd", str(fd)],
        env=env,
        pass_fds=[fd],
        cwd=Path.cwd(),
    )
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    sock.close()
    until_ready(url, process)
    return Process(url, process)


def until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process takes requests."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the HTTP process ended"
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the HTTP process was not ready in time")


def end(process: subprocess.Popen[bytes], seconds: float = 6.0) -> int:
    """Ask a process to end; its exit status."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis-compatible server of these tests' own."""
    with redis_server() as (url, _):
        yield url


@pytest.fixture(scope="session")
def gateway(redis_url: str) -> Iterator[Gateway]:
    """Two HTTP processes and a sandbox."""
    directory = Path(tempfile.mkdtemp(prefix="wa-api-"))
    database_url, prefix = f"sqlite://{directory / 'wa-api.sqlite3'}", "t1:"
    put_migrated(directory)
    env = environment(directory, redis_url, prefix)
    sandbox = subprocess.Popen([sys.executable, "-m", "workers", "sandbox"], env=env)
    started = [start_http(env), start_http(env)]
    yield Gateway(started, database_url, redis_url, prefix, directory)
    statuses = [end(one) for one in (*(p.process for p in started), sandbox)]
    shutil.rmtree(directory, ignore_errors=True)
    assert statuses == [0, 0, 0]


async def _one_time(url: str) -> str:
    async with open_store(url):
        return await logins.issue_one_time("admin", {}, seconds=60)


@pytest.fixture(scope="session")
def admin_token(gateway: Gateway) -> str:
    """A platform administrator's access token, got with a one-time token."""
    token = asyncio.run(_one_time(gateway.database_url))
    answer = httpx.post(
        f"{gateway.url}/v1/auth/token", json={"grant_type": "one_time", "token": token}
    )
    assert answer.status_code == 200, answer.text
    again = httpx.post(
        f"{gateway.url}/v1/auth/token", json={"grant_type": "one_time", "token": token}
    )
    assert again.status_code == 401
    return str(answer.json()["access_token"])


@dataclass
class Tenant:
    """A tenant with a key that may do everything in it."""

    id: str
    key: str
    key_id: str

    @property
    def headers(self) -> dict[str, str]:
        """How it calls."""
        return {"Authorization": f"Bearer {self.key}"}


def new_tenant(gateway: Gateway, admin_token: str, scopes: list[str] | None = None) -> Tenant:
    """Make a tenant and a key over REST."""
    with httpx.Client(
        base_url=gateway.url, headers={"Authorization": f"Bearer {admin_token}"}
    ) as client:
        made = client.post("/v1/tenants", json={"name": "tests"})
        assert made.status_code == 201, made.text
        tenant = made.json()["id"]
        scopes = scopes or [
            "tenant:admin",
            "sessions:read",
            "sessions:write",
            "messages:read",
            "messages:write",
            "events:read",
            "sandbox",
        ]
        key = client.post("/v1/api-keys", json={"name": "all", "scopes": scopes, "tenant": tenant})
        assert key.status_code == 201, key.text
        return Tenant(tenant, key.json()["key"], key.json()["id"])


@pytest.fixture
def tenant(gateway: Gateway, admin_token: str) -> Tenant:
    """A fresh tenant."""
    return new_tenant(gateway, admin_token)


@pytest.fixture
def stranger(gateway: Gateway, admin_token: str) -> Tenant:
    """Another tenant, which must see and change nothing of the first."""
    return new_tenant(gateway, admin_token)


@pytest.fixture
async def client(gateway: Gateway, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """The tenant's client at the first process."""
    async with httpx.AsyncClient(base_url=gateway.url, headers=tenant.headers, timeout=20) as one:
        yield one


@pytest.fixture
async def admin(gateway: Gateway, admin_token: str) -> AsyncIterator[httpx.AsyncClient]:
    """The platform administrator's client."""
    headers = {"Authorization": f"Bearer {admin_token}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=20) as one:
        yield one


@pytest.fixture
async def bus(gateway: Gateway) -> AsyncIterator[Bus]:
    """The bus and the store, for tests that play a session's owner."""
    async with (
        open_store(gateway.database_url),
        open_bus(gateway.redis_url, gateway.prefix, 600.0) as opened,
    ):
        yield opened


@pytest.fixture
async def owner(bus: Bus, client: httpx.AsyncClient, tenant: Tenant) -> AsyncIterator[Owner]:
    """A linked, connected session of the tenant."""
    made = (await client.post("/v1/sessions", json={"network": "sandbox"})).json()
    session = SessionId(made["id"])
    one = await own(bus, TenantId(tenant.id), session)
    yield one
    await bus.inbox.detach(session)
    await bus.leases.release(one.lease)
