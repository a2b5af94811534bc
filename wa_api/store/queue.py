"""What waits in a session's queue, and what is kept about the queue itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from wa_api.domain.errors import SessionNotFound
from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import MessageView, Status
from wa_api.domain.pacing import policy_of
from wa_api.store.db import Sql, Work, database, now_ms
from wa_api.store.fence import hold
from wa_api.store.rows import Acquaintance, Changed, Owned, QueueRow, SessionRow, Waiting
from wa_api.store.views import (
    MESSAGE_COLUMNS,
    changed,
    seconds,
    session_row,
    to_ms,
    view,
    waiting,
)

#: Most rows of one queue that are looked at; a queue's own limit is lower.
WAITING = 200_000
# SQLite uses a partial index only where its own condition stands word by word.
PENDING = "status IN ('accepted', 'queued', 'sending') AND status <> 'sending'"
SCHEDULED = "status = 'scheduled'"


_EACH = "SELECT 1 AS one FROM messages WHERE tenant = $1 AND session = $2 AND"
_COUNT = (
    f"((SELECT COUNT(*) FROM ({_EACH} {PENDING} LIMIT $3) AS p) + "
    f"(SELECT COUNT(*) FROM ({_EACH} {SCHEDULED} LIMIT $3) AS s))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many messages wait, by the priority that they were given ("": none), and since when
    the first does (Unix seconds). `scheduled` ones do not wait yet.
    """

    by_priority: dict[str, int]
    oldest: float | None
    scheduled: int

    @property
    def waiting(self) -> int:
        """All that wait."""
        return sum(self.by_priority.values())


def waiting_in(tenant: TenantId, session: SessionId, limit: int) -> Sql:
    """The statement for a session's waiting messages, first those that wait longest."""
    return Sql(
        "SELECT id, chat, accepted_at, send_at, deadline, priority, typing FROM messages "
        f"WHERE tenant = $1 AND session = $2 AND {PENDING} "
        "ORDER BY COALESCE(send_at, accepted_at), id LIMIT $3",
        (tenant, session, limit),
    )


async def list_waiting(tenant: TenantId, session: SessionId, limit: int = WAITING) -> list[Waiting]:
    """Messages that wait to be sent, in order, without their contents."""
    query = waiting_in(tenant, session, limit)
    return [waiting(row) for row in await database().fetch(query.text, *query.args)]


async def session(
    tenant: TenantId, session: SessionId, most: int = WAITING
) -> tuple[SessionRow, int]:
    """A session, and how many of its messages wait or are scheduled (counted to `most` only).

    Raises SessionNotFound.
    """
    rows = await database().fetch(
        f"SELECT *, {_COUNT} AS waiting FROM sessions "
        "WHERE id = $2 AND tenant = $1 AND deleted_at IS NULL",
        tenant,
        session,
        most,
    )
    if not rows:
        raise SessionNotFound
    return session_row(rows[0]), rows[0]["waiting"]


def hold_session(tenant: TenantId, session: SessionId, most: int) -> Work[int]:
    """Keep a session from being deleted until the commit; how many of its messages wait."""
    rows = yield Sql(
        f"SELECT {_COUNT} AS waiting FROM sessions "
        "WHERE id = $2 AND tenant = $1 AND deleted_at IS NULL FOR SHARE",
        (tenant, session, most),
    )
    if not rows:
        raise SessionNotFound
    return int(rows[0]["waiting"])


async def depth(tenant: TenantId, session: SessionId) -> Depth:
    """How long the queue is."""
    rows = await database().fetch(
        "SELECT COALESCE(priority, '') AS priority, COUNT(*) AS n, "
        "MIN(COALESCE(send_at, accepted_at)) AS oldest FROM messages "
        f"WHERE tenant = $1 AND session = $2 AND {PENDING} GROUP BY COALESCE(priority, '')",
        tenant,
        session,
    )
    later = await database().fetch(
        f"SELECT COUNT(*) AS n FROM messages WHERE tenant = $1 AND session = $2 AND {SCHEDULED}",
        tenant,
        session,
    )
    return Depth(
        by_priority={row["priority"]: row["n"] for row in rows},
        oldest=min((row["oldest"] / 1000 for row in rows), default=None),
        scheduled=later[0]["n"],
    )


async def scheduled(
    tenant: TenantId, session: SessionId, *, after: str | None = None, limit: int = 50
) -> list[MessageView]:
    """Messages that wait for their time, in the order of their ids, going on after `after`."""
    rows = await database().fetch(
        f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE tenant = $1 AND session = $2 "
        f"AND {SCHEDULED} AND id > $3 ORDER BY id LIMIT $4",
        tenant,
        session,
        after or "",
        limit,
    )
    return [view(row) for row in rows]


async def purge(
    tenant: TenantId, session: SessionId, *, with_scheduled: bool = False, limit: int = 500
) -> list[Changed]:
    """Take back up to `limit` messages that wait: one step, repeated until there are none."""
    now = now_ms()
    which = f"({PENDING})" if not with_scheduled else f"(({PENDING}) OR {SCHEDULED})"
    rows = await database().fetch(
        "UPDATE messages SET status = $3, ended_at = $4 WHERE id IN "
        f"(SELECT id FROM messages WHERE tenant = $1 AND session = $2 AND {which} "
        f"ORDER BY id LIMIT $5 FOR UPDATE) AND {which} "
        "RETURNING id, tenant, session, chat, chat_alt, wa_id, ref",
        tenant,
        session,
        Status.CANCELLED,
        now,
        limit,
    )
    ordered = sorted(rows, key=lambda row: str(row["id"]))
    return [changed(row, Status.CANCELLED, now, row["wa_id"], None) for row in ordered]


_STATE = (
    "SELECT s.network, s.settings, q.paused_at, q.linked_at, q.day, q.sent, q.first_contacts, "
    "q.restricted_until, q.restrictions FROM sessions s "
    "LEFT JOIN session_queues q ON q.session = s.id "
    "WHERE s.id = $1 AND s.tenant = $2 AND s.deleted_at IS NULL"
)


async def state(tenant: TenantId, session: SessionId) -> QueueRow:
    """What is kept of a session's queue, and the policy in its settings."""
    rows = await database().fetch(_STATE, session, tenant)
    if not rows:
        return QueueRow()
    row = rows[0]
    return QueueRow(
        policy=policy_of(row["network"], orjson.loads(row["settings"])),
        paused_at=seconds(row["paused_at"]),
        linked_at=seconds(row["linked_at"]),
        day=row["day"] or 0,
        sent=row["sent"] or 0,
        first_contacts=row["first_contacts"] or 0,
        restricted_until=seconds(row["restricted_until"]),
        restrictions=row["restrictions"] or 0,
    )


async def pause(tenant: TenantId, session: SessionId, paused: bool) -> None:
    """Hold the queue, or let it go on; doing so again changes nothing."""
    await database().run(lambda: _pause(tenant, session, now_ms() if paused else None))


def _pause(tenant: TenantId, session: SessionId, at: int | None) -> Work[None]:
    yield _made(tenant, session)
    yield Sql(
        "UPDATE session_queues SET paused_at = CASE WHEN $3::bigint IS NULL THEN NULL "
        "ELSE COALESCE(paused_at, $3::bigint) END WHERE session = $1 AND tenant = $2",
        (session, tenant, at),
    )


def _made(tenant: TenantId, session: SessionId) -> Sql:
    return Sql(
        "INSERT INTO session_queues (session, tenant, day, sent, first_contacts, restrictions) "
        "SELECT id, tenant, 0, 0, 0, 0 FROM sessions WHERE id = $1 AND tenant = $2 "
        "ON CONFLICT DO NOTHING",
        (session, tenant),
    )


async def linked(tenant: TenantId, lease: Lease) -> None:
    """A number was linked: its first day begins. Raises Fenced."""
    owned = Owned(tenant, lease, None)
    await database().run(lambda: _linked(owned, now_ms()))


def _linked(owned: Owned[None], now: int) -> Work[None]:
    yield from hold(owned)
    yield _made(owned.tenant, owned.lease.session)
    yield Sql(
        "UPDATE session_queues SET linked_at = $2, day = 0, sent = 0, first_contacts = 0, "
        "restricted_until = NULL, restrictions = 0 WHERE session = $1",
        (owned.lease.session, now),
    )


async def restrict(tenant: TenantId, lease: Lease, until: float, times: int) -> None:
    """WhatsApp refuses messages to new contacts until then, for the `times`th time in a row.

    Raises Fenced.
    """
    owned = Owned(tenant, lease, (to_ms(until), times))
    await database().run(lambda: _restrict(owned))


def _restrict(owned: Owned[tuple[int, int]]) -> Work[None]:
    yield from hold(owned)
    yield _made(owned.tenant, owned.lease.session)
    yield Sql(
        "UPDATE session_queues SET restricted_until = $2, restrictions = $3 WHERE session = $1",
        (owned.lease.session, *owned.item),
    )


async def spend(
    tenant: TenantId, lease: Lease, day: int, messages: int, first_contacts: int
) -> None:
    """Count what went out on a UTC day. Raises Fenced."""
    owned = Owned(tenant, lease, (day, messages, first_contacts))
    await database().run(lambda: _spend(owned))


def _spend(owned: Owned[tuple[int, int, int]]) -> Work[None]:
    yield from hold(owned)
    yield _made(owned.tenant, owned.lease.session)
    yield Sql(
        "UPDATE session_queues SET sent = $3 + CASE WHEN day = $2 THEN sent ELSE 0 END, "
        "first_contacts = $4 + CASE WHEN day = $2 THEN first_contacts ELSE 0 END, day = $2 "
        "WHERE session = $1",
        (owned.lease.session, *owned.item),
    )


_OF_CHAT = "FROM messages WHERE tenant = $1 AND session = $2 AND chat = c.chat"
_MET = "(direction = 'in' OR sent_at IS NOT NULL OR unknown_at IS NOT NULL)"


async def acquaintances(
    tenant: TenantId, session: SessionId, chats: Sequence[str]
) -> dict[str, Acquaintance]:
    """Of each chat: whether it was written with before, and when it last wrote."""
    source = (
        "unnest($3::text[]) AS c(chat)"
        if database().postgres
        else "(SELECT value AS chat FROM json_each($3)) AS c"
    )
    rows = await database().fetch(
        f"SELECT c.chat, (SELECT time {_OF_CHAT} AND direction = 'in' ORDER BY id DESC LIMIT 1) "
        f"AS heard, EXISTS (SELECT 1 {_OF_CHAT} AND {_MET}) AS met FROM {source}",
        tenant,
        session,
        list(chats),
    )
    return {row["chat"]: Acquaintance(bool(row["met"]), seconds(row["heard"])) for row in rows}
