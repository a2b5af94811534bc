"""Who is calling: credentials checked once, remembered for a moment, revoked everywhere.

A verified credential is remembered by its SHA-256 until it expires, is revoked, or has not been
looked at anew for `RECHECK_SECONDS`. A revocation is a row first and then an order to every HTTP
process; the recheck is for an order that was lost while Redis was away.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, NamedTuple

import structlog

from wa_api.bus.ports import Fleet
from wa_api.domain.errors import (
    Conflict,
    Forbidden,
    InvalidToken,
    TokenRevoked,
    WaError,
    WrongCredentials,
)
from wa_api.domain.ids import KeyId, TenantId, new_id
from wa_api.domain.principals import ROLES, Principal, Scope
from wa_api.services.limits import Attempts
from wa_api.services.tokens import Grant, Terms, TokenOptions, Tokens, Verified
from wa_api.store import logins, tenants
from wa_api.store.rows import KeyRow, UserRow

__all__ = ["Auth", "Issued", "TokenOptions", "Verified"]

log = structlog.get_logger()

RECHECK_SECONDS = 30.0
REMEMBERED = 20_000

#: The order that tells HTTP processes what was revoked, and the one-time token's purpose.
REVOKED = "revoked"
ADMIN = "admin"

PLATFORM_ROLE = "admin"


class Issued(NamedTuple):
    """An access token with what belongs to it; seconds."""

    access_token: str
    refresh_token: str | None
    expires_in: int
    principal: Principal


class _Known(NamedTuple):
    verified: Verified
    recheck: float  # monotonic
    expires: float  # Unix seconds


class Auth:
    """Signing in, staying in, and being thrown out."""

    def __init__(self, options: TokenOptions, fleet: Fleet) -> None:
        """`fleet` carries revocations to the other HTTP processes."""
        self._tokens, self._options, self._fleet = Tokens(options), options, fleet
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._version = 0
        self._by_name = Attempts(burst=10, per_second=0.2)
        self._by_address = Attempts(burst=50, per_second=1.0)
        self.on_revoked: list[Callable[[frozenset[str]], None]] = []

    # ── checking ──

    def known(self, credential: str) -> Verified | None:
        """What was verified lately. Never waits: for every request's first look."""
        known = self._known.get(hashlib.sha256(credential.encode()).digest())
        if known is None or known.recheck < time.monotonic() or known.expires <= time.time():
            return None
        return known.verified

    async def verify(self, credential: str) -> Verified:
        """Check a JWT or an API key; raises Unauthorized and its kinds."""
        version = self._version
        if credential.startswith("wa_"):
            verified = await self._api_key(credential)
        else:
            verified = await self._token(credential)
        if version == self._version:  # else something was revoked meanwhile: perhaps this
            self._remember(credential, verified)
        return verified

    def _remember(self, credential: str, verified: Verified) -> None:
        expires = verified.principal.expires_at
        place = hashlib.sha256(credential.encode()).digest()
        self._known[place] = _Known(
            verified,
            time.monotonic() + RECHECK_SECONDS,
            float("inf") if expires is None else expires,
        )
        self._known.move_to_end(place)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _api_key(self, text: str) -> Verified:
        row = await logins.api_key(text)
        if row is None:
            raise InvalidToken
        return await self._with_terms(_of_key(row), row)

    async def _token(self, text: str) -> Verified:
        verified = await self._tokens.read(text)
        if await logins.any_revoked(verified.ids):
            raise TokenRevoked
        subject = verified.principal.subject
        # A token made from a key is bound by what the key is.
        key = await logins.key(KeyId(subject)) if subject.startswith("key_") else None
        return await self._with_terms(verified, key)

    async def _with_terms(self, verified: Verified, key: KeyRow | None) -> Verified:
        tenant = verified.principal.tenant
        row = None if tenant is None else await tenants.find(tenant)
        networks = None if key is None else key.networks
        terms = Terms(
            None if networks is None else tuple(map(ip_network, networks)),
            None if key is None else key.requests_per_second,
            None if row is None else row.requests_per_second,
        )
        return replace(verified, terms=terms)

    # ── signing in ──

    async def sign_in(self, name: str, password: str, address: str) -> Issued:
        """By a user's name and password; guessing is slowed down per name and per `address`."""
        with self._by_name.attempt(name), self._by_address.attempt(address):
            user = await logins.password(name, password)
            if user is None:
                log.info("auth.refused", grant="password")
                raise WrongCredentials
        return await self._issue(_of_user(user), refresh=True)

    async def exchange_key(self, text: str, address: str) -> Issued:
        """A token for an API key, so that a browser need not hold the key."""
        with self._by_address.attempt(address):
            row = await logins.api_key(text)
            if row is None:
                raise WrongCredentials
        verified = await self._with_terms(_of_key(row), row)
        verified.terms.check(address)
        key = verified.principal
        grant = Grant(
            key.subject, key.tenant, key.scopes, new_id("fam"), key.sessions, key.expires_at
        )
        return await self._issue(grant, refresh=False)

    async def redeem(self, text: str, address: str) -> Issued:
        """The administrator's first token, which is good for one use."""
        with self._by_address.attempt(address):
            claims = await logins.redeem_one_time(ADMIN, text)
            if claims is None:
                raise WrongCredentials("The one-time token is wrong, used or expired.")
        subject = str(claims.get("subject", "usr_first_administrator"))
        scopes = frozenset({Scope.PLATFORM_ADMIN})
        return await self._issue(Grant(subject, None, scopes, new_id("fam")), refresh=True)

    async def refresh(self, token: str, address: str) -> Issued:
        """The next access and refresh token of a chain; using one twice ends the chain."""
        with self._by_address.attempt(address):
            renewed = await logins.rotate_refresh(token, seconds=self._options.refresh_seconds)
        grant = _of_claims(renewed.tenant, renewed.subject, renewed.claims)
        return self._access(grant, renewed.token)

    async def _issue(self, grant: Grant, *, refresh: bool) -> Issued:
        token = None
        if refresh:
            claims = {"scopes": sorted(grant.scopes), "family": grant.family}
            token = await logins.issue_refresh(
                grant.tenant,
                grant.subject,
                claims,
                seconds=self._options.refresh_seconds,
                family=grant.family,
            )
        return self._access(grant, token)

    def _access(self, grant: Grant, refresh: str | None) -> Issued:
        seconds = int(self._tokens.lifetime(grant))
        principal = Principal(
            grant.tenant, grant.subject, grant.scopes, grant.family, time.time() + seconds
        )
        return Issued(self._tokens.issue(grant), refresh, seconds, principal)

    # ── throwing out ──

    async def sign_out(self, verified: Verified, refresh: str | None) -> None:
        """Void the caller's token with its whole sign-in, and another's refresh token if given."""
        if refresh is not None:
            await logins.revoke_refresh(refresh)
        if verified.family is None:
            raise Conflict("This is no token of a sign-in; revoke the API key instead.")
        await logins.end_refresh(verified.family)
        await self.revoke(frozenset({verified.principal.token_id, verified.family}))

    async def end_sign_ins(self, subject: str, families: frozenset[str]) -> None:
        """Void what a user has; they can sign in anew."""
        log.info("auth.sign_ins_ended", subject=subject)
        await self.revoke(families)

    async def revoke(self, ids: frozenset[str]) -> None:
        """Make access tokens void by id, family or subject, here and in all other processes."""
        until = time.time() + max(self._options.access_seconds, 86_400.0)
        for id in ids:
            await logins.revoke(id, until)
        self.forget(ids)
        await self._tell(ids)

    def forget(self, ids: frozenset[str]) -> None:
        """Something was revoked, here or elsewhere: nothing of it is remembered any more."""
        self._version += 1
        for place in [p for p, known in self._known.items() if known.verified.ids & ids]:
            del self._known[place]
        for told in self.on_revoked:
            told(ids)

    async def relearn(self) -> None:
        """Look up what is void: orders may have been lost, and connections live long."""
        self.forget(await logins.revoked())

    async def _tell(self, ids: frozenset[str]) -> None:
        try:
            for worker in await self._fleet.workers():
                if worker.role == "http":
                    await self._fleet.tell(worker.worker, REVOKED, ",".join(sorted(ids)))
        except WaError as error:
            log.warning("auth.revocation_not_told", code=error.code)


def _of_user(user: UserRow) -> Grant:
    scopes = frozenset({Scope.PLATFORM_ADMIN}) if user.tenant is None else ROLES.get(user.role)
    if scopes is None:
        raise Forbidden("This user's role is not known.")
    return Grant(user.id, user.tenant, scopes, new_id("fam"))


def _of_key(row: KeyRow) -> Verified:
    principal = Principal(
        tenant=row.tenant,
        subject=row.id,
        scopes=row.scopes,
        token_id=row.id,
        expires_at=row.expires_at,
        sessions=row.sessions,
    )
    return Verified.of(principal)


def _of_claims(tenant: TenantId | None, subject: str, claims: Mapping[str, Any]) -> Grant:
    return Grant(
        subject,
        tenant,
        frozenset(Scope(scope) for scope in claims.get("scopes", ())),
        str(claims.get("family") or new_id("fam")),
    )
