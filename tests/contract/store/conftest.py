"""One store suite for SQLite (always) and PostgreSQL (when one answers)."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from wa_api.domain.ids import Epoch, SessionId, TenantId, WorkerId
from wa_api.domain.leases import Lease
from wa_api.domain.sessions import Desired
from wa_api.store import fleet, sessions, tenants
from wa_api.store.db import Database
from wa_api.store.open import migrate, open_store
from wa_api.store.rows import SessionRow

POSTGRES = os.environ.get("WA_TEST_DATABASE_URL", "postgresql://root@127.0.0.1:5432/test")


def postgres_answers() -> bool:
    """Whether something listens where the tests' PostgreSQL is expected."""
    parts = urlsplit(POSTGRES)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5432), 1):
            return True
    except OSError:
        return "WA_TEST_DATABASE_URL" in os.environ  # asked for: then its absence is a failure


class Migrated:
    """One migrated database of each kind, made when it is first asked for."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._template: str | None = None

    def drop(self) -> None:
        """Leave nothing on the server."""
        if self._template is not None:
            _on_server(f"DROP DATABASE {self._template} WITH (FORCE)")

    def sqlite(self, path: Path) -> str:
        """A copy in that file; its URL."""
        if not self._file.exists():
            asyncio.run(migrate(f"sqlite://{self._file}"))
        shutil.copy(self._file, path)
        return f"sqlite://{path}"

    def postgres(self, name: str) -> str:
        """A copy under that name on the tests' server; its URL."""
        if self._template is None:
            template = f"wa_test_{uuid4().hex}"
            _on_server(f"CREATE DATABASE {template}")
            self._template = template
            asyncio.run(migrate(_named(template)))
        _on_server(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return _named(name)


def _named(database: str) -> str:
    return urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{database}"))


def _on_server(statement: str) -> None:
    async def run() -> None:
        admin = await asyncpg.connect(POSTGRES)
        await admin.execute(statement)
        await admin.close()

    asyncio.run(run())


KINDS = ["sqlite", *(["postgres"] if postgres_answers() else [])]


@pytest.fixture(params=KINDS)
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of an empty database of the test's own."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path}/wa.db"
        return
    schema = f"wa_test_{uuid4().hex}"
    admin = await asyncpg.connect(POSTGRES)
    try:
        await admin.execute(f"CREATE SCHEMA {schema}")
        yield f"{POSTGRES}{'&' if '?' in POSTGRES else '?'}schema={schema}"
    finally:
        await admin.execute(f"DROP SCHEMA {schema} CASCADE")
        await admin.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrated]:
    """Migrated databases to copy: migrating each test's own would take most of the time."""
    made = Migrated(tmp_path_factory.mktemp("migrated") / "wa.db")
    yield made
    made.drop()


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, migrated: Migrated, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database of the test's own."""
    if request.param == "sqlite":
        yield migrated.sqlite(tmp_path / "wa.db")
        return
    name = f"wa_test_{uuid4().hex}"
    yield migrated.postgres(name)
    _on_server(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def store(url: str) -> AsyncIterator[Database]:
    """The open store."""
    async with open_store(url) as database:
        yield database


@pytest.fixture
async def tenant(store: Database) -> TenantId:
    """A tenant."""
    return (await tenants.create("Acme")).id


@pytest.fixture
async def session(tenant: TenantId) -> SessionRow:
    """A session that should run."""
    return await sessions.create(tenant, network="sandbox", desired=Desired.RUNNING)


def lease_on(session: SessionId, epoch: int = 1, worker: str = "wrk_1") -> Lease:
    """A lease as the bus would give it."""
    return Lease(session, WorkerId(worker), Epoch(epoch))


@pytest.fixture
async def lease(session: SessionRow) -> Lease:
    """The session's owner, who has claimed it."""
    made = lease_on(session.id)
    assert await fleet.claim(session.id, made) is not None
    return made
