"""Who is calling: every route under /v1 passes here, whatever blueprint it is in."""

from __future__ import annotations

from wa_api.domain.errors import BadRequest, Unauthorized
from wa_api.http.routes import Access, Operation
from wa_api.http.types import Request, address_of
from wa_api.services.audit import came_from

#: A browser cannot set headers on these, so they may carry the token elsewhere.
_IN_QUERY = frozenset({"feed.socket", "feed.stream"})
_PROTOCOL = "bearer."


def credential_of(request: Request, operation: Operation | None = None) -> str:
    """The token or API key that came with a request, from the one place it was put in.

    Raises Unauthorized when there is none.
    """
    header: str | None = request.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("Use `Authorization: Bearer <token or API key>`.")
        return token.strip()
    key: str | None = request.headers.get("x-api-key")
    if key:
        return key
    if operation is not None and operation.id in _IN_QUERY:
        return _elsewhere(request)
    raise Unauthorized


def _elsewhere(request: Request) -> str:
    if token := request.args.get("access_token"):
        return str(token)
    for offered in request.headers.get("sec-websocket-protocol", "").split(","):
        if offered.strip().startswith(_PROTOCOL):
            return str(offered.strip().removeprefix(_PROTOCOL))
    raise Unauthorized


async def guard(request: Request) -> None:
    """Request middleware: put the caller into `request.ctx.principal` or refuse with 401.

    A route that declares nothing is guarded; only a declared public one is not.
    """
    operation: Operation | None = getattr(getattr(request.route, "ctx", None), "operation", None)
    if operation is None or operation.access is not Access.PUBLIC:
        await authenticate(request, operation)


async def authenticate(request: Request, operation: Operation | None = None) -> None:
    """Put the caller into `request.ctx.principal`; for public routes that sometimes want one."""
    credential = credential_of(request, operation)
    if len(credential) > 8192:
        raise BadRequest("The token is too long.")
    auth = request.app.ctx.services.auth
    verified = auth.known(credential) or await auth.verify(credential)
    address = address_of(request)
    verified.terms.check(address)
    came_from.set(address)
    request.ctx.verified = verified
    request.ctx.principal = verified.principal
    request.ctx.standing = await request.app.ctx.services.rates.admit(verified)
