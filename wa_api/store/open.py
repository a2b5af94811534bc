"""Opening, closing and migrating the database."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.context import TortoiseContext

from wa_api.domain.errors import Unavailable
from wa_api.store.db import Database, set_database
from wa_api.store.schema import APP, StoreError, check_migrated, run_migrations

_OLDEST_SQLITE = (3, 35, 0)  # RETURNING


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """Without the reset at each release: it costs a round trip, and we keep no session state."""

    def get_reset_query(self) -> str:
        """Nothing to reset."""
        return ""


def sqlite_path(url: str) -> Path | None:
    """The file of a `sqlite://PATH` URL; None for another database."""
    if not url.startswith("sqlite://"):
        return None
    path = url.removeprefix("sqlite://").partition("?")[0]
    if not path or ":memory:" in path:
        raise StoreError("SQLite needs a file (sqlite:///path/to/file): processes share it.")
    return Path(path)


def _sqlite_credentials(path: Path, busy: float) -> dict[str, Any]:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed.")
    # Messages are private: the file (and by inheritance its -wal and -shm) is for us alone.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    return {
        "file_path": str(path),
        "busy_timeout": int(busy * 1000),
        "journal_mode": "WAL",
        "synchronous": "NORMAL",  # survives any death of a process; power loss may cost the last
        "journal_size_limit": 64 * 1024 * 1024,
    }


def _postgres_config(url: str, pool: int, limit: float) -> dict[str, Any]:
    scheme, colon, rest = url.partition("://")
    if not colon or scheme not in ("postgres", "postgresql", "asyncpg"):
        raise StoreError("The database URL must begin with postgresql:// or sqlite://.")
    config: dict[str, Any] = expand_db_url(f"asyncpg://{rest}")
    credentials = config["credentials"]
    if "sslmode" in credentials:  # libpq's name
        credentials["ssl"] = credentials.pop("sslmode")
    defaults = {"minsize": 1, "maxsize": pool, "timeout": limit, "command_timeout": limit}
    config["credentials"] = {
        **defaults,
        "application_name": "wa-api",
        **credentials,
        "connection_class": _Connection,
    }
    return config


def _config(url: str, pool: int, limit: float) -> dict[str, Any]:
    path = sqlite_path(url)
    if path is None:
        connection = _postgres_config(url, pool, limit)
    else:
        connection = {
            "engine": "tortoise.backends.sqlite",
            "credentials": _sqlite_credentials(path, limit / 2),
        }
    # Tortoise caches SQL by the connection's name: one name per dialect.
    name = "postgres" if path is None else "sqlite"
    app = {
        "models": ["wa_api.store.models"],
        "migrations": "wa_api.store.migrations",
        "default_connection": name,
    }
    return {"connections": {name: connection}, "apps": {APP: app}}


@asynccontextmanager
async def _tortoise(url: str, pool: int, limit: float) -> AsyncIterator[Any]:
    """Tortoise's connection, connected; closed afterwards, so that the process can exit."""
    config = _config(url, pool, limit)
    context = TortoiseContext()
    try:
        # Queries come from tasks that did not inherit this context: make it the process's.
        with context:
            await context.init(config=config, _enable_global_fallback=True)
        client = context.db()
        try:
            async with asyncio.timeout(limit):
                await client.execute_query("SELECT 1")
        except Exception as error:
            raise Unavailable(f"The database cannot be reached: {error}") from error
        yield client
    finally:
        await context.close_connections()


@asynccontextmanager
async def open_store(url: str, *, pool: int = 8, limit: float = 10.0) -> AsyncIterator[Database]:
    """Open the database for this process; the query functions use it until the exit.

    `pool` bounds this process's PostgreSQL connections, `limit` (seconds) every call.
    Raises StoreError when it is not migrated, or newer than this program; Unavailable.
    """
    async with _tortoise(url, pool, limit) as client:
        database = Database(client, limit=limit)
        await check_migrated(database)
        set_database(database)
        try:
            yield database
        finally:
            set_database(None)


async def migrate(url: str, *, limit: float = 300.0) -> list[str]:
    """Bring the schema up to date; the names of what was applied (none when it was).

    Two processes may do this at once: one works, the other waits up to `limit` seconds. Killed
    in the middle, it leaves the schema as it was.
    """
    async with _tortoise(url, 2, limit) as client:
        return await run_migrations(client, _config(url, 2, limit)["apps"], limit)
