"""Users."""

from __future__ import annotations

from wa_api.domain.errors import NameTaken, NotFound
from wa_api.domain.ids import UserId
from wa_api.http.answers import UserPage, page
from wa_api.http.bodies import NewUser, OwnedListQuery, TenantQuery, UserChange
from wa_api.http.routes import Access, Resource
from wa_api.http.types import Request, caller, services
from wa_api.services.views import UserView

users = Resource("users", "People who sign in with a password, of a tenant or of the platform.")


@users.post(
    "/users", scope=Access.ANY, body=NewUser, returns=UserView, status=201, errors=(NameTaken,)
)
async def create(request: Request, body: NewUser) -> UserView:
    """Create a user.

    Needs `tenant:admin`, or a platform administrator who names the tenant.
    """
    return await services(request).users.create(
        caller(request), body.tenant, name=body.name, password=body.password, role=body.role
    )


@users.get("/users", scope=Access.ANY, query=OwnedListQuery, returns=UserPage)
async def list_all(request: Request, query: OwnedListQuery) -> UserPage:
    """List users."""
    found = await services(request).users.page(
        caller(request), query.tenant, query.after or "", query.limit
    )
    return page(found, query.limit)


@users.get(
    "/users/<user:str>", scope=Access.ANY, query=TenantQuery, returns=UserView, errors=(NotFound,)
)
async def get(request: Request, user: str, query: TenantQuery) -> UserView:
    """Get a user.

    Everybody may see themselves.
    """
    return await services(request).users.get(caller(request), query.tenant, UserId(user))


@users.patch(
    "/users/<user:str>",
    scope=Access.ANY,
    body=UserChange,
    query=TenantQuery,
    returns=UserView,
    errors=(NotFound,),
)
async def update(request: Request, user: str, body: UserChange, query: TenantQuery) -> UserView:
    """Change a user, who must then sign in anew.

    Everybody may change their own password.
    """
    return await services(request).users.update(
        caller(request),
        query.tenant,
        UserId(user),
        password=body.password,
        role=body.role,
        disabled=body.disabled,
    )


@users.delete(
    "/users/<user:str>", scope=Access.ANY, query=TenantQuery, status=204, errors=(NotFound,)
)
async def delete(request: Request, user: str, query: TenantQuery) -> None:
    """Delete a user."""
    await services(request).users.delete(caller(request), query.tenant, UserId(user))
