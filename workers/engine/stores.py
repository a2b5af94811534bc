"""Where device stores (a session's WhatsApp keys) live: files, or PostgreSQL.

A device store is the key to somebody's account: nobody else may read it, and two engines on one
store corrupt its ratchets, so that only the owner of a session's lease opens it.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from workers.engine.gate import Gate

_SESSION = re.compile(r"[A-Za-z0-9_]{1,57}")
_SUFFIXES = ("", "-wal", "-shm", "-journal")
_TIMEOUT = 10.0


class DeviceStores(Protocol):
    """The device stores of all sessions of a network."""

    async def prepare(self, session: str) -> str:
        """The library's address of the session's store, which is made ready to be opened."""
        ...

    async def forget(self, session: str) -> None:
        """Delete the session's store; harmless when there is none."""
        ...

    async def answer(self) -> None:
        """Return when stores can be read: until then engines may hold a message in hand."""
        ...


class FileStores:
    """One SQLite file per session in a directory that only this user may enter."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory when it is missing; closes it to others when it is open."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._directory = directory.resolve()

    async def prepare(self, session: str) -> str:
        """See DeviceStores. The file exists before the library opens it, so its mode is 0600
        from the start, and SQLite gives the same to its journals."""
        path = self._path(session)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return sqlite_address(path)

    async def forget(self, session: str) -> None:
        """See DeviceStores."""
        path = self._path(session)
        await asyncio.to_thread(_remove, [Path(f"{path}{suffix}") for suffix in _SUFFIXES])

    async def answer(self) -> None:
        """See DeviceStores."""

    def _path(self, session: str) -> Path:
        return self._directory / f"{_checked(session)}.db"


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def sqlite_address(path: Path) -> str:
    """The name that makes the library open `path` in WAL mode.

    It builds `file:<name>?_foreign_keys=on` and takes no options, so the name brings them; the
    library's own question mark ends up in the value of an option that means nothing.
    """
    options = "_foreign_keys=on&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=5000"
    return f"{quote(str(path))}?{options}&_="


class PostgresStores:
    """One schema per session in a PostgreSQL database, so that any host can take a session over.

    See docs/decisions/0007-a-schema-per-device-store.md for why, and for what it costs in
    connections.
    """

    def __init__(self, url: str, gate: Gate | None = None, idle_seconds: int = 10) -> None:
        """The library comes through the gate, if any. `idle_seconds`: PostgreSQL (14 and later)
        closes its idle connections then.
        """
        self._url, self._gate, self._idle = url, gate, idle_seconds
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    async def prepare(self, session: str) -> str:
        """See DeviceStores."""
        schema = _schema(session)
        # The library looks for its version table by name in all schemas: without a table of its
        # own it would take that of another session for it, and fail.
        await self._execute(
            f'CREATE SCHEMA IF NOT EXISTS "{schema}";'
            f'CREATE TABLE IF NOT EXISTS "{schema}".whatsmeow_version'
            " (version INTEGER, compat INTEGER)"
        )
        address = postgres_address(self._url, schema, self._idle)
        return address if self._gate is None else self._gate.through(address)

    async def forget(self, session: str) -> None:
        """See DeviceStores."""
        await self._execute(f'DROP SCHEMA IF EXISTS "{_schema(session)}" CASCADE')

    async def answer(self) -> None:
        """See DeviceStores."""
        if self._gate is not None:
            await self._gate.opened()

    async def close(self) -> None:
        """Let go of the connection; the stores themselves stay."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _execute(self, statement: str) -> None:
        # One connection is kept: to open one costs more than the statement, and a takeover has
        # dozens of them.
        async with asyncio.timeout(_TIMEOUT), self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._url)
            try:
                await self._connection.execute(statement)
            except BaseException:
                await self.close()
                raise


@asynccontextmanager
async def open_stores(database_url: str, directory: Path) -> AsyncIterator[DeviceStores]:
    """Stores in the gateway's database when that is PostgreSQL, in files otherwise.

    `directory` is for the files; it is not touched when they are not used.
    """
    url = postgres_url(database_url)
    if url is None:
        yield FileStores(directory)
        return
    async with Gate(url) as gate:
        stores = PostgresStores(url, gate)
        try:
            yield stores
        finally:
            await stores.close()


def postgres_url(database_url: str) -> str | None:
    """The URL of the gateway's database for PostgreSQL's drivers; None when it is not PostgreSQL."""
    if database_url.startswith(("postgres://", "postgresql://", "asyncpg://")):
        return "postgresql://" + database_url.partition("://")[2]
    return None


def postgres_address(url: str, schema: str, idle_seconds: int) -> str:
    """The URL with the schema as its search path and a limit for idle connections.

    The library's driver demands TLS unless told otherwise, ours prefers it: without an `sslmode`
    in the URL it is `prefer` for both.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    options.setdefault("sslmode", "prefer")
    options |= {"search_path": schema, "idle_session_timeout": f"{idle_seconds}s"}
    return urlunsplit(parts._replace(scheme="postgres", query=urlencode(options)))


def _schema(session: str) -> str:
    return f"device_{_checked(session)}".lower()


def _checked(session: str) -> str:
    if not _SESSION.fullmatch(session):
        raise ValueError("A session's id has only letters, digits and underscores.")
    return session
