"""Running the migrations: all that are due, in one transaction.

Tortoise describes a schema's changes (`makemigrations` writes them) and renders their SQL. They
are run here and not by Tortoise's executor because that commits each statement by itself on
SQLite and records a migration after it was committed: a kill in between would leave a schema
that no later start can use.
"""

from __future__ import annotations

import pkgutil
import sqlite3
from collections.abc import Iterator
from typing import Any

import structlog
from tortoise.migrations.executor import MigrationExecutor

from wa_api.store import migrations
from wa_api.store.db import Database, Sql, Work, now_ms

log = structlog.get_logger()

APP = "store"
_LOCK = 0x77615F617069  # an advisory lock of our own
_TABLE = (
    "CREATE TABLE IF NOT EXISTS migrations "
    "(name VARCHAR(64) PRIMARY KEY, applied_at BIGINT NOT NULL)"
)


class StoreError(Exception):
    """The database cannot be used as it is; the sentence says what to do."""


class _Renderer(MigrationExecutor):
    """Renders migrations that follow each other, each from the models that the one before led to.

    Tortoise's own makes all models anew, from the first migration on, for each.
    """

    _reached: Any = None

    async def _project_state(self, applied: set[Any], *, upto: Any = None) -> Any:
        if self._reached is None:
            self._reached = await super()._project_state(applied, upto=upto)
        return self._reached  # Tortoise changes it while it renders


def known_migrations() -> list[str]:
    """Names of the migrations that this program carries, in order."""
    return sorted(name for _, name, _ in pkgutil.iter_modules(migrations.__path__))


async def run_migrations(client: Any, apps: dict[str, Any], limit: float) -> list[str]:
    """Apply what is due through Tortoise's connection `client`; names of what was applied."""
    database = Database(client, limit=limit)
    # Rendering takes longer than everything else that a start does, and mostly nothing is due.
    done = await database.run(lambda: _applied(database.postgres))
    due = [name for name in known_migrations() if name not in done]
    if not due:
        return []
    renderer = _Renderer(client, apps)
    following = known_migrations()[known_migrations().index(due[0]) :]
    plan = [(name, list(_statements(await renderer.collect_sql(APP, name)))) for name in following]
    applied = await database.run(lambda: _apply(plan, database.postgres))
    for name in applied:
        log.info("store.migrated", migration=name)
    return applied


def _applied(postgres: bool) -> Work[set[str]]:
    if postgres:
        yield Sql("SELECT pg_advisory_xact_lock($1)", (_LOCK,))
    yield Sql(_TABLE)
    done = {row["name"] for row in (yield Sql("SELECT name FROM migrations"))}
    _refuse_newer(done)
    return done


def _apply(plan: list[tuple[str, list[str]]], postgres: bool) -> Work[list[str]]:
    done = yield from _applied(postgres)
    due = [(name, statements) for name, statements in plan if name not in done]
    for name, statements in due:
        for statement in statements:
            yield Sql(statement)
        yield Sql("INSERT INTO migrations (name, applied_at) VALUES ($1, $2)", (name, now_ms()))
    return [name for name, _ in due]


def _statements(rendered: list[str]) -> Iterator[str]:
    """Single statements out of Tortoise's rendering, without its comment lines."""
    pending = ""
    for line in "\n".join(f"{part.rstrip().rstrip(';')};" for part in rendered).splitlines():
        if line.startswith("--"):
            continue
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            if pending.strip(" ;\n"):
                yield pending.strip()
            pending = ""


def _refuse_newer(applied: set[str]) -> None:
    if unknown := applied - set(known_migrations()):
        raise StoreError(
            f"The database was migrated by a newer version ({', '.join(sorted(unknown))})."
        )


async def check_migrated(database: Database) -> None:
    """Raise StoreError unless the schema is exactly what this program knows."""
    try:
        rows = await database.fetch("SELECT name FROM migrations")
    except Exception as error:
        raise StoreError("The database is not set up: run `wa-api migrate`.") from error
    applied = {row["name"] for row in rows}
    _refuse_newer(applied)
    if missing := set(known_migrations()) - applied:
        raise StoreError(f"Run `wa-api migrate`: {', '.join(sorted(missing))} not applied.")
