"""The names that a number's owner gave people on the phone, as far as they are in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.leases import Lease
from wa_api.store.contacts import Change, Learned, learning
from wa_api.store.db import Work, database
from wa_api.store.fence import hold
from wa_api.store.rows import Owned

#: Contacts that are written in one transaction.
STEP = 250


@dataclass(frozen=True, slots=True)
class Kept:
    """Somebody whose name is from the address book."""

    contact: str
    lid: str | None
    name: str


async def kept(tenant: TenantId, session: SessionId) -> list[Kept]:
    """All of them."""
    rows = await database().fetch(
        "SELECT contact, lid, name FROM contacts WHERE session = $1 AND tenant = $2 AND saved = 1",
        session,
        tenant,
    )
    return [Kept(row["contact"], row["lid"], row["name"] or "") for row in rows]


async def learn(tenant: TenantId, lease: Lease, news: Sequence[Learned]) -> list[Change]:
    """Record at most `STEP` names; what readers see differently by it. Raises Fenced."""
    changes = await database().run(lambda: _learn(tenant, lease, news))
    return [change for change in changes if change is not None]


def _learn(tenant: TenantId, lease: Lease, news: Sequence[Learned]) -> Work[list[Change | None]]:
    yield from hold(Owned(tenant, lease, None))
    return (yield from learning(tenant, lease.session, news))
