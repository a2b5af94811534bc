"""What session workers ask and write to run sessions of any tenant."""

from __future__ import annotations

from collections.abc import Sequence

from wa_api.domain.errors import Fenced
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import MessageView, Status
from wa_api.domain.sessions import TERMINAL, Desired, Reason, SessionState
from wa_api.store.db import Each, Sql, Work, database, now_ms
from wa_api.store.fence import held
from wa_api.store.queue import PENDING
from wa_api.store.rows import Owned, SessionRow, StateChange
from wa_api.store.views import session_row, view

_ENDS = [str(state) for state in sorted(TERMINAL)]
_DUE = (
    "SELECT * FROM sessions WHERE network = $1 AND desired = $2 AND deleted_at IS NULL "
    "AND (NOT (state = ANY($3::text[])) OR until <= $4)"
)


async def due(
    network: str, *, after: str = "", limit: int = 1000, among: Sequence[SessionId] | None = None
) -> list[SessionRow]:
    """Sessions that should run now: wanted, and not in a terminal state, or that state's `until`
    has passed. With `among` only of those; otherwise page by `after`.
    """
    values = (network, Desired.RUNNING, _ENDS, now_ms())
    if among is None:
        rows = await database().fetch(
            f"{_DUE} AND id > $5 ORDER BY id LIMIT $6",
            *values,
            after,
            limit,
        )
    else:
        rows = await database().fetch(f"{_DUE} AND id = ANY($5::text[])", *values, list(among))
    return [session_row(row) for row in rows]


async def start(session: SessionId, lease: Lease, reason: Reason) -> StateChange | None:
    """A new owner makes its epoch the newest and the session `starting`, and counts the attempt.

    None when the session should not run any more or a newer epoch is known. From the commit on,
    writes under older epochs are refused. Asking twice does no harm.
    """
    return await database().run(lambda: _start(session, lease, reason, now_ms()))


def _start(session: SessionId, lease: Lease, reason: Reason, now: int) -> Work[StateChange | None]:
    before = yield Sql("SELECT state FROM sessions WHERE id = $1 FOR UPDATE", (session,))
    rows = yield Sql(
        "UPDATE sessions SET epoch = $2, worker = $3, state = $4, reason = $5, since = $6, "
        "detail = NULL, until = NULL, attempts = attempts + 1 "
        "WHERE id = $1 AND deleted_at IS NULL AND desired = $7 "
        "AND (epoch < $2 OR (epoch = $2 AND worker = $3)) RETURNING *",
        (
            session,
            lease.epoch,
            lease.worker,
            SessionState.STARTING,
            reason,
            now,
            Desired.RUNNING,
        ),
    )
    return StateChange(SessionState(before[0]["state"]), session_row(rows[0])) if rows else None


async def settled(leases: Sequence[Lease]) -> None:
    """These run well: their attempts are forgotten."""
    await database().run(lambda: _settled([(one.session, one.epoch) for one in leases]))


def _settled(sessions: list[tuple[SessionId, int]]) -> Work[None]:
    yield Each("UPDATE sessions SET attempts = 0 WHERE id = $1 AND epoch = $2", sorted(sessions))


async def put_back(items: Sequence[Owned[MessageId]]) -> list[Fenced | None]:
    """Messages that were to be sent but did not go out wait again."""
    return await database().run(lambda: _put_back(items))


def _put_back(items: Sequence[Owned[MessageId]]) -> Work[list[Fenced | None]]:
    mine = yield from held(items)
    good = [
        (owned.item, owned.lease.session, Status.QUEUED, Status.SENDING)
        for owned, ok in zip(items, mine, strict=True)
        if ok
    ]
    yield Each(
        "UPDATE messages SET status = $3, sending_at = NULL "
        "WHERE id = $1 AND session = $2 AND status = $4",
        sorted(good),
    )
    return [None if ok else Fenced() for ok in mine]


async def overdue(sessions: Sequence[SessionId], before: float) -> dict[SessionId, int]:
    """How many messages of each session wait to be sent since before `before` (Unix seconds)."""
    rows = await database().fetch(
        f"SELECT session, COUNT(*) AS n FROM messages WHERE session = ANY($1::text[]) "
        f"AND {PENDING} AND accepted_at < $2 GROUP BY session",
        list(sessions),
        int(before * 1000),
    )
    return {SessionId(row["session"]): row["n"] for row in rows}


async def arrived_after(
    tenant: TenantId,
    session: SessionId,
    message: MessageId | None,
    since: float,
    *,
    limit: int = 100,
) -> list[MessageView]:
    """Messages that came to a session later than `message` (None: any) and after `since` (Unix
    seconds), oldest first: those that an owner recorded and may not have told.
    """
    rows = await database().fetch(
        "SELECT * FROM messages WHERE tenant = $1 AND session = $2 AND id > $3 "
        "AND accepted_at > $4 AND source IN ('contact', 'phone') ORDER BY id LIMIT $5",
        tenant,
        session,
        message or "",
        int(since * 1000),
        limit,
    )
    return [view(row) for row in rows]
