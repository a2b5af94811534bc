"""Who is calling? Asked before a tenant is known, so nothing here is scoped by one."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wa_api.domain.errors import TokenExpired, TokenRevoked, Unauthorized
from wa_api.domain.ids import KeyId, TenantId, new_id
from wa_api.store.api_keys import key_row
from wa_api.store.db import Sql, Work, database, now_ms
from wa_api.store.models import ApiKey, User
from wa_api.store.rows import KeyRow, UserRow
from wa_api.store.secrets import digest, new_secret, verify_password
from wa_api.store.users import user_row
from wa_api.store.views import to_ms

_KEY = re.compile(r"wa_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
#: `last_used_at` of a key is only this exact, so that using it seldom writes.
_USED_STEP_MS = 60_000


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A rotated refresh token, and the claims that its chain began with."""

    token: str
    tenant: TenantId | None
    subject: str
    claims: dict[str, Any]


async def password(name: str, password: str) -> UserRow | None:
    """The user of this name, if the password is right; takes as long when there is none."""
    found = await database().orm(User.get_or_none(name=name))
    right = await verify_password(found.password if found else None, password)
    if found is None or not right or found.disabled_at is not None:
        return None
    return user_row(found)


async def api_key(text: str) -> KeyRow | None:
    """The key that reads `wa_<id>_<secret>`, if it is valid now."""
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    found = await database().orm(ApiKey.get_or_none(id=f"key_{match[1]}"))
    if found is None or not hmac.compare_digest(found.hash, digest(match[2])):
        return None
    now = now_ms()
    if found.revoked_at is not None or (found.expires_at or now + 1) <= now:
        return None
    if now - (found.last_used_at or 0) > _USED_STEP_MS:
        await database().orm(ApiKey.filter(id=found.id).update(last_used_at=now))
    return key_row(found)


async def key(id: KeyId) -> KeyRow | None:
    """A key by its id, for tokens that were made from it; None for one that is no more."""
    found = await database().orm(ApiKey.get_or_none(id=id, revoked_at=None))
    return key_row(found) if found else None


async def revoke(jti: str, until: float) -> None:
    """Make an access token void; remembered until it would expire anyway (Unix seconds)."""
    await database().fetch(
        "INSERT INTO revoked_tokens (jti, until) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        jti,
        to_ms(until),
    )


async def is_revoked(jti: str) -> bool:
    """Whether an access token is void before its time."""
    return bool(await database().fetch("SELECT 1 AS one FROM revoked_tokens WHERE jti = $1", jti))


async def any_revoked(names: Iterable[str]) -> bool:
    """Whether any of these names (of a token, sign-in, subject or tenant) is void."""
    return bool(
        await database().fetch(
            "SELECT 1 AS one FROM revoked_tokens WHERE jti = ANY($1::text[]) LIMIT 1", list(names)
        )
    )


async def families(subject: str) -> frozenset[str]:
    """The sign-ins of a subject that may still be refreshed."""
    rows = await database().fetch(
        "SELECT DISTINCT family FROM refresh_tokens WHERE subject = $1", subject
    )
    return frozenset(row["family"] for row in rows)


async def revoked(limit: int = 100_000) -> frozenset[str]:
    """All access tokens that are void now, for a cache."""
    rows = await database().fetch(
        "SELECT jti FROM revoked_tokens WHERE until > $1 ORDER BY until DESC LIMIT $2",
        now_ms(),
        limit,
    )
    return frozenset(row["jti"] for row in rows)


async def issue_refresh(
    tenant: TenantId | None,
    subject: str,
    claims: Mapping[str, Any],
    *,
    seconds: float,
    family: str | None = None,
) -> str:
    """A refresh token that begins a chain and lives `seconds`; only its hash is kept.

    `family` names the chain (for `end_refresh`).
    """
    token = new_secret()
    await database().fetch(
        "INSERT INTO refresh_tokens (hash, family, tenant, subject, claims, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        digest(token),
        family or new_id("fam"),
        tenant,
        subject,
        orjson.dumps(dict(claims)).decode(),
        now_ms() + to_ms(seconds),
    )
    return token


async def rotate_refresh(token: str, *, seconds: float) -> Refreshed:
    """Exchange a refresh token for the next of its chain.

    Using one twice means that somebody else has it: the whole chain is revoked. Raises
    TokenRevoked, TokenExpired, Unauthorized.
    """
    successor = new_secret()
    now = now_ms()
    outcome = await database().run(
        lambda: _rotate(digest(token), digest(successor), now, now + to_ms(seconds))
    )
    if isinstance(outcome, Exception):
        raise outcome
    tenant, subject, claims = outcome
    return Refreshed(successor, tenant, subject, orjson.loads(claims))


def _rotate(
    old: str, new: str, now: int, until: int
) -> Work[Exception | tuple[TenantId | None, str, str]]:
    rows = yield Sql("SELECT * FROM refresh_tokens WHERE hash = $1 FOR UPDATE", (old,))
    if not rows:
        return Unauthorized("That is not a refresh token.")
    row = rows[0]
    if row["used_at"] is not None:
        # Returned, not raised: the revocation must be committed.
        yield Sql(
            "UPDATE refresh_tokens SET revoked_at = $2 WHERE family = $1", (row["family"], now)
        )
        return TokenRevoked("The refresh token was used before: sign in again.")
    if row["revoked_at"] is not None:
        return TokenRevoked()
    if row["expires_at"] <= now:
        return TokenExpired()
    yield Sql("UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1", (old, now))
    yield Sql(
        "INSERT INTO refresh_tokens (hash, family, tenant, subject, claims, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        (new, row["family"], row["tenant"], row["subject"], row["claims"], until),
    )
    return row["tenant"], row["subject"], row["claims"]


async def revoke_refresh(token: str) -> bool:
    """End the chain that a refresh token belongs to; False when it is none."""
    rows = await database().fetch(
        "UPDATE refresh_tokens SET revoked_at = $2 WHERE family = "
        "(SELECT family FROM refresh_tokens WHERE hash = $1) RETURNING hash",
        digest(token),
        now_ms(),
    )
    return bool(rows)


async def end_refresh(family: str) -> None:
    """End a chain by its name."""
    await database().fetch(
        "UPDATE refresh_tokens SET revoked_at = $2 WHERE family = $1", family, now_ms()
    )


async def issue_one_time(
    purpose: str, claims: Mapping[str, Any], *, seconds: float, tenant: TenantId | None = None
) -> str:
    """A token that opens the door once within `seconds`; it replaces unused ones alike."""
    token = new_secret()
    values = (
        digest(token),
        purpose,
        tenant,
        orjson.dumps(dict(claims)).decode(),
        now_ms() + to_ms(seconds),
    )
    await database().run(lambda: _issue_one_time(values))
    return token


def _issue_one_time(values: tuple[Any, ...]) -> Work[None]:
    yield Sql(
        "DELETE FROM one_time_tokens WHERE purpose = $1 AND COALESCE(tenant, '') = $2",
        (values[1], values[2] or ""),
    )
    yield Sql(
        "INSERT INTO one_time_tokens (hash, purpose, tenant, claims, expires_at) "
        "VALUES ($1, $2, $3, $4, $5)",
        values,
    )


async def redeem_one_time(purpose: str, token: str) -> dict[str, Any] | None:
    """Use a one-time token up: its claims, or None when it is used, expired or none."""
    rows = await database().fetch(
        "DELETE FROM one_time_tokens WHERE hash = $1 AND purpose = $2 RETURNING claims, expires_at",
        digest(token),
        purpose,
    )
    if not rows or rows[0]["expires_at"] <= now_ms():
        return None
    claims: dict[str, Any] = orjson.loads(rows[0]["claims"])
    return claims
