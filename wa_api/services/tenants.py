"""Tenants: made and removed by platform administrators; a tenant sees itself."""

from __future__ import annotations

from typing import Any

from wa_api.bus.ports import Fleet
from wa_api.domain.errors import Forbidden, TenantNotFound
from wa_api.domain.ids import TenantId
from wa_api.domain.principals import Principal, Scope
from wa_api.services.audit import record
from wa_api.services.auth import Auth
from wa_api.services.bus import Owners
from wa_api.services.views import TenantView, tenant_view
from wa_api.store import sessions as session_rows
from wa_api.store import tenants as rows
from wa_api.store.rows import SessionRow


class Tenants:
    """Use cases about tenants."""

    def __init__(self, auth: Auth, fleet: Fleet, owners: Owners) -> None:
        """Removing a tenant also ends its tokens and its sessions' runs."""
        self._auth, self._fleet, self._owners = auth, fleet, owners

    async def create(
        self,
        who: Principal,
        name: str,
        **limits: Any,
    ) -> TenantView:
        """A new tenant, with limits as `store.tenants.create` has them."""
        who.require_platform()
        row = await rows.create(name, **limits)
        await record(who, None, "tenant.created", row.id, name=name, **limits)
        return tenant_view(row)

    async def page(self, who: Principal, after: str, limit: int) -> list[TenantView]:
        """All tenants."""
        who.require_platform()
        return [tenant_view(row) for row in await rows.list_tenants(after=after, limit=limit)]

    async def get(self, who: Principal, tenant: TenantId) -> TenantView:
        """One tenant; a tenant sees only itself."""
        if Scope.PLATFORM_ADMIN not in who.scopes and tenant != who.tenant:
            raise TenantNotFound
        return tenant_view(await rows.get(tenant))

    async def update(
        self,
        who: Principal,
        tenant: TenantId,
        name: str | None,
        **limits: Any,
    ) -> TenantView:
        """Change what is given; 0 lifts a limit. Limits are the platform's to set."""
        self._may_administer(who, tenant)
        limited = any(value is not None for value in limits.values())
        if limited and Scope.PLATFORM_ADMIN not in who.scopes:
            raise Forbidden("Only a platform administrator sets limits.")
        row = await rows.update(tenant, name=name, **limits)
        await record(who, tenant, "tenant.updated", tenant, name=name, **limits)
        return tenant_view(row)

    def _may_administer(self, who: Principal, tenant: TenantId) -> None:
        if Scope.PLATFORM_ADMIN in who.scopes:
            return
        if tenant != who.tenant:
            raise TenantNotFound
        who.require(Scope.TENANT_ADMIN)

    async def delete(self, who: Principal, tenant: TenantId) -> None:
        """Remove a tenant with all that it has; its credentials are void at once."""
        who.require_platform()
        sessions: list[SessionRow] = []
        while page := await session_rows.list_sessions(
            tenant, after=sessions[-1].id if sessions else None, limit=session_rows.MAX_LIMIT
        ):
            sessions += page
        name = (await rows.get(tenant)).name
        await rows.delete(tenant)
        await self._auth.revoke(frozenset({tenant}))
        for session in sessions:
            if session.runs:
                await self._owners.tell(tenant, session.id, "session.stop")
            await self._fleet.announce(session.network, session.id)
        await record(who, None, "tenant.deleted", tenant, name=name)
