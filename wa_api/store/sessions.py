"""Sessions of one tenant. A deleted one is gone for all of these functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from wa_api.domain.errors import (
    Conflict,
    NameTaken,
    QuotaExceeded,
    SessionNotFound,
    TenantNotFound,
)
from wa_api.domain.ids import SessionId, TenantId, new_id
from wa_api.domain.leases import Lease
from wa_api.domain.sessions import TERMINAL, Desired, Reason, SessionState, may_follow
from wa_api.store.db import Duplicate, Sql, Work, database, now_ms
from wa_api.store.fence import hold
from wa_api.store.rows import Owned, SessionRow, StateChange
from wa_api.store.views import session_row, to_ms

MAX_LIMIT = 200
_ENDS = sorted(TERMINAL)


class KeptProxy(NamedTuple):
    """A session's proxy: its sealed URL, and what is shown of it; "" twice for none."""

    sealed: str
    shown: str


async def create(
    tenant: TenantId,
    *,
    network: str,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
    proxy: KeptProxy | None = None,
    desired: Desired = Desired.STOPPED,
) -> SessionRow:
    """A new session, not linked. Raises NameTaken, QuotaExceeded, TenantNotFound."""
    session, now = SessionId(new_id("ses")), now_ms()
    kept = (_json(settings or {}), _json(metadata), *(proxy or (None, None)))
    values = (session, tenant, name, network, desired, SessionState.STOPPED, Reason.REQUESTED)
    try:
        return await database().run(lambda: _create((*values, now, *kept)))
    except Duplicate as error:
        raise NameTaken("Another session of this tenant has that name.") from error


def _create(values: tuple[Any, ...]) -> Work[SessionRow]:
    tenant = values[1]
    # The tenant's row is locked, so that two at once cannot both take the last place.
    limits = yield Sql(
        "SELECT max_sessions FROM tenants WHERE id = $1 AND deleted_at IS NULL FOR UPDATE",
        (tenant,),
    )
    if not limits:
        raise TenantNotFound
    most = limits[0]["max_sessions"]
    if most is not None:
        count = yield Sql(
            "SELECT COUNT(*) AS n FROM sessions WHERE tenant = $1 AND deleted_at IS NULL",
            (tenant,),
        )
        if count[0]["n"] >= most:
            raise QuotaExceeded(f"This tenant may have {most} sessions.")
    rows = yield Sql(
        "INSERT INTO sessions (id, tenant, name, network, desired, state, reason, since, "
        "settings, metadata, proxy, proxy_shown, created_at, epoch, attempts) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $8, 0, 0) "
        "RETURNING *",
        values,
    )
    return session_row(rows[0])


async def find(tenant: TenantId, session: SessionId) -> SessionRow | None:
    """A session, or None."""
    rows = await database().fetch(
        "SELECT * FROM sessions WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL",
        session,
        tenant,
    )
    return session_row(rows[0]) if rows else None


async def get(tenant: TenantId, session: SessionId) -> SessionRow:
    """A session; raises SessionNotFound."""
    row = await find(tenant, session)
    if row is None:
        raise SessionNotFound
    return row


async def list_sessions(
    tenant: TenantId,
    *,
    after: str | None = None,
    limit: int = 50,
    state: SessionState | None = None,
) -> list[SessionRow]:
    """Sessions, oldest first, going on after the id `after` (the next page's cursor)."""
    rows = await database().fetch(
        "SELECT * FROM sessions WHERE tenant = $1 AND deleted_at IS NULL AND id > $2 "
        "AND ($3::text IS NULL OR state = $3::text) ORDER BY id LIMIT $4",
        tenant,
        after or "",
        state,
        max(1, min(limit, MAX_LIMIT)),
    )
    return [session_row(row) for row in rows]


async def count(tenant: TenantId) -> int:
    """How many sessions the tenant has."""
    rows = await database().fetch(
        "SELECT COUNT(*) AS n FROM sessions WHERE tenant = $1 AND deleted_at IS NULL", tenant
    )
    return int(rows[0]["n"])


async def update(
    tenant: TenantId,
    session: SessionId,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
    proxy: KeptProxy | None = None,
) -> SessionRow:
    """Change what is given; raises NameTaken, SessionNotFound."""
    try:
        rows = await database().fetch(
            "UPDATE sessions SET name = COALESCE($3, name), settings = COALESCE($4, settings), "
            "metadata = COALESCE($5, metadata), proxy = COALESCE($6, proxy), "
            "proxy_shown = COALESCE($7, proxy_shown) "
            "WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL RETURNING *",
            session,
            tenant,
            name,
            _json(settings),
            _json(metadata),
            *(proxy or (None, None)),
        )
    except Duplicate as error:
        raise NameTaken("Another session of this tenant has that name.") from error
    if not rows:
        raise SessionNotFound
    return session_row(rows[0])


def _json(given: Mapping[str, Any] | None) -> str | None:
    return None if given is None else orjson.dumps(dict(given)).decode()


async def metadata(tenant: TenantId, session: SessionId) -> dict[str, str]:
    """What its user wrote on a session; nothing for one that is gone."""
    row = await find(tenant, session)
    return row.metadata if row is not None else {}


async def set_desired(tenant: TenantId, session: SessionId, desired: Desired) -> SessionRow:
    """Say whether the session should run. Raises SessionNotFound.

    Wanting it to run also ends a terminal state (nobody runs it then): it is `stopped` anew.
    """
    return await database().run(lambda: _set_desired(tenant, session, desired, now_ms()))


def _set_desired(
    tenant: TenantId, session: SessionId, desired: Desired, now: int
) -> Work[SessionRow]:
    rows = yield Sql(
        "UPDATE sessions SET desired = $3 "
        "WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL RETURNING *",
        (session, tenant, desired),
    )
    if not rows:
        raise SessionNotFound
    if desired is Desired.RUNNING and rows[0]["state"] in _ENDS:
        rows = yield Sql(
            "UPDATE sessions SET state = $2, reason = $3, since = $4, detail = NULL, "
            "until = NULL, attempts = 0 WHERE id = $1 RETURNING *",
            (session, SessionState.STOPPED, Reason.REQUESTED, now),
        )
    return session_row(rows[0])


async def delete(tenant: TenantId, session: SessionId) -> None:
    """Delete a session; raises SessionNotFound.

    It is gone at once, its name is free, and its owner's writes are fenced; its messages are
    removed in small steps by `fleet.purge`, once its device store was removed
    (`fleet.forgotten`).
    """
    rows = await database().fetch(
        "UPDATE sessions SET deleted_at = $3, name = NULL, desired = $4 "
        "WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL RETURNING id",
        session,
        tenant,
        now_ms(),
        Desired.STOPPED,
    )
    if not rows:
        raise SessionNotFound


async def set_state(
    tenant: TenantId,
    lease: Lease,
    state: SessionState,
    reason: Reason,
    *,
    detail: str | None = None,
    until: float | None = None,
    jid: str | None = None,
    lid: str | None = None,
    push_name: str | None = None,
) -> StateChange:
    """An owner's report: its session is in `state` now.

    `jid`, `lid` and `push_name` are recorded where given, and forgotten on `logged_out`. The
    state it is in already only records those. Raises Fenced, and Conflict when that state cannot
    follow the present one.
    """
    facts = (detail, None if until is None else to_ms(until), jid, lid, push_name)
    owned = Owned(tenant, lease, (state, reason, now_ms(), *facts))
    return await database().run(lambda: _set_state(owned))


def _set_state(owned: Owned[tuple[Any, ...]]) -> Work[StateChange]:
    yield from hold(owned)
    session, state = owned.lease.session, owned.item[0]
    rows = yield Sql("SELECT state FROM sessions WHERE id = $1", (session,))
    previous = SessionState(rows[0]["state"])
    if previous is not state and not may_follow(previous, state):
        raise Conflict(f"A session cannot become {state} after {previous}.")
    values = (session, state, *owned.item[1:])
    if previous is state is not SessionState.STARTING:
        rows = yield Sql(_FACTS, (session, *owned.item[5:]))
    else:
        rows = yield Sql(_ENTERED, values)
        if state is SessionState.LOGGED_OUT:
            rows = yield Sql(_UNLINKED, (session,))
    return StateChange(previous, session_row(rows[0]))


_LINK = (
    "jid = COALESCE({0}, jid), lid = COALESCE({1}, lid), push_name = COALESCE({2}, push_name) "
    "WHERE id = $1 RETURNING *"
)
_STATE = "UPDATE sessions SET state = $2, reason = $3, since = $4, detail = $5, until = $6, "
_ENTERED = _STATE + _LINK.format("$7", "$8", "$9")
_FACTS = "UPDATE sessions SET " + _LINK.format("$2", "$3", "$4")
_UNLINKED = "UPDATE sessions SET jid = NULL, lid = NULL WHERE id = $1 RETURNING *"
