"""What session workers and housekeeping ask across tenants. Never used for a caller's request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wa_api.domain.ids import NO_EPOCH, Epoch, SessionId, TenantId, WorkerId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import Status
from wa_api.domain.sessions import TERMINAL, Desired, SessionState
from wa_api.store.chats import touch
from wa_api.store.db import Row, Sql, Work, database, now_ms
from wa_api.store.progress import EXPIRED
from wa_api.store.rows import Changed, SessionRow
from wa_api.store.views import changed, session_row

_ENDS = [str(state) for state in sorted(TERMINAL)]
_SETTLED = [*_ENDS, str(SessionState.STOPPED)]
#: Deleted sessions of networks that no worker serves any more are purged after this time.
_ABANDONED_MS = 7 * 86_400_000
#: What goes with a session.
_SESSIONS = ("messages", "message_receipts", "chats", "contacts", "media")
#: What goes with a tenant, besides its events.
_TENANTS = (
    *("users", "api_keys", "refresh_tokens", "idempotency_keys", "logs"),
    *("webhooks", "webhook_backlog", "webhook_deliveries", "audit", "numbers", "media"),
)


async def find(session: SessionId) -> SessionRow | None:
    """A session of any tenant, also a deleted one that was not purged yet."""
    rows = await database().fetch("SELECT * FROM sessions WHERE id = $1", session)
    return session_row(rows[0]) if rows else None


async def running(*, after: str = "", limit: int = 1000) -> list[SessionRow]:
    """Sessions that their users want to run, those that cannot (failed, held back) included."""
    rows = await database().fetch(
        "SELECT * FROM sessions WHERE desired = $1 AND deleted_at IS NULL AND id > $2 "
        "ORDER BY id LIMIT $3",
        Desired.RUNNING,
        after,
        limit,
    )
    return [session_row(row) for row in rows]


async def unsettled(network: str, *, limit: int = 1000) -> list[SessionRow]:
    """Sessions that should not run but whose last owner did not say that it stopped.

    Somebody should claim them, say `stopped`, and let go.
    """
    rows = await database().fetch(
        "SELECT * FROM sessions WHERE network = $1 AND desired = $2 AND NOT (state = ANY($3)) "
        "AND deleted_at IS NULL ORDER BY id LIMIT $4",
        network,
        Desired.STOPPED,
        _SETTLED,
        limit,
    )
    return [session_row(row) for row in rows]


async def deleted(network: str, *, limit: int = 1000) -> list[SessionRow]:
    """Deleted sessions whose device store is still to be removed (then say `forgotten`)."""
    rows = await database().fetch(
        "SELECT * FROM sessions WHERE network = $1 AND deleted_at IS NOT NULL "
        "AND forgotten_at IS NULL ORDER BY id LIMIT $2",
        network,
        limit,
    )
    return [session_row(row) for row in rows]


async def forgotten(session: SessionId) -> None:
    """Say that a deleted session's device store is removed."""
    await database().fetch(
        "UPDATE sessions SET forgotten_at = $2 WHERE id = $1 AND deleted_at IS NOT NULL",
        session,
        now_ms(),
    )


async def claim(session: SessionId, lease: Lease) -> SessionRow | None:
    """A new owner makes its epoch the newest; None when it is not, or the session is gone.

    From the commit on, writes under older epochs are refused. Asking twice does no harm.
    """
    rows = await database().fetch(
        "UPDATE sessions SET epoch = $2, worker = $3 WHERE id = $1 AND deleted_at IS NULL "
        "AND (epoch < $2 OR (epoch = $2 AND worker = $3)) RETURNING *",
        session,
        lease.epoch,
        lease.worker,
    )
    return session_row(rows[0]) if rows else None


async def epoch(session: SessionId) -> Epoch:
    """The newest epoch known here: the floor for the next lease (0 for an unknown session)."""
    rows = await database().fetch("SELECT epoch FROM sessions WHERE id = $1", session)
    return Epoch(rows[0]["epoch"]) if rows else NO_EPOCH


async def run_by(worker: WorkerId, *, after: str = "", limit: int = 50) -> list[SessionRow]:
    """Sessions that a worker runs, by id, going on after the id `after`."""
    rows = await database().fetch(
        "SELECT * FROM sessions WHERE worker = $1 AND deleted_at IS NULL AND desired = $2 "
        "AND NOT (state = ANY($3)) AND id > $4 ORDER BY id LIMIT $5",
        worker,
        Desired.RUNNING,
        _SETTLED,
        after,
        limit,
    )
    return [session_row(row) for row in rows]


async def counts() -> Mapping[tuple[str, str], int]:
    """How many sessions there are by network and state, for figures."""
    rows = await database().fetch(
        "SELECT network, state, COUNT(*) AS n FROM sessions WHERE deleted_at IS NULL "
        "GROUP BY network, state"
    )
    return {(row["network"], row["state"]): row["n"] for row in rows}


async def sessions_with_pending(network: str, *, limit: int = 1000) -> list[tuple[str, str]]:
    """(tenant, session) of wanted sessions with messages waiting to be sent."""
    rows = await database().fetch(
        "SELECT s.tenant, s.id FROM sessions s WHERE s.network = $1 AND s.deleted_at IS NULL "
        "AND EXISTS (SELECT 1 FROM messages m WHERE m.session = s.id AND "
        "m.status IN ('accepted', 'queued', 'sending') AND m.status <> 'sending') "
        "ORDER BY s.id LIMIT $2",
        network,
        limit,
    )
    return [(row["tenant"], row["id"]) for row in rows]


async def expire(*, limit: int = 500) -> list[Changed]:
    """End messages whose deadline passed while nobody could send them; tell their readers."""
    now = now_ms()
    rows = await database().fetch(
        "UPDATE messages SET status = $1, ended_at = $2, error_code = $3, error_detail = $4 "
        "WHERE id IN (SELECT id FROM messages WHERE deadline < $2 "
        "AND status IN ('accepted', 'queued', 'sending') AND status <> 'sending' "
        "ORDER BY id LIMIT $5 FOR UPDATE SKIP LOCKED) "
        "AND status IN ('accepted', 'queued', 'sending') AND status <> 'sending' "
        "RETURNING id, tenant, session, chat, chat_alt, wa_id, ref",
        Status.EXPIRED,
        now,
        EXPIRED.code,
        EXPIRED.detail,
        limit,
    )
    return [changed(row, Status.EXPIRED, now, row["wa_id"], EXPIRED) for row in rows]


async def fall_due(*, limit: int = 500) -> list[Changed]:
    """Scheduled messages whose time has come wait to be sent from now on; tell their readers."""
    now = now_ms()
    rows = await database().run(lambda: _fall_due(now, limit))
    ordered = sorted(rows, key=lambda row: (row["send_at"], row["id"]))
    return [changed(row, Status.QUEUED, now, row["wa_id"], None) for row in ordered]


def _fall_due(now: int, limit: int) -> Work[Sequence[Row]]:
    rows = yield Sql(
        "UPDATE messages SET status = $1, queued_at = $2 WHERE id IN "
        "(SELECT id FROM messages WHERE status = 'scheduled' AND send_at <= $2 "
        "ORDER BY send_at LIMIT $3 FOR UPDATE SKIP LOCKED) AND status = 'scheduled' "
        "RETURNING id, tenant, session, chat, chat_alt, wa_id, ref, send_at",
        (Status.QUEUED, now, limit),
    )
    if rows:
        yield touch([row["id"] for row in rows])
    return rows


async def forget_audit(before: float, *, limit: int = 1000) -> int:
    """One step of removing audit entries from before a time (Unix seconds); how many went."""
    rows = await database().fetch(
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 LIMIT $2) "
        "RETURNING 1 AS one",
        round(before * 1000),
        limit,
    )
    return len(rows)


async def purge(*, limit: int = 1000) -> int:
    """One step of removing what is over; how many rows went (0: nothing left to do).

    Messages and events of deleted sessions and tenants, the sessions and tenants themselves,
    expired idempotency keys and tokens.
    """
    return await database().run(lambda: _purge(now_ms(), limit))


_OVER = (
    "SELECT id FROM sessions WHERE deleted_at IS NOT NULL "
    "AND (forgotten_at IS NOT NULL OR deleted_at < $1) ORDER BY id LIMIT 1"
)


def _purge(now: int, limit: int) -> Work[int]:
    removed = 0
    for table, column in (
        ("idempotency_keys", "expires_at"),
        ("refresh_tokens", "expires_at"),
        ("one_time_tokens", "expires_at"),
        ("revoked_tokens", "until"),
        ("numbers", "until"),
    ):
        removed += yield from _delete_some(table, f"{column} < $1", (now,), limit)
    over = yield Sql(_OVER, (now - _ABANDONED_MS,))
    if over:
        session = (over[0]["id"],)
        gone = 0
        for table in _SESSIONS:
            gone += yield from _delete_some(table, "session = $1", session, limit - gone)
        if gone < limit:
            yield Sql("DELETE FROM session_queues WHERE session = $1", session)
            yield Sql("DELETE FROM sessions WHERE id = $1", session)
            gone += 1
        removed += gone
    return removed + (yield from _purge_tenant(limit))


def _purge_tenant(limit: int) -> Work[int]:
    """A deleted tenant goes when its sessions have gone."""
    tenants = yield Sql(
        "SELECT id FROM tenants t WHERE deleted_at IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM sessions s WHERE s.tenant = t.id) ORDER BY id LIMIT 1"
    )
    if not tenants:
        return 0
    tenant: tuple[TenantId] = (tenants[0]["id"],)
    gone = yield from _delete_some("events", "tenant = $1", tenant, limit)
    if gone < limit:
        for table in _TENANTS:
            yield Sql(f"DELETE FROM {table} WHERE tenant = $1", tenant)
        yield Sql("DELETE FROM tenants WHERE id = $1", tenant)
        gone += 1
    return gone


def _delete_some(table: str, condition: str, args: tuple[object, ...], limit: int) -> Work[int]:
    key = {"revoked_tokens": "jti", "refresh_tokens": "hash", "one_time_tokens": "hash"}.get(
        table, "id"
    )
    rows = yield Sql(
        f"DELETE FROM {table} WHERE {key} IN "
        f"(SELECT {key} FROM {table} WHERE {condition} LIMIT {limit}) RETURNING 1 AS one",
        args,
    )
    return len(rows)
