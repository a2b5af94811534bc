"""API keys."""

from __future__ import annotations

from wa_api.domain.errors import NotFound, SessionNotFound
from wa_api.domain.ids import KeyId
from wa_api.http.answers import KeyPage, page
from wa_api.http.bodies import NewKey, OwnedListQuery, TenantQuery
from wa_api.http.routes import Access, Resource
from wa_api.http.types import Request, caller, services
from wa_api.services.views import KeyView

api_keys = Resource("api-keys", "What programs call with: `Authorization: Bearer wa_…`.")


@api_keys.post(
    "/api-keys",
    scope=Access.ANY,
    body=NewKey,
    returns=KeyView,
    status=201,
    errors=(SessionNotFound,),
)
async def create(request: Request, body: NewKey) -> KeyView:
    """Create an API key.

    The answer's `key` is shown only now. Needs `tenant:admin`, or a platform administrator who
    names the tenant; nobody can give scopes that they lack.
    """
    return await services(request).api_keys.create(
        caller(request),
        body.tenant,
        name=body.name,
        scopes=body.scopes,
        sessions=body.sessions,
        networks=body.networks,
        requests_per_second=body.requests_per_second,
        expires_at=body.expires_at,
    )


@api_keys.get("/api-keys", scope=Access.ANY, query=OwnedListQuery, returns=KeyPage)
async def list_all(request: Request, query: OwnedListQuery) -> KeyPage:
    """List API keys that are not revoked."""
    found = await services(request).api_keys.page(
        caller(request), query.tenant, query.after or "", query.limit
    )
    return page(found, query.limit)


@api_keys.delete(
    "/api-keys/<key:str>", scope=Access.ANY, query=TenantQuery, status=204, errors=(NotFound,)
)
async def revoke(request: Request, key: str, query: TenantQuery) -> None:
    """Revoke an API key, with the tokens made from it, everywhere, within a second."""
    await services(request).api_keys.revoke(caller(request), query.tenant, KeyId(key))
