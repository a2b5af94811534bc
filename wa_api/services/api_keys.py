"""API keys: what programs call with."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from wa_api.domain.errors import Forbidden, InvalidBody, SessionNotFound
from wa_api.domain.ids import KeyId, SessionId, TenantId
from wa_api.domain.principals import TENANT_SCOPES, Principal, Scope
from wa_api.services.audit import record
from wa_api.services.auth import Auth
from wa_api.services.views import KeyView, key_view
from wa_api.store import api_keys as rows
from wa_api.store import sessions as session_rows
from wa_api.store import tenants as tenant_rows


def _networks(given: list[str] | None) -> list[str] | None:
    """In their one form; raises InvalidBody."""
    if given is None:
        return None
    try:
        return list(dict.fromkeys(str(ip_network(one)) for one in given))
    except ValueError:
        raise InvalidBody(
            "`networks`: must be addresses or networks without host bits, as 10.1.0.0/16."
        ) from None


class ApiKeys:
    """Use cases about API keys."""

    def __init__(self, auth: Auth) -> None:
        """`auth` hears of what is revoked."""
        self._auth = auth

    async def create(
        self,
        who: Principal,
        tenant: str | None,
        *,
        name: str,
        scopes: list[Scope],
        sessions: list[str] | None,
        networks: list[str] | None,
        requests_per_second: float | None,
        expires_at: float | None,
    ) -> KeyView:
        """A new key; its text is in this answer and never again. Nobody gives what they lack."""
        owner = who.acting_for(tenant)
        asked = frozenset(scopes)
        self._may_give(who, owner, asked)
        if owner is not None:
            await tenant_rows.get(owner)
        await self._check_sessions(owner, sessions)
        limits: dict[str, Any] = {
            "sessions": sessions,
            "networks": _networks(networks),
            "requests_per_second": requests_per_second,
            "expires_at": expires_at,
        }
        row, text = await rows.create(owner, name=name, scopes=asked, **limits)
        about = {"name": name, "scopes": sorted(asked), **limits}
        await record(who, owner, "api_key.created", row.id, **about)
        return key_view(row, text)

    def _may_give(self, who: Principal, owner: TenantId | None, scopes: frozenset[Scope]) -> None:
        fitting = frozenset({Scope.PLATFORM_ADMIN}) if owner is None else TENANT_SCOPES
        if not scopes <= fitting:
            raise InvalidBody("`scopes`: the platform's scope and a tenant's do not mix.")
        if Scope.PLATFORM_ADMIN not in who.scopes and not scopes <= who.scopes:
            raise Forbidden("A key cannot have scopes that its maker lacks.")
        if who.sessions is not None:
            raise Forbidden("A key that is limited to sessions makes no keys.")

    async def _check_sessions(self, owner: TenantId | None, sessions: list[str] | None) -> None:
        for session in sessions or ():
            if owner is None or await session_rows.find(owner, SessionId(session)) is None:
                raise SessionNotFound

    async def page(
        self, who: Principal, tenant: str | None, after: str, limit: int
    ) -> list[KeyView]:
        """Keys that are not revoked, oldest first."""
        owner = who.acting_for(tenant)
        return [key_view(row) for row in await rows.list_keys(owner, after=after, limit=limit)]

    async def revoke(self, who: Principal, tenant: str | None, key: KeyId) -> None:
        """Make a key and the tokens made with it void, everywhere, at once."""
        owner = who.acting_for(tenant)
        await rows.revoke(owner, key)
        await self._auth.revoke(frozenset({str(key)}))
        await record(who, owner, "api_key.revoked", key)
