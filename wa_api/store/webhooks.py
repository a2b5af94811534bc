"""A tenant's webhooks: endpoints, dead letters, and the log of deliveries.

Whatever changes what a deliverer must know raises `version`. A replay raises `moves` too, which
refuses the progress of a deliverer that has not read the row again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from wa_api.domain.errors import QuotaExceeded, WebhookNotFound
from wa_api.domain.ids import TenantId, WebhookId, new_id
from wa_api.store.db import Sql, Work, database, now_ms
from wa_api.store.views import to_ms
from wa_api.store.webhook_rows import (
    ENABLED,
    PAUSED,
    DeliveryRow,
    NewWebhook,
    Waiting,
    WebhookRow,
    delivery_row,
    waiting,
    webhook_row,
)

MAX_LIMIT = 200

_ROW = "tenant = $1 AND id = $2"
_DEAD = "tenant = $1 AND webhook = $2 AND dead_at IS NOT NULL"


async def create(tenant: TenantId, new: NewWebhook, most: int) -> WebhookRow:
    """A new webhook; raises QuotaExceeded when the tenant has `most`."""
    return await database().run(lambda: _create(tenant, new, most, now_ms()))


def _create(tenant: TenantId, new: NewWebhook, most: int, now: int) -> Work[WebhookRow]:
    yield Sql("SELECT id FROM tenants WHERE id = $1 FOR UPDATE", (tenant,))
    counted = yield Sql("SELECT COUNT(*) AS n FROM webhooks WHERE tenant = $1", (tenant,))
    if counted[0]["n"] >= most:
        raise QuotaExceeded(f"A tenant has at most {most} webhooks.")
    columns = {
        "id": new_id("whk"),
        "tenant": tenant,
        "reason": "requested",
        "since": now,
        "cursor": new.cursor,
        "version": 0,
        "moves": 0,
        "epoch": 0,
        "created_at": now,
        "state": ENABLED if new.enabled else PAUSED,
        **_columns(
            {
                "name": new.name,
                "url": new.url,
                "secret": new.secret,
                "types": new.types,
                "sessions": new.sessions,
                "headers": new.headers,
                "ordering": new.ordering,
                "concurrency": new.concurrency,
                "batch": new.batch,
                "timeout": new.timeout,
            }
        ),
    }
    marks = ", ".join(f"${i}" for i in range(1, len(columns) + 1))
    rows = yield Sql(
        f"INSERT INTO webhooks ({', '.join(columns)}) VALUES ({marks}) RETURNING *",
        tuple(columns.values()),
    )
    return webhook_row(rows[0])


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as columns hold them."""
    columns = dict(values)
    for name in ("types", "sessions"):
        if columns.get(name) is not None:
            columns[name] = orjson.dumps(columns[name]).decode()
    if "timeout" in columns:
        columns["timeout"] = to_ms(columns["timeout"])
    return columns


async def get(tenant: TenantId, webhook: WebhookId) -> WebhookRow:
    """A webhook; raises WebhookNotFound."""
    rows = await database().fetch(f"SELECT * FROM webhooks WHERE {_ROW}", tenant, webhook)
    return _one(rows)


async def list_webhooks(tenant: TenantId, *, after: str = "", limit: int = 50) -> list[WebhookRow]:
    """Webhooks, oldest first, going on after the id `after`."""
    rows = await database().fetch(
        "SELECT * FROM webhooks WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3",
        tenant,
        after,
        _limited(limit),
    )
    return [webhook_row(row) for row in rows]


async def update(tenant: TenantId, webhook: WebhookId, values: Mapping[str, Any]) -> WebhookRow:
    """Change some of the fields of NewWebhook; raises WebhookNotFound."""
    columns = _columns(values)
    sets = ", ".join(f"{name} = ${i}" for i, name in enumerate(columns, 3))
    rows = await database().fetch(
        f"UPDATE webhooks SET version = version + 1{', ' if sets else ''}{sets} "
        f"WHERE {_ROW} RETURNING *",
        tenant,
        webhook,
        *columns.values(),
    )
    return _one(rows)


async def rotate(
    tenant: TenantId, webhook: WebhookId, secret: str, overlap_seconds: float
) -> WebhookRow:
    """A new (sealed) secret; the one before it signs too for so long."""
    rows = await database().fetch(
        "UPDATE webhooks SET version = version + 1, old_secret = secret, old_secret_until = $3, "
        f"secret = $4 WHERE {_ROW} RETURNING *",
        tenant,
        webhook,
        now_ms() + to_ms(overlap_seconds),
        secret,
    )
    return _one(rows)


async def set_state(
    tenant: TenantId, webhook: WebhookId, state: str, reason: str = "requested"
) -> tuple[WebhookRow, bool]:
    """Pause or resume; whether that changed anything. Raises WebhookNotFound."""
    return await database().run(lambda: _set_state(tenant, webhook, state, reason, now_ms()))


def _set_state(
    tenant: TenantId, webhook: WebhookId, state: str, reason: str, now: int
) -> Work[tuple[WebhookRow, bool]]:
    rows = yield Sql(f"SELECT * FROM webhooks WHERE {_ROW} FOR UPDATE", (tenant, webhook))
    if _one(rows).state == state:
        return _one(rows), False
    rows = yield Sql(
        "UPDATE webhooks SET version = version + 1, state = $3, reason = $4, detail = NULL, "
        f"since = $5, failing_since = NULL WHERE {_ROW} RETURNING *",
        (tenant, webhook, state, reason, now),
    )
    return _one(rows), True


async def move(tenant: TenantId, webhook: WebhookId, cursor: int) -> WebhookRow:
    """Deliver from this cursor on (again); raises WebhookNotFound."""
    rows = await database().fetch(
        f"UPDATE webhooks SET version = version + 1, moves = moves + 1, cursor = $3 WHERE {_ROW} RETURNING *",
        tenant,
        webhook,
        cursor,
    )
    return _one(rows)


async def delete(tenant: TenantId, webhook: WebhookId) -> None:
    """Remove a webhook with all that was kept about it; raises WebhookNotFound."""
    await database().run(lambda: _delete(tenant, webhook))


def _delete(tenant: TenantId, webhook: WebhookId) -> Work[None]:
    rows = yield Sql(f"DELETE FROM webhooks WHERE {_ROW} RETURNING id", (tenant, webhook))
    if not rows:
        raise WebhookNotFound
    for table in ("webhook_backlog", "webhook_deliveries"):
        yield Sql(f"DELETE FROM {table} WHERE tenant = $1 AND webhook = $2", (tenant, webhook))


async def backlog(tenant: TenantId, webhook: WebhookId) -> tuple[int, int]:
    """How many events wait to be tried again, and how many dead letters there are."""
    rows = await database().fetch(
        "SELECT COUNT(*) AS n, COUNT(dead_at) AS dead FROM webhook_backlog "
        "WHERE tenant = $1 AND webhook = $2",
        tenant,
        webhook,
    )
    return rows[0]["n"] - rows[0]["dead"], rows[0]["dead"]


async def dead_letters(
    tenant: TenantId, webhook: WebhookId, *, after: int = 0, limit: int = 50
) -> list[Waiting]:
    """What was given up, oldest event first, with the events themselves."""
    rows = await database().fetch(
        f"SELECT * FROM webhook_backlog WHERE {_DEAD} AND cursor > $3 ORDER BY cursor LIMIT $4",
        tenant,
        webhook,
        after,
        _limited(limit),
    )
    return [waiting(row, bytes(row["envelope"])) for row in rows]


async def redrive(
    tenant: TenantId,
    webhook: WebhookId,
    *,
    events: Sequence[int] | None = None,
    since: float | None = None,
    until: float | None = None,
) -> int:
    """Try dead letters again, as if never tried: some events, or all (that died in a time).

    How many.
    """
    return await database().run(
        lambda: _redrive(tenant, webhook, *_chosen(events, since, until), now_ms())
    )


def _chosen(
    events: Sequence[int] | None, since: float | None, until: float | None
) -> tuple[str, list[Any]]:
    where, args = _DEAD, list[Any]()
    for condition, value in (
        ("cursor = ANY({}::bigint[])", None if events is None else list(events)),
        ("dead_at >= {}", None if since is None else to_ms(since)),
        ("dead_at < {}", None if until is None else to_ms(until)),
    ):
        if value is not None:
            args.append(value)
            where += f" AND {condition.format(f'${len(args) + 2}')}"
    return where, args


def _redrive(
    tenant: TenantId, webhook: WebhookId, where: str, args: list[Any], now: int
) -> Work[int]:
    rows = yield Sql(
        f"UPDATE webhook_backlog SET dead_at = NULL, attempts = 0, first_at = NULL, "
        f"next_at = ${len(args) + 3} WHERE {where} RETURNING id",
        (tenant, webhook, *args, now),
    )
    if rows:
        yield Sql(f"UPDATE webhooks SET version = version + 1 WHERE {_ROW}", (tenant, webhook))
    return len(rows)


async def discard(
    tenant: TenantId, webhook: WebhookId, *, events: Sequence[int] | None = None
) -> int:
    """Forget dead letters: some events, or all. How many."""
    where, args = _chosen(events, None, None)
    rows = await database().fetch(
        f"DELETE FROM webhook_backlog WHERE {where} RETURNING id", tenant, webhook, *args
    )
    return len(rows)


async def deliveries(
    tenant: TenantId,
    webhook: WebhookId,
    *,
    before: str | None = None,
    delivered: bool | None = None,
    event: str | None = None,
    limit: int = 50,
) -> list[DeliveryRow]:
    """Requests made, newest first, going on before the id `before`."""
    where, args = "tenant = $1 AND webhook = $2", [tenant, webhook, _limited(limit)]
    for condition, value in (("id <", before), ("delivered =", delivered), ("event =", event)):
        if value is not None:
            args.append(value)
            where += f" AND {condition} ${len(args)}"
    rows = await database().fetch(
        f"SELECT * FROM webhook_deliveries WHERE {where} ORDER BY id DESC LIMIT $3", *args
    )
    return [delivery_row(row) for row in rows]


def _one(rows: Sequence[Any]) -> WebhookRow:
    if not rows:
        raise WebhookNotFound
    return webhook_row(rows[0])


def _limited(limit: int) -> int:
    return max(1, min(int(limit), MAX_LIMIT))
