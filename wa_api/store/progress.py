"""Moving outbound messages forward inside a transaction: load and lock, decide, save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wa_api.domain.content import Context
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.messages import FINAL, Problem, Status, advances
from wa_api.store.db import Each, Row, Sql, Work, database
from wa_api.store.rows import Advance, Changed
from wa_api.store.views import ENDED, TIME_OF, TIMER_COLUMNS, changed, encode_context, to_ms

EXPIRED = Problem(code="expired", detail="Its deadline passed before it could be handed over.")

_LOOKED_AT = (
    "id, tenant, session, chat, chat_alt, wa_id, content, context, status, ref, deadline, "
    "on_unknown, " + TIMER_COLUMNS.format(table="messages")
)
_WRITTEN = {
    "id": "text",
    "status": "text",
    "wa_id": "text",
    "error_code": "text",
    "error_detail": "text",
    "proto": "bytea",
    "target": "text",
    "context": "text",
    **dict.fromkeys((*TIME_OF.values(), ENDED), "bigint"),
}
_DETAIL = 1000


@dataclass(slots=True)
class Moving:
    """One locked row: as it was, and what has become of it."""

    was: Row
    status: Status
    wa_id: str | None
    error: Problem | None = None
    proto: bytes | None = None
    target: str | None = None
    context: Context | None = None
    times: dict[str, int] = field(default_factory=dict)

    def move(self, status: Status, at: int) -> None:
        """Enter a status at this time (milliseconds)."""
        self.status = status
        self.times[ENDED if status in FINAL else TIME_OF[status]] = at

    def values(self) -> tuple[Any, ...]:
        """The columns of `_WRITTEN`; None leaves a column as it is."""
        code = self.error.code if self.error else None
        detail = self.error.detail.replace("\0", "")[:_DETAIL] if self.error else None
        context = None if self.context is None else encode_context(self.context)
        row = (self.was["id"], self.status, self.wa_id, code, detail)
        fixed = (*row, self.proto, self.target, context)
        return (*fixed, *(self.times.get(column) for column in list(_WRITTEN)[len(fixed) :]))


class Progress:
    """The rows of one batch, by id and by WhatsApp id."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._by_id: dict[str, Moving] = {}
        self._by_wa_id: dict[tuple[str, str], Moving] = {}
        for row in rows:
            moving = self._by_id.setdefault(
                row["id"], Moving(row, Status(row["status"]), row["wa_id"])
            )
            if moving.wa_id:
                self._by_wa_id[row["session"], moving.wa_id] = moving

    def find(
        self, tenant: TenantId, session: SessionId | None, message: MessageId
    ) -> Moving | None:
        """A row, if it is this tenant's (and session's)."""
        row = self._by_id.get(message)
        if row is None or row.was["tenant"] != tenant:
            return None
        return row if session is None or row.was["session"] == session else None

    def apply(self, tenant: TenantId, session: SessionId | None, news: Advance) -> Changed | None:
        """Record news if they are; the change to tell, or None."""
        if news.id is not None:
            row = self.find(tenant, session, news.id)
        else:
            row = self._by_wa_id.get((session or "", news.wa_id or ""))
        if row is None or not advances(row.status, news.status):
            return None
        at = to_ms(news.time)
        row.move(news.status, at)
        row.error = news.error
        row.proto, row.target = news.proto or row.proto, news.target or row.target
        row.context = news.context or row.context
        if news.wa_id and row.wa_id is None:
            row.wa_id = news.wa_id
            self._by_wa_id[row.was["session"], news.wa_id] = row
        return changed(row.was, news.status, at, row.wa_id, news.error)

    def save(self) -> Work[None]:
        """Write the rows that moved."""
        moved = [row.values() for row in self._by_id.values() if row.times]
        if moved:
            yield _update(moved)


def _update(rows: list[tuple[Any, ...]]) -> Sql | Each:
    written = list(_WRITTEN)[1:]
    if database().postgres:
        arrays = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(_WRITTEN.values(), 1))
        sets = ", ".join(f"{column} = COALESCE(u.{column}, m.{column})" for column in written)
        return Sql(
            f"UPDATE messages m SET {sets} "
            f"FROM unnest({arrays}) AS u({', '.join(_WRITTEN)}) WHERE m.id = u.id",
            tuple(list(column) for column in zip(*rows, strict=True)),
        )
    sets = ", ".join(f"{column} = COALESCE(${i}, {column})" for i, column in enumerate(written, 2))
    return Each(f"UPDATE messages SET {sets} WHERE id = $1", rows)


def load(ids: Sequence[MessageId], wa_ids: Sequence[tuple[SessionId, str]]) -> Work[Progress]:
    """Read and lock messages by id, and outbound ones by (session, WhatsApp id)."""
    rows: list[Row] = []
    if ids:
        rows += yield Sql(
            f"SELECT {_LOOKED_AT} FROM messages WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE",
            (sorted(set(ids)),),
        )
    if wa_ids:
        rows += yield _by_wa_id(sorted(set(wa_ids)))
    return Progress(rows)


def _by_wa_id(pairs: list[tuple[SessionId, str]]) -> Sql | Each:
    if database().postgres:
        return Sql(
            f"SELECT {_LOOKED_AT} FROM messages WHERE direction = 'out' "
            "AND (session, wa_id) IN (SELECT * FROM unnest($1::text[], $2::text[])) "
            "ORDER BY id FOR UPDATE",
            tuple(list(column) for column in zip(*pairs, strict=True)),
        )
    return Each(
        f"SELECT {_LOOKED_AT} FROM messages "
        "WHERE session = $1 AND wa_id = $2 AND direction = 'out'",
        pairs,
    )
