"""What outlives the process: a key-value file with writes gathered for a fraction of a second."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog

log = structlog.get_logger()

Value = bytes | Callable[[], bytes]
Row = tuple[str, str]
FLUSH_SECONDS = 0.25


class State:
    """Rows of (kind, key, value). A change is on disk after at most FLUSH_SECONDS.

    Callables are called when the row is written, so that a value that changes often is encoded
    once per flush; a row that is put and deleted between two flushes costs nothing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS state"
            " (kind TEXT, key TEXT, value BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        #: Whether the last run ended in good order, so that nothing of it is missing.
        self.clean = bool(list(self.load("meta"))) or not self._has_rows()
        self._db.execute("DELETE FROM state WHERE kind = 'meta'")
        self._dirty: dict[tuple[str, str], Value | None] = {}
        self._fresh: set[tuple[str, str]] = set()
        self._writing = asyncio.Lock()

    def _has_rows(self) -> bool:
        return self._db.execute("SELECT 1 FROM state LIMIT 1").fetchone() is not None

    def load(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """All rows of a kind in key order."""
        query = "SELECT key, value FROM state WHERE kind = ? ORDER BY key"
        yield from self._db.execute(query, (kind,)).fetchall()

    def put(self, kind: str, key: str, value: Value, *, new: bool = False) -> None:
        """Replaces a row; `new` says that no older row can exist."""
        row = (kind, key)
        if new:
            self._fresh.add(row)
        self._dirty[row] = value

    def delete(self, kind: str, key: str) -> None:
        """Removes an entry with the next write."""
        row = (kind, key)
        if row in self._fresh:
            self._fresh.discard(row)
            self._dirty.pop(row, None)
        else:
            self._dirty[row] = None

    def _take(self) -> tuple[list[tuple[str, str]], list[tuple[str, str, bytes]]]:
        dirty, self._dirty = self._dirty, {}
        self._fresh.clear()
        gone = [row for row, value in dirty.items() if value is None]
        kept = [
            (kind, key, value() if callable(value) else value)
            for (kind, key), value in dirty.items()
            if value is not None
        ]
        return gone, kept

    def _write(self, gone: list[tuple[str, str]], kept: list[tuple[str, str, bytes]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("DELETE FROM state WHERE kind = ? AND key = ?", gone)
        self._db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", kept)
        self._db.execute("COMMIT")

    def _put_back(self, gone: Sequence[Row], kept: Sequence[tuple[str, str, bytes]]) -> None:
        """What was not written is tried again, unless it has changed meanwhile."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        for row in gone:
            self._dirty.setdefault(row, None)
        for kind, key, value in kept:
            self._dirty.setdefault((kind, key), value)

    async def flush(self) -> None:
        """Writes what has changed so far."""
        async with self._writing:  # one connection has one transaction at a time
            if not self._dirty:
                return
            gone, kept = self._take()
            try:
                await asyncio.to_thread(self._write, gone, kept)
            except sqlite3.Error:
                self._put_back(gone, kept)
                raise

    async def run(self, stop: asyncio.Event) -> None:
        """Flushes until `stop`, and a last time then."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FLUSH_SECONDS)
            try:
                await self.flush()
            except sqlite3.Error as error:
                log.error("sandbox.state_not_written", error=str(error))

    def close(self) -> None:
        """Writes the rest and closes the file."""
        self.put("meta", "clean", b"1")
        self._write(*self._take())
        self._db.close()
