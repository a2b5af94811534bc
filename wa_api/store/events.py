"""A tenant's archived log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from wa_api.domain.events import Cursor, MessageReceived, MessageSynced, cursor_at, subject_of
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.store.db import Sql, Work, database, insert
from wa_api.store.rows import LogState

MAX_LIMIT = 1000
#: A cursor is milliseconds << 20 | counter.
_COUNTER_BITS = 20

_COLUMNS = {
    "tenant": "text",
    "cursor": "bigint",
    "session": "text",
    "type": "text",
    "time": "bigint",
    "subject": "text",
    "tail": "bytea",
}


@dataclass(frozen=True, slots=True)
class Archived:
    """An entry of the log: `tail` is the encoded envelope without its id."""

    cursor: Cursor
    session: str | None
    type: str
    tail: bytes


async def archive(tenant: TenantId, upto: Cursor, entries: Sequence[Archived]) -> None:
    """Keep entries; all of the log up to `upto` is then archived. Doing it twice does no harm."""
    rows = [_row(tenant, entry) for entry in entries]
    await database().run(lambda: _archive(tenant, int(upto), rows))


def _row(tenant: TenantId, entry: Archived) -> tuple[object, ...]:
    cursor, subject = int(entry.cursor), subject_of(entry.type, entry.tail)
    time = cursor >> _COUNTER_BITS
    return (tenant, cursor, entry.session, entry.type, time, subject, entry.tail)


def _archive(tenant: TenantId, upto: int, rows: list[tuple[object, ...]]) -> Work[None]:
    if rows:
        yield insert("events", _COLUMNS, rows, "ON CONFLICT (tenant, cursor) DO NOTHING")
    yield _raise("archived = {max}(logs.archived, excluded.archived), ", tenant, upto, upto)


def _raise(archived: str, tenant: TenantId, upto: int, floor: int) -> Sql:
    greatest = "GREATEST" if database().postgres else "MAX"
    return Sql(
        "INSERT INTO logs (tenant, archived, floor) VALUES ($1, $2, $3) "
        f"ON CONFLICT (tenant) DO UPDATE SET {archived.format(max=greatest)}"
        f"floor = {greatest}(logs.floor, excluded.floor)",
        (tenant, upto, floor),
    )


async def raise_floor(tenant: TenantId, cursor: Cursor) -> None:
    """Remember that this cursor was given out: no new one may be at or below it."""
    query = _raise("", tenant, 0, int(cursor))
    await database().fetch(query.text, *query.args)


async def log_state(tenant: TenantId) -> LogState:
    """What is known of the log (zeros before its first event)."""
    rows = await database().fetch(
        "SELECT archived, generation, floor, forgotten FROM logs WHERE tenant = $1", tenant
    )
    if not rows:
        return LogState(0, "", 0, 0)
    row = rows[0]
    return LogState(row["archived"], row["generation"] or "", row["floor"], row["forgotten"] or 0)


async def note_generation(tenant: TenantId, generation: str) -> None:
    """Remember which life of the live log is being archived."""
    await database().fetch(
        "INSERT INTO logs (tenant, archived, generation, floor) VALUES ($1, 0, $2, 0) "
        "ON CONFLICT (tenant) DO UPDATE SET generation = excluded.generation",
        tenant,
        generation,
    )


async def floor(tenant: TenantId) -> Cursor:
    """No new cursor of this tenant may be at or below it (what `open_bus` asks for)."""
    state = await log_state(tenant)
    return Cursor(str(max(state.archived, state.floor)))


async def read(
    tenant: TenantId,
    after: Cursor | None,
    limit: int,
    *,
    types: Collection[str] | None = None,
    sessions: Collection[str] | None = None,
    subject: str | None = None,
    since: float | None = None,
    until: float | None = None,
) -> list[Archived]:
    """Entries after a cursor (None: from the oldest kept), oldest first.

    `since` (inclusive) and `until` (exclusive) are Unix seconds; they and the other filters all
    apply. `subject` is the message that an event is about.
    """
    start = max(int(after or 0), 0 if since is None else cursor_at(since))
    args: list[object] = [tenant, start]
    where = "tenant = $1 AND cursor > $2"
    for condition, value in (
        ("cursor <= ", None if until is None else cursor_at(until)),
        ("subject = ", subject),
        ("session = ANY(", None if sessions is None else list(sessions)),
        ("type = ANY(", None if types is None else list(types)),
    ):
        if value is not None:
            args.append(value)
            closing = "::text[])" if condition.endswith("(") else ""
            where += f" AND {condition}${len(args)}{closing}"
    rows = await database().fetch(
        f"SELECT cursor, session, type, tail FROM events WHERE {where} "
        f"ORDER BY cursor LIMIT {max(1, min(int(limit), MAX_LIMIT))}",
        *args,
    )
    return [
        Archived(Cursor(str(row["cursor"])), row["session"], row["type"], bytes(row["tail"]))
        for row in rows
    ]


async def newest_arrival(tenant: TenantId, session: SessionId, since: float) -> MessageId | None:
    """The last message since then (Unix seconds) whose coming to the session is archived."""
    rows = await database().fetch(
        "SELECT subject FROM events WHERE tenant = $1 AND session = $2 AND cursor > $3 "
        "AND type = ANY($4::text[]) ORDER BY cursor DESC LIMIT 1",
        tenant,
        session,
        cursor_at(since),
        [MessageReceived.type, MessageSynced.type],
    )
    return MessageId(rows[0]["subject"]) if rows and rows[0]["subject"] else None


async def retain(tenant: TenantId, before: float, *, limit: int = 1000) -> int:
    """One step of deleting entries older than `before` (Unix seconds); how many went.

    The log remembers how far: a reader whose cursor lies behind that has missed something.
    """
    return await database().run(lambda: _retain(tenant, cursor_at(before), limit))


def _retain(tenant: TenantId, upto: int, limit: int) -> Work[int]:
    gone = yield Sql(
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE tenant = $1 "
        "AND cursor <= $2 ORDER BY cursor LIMIT $3) RETURNING cursor",
        (tenant, upto, limit),
    )
    if gone:
        newest = max(row["cursor"] for row in gone)
        yield Sql("UPDATE logs SET forgotten = $2 WHERE tenant = $1", (tenant, newest))
    return len(gone)
