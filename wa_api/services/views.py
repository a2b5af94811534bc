"""What rows look like to callers: the shapes of answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from wa_api.domain.events import rfc3339
from wa_api.store.rows import KeyRow, SessionRow, TenantRow, UserRow


def time_text(seconds: float | None) -> str | None:
    """Unix seconds in RFC 3339."""
    return None if seconds is None else rfc3339(datetime.fromtimestamp(seconds, UTC))


def at(seconds: float) -> str:
    """A moment (Unix seconds) as callers see it."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))


class SessionView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session. `desired` is what was asked for, `state` what is, `reason` why (since `since`).

    `jid` is the linked number's address, `lid` its hidden id; both absent until linked.
    `worker` runs it under fencing number `epoch`. `metadata` is on each of its events.
    `proxy` is shown without its user name and password.
    """

    id: str
    name: str | None = None
    network: str
    desired: str
    state: str
    reason: str
    since: str
    created_at: str
    linked: bool
    detail: str | None = None
    until: str | None = None
    jid: str | None = None
    phone: str | None = None
    lid: str | None = None
    push_name: str | None = None
    worker: str | None = None
    epoch: int
    settings: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    proxy: str | None = None


def session_view(row: SessionRow) -> SessionView:
    """A session as callers see it."""
    return SessionView(
        id=row.id,
        name=row.name,
        network=row.network,
        desired=row.desired,
        state=row.state,
        reason=row.reason,
        since=at(row.since),
        created_at=at(row.created_at),
        linked=row.linked,
        detail=row.detail,
        until=time_text(row.until),
        jid=row.jid,
        phone=row.jid.partition("@")[0] if row.jid else None,
        lid=row.lid,
        push_name=row.push_name,
        worker=row.worker,
        epoch=row.epoch,
        settings=row.settings or None,
        metadata=row.metadata or None,
        proxy=row.proxy_shown,
    )


class TenantView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tenant; absent limits are the platform's."""

    id: str
    name: str
    created_at: str
    max_sessions: int | None = None
    retention_days: int | None = None
    requests_per_second: float | None = None


def tenant_view(row: TenantRow) -> TenantView:
    """A tenant as callers see it."""
    return TenantView(
        id=row.id,
        name=row.name,
        created_at=at(row.created_at),
        max_sessions=row.max_sessions,
        retention_days=row.retention_days,
        requests_per_second=row.requests_per_second,
    )


class UserView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who signs in with a password; without `tenant`, a platform administrator."""

    id: str
    tenant: str | None = None
    name: str
    role: str
    created_at: str
    disabled: bool = False


def user_view(row: UserRow) -> UserView:
    """A user as callers see it."""
    return UserView(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        role=row.role,
        created_at=at(row.created_at),
        disabled=row.disabled,
    )


class KeyView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key. `key` is shown once, when it is made."""

    id: str
    tenant: str | None = None
    name: str
    scopes: list[str]
    created_at: str
    sessions: list[str] | None = None
    networks: list[str] | None = None
    requests_per_second: float | None = None
    expires_at: str | None = None
    last_used_at: str | None = None
    revoked_at: str | None = None
    key: str | None = None


def key_view(row: KeyRow, key: str | None = None) -> KeyView:
    """An API key as callers see it."""
    return KeyView(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        scopes=sorted(row.scopes),
        created_at=at(row.created_at),
        sessions=None if row.sessions is None else sorted(row.sessions),
        networks=None if row.networks is None else list(row.networks),
        requests_per_second=row.requests_per_second,
        expires_at=time_text(row.expires_at),
        last_used_at=time_text(row.last_used_at),
        revoked_at=time_text(row.revoked_at),
        key=key,
    )
