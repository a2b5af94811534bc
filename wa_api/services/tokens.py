"""Access tokens: ours (HS256) and those of an external issuer (JWKS), never mixed up.

The algorithm follows from the key, not from the token: a token of ours is HS256 with our
secret; any other must name (`kid`) a key of the JWKS document and use that key's own algorithm.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx
import jwt
import structlog

from wa_api.domain.errors import AddressNotAllowed, InvalidToken, TokenExpired, Unavailable
from wa_api.domain.ids import TenantId, new_id
from wa_api.domain.principals import Principal, Scope

log = structlog.get_logger()

ALGORITHM = "HS256"
_EXTERNAL = {"RS256", "ES256", "EdDSA"}
_REQUIRED = ["exp", "iat", "sub", "jti", "aud", "iss"]
_LEEWAY = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOptions:
    """How tokens are made and which are taken; seconds."""

    secret: str
    issuer: str = "wa-api"
    audience: str = "wa-api"
    access_seconds: float = 900.0
    refresh_seconds: float = 2_592_000.0
    jwks_url: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What limits a credential besides its scopes; None: as the platform has it.

    `networks`: where it may be used from (None: anywhere).
    """

    networks: tuple[IPv4Network | IPv6Network, ...] | None = None
    per_second: float | None = None
    tenant_per_second: float | None = None

    def check(self, address: str) -> None:
        """Raise AddressNotAllowed when a call may not come from there."""
        if self.networks is None:
            return
        try:
            ip = ip_address(address)
        except ValueError:
            raise AddressNotAllowed from None
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if not any(ip.version == net.version and ip in net for net in self.networks):
            raise AddressNotAllowed


@dataclass(frozen=True, slots=True)
class Verified:
    """A principal and the sign-in (`family`) that its token comes from; keys have none.

    `ids` are all names by which it can be revoked: its token, sign-in, subject and tenant.
    """

    principal: Principal
    family: str | None = None
    ids: frozenset[str] = frozenset()
    terms: Terms = field(default_factory=Terms)

    @classmethod
    def of(cls, principal: Principal, family: str | None = None) -> Verified:
        """With the ids worked out."""
        names = (principal.token_id, principal.subject, principal.tenant, family)
        return cls(principal, family, frozenset(name for name in names if name))


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token will say."""

    subject: str
    tenant: TenantId | None
    scopes: frozenset[Scope]
    family: str
    sessions: frozenset[str] | None = None
    until: float | None = None  #: Unix seconds: the token ends then at the latest


class Tokens:
    """Makes and reads access tokens; knows nothing of revocation."""

    def __init__(self, options: TokenOptions) -> None:
        """The JWKS document is fetched when the first such token comes."""
        self.options = options
        self._jwks = Jwks(options.jwks_url) if options.jwks_url else None

    def issue(self, grant: Grant) -> str:
        """A signed token that is valid for `lifetime(grant)`."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.options.issuer,
            "aud": self.options.audience,
            "sub": grant.subject,
            "iat": now,
            "exp": now + int(self.lifetime(grant)),
            "jti": new_id("tok"),
            "fam": grant.family,
            "scope": " ".join(sorted(grant.scopes)),
        }
        if grant.tenant is not None:
            claims["tenant"] = grant.tenant
        if grant.sessions is not None:
            claims["sessions"] = sorted(grant.sessions)
        return jwt.encode(claims, self.options.secret, ALGORITHM)

    def lifetime(self, grant: Grant) -> float:
        """Seconds that a token for this grant is valid: never longer than what it came from."""
        left = float("inf") if grant.until is None else grant.until - time.time()
        return max(0.0, min(self.options.access_seconds, left))

    async def read(self, token: str) -> Verified:
        """Check signature, times, issuer and audience; raises InvalidToken or TokenExpired."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") == ALGORITHM:
                return self._ours(token)
            return await self._theirs(token, header)
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.InvalidTokenError, jwt.PyJWKError, ValueError, TypeError, KeyError):
            raise InvalidToken from None

    def _ours(self, token: str) -> Verified:
        claims = jwt.decode(
            token,
            self.options.secret,
            algorithms=[ALGORITHM],
            issuer=self.options.issuer,
            audience=self.options.audience,
            options={"require": _REQUIRED},
        )
        return _verified(claims)

    async def _theirs(self, token: str, header: dict[str, Any]) -> Verified:
        if self._jwks is None or header.get("alg") not in _EXTERNAL:
            raise InvalidToken
        key = await self._jwks.key(str(header.get("kid", "")))
        if key.algorithm_name not in _EXTERNAL:
            raise InvalidToken
        claims = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=self.options.audience,
            leeway=_LEEWAY,
            options={"require": ["exp", "sub", "aud"]},
        )
        if claims.get("iss") == self.options.issuer:
            raise InvalidToken  # nobody else may speak in our name
        return _verified(claims, frozenset(Scope) - {Scope.PLATFORM_ADMIN})


def _verified(claims: dict[str, Any], allowed: frozenset[Scope] = frozenset(Scope)) -> Verified:
    named = set(str(claims.get("scope", "")).split())
    scopes = frozenset(scope for scope in allowed if scope.value in named)
    sessions, tenant = claims.get("sessions"), claims.get("tenant")
    if sessions is not None and not isinstance(sessions, list):
        raise InvalidToken
    principal = Principal(
        tenant=TenantId(str(tenant)) if tenant else None,
        subject=str(claims["sub"]),
        scopes=scopes,
        token_id=str(claims.get("jti") or new_id("tok")),
        expires_at=float(claims["exp"]),
        sessions=None if sessions is None else frozenset(map(str, sessions)),
    )
    family = claims.get("fam")
    return Verified.of(principal, str(family) if family else None)


class Jwks:
    """Keys of an external issuer, fetched again when they are old or a new key is named."""

    FRESH_SECONDS = 600.0
    RETRY_SECONDS = 10.0
    LIMIT_BYTES = 262_144

    def __init__(self, url: str) -> None:
        """Nothing is fetched yet."""
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK:
        """The key of that name; raises KeyError, or Unavailable when nothing could be fetched."""
        age = time.monotonic() - self._fetched
        if kid not in self._keys or age > self.FRESH_SECONDS:
            await self._refresh()
        return self._keys[kid]

    async def _refresh(self) -> None:
        async with self._lock:
            # An unknown `kid` may be an attack: it must not make us hammer the issuer.
            if time.monotonic() - self._tried < self.RETRY_SECONDS:
                return
            self._tried = time.monotonic()
            try:
                self._keys = _parsed(await self._fetch())
                self._fetched = time.monotonic()
            except (httpx.HTTPError, jwt.PyJWTError, ValueError) as error:
                log.warning("auth.jwks_failed", error=type(error).__name__)
                if not self._keys:
                    raise Unavailable("The token issuer's keys cannot be fetched.") from None

    async def _fetch(self) -> bytes:
        data = b""
        async with (
            httpx.AsyncClient(timeout=5.0, follow_redirects=False) as client,
            client.stream("GET", self._url) as answer,
        ):
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                data += chunk
                if len(data) > self.LIMIT_BYTES:
                    raise ValueError("the JWKS document is too large")
        return data


def _parsed(document: bytes) -> dict[str, jwt.PyJWK]:
    keys = jwt.PyJWKSet.from_json(document.decode()).keys
    return {key.key_id: key for key in keys if key.key_id and key.algorithm_name in _EXTERNAL}
