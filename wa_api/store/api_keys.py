"""API keys of one tenant (None: of the platform). Checking one is in `logins`."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from wa_api.domain.errors import NotFound
from wa_api.domain.ids import KeyId, TenantId, new_id
from wa_api.domain.principals import Scope
from wa_api.store.db import database, now_ms
from wa_api.store.models import ApiKey
from wa_api.store.rows import KeyRow
from wa_api.store.secrets import digest, new_secret
from wa_api.store.views import seconds, to_ms

MAX_LIMIT = 200


def key_row(key: ApiKey) -> KeyRow:
    """A key without its hash."""
    sessions = None if key.sessions is None else frozenset(orjson.loads(key.sessions))
    return KeyRow(
        id=KeyId(key.id),
        tenant=key.tenant,
        name=key.name,
        scopes=frozenset(Scope(scope) for scope in orjson.loads(key.scopes)),
        sessions=sessions,
        networks=None if key.networks is None else tuple(orjson.loads(key.networks)),
        requests_per_second=key.requests_per_second,
        created_at=seconds(key.created_at),
        expires_at=seconds(key.expires_at),
        last_used_at=seconds(key.last_used_at),
        revoked_at=seconds(key.revoked_at),
    )


async def create(
    tenant: TenantId | None,
    *,
    name: str,
    scopes: Iterable[Scope],
    sessions: Iterable[str] | None = None,
    networks: Iterable[str] | None = None,
    requests_per_second: float | None = None,
    expires_at: float | None = None,
) -> tuple[KeyRow, str]:
    """A new key and its full text `wa_<id>_<secret>`, which is never to be had again."""
    secret = new_secret()
    made = ApiKey(
        id=new_id("key"),
        tenant=tenant,
        name=name,
        hash=digest(secret),
        scopes=orjson.dumps(sorted(scopes)).decode(),
        sessions=None if sessions is None else orjson.dumps(sorted(sessions)).decode(),
        networks=None if networks is None else orjson.dumps(list(networks)).decode(),
        requests_per_second=requests_per_second,
        expires_at=None if expires_at is None else to_ms(expires_at),
        created_at=now_ms(),
    )
    await database().orm(made.save(force_create=True))
    return key_row(made), f"wa_{made.id.removeprefix('key_')}_{secret}"


async def list_keys(tenant: TenantId | None, *, after: str = "", limit: int = 50) -> list[KeyRow]:
    """Keys that are not revoked, oldest first, going on after the id `after`."""
    found = await database().orm(
        ApiKey.filter(tenant=tenant, revoked_at=None, id__gt=after)
        .order_by("id")
        .limit(max(1, min(limit, MAX_LIMIT)))
    )
    return [key_row(one) for one in found]


async def find(tenant: TenantId | None, key: KeyId) -> KeyRow | None:
    """A key, revoked or not, or None."""
    found = await database().orm(ApiKey.get_or_none(id=key, tenant=tenant))
    return key_row(found) if found else None


async def revoke(tenant: TenantId | None, key: KeyId) -> None:
    """Make a key void; raises NotFound. (Revoking twice is NotFound too.)"""
    changed = await database().orm(
        ApiKey.filter(id=key, tenant=tenant, revoked_at=None).update(revoked_at=now_ms())
    )
    if not changed:
        raise NotFound
