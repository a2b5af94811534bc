"""Tenants."""

from __future__ import annotations

from wa_api.domain.errors import TenantNotFound
from wa_api.domain.ids import TenantId
from wa_api.domain.principals import Scope
from wa_api.http.answers import TenantPage, page
from wa_api.http.bodies import ListQuery, NewTenant, TenantChange
from wa_api.http.routes import Access, Resource
from wa_api.http.types import Request, caller, services
from wa_api.services.views import TenantView

tenants = Resource("tenants", "Who is isolated from whom. Made by platform administrators.")


@tenants.post(
    "/tenants", scope=Scope.PLATFORM_ADMIN, body=NewTenant, returns=TenantView, status=201
)
async def create(request: Request, body: NewTenant) -> TenantView:
    """Create a tenant."""
    return await services(request).tenants.create(
        caller(request),
        body.name,
        max_sessions=body.max_sessions,
        retention_days=body.retention_days,
        requests_per_second=body.requests_per_second,
    )


@tenants.get("/tenants", scope=Scope.PLATFORM_ADMIN, query=ListQuery, returns=TenantPage)
async def list_all(request: Request, query: ListQuery) -> TenantPage:
    """List tenants."""
    found = await services(request).tenants.page(caller(request), query.after or "", query.limit)
    return page(found, query.limit)


@tenants.get(
    "/tenants/<tenant:str>", scope=Access.ANY, returns=TenantView, errors=(TenantNotFound,)
)
async def get(request: Request, tenant: str) -> TenantView:
    """Get a tenant.

    Everybody may see their own.
    """
    return await services(request).tenants.get(caller(request), TenantId(tenant))


@tenants.patch(
    "/tenants/<tenant:str>",
    scope=Access.ANY,
    body=TenantChange,
    returns=TenantView,
    errors=(TenantNotFound,),
)
async def update(request: Request, tenant: str, body: TenantChange) -> TenantView:
    """Change a tenant.

    A tenant's own administrator may change its name; limits are the platform's.
    """
    return await services(request).tenants.update(
        caller(request),
        TenantId(tenant),
        body.name,
        max_sessions=body.max_sessions,
        retention_days=body.retention_days,
        requests_per_second=body.requests_per_second,
    )


@tenants.delete(
    "/tenants/<tenant:str>", scope=Scope.PLATFORM_ADMIN, status=204, errors=(TenantNotFound,)
)
async def delete(request: Request, tenant: str) -> None:
    """Delete a tenant with everything it has.

    Its credentials are void at once; its sessions stop; its rows are removed in the background.
    """
    await services(request).tenants.delete(caller(request), TenantId(tenant))
