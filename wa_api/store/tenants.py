"""The tenants themselves: platform administration."""

from __future__ import annotations

from wa_api.domain.errors import TenantNotFound
from wa_api.domain.ids import TenantId, new_id
from wa_api.store.db import Row, Sql, Work, database, now_ms
from wa_api.store.models import Tenant
from wa_api.store.rows import TenantRow
from wa_api.store.views import seconds

MAX_LIMIT = 200


def _row(tenant: Tenant | Row) -> TenantRow:
    read = tenant.__getattribute__ if isinstance(tenant, Tenant) else tenant.__getitem__
    return TenantRow(
        id=TenantId(read("id")),
        name=read("name"),
        max_sessions=read("max_sessions"),
        retention_days=read("retention_days"),
        requests_per_second=read("requests_per_second"),
        created_at=seconds(read("created_at")),
    )


async def create(
    name: str,
    *,
    max_sessions: int | None = None,
    retention_days: int | None = None,
    requests_per_second: float | None = None,
) -> TenantRow:
    """A new tenant; None means no limit, and the platform's default retention."""
    made = Tenant(
        id=new_id("ten"),
        name=name,
        max_sessions=max_sessions,
        retention_days=retention_days,
        requests_per_second=requests_per_second,
        created_at=now_ms(),
    )
    await database().orm(made.save(force_create=True))
    return _row(made)


async def find(tenant: TenantId) -> TenantRow | None:
    """A tenant, or None."""
    found = await database().orm(Tenant.get_or_none(id=tenant, deleted_at=None))
    return _row(found) if found else None


async def get(tenant: TenantId) -> TenantRow:
    """A tenant; raises TenantNotFound."""
    found = await find(tenant)
    if found is None:
        raise TenantNotFound
    return found


async def list_tenants(*, after: str = "", limit: int = 50) -> list[TenantRow]:
    """Tenants, oldest first, going on after the id `after`."""
    found = await database().orm(
        Tenant.filter(deleted_at=None, id__gt=after)
        .order_by("id")
        .limit(max(1, min(limit, MAX_LIMIT)))
    )
    return [_row(one) for one in found]


async def update(
    tenant: TenantId,
    *,
    name: str | None = None,
    max_sessions: int | None = None,
    retention_days: int | None = None,
    requests_per_second: float | None = None,
) -> TenantRow:
    """Change what is given (0 lifts a limit); raises TenantNotFound."""
    rows = await database().fetch(
        "UPDATE tenants SET name = COALESCE($2, name), "
        "max_sessions = NULLIF(COALESCE($3, max_sessions), 0), "
        "retention_days = NULLIF(COALESCE($4, retention_days), 0), "
        "requests_per_second = NULLIF(COALESCE($5, requests_per_second), 0) "
        "WHERE id = $1 AND deleted_at IS NULL RETURNING *",
        tenant,
        name,
        max_sessions,
        retention_days,
        requests_per_second,
    )
    if not rows:
        raise TenantNotFound
    return _row(rows[0])


async def delete(tenant: TenantId) -> None:
    """Delete a tenant with all that it has; raises TenantNotFound.

    Users, keys and sessions stop working at once; `fleet.purge` removes the rows.
    """
    await database().run(lambda: _delete(tenant, now_ms()))


def _delete(tenant: TenantId, now: int) -> Work[None]:
    gone = yield Sql(
        "UPDATE tenants SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL RETURNING id",
        (tenant, now),
    )
    if not gone:
        raise TenantNotFound
    yield Sql(
        "UPDATE sessions SET deleted_at = $2, name = NULL, desired = 'stopped' "
        "WHERE tenant = $1 AND deleted_at IS NULL",
        (tenant, now),
    )
    for table in ("users", "api_keys", "refresh_tokens"):
        yield Sql(f"DELETE FROM {table} WHERE tenant = $1", (tenant,))
