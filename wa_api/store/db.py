"""One way to run SQL on both databases.

A transaction is a generator ("work") that yields statements and is sent their rows. On PostgreSQL
each statement is a round trip on a pooled connection. On SQLite the whole work runs in one go in
the connection's own thread, between BEGIN IMMEDIATE and COMMIT, so that it costs one hop, and a
cancelled caller cannot leave a transaction open.

SQL is written for PostgreSQL; `_sqlite_sql` turns the few differing spellings into SQLite's.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import asyncpg
import orjson
from tortoise.exceptions import DBConnectionError, IntegrityError, OperationalError

from wa_api.domain.errors import Unavailable

T = TypeVar("T")

#: Rows of one transaction's statement; how often a work is tried again after losing a race.
RETRIES = 5


class Row(Protocol):
    """A result row, read by column name."""

    def __getitem__(self, column: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement and its arguments (`$1` …; a list is an array)."""

    text: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Each:
    """A statement run once per row of arguments; the rows that all of them returned."""

    text: str
    rows: Sequence[Sequence[Any]]


Work = Generator[Sql | Each, Sequence[Row], T]


class Duplicate(Exception):
    """A row with this unique value is there already."""


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


_ANY = re.compile(r"= ANY\((\$\d+)(?:::\w+\[\])?\)")
_LOCK = re.compile(r"\s+FOR (?:NO KEY )?(?:UPDATE|SHARE)(?: OF \w+)?(?: SKIP LOCKED)?")
_CAST = re.compile(r"::\w+(?:\[\])?")
_NUMBER = re.compile(r"\$(\d+)")


@lru_cache(maxsize=500)
def _sqlite_sql(text: str) -> str:
    text = _ANY.sub(r"IN (SELECT value FROM json_each(\1))", text)
    text = _CAST.sub("", _LOCK.sub("", text))
    return _NUMBER.sub(r"?\1", text)


def _sqlite_args(args: Sequence[Any]) -> Sequence[Any]:
    if any(isinstance(arg, list) for arg in args):
        return [orjson.dumps(arg).decode() if isinstance(arg, list) else arg for arg in args]
    return args


def _sqlite_step(connection: sqlite3.Connection, step: Sql | Each) -> Sequence[Row]:
    text = _sqlite_sql(step.text)
    if isinstance(step, Sql):
        return connection.execute(text, _sqlite_args(step.args)).fetchall()
    rows: list[Row] = []
    for args in step.rows:
        rows += connection.execute(text, args).fetchall()
    return rows


def _sqlite_work(connection: sqlite3.Connection, work: Work[T]) -> T:
    """Run a work from BEGIN to COMMIT. Called in the connection's thread."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        step = next(work)
        while True:
            step = work.send(_sqlite_step(connection, step))
    except StopIteration as done:
        connection.execute("COMMIT")
        result: T = done.value
        return result
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        work.close()


async def _postgres_work(connection: Any, work: Work[T]) -> T:
    async with connection.transaction():
        try:
            step = next(work)
            while True:
                if isinstance(step, Each):
                    rows = [r for a in step.rows for r in await connection.fetch(step.text, *a)]
                else:
                    rows = await connection.fetch(step.text, *step.args)
                step = work.send(rows)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            work.close()


#: What says "somebody else was first, try again".
_RACES = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
)
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a farewell that came while a statement was being sent
    asyncpg.OperatorInterventionError,  # it shuts down, starts up, ends sessions or statements
    asyncpg.InsufficientResourcesError,  # no room, no memory, too many connections
    asyncpg.PostgresSystemError,  # its own files cannot be read or written
    asyncpg.ReadOnlySQLTransactionError,
    DBConnectionError,
    OSError,
    TimeoutError,
)


def _is_busy(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and (
        error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    )


def _translated(error: Exception) -> Exception:
    """What a caller should see of a driver's or Tortoise's error."""
    if isinstance(error, asyncpg.UniqueViolationError | sqlite3.IntegrityError | IntegrityError):
        return Duplicate(str(error))
    if isinstance(error, _AWAY):
        return Unavailable("The database does not answer right now.")
    if isinstance(error, sqlite3.OperationalError | OperationalError):
        return Unavailable("The database refused that right now.")
    return error


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        translated = _translated(error)
        if translated is error:
            raise
        raise translated from error


class Database:
    """The open database. Made by `open_store`; use `database()` to reach it."""

    def __init__(self, client: Any, *, limit: float) -> None:
        """`client` is Tortoise's connection; `limit` seconds bound every call."""
        self._client = client
        self._limit = limit
        self.postgres: bool = client.capabilities.dialect == "postgres"

    async def run(self, make: Callable[[], Work[T]]) -> T:
        """Run a work in one transaction, again when it lost a race; return its result.

        Raises Unavailable when the database does not answer within the limit (whether the work
        was committed is then unknown), Duplicate, and whatever the work raises.
        """
        return await self._guarded(lambda: self._run(make))

    async def fetch(self, text: str, *args: Any) -> Sequence[Row]:
        """Run one statement by itself; its rows. Raises as `run`."""
        return await self._guarded(lambda: self._fetch(text, args))

    async def _guarded(self, call: Callable[[], Awaitable[T]]) -> T:
        with _translating():
            async with asyncio.timeout(self._limit):
                return await self._retried(call)

    async def _retried(self, call: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(1, RETRIES):
            try:
                return await call()
            except _RACES:
                pass
            except sqlite3.OperationalError as error:
                if not _is_busy(error):
                    raise
            await asyncio.sleep(0.01 * attempt)
        return await call()

    async def _run(self, make: Callable[[], Work[T]]) -> T:
        async with self._client.acquire_connection() as connection:
            if self.postgres:
                return await _postgres_work(connection, make())
            # aiosqlite offers no public way to run a function in its thread.
            run: Callable[..., Awaitable[T]] = connection._execute  # noqa: SLF001
            return await run(_sqlite_work, connection._conn, make())  # noqa: SLF001

    async def _fetch(self, text: str, args: tuple[Any, ...]) -> Sequence[Row]:
        async with self._client.acquire_connection() as connection:
            if self.postgres:
                rows: Sequence[Row] = await connection.fetch(text, *args)
                return rows
            found: Sequence[Row] = await connection.execute_fetchall(
                _sqlite_sql(text), _sqlite_args(args)
            )
            return found

    async def orm(self, query: Awaitable[T]) -> T:
        """Await one Tortoise query, with the time limit and the errors of `run`."""
        with _translating():
            async with asyncio.timeout(self._limit):
                return await query


_open: Database | None = None


def database() -> Database:
    """This process's open database."""
    if _open is None:
        raise RuntimeError("The store is not open: use `async with open_store(url)`.")
    return _open


def set_database(opened: Database | None) -> None:
    """Called by `open_store` when it opens and closes."""
    global _open
    if opened is not None and _open is not None:
        raise RuntimeError("A process opens one store at a time.")
    _open = opened


def insert(
    table: str, columns: dict[str, str], rows: Sequence[Sequence[Any]], tail: str = ""
) -> Sql | Each:
    """An insert of many rows in one statement (`columns`: name to PostgreSQL type).

    `tail` is what follows, e.g. `ON CONFLICT DO NOTHING RETURNING id`.
    """
    names = ", ".join(columns)
    if not database().postgres:
        marks = ", ".join(f"${i}" for i in range(1, len(columns) + 1))
        return Each(f"INSERT INTO {table} ({names}) VALUES ({marks}) {tail}", rows)
    arrays = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(columns.values(), 1))
    return Sql(
        f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) {tail}",
        tuple(list(column) for column in zip(*rows, strict=True)),
    )
