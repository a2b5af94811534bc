"""The audit trail: who changed what, when and from where.

Every use case that changes users, keys, tenants, sessions, webhooks or the fleet says so here once
it is done. A process that is killed between the change and the entry leaves a change without one.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import msgspec

from wa_api.domain.ids import TenantId
from wa_api.domain.principals import Principal
from wa_api.services.views import at
from wa_api.store import audit as rows

#: The network address of whoever asked for what runs now; set where requests come in.
came_from: ContextVar[str] = ContextVar("came_from", default="")


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A change. `subject` (a user or key) did `action` to `target`, calling from `address`.

    `details` has the values that it was about, never secrets.
    """

    id: str
    time: str
    subject: str
    action: str
    target: str
    address: str
    details: dict[str, Any]


async def record(
    who: Principal, tenant: str | None, action: str, target: str, **details: Any
) -> None:
    """Add to the trail of a tenant (None: the platform's); details that are None are left out."""
    await rows.add(
        TenantId(tenant) if tenant else None,
        subject=who.subject,
        action=action,
        target=target,
        address=came_from.get(),
        details={name: value for name, value in details.items() if value is not None},
    )


class Audit:
    """Reading the trail."""

    async def page(
        self,
        who: Principal,
        tenant: str | None,
        *,
        before: str | None,
        action: str | None,
        subject: str | None,
        target: str | None,
        limit: int,
    ) -> list[AuditEntry]:
        """Newest first. A tenant's administrators see its trail; the platform's see its own and,
        by name, any tenant's."""
        found = await rows.page(
            who.acting_for(tenant),
            before=before,
            action=action,
            subject=subject,
            target=target,
            limit=limit,
        )
        return [_entry(row) for row in found]


def _entry(row: rows.AuditRow) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        time=at(row.time),
        subject=row.subject,
        action=row.action,
        target=row.target,
        address=row.address,
        details=row.details,
    )
