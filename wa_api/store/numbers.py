"""Which phone numbers have WhatsApp, as far as a tenant has asked; remembered for a while."""

from __future__ import annotations

from wa_api.domain.ids import TenantId
from wa_api.store.db import database, now_ms

#: How long an answer is good, in milliseconds: people rarely leave, but may join any day.
_DAY = 86_400_000
_GOOD_FOR = {True: 30 * _DAY, False: _DAY}


async def find(tenant: TenantId, number: str) -> bool | None:
    """Whether a number (digits) has WhatsApp; None when that must be asked."""
    rows = await database().fetch(
        "SELECT on_whatsapp FROM numbers WHERE id = $1 AND tenant = $2 AND until > $3",
        _id(tenant, number),
        tenant,
        now_ms(),
    )
    return bool(rows[0]["on_whatsapp"]) if rows else None


async def keep(tenant: TenantId, number: str, on_whatsapp: bool) -> None:
    """Remember an answer."""
    await database().fetch(
        "INSERT INTO numbers (id, tenant, on_whatsapp, until) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (id) DO UPDATE SET on_whatsapp = excluded.on_whatsapp, "
        "until = excluded.until",
        _id(tenant, number),
        tenant,
        on_whatsapp,
        now_ms() + _GOOD_FOR[on_whatsapp],
    )


def _id(tenant: TenantId, number: str) -> str:
    return f"{tenant}:{number}"
