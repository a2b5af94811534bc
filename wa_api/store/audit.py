"""Who changed what, and from where: entries are only added, and forgotten when they are old."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from wa_api.domain.ids import TenantId, new_id
from wa_api.store.db import database, now_ms
from wa_api.store.views import seconds

MAX_LIMIT = 200


class AuditRow(NamedTuple):
    """One change. `details` are the values that it was about, never secrets."""

    id: str
    time: float
    subject: str
    action: str
    target: str
    address: str
    details: dict[str, Any]


async def add(
    tenant: TenantId | None,
    *,
    subject: str,
    action: str,
    target: str,
    address: str,
    details: Mapping[str, Any],
) -> None:
    """Add an entry to a tenant's trail (None: the platform's)."""
    await database().fetch(
        "INSERT INTO audit (id, tenant, at, subject, action, target, address, details) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new_id("aud"),
        tenant or "",
        now_ms(),
        subject,
        action,
        target,
        address,
        orjson.dumps(details).decode(),
    )


async def page(
    tenant: TenantId | None,
    *,
    before: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    target: str | None = None,
    limit: int = 50,
) -> list[AuditRow]:
    """Entries, newest first, going back from the id `before`; `action` may be `user.*`."""
    conditions, args = ["tenant = $1"], [tenant or ""]
    for condition, value in (
        ("id <", before),
        ("action LIKE", action.replace("*", "%") if action else None),
        ("subject =", subject),
        ("target =", target),
    ):
        if value is not None:
            args.append(value)
            conditions.append(f"{condition} ${len(args)}")
    rows = await database().fetch(
        f"SELECT * FROM audit WHERE {' AND '.join(conditions)} "
        f"ORDER BY id DESC LIMIT {max(1, min(limit, MAX_LIMIT))}",
        *args,
    )
    return [
        AuditRow(
            row["id"],
            seconds(row["at"]),
            row["subject"],
            row["action"],
            row["target"],
            row["address"],
            orjson.loads(row["details"]),
        )
        for row in rows
    ]
