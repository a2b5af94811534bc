"""Signing in and out."""

from __future__ import annotations

from wa_api.domain.errors import TokenExpired, TokenRevoked, TooManyRequests, WrongCredentials
from wa_api.http.answers import Me, TokenAnswer
from wa_api.http.bodies import ApiKeyGrant, PasswordGrant, RefreshBody, RevokeBody, TokenGrant
from wa_api.http.routes import Access, Resource
from wa_api.http.types import Request, address_of, caller, services
from wa_api.services.auth import Issued

auth = Resource("auth", "Signing in: short access tokens (JWT) with rotating refresh tokens.")


def _answer(issued: Issued) -> TokenAnswer:
    return TokenAnswer(
        access_token=issued.access_token,
        token_type="Bearer",  # noqa: S106 - the scheme's name (RFC 6750)
        expires_in=issued.expires_in,
        scope=" ".join(sorted(issued.principal.scopes)),
        refresh_token=issued.refresh_token,
    )


@auth.post(
    "/auth/token",
    scope=Access.PUBLIC,
    body=TokenGrant,
    returns=TokenAnswer,
    errors=(WrongCredentials, TooManyRequests),
)
async def token(request: Request, body: TokenGrant) -> TokenAnswer:
    """Get an access token.

    With a user's name and password, an API key, or the administrator's one-time token.
    """
    use = services(request).auth
    if isinstance(body, PasswordGrant):
        return _answer(await use.sign_in(body.username, body.password, address_of(request)))
    if isinstance(body, ApiKeyGrant):
        return _answer(await use.exchange_key(body.api_key, address_of(request)))
    return _answer(await use.redeem(body.token, address_of(request)))


@auth.post(
    "/auth/refresh",
    scope=Access.PUBLIC,
    body=RefreshBody,
    returns=TokenAnswer,
    errors=(TokenExpired, TokenRevoked, TooManyRequests),
)
async def refresh(request: Request, body: RefreshBody) -> TokenAnswer:
    """Exchange a refresh token for new tokens.

    Each can be used once: a second use means that somebody else has it, and ends the sign-in.
    """
    return _answer(await services(request).auth.refresh(body.refresh_token, address_of(request)))


@auth.post("/auth/revoke", scope=Access.ANY, body=RevokeBody, status=204)
async def revoke(request: Request, body: RevokeBody) -> None:
    """Sign out: void this token and its refresh tokens, everywhere, within a second."""
    await services(request).auth.sign_out(request.ctx.verified, body.refresh_token)


@auth.get("/auth/me", scope=Access.ANY, returns=Me)
async def me(request: Request) -> Me:
    """Who am I and what may I do?"""
    who = caller(request)
    return Me(
        subject=who.subject,
        scopes=sorted(who.scopes),
        tenant=who.tenant,
        sessions=None if who.sessions is None else sorted(who.sessions),
        expires_at=who.expires_at,
    )
