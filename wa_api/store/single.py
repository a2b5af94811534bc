"""The hot writes of owners as one statement: one round trip, PostgreSQL only.

A transaction of several statements costs five round trips; at low rates, when a batch holds one
item, that is most of what a message costs. Each statement locks the sessions' rows as
`fence.held` does, in its first part, and says which of them are held. What these forms cannot
tell apart is left to the general way in `owner`, which is also SQLite's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from wa_api.domain.errors import Fenced
from wa_api.domain.ids import MessageId
from wa_api.domain.messages import FINAL, Status, advances
from wa_api.store import chats
from wa_api.store.db import Row, database
from wa_api.store.rows import Advance, Changed, Outgoing, Owned
from wa_api.store.views import (
    ENDED,
    TIME_OF,
    TIMER_COLUMNS,
    changed,
    encode_context,
    outgoing,
    to_ms,
)

T = TypeVar("T")

_HELD = (
    "WITH held AS (SELECT s.id, s.tenant FROM sessions s "
    "JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS l(session, tenant, epoch) "
    "ON s.id = l.session AND s.tenant = l.tenant AND s.epoch = l.epoch "
    "WHERE s.deleted_at IS NULL ORDER BY s.id FOR SHARE OF s), "
)
_ANSWER = "SELECT h.id AS held, done.* FROM held h LEFT JOIN done ON done.of = h.id"

_BEGIN = (
    f"{_HELD} done AS (UPDATE messages m SET status = 'sending', "
    "queued_at = COALESCE(m.queued_at, $5), sending_at = $5 FROM held h "
    "WHERE m.id = ANY($4::text[]) AND m.session = h.id AND m.tenant = h.tenant "
    "AND m.status IN ('accepted', 'queued') AND (m.deadline IS NULL OR m.deadline >= $5) "
    "RETURNING m.session AS of, m.id, m.tenant, m.session, m.chat, m.content, m.context, m.ref, "
    f"m.deadline, m.on_unknown, {TIMER_COLUMNS.format(table='m')}) {_ANSWER}"
)

_NEWS = {
    "n": "int",
    "target": "text",
    "session": "text",
    "status": "text",
    "before": "text",
    "entered": "text",
    "at": "bigint",
    "wa_id": "text",
    "code": "text",
    "detail": "text",
    "proto": "bytea",
    "goal": "text",
    "context": "text",
}
_TIMES = ", ".join(
    f"{column} = CASE u.entered WHEN '{column}' THEN u.at ELSE m.{column} END"
    for column in (*TIME_OF.values(), ENDED)
)
_ADVANCE = (
    f"{_HELD} done AS (UPDATE messages m SET status = u.status, "
    "wa_id = COALESCE(m.wa_id, u.wa_id), error_code = COALESCE(u.code, m.error_code), "
    "error_detail = COALESCE(u.detail, m.error_detail), proto = COALESCE(u.proto, m.proto), "
    f"target = COALESCE(u.goal, m.target), context = COALESCE(u.context, m.context), {_TIMES} "
    f"FROM held h JOIN unnest({', '.join(f'${i}::{t}[]' for i, t in enumerate(_NEWS.values(), 4))}"
    f") AS u({', '.join(_NEWS)}) ON u.session = h.id "
    "WHERE {target} AND m.session = h.id AND m.tenant = h.tenant "
    "AND m.status = ANY(string_to_array(u.before, ' ')) "
    "RETURNING u.n, m.session AS of, m.id, m.tenant, m.session, m.chat, m.chat_alt, m.ref, "
    f"m.wa_id) {_ANSWER}"
)
_ADVANCE_BY_ID = _ADVANCE.format(target="m.id = u.target")
_ADVANCE_BY_WA_ID = _ADVANCE.format(target="m.wa_id = u.target AND m.direction = 'out'")

#: From which statuses each may be entered, as the statement takes it.
_BEFORE: dict[Status, str] = {
    after: " ".join(before for before in Status if advances(before, after))
    for after in Status
    if after is not Status.RECEIVED
}


def _leases(items: Sequence[Owned[T]]) -> tuple[list[Any], ...] | None:
    """Sessions, tenants and epochs; None when a session is there under two leases."""
    leases = {(one.lease.session, one.tenant, one.lease.epoch) for one in items}
    if len({session for session, _, _ in leases}) < len(leases):
        return None
    return tuple(list(column) for column in zip(*sorted(leases), strict=True))


async def record(
    items: Sequence[Owned[Any]], columns: Mapping[str, str], values: list[tuple[Any, ...]]
) -> list[bool | None] | None:
    """As `owner._record`; None when that must do it."""
    leases = _leases(items)
    if leases is None:
        return None
    names = ", ".join(columns)
    arrays = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(columns.values(), 4))
    rows = await database().fetch(
        f"{_HELD} done AS (INSERT INTO messages ({names}) "
        f"SELECT u.* FROM unnest({arrays}) AS u({names}) "
        "JOIN held h ON h.id = u.session AND h.tenant = u.tenant "
        f"ON CONFLICT DO NOTHING RETURNING session AS of, {chats.TOUCHED}), "
        f"listed AS ({chats.touching('done WHERE true')}) "
        "SELECT h.id AS held, done.id FROM held h LEFT JOIN done ON done.of = h.id",
        *leases,
        *(list(column) for column in zip(*values, strict=True)),
    )
    held, fresh = {row["held"] for row in rows}, {row["id"] for row in rows}
    return [
        row[0] in fresh if owned.lease.session in held else None
        for owned, row in zip(items, values, strict=True)
    ]


async def begin(items: Sequence[Owned[MessageId]], now: int) -> dict[int, Outgoing | Fenced]:
    """Answers by index; those that are missing are for `owner._begin`."""
    leases = _leases(items)
    if leases is None or len({one.item for one in items}) < len(items):
        return {}
    rows = await database().fetch(_BEGIN, *leases, [one.item for one in items], now)
    held = {row["held"] for row in rows}
    started = {(row["of"], row["id"]): row for row in rows if row["id"] is not None}
    answers: dict[int, Outgoing | Fenced] = {}
    for n, owned in enumerate(items):
        row = started.get((owned.lease.session, owned.item))
        if row is not None:
            answers[n] = outgoing(row)
        elif owned.lease.session not in held:
            answers[n] = Fenced()
    return answers


async def advance(items: Sequence[Owned[Advance]]) -> list[Changed | Fenced | None] | None:
    """As `owner._advance`; None when that must do it."""
    leases = _leases(items)
    named = [one.item.id is not None for one in items]
    targets = {(one.lease.session, one.item.id or one.item.wa_id) for one in items}
    if leases is None or any(named) is not all(named) or len(targets) < len(items):
        return None
    rows = await database().fetch(
        _ADVANCE_BY_ID if named[0] else _ADVANCE_BY_WA_ID,
        *leases,
        *(list(column) for column in zip(*map(_news, range(len(items)), items), strict=True)),
    )
    held = {row["held"] for row in rows}
    moved = {row["n"]: row for row in rows}
    return [
        _changed(moved[n], owned.item)
        if n in moved
        else (None if owned.lease.session in held else Fenced())
        for n, owned in enumerate(items)
    ]


def _news(n: int, owned: Owned[Advance]) -> tuple[Any, ...]:
    news, error = owned.item, owned.item.error
    return (
        n,
        news.id or news.wa_id,
        owned.lease.session,
        news.status,
        _BEFORE[news.status],
        ENDED if news.status in FINAL else TIME_OF[news.status],
        to_ms(news.time),
        news.wa_id if news.id else None,
        error.code if error else None,
        error.detail.replace("\0", "")[:1000] if error else None,
        news.proto,
        news.target,
        None if news.context is None else encode_context(news.context),
    )


def _changed(row: Row, news: Advance) -> Changed:
    return changed(row, news.status, to_ms(news.time), row["wa_id"], news.error)
