"""Access tokens of ours and of an external issuer."""

from __future__ import annotations

import asyncio
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from wa_api.domain.errors import InvalidToken, TokenExpired, Unavailable
from wa_api.domain.ids import TenantId
from wa_api.domain.principals import Scope
from wa_api.services.tokens import Grant, TokenOptions, Tokens

SECRET = "s" * 40
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, tuple[Any, Any]] = {
    "RS256": (RSA, RSAAlgorithm),
    "ES256": (EC, ECAlgorithm),
    "EdDSA": (ED, OKPAlgorithm),
}


class Issuer:
    """A JWKS document over HTTP, and how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.url = ""
        self.keys = [self._jwk(name) for name in KEYS]

    @staticmethod
    def _jwk(name: str) -> dict[str, Any]:
        key, kind = KEYS[name]
        return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": name, "alg": name}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = orjson.dumps({"keys": self.keys})
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer on a free port."""
    one = Issuer()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    async with server:
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
        yield one


def _claims(**over: Any) -> dict[str, Any]:
    now = int(time.time())
    base = {"iss": "https://id.example", "aud": "wa-api", "sub": "ann", "exp": now + 60}
    return {**base, "iat": now, "tenant": "ten_1", "scope": "sessions:read", **over}


def _signed(algorithm: str, key: Any = None, kid: str | None = None, **claims: Any) -> str:
    return jwt.encode(
        _claims(**claims),
        key or KEYS[algorithm][0],
        algorithm,
        headers={"kid": kid or algorithm},
    )


async def test_our_own_tokens_say_what_was_granted() -> None:
    """Subject, tenant, scopes and sessions come back; all its names can be revoked."""
    tokens = Tokens(TokenOptions(secret=SECRET))
    grant = Grant(
        "usr_1", TenantId("ten_1"), frozenset({Scope.SESSIONS_READ}), "fam_1", frozenset({"ses_1"})
    )
    verified = await tokens.read(tokens.issue(grant))
    who = verified.principal
    assert (who.subject, who.tenant, who.scopes) == ("usr_1", "ten_1", grant.scopes)
    assert who.sessions == {"ses_1"}
    assert who.expires_at is not None
    assert 890 < who.expires_at - time.time() <= 900
    assert verified.ids == {"usr_1", "ten_1", "fam_1", who.token_id}


@pytest.mark.parametrize("algorithm", KEYS)
async def test_an_external_token_is_taken(issuer: Issuer, algorithm: str) -> None:
    """With a key of the document and that key's own algorithm."""
    tokens = Tokens(TokenOptions(secret=SECRET, jwks_url=issuer.url))
    verified = await tokens.read(_signed(algorithm))
    assert verified.principal.tenant == "ten_1"
    assert verified.principal.scopes == {Scope.SESSIONS_READ}
    await tokens.read(_signed(algorithm))
    assert issuer.asked == 1


def _hmac_with_public_key() -> str:
    """The classic confusion: the public key as an HMAC secret."""
    public = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parts = [{"alg": "HS256", "kid": "RS256", "typ": "JWT"}, _claims()]
    signed = b".".join(urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in parts)
    mac = hmac.digest(public, signed, "sha256")
    return (signed + b"." + urlsafe_b64encode(mac).rstrip(b"=")).decode()


WRONG: list[tuple[str, Callable[[], str]]] = [
    ("another key", lambda: _signed("ES256", ec.generate_private_key(ec.SECP256R1()))),
    ("a key's name for another algorithm", lambda: _signed("ES256", kid="RS256")),
    ("another algorithm of the same key", lambda: _signed("RS512", RSA, "RS256")),
    ("an unknown key", lambda: _signed("ES256", kid="nobody")),
    ("the public key as a secret", _hmac_with_public_key),
    ("our name", lambda: _signed("RS256", iss="wa-api")),
    ("another audience", lambda: _signed("RS256", aud="x")),
    ("sessions of a wrong type", lambda: _signed("RS256", sessions="all")),
]


@pytest.mark.parametrize("make", [pytest.param(m, id=name) for name, m in WRONG])
async def test_a_forged_external_token_is_not(issuer: Issuer, make: Callable[[], str]) -> None:
    """Whatever is wrong with it, it is just not valid."""
    tokens = Tokens(TokenOptions(secret=SECRET, jwks_url=issuer.url))
    with pytest.raises(InvalidToken):
        await tokens.read(make())


async def test_an_external_token_ends_and_never_rules(issuer: Issuer) -> None:
    """It expires as ours do; the platform's scope is nobody else's to give."""
    tokens = Tokens(TokenOptions(secret=SECRET, jwks_url=issuer.url))
    with pytest.raises(TokenExpired):
        await tokens.read(_signed("RS256", exp=int(time.time()) - 60))
    verified = await tokens.read(_signed("RS256", scope="platform:admin tenant:admin"))
    assert verified.principal.scopes == {Scope.TENANT_ADMIN}


async def test_unknown_keys_do_not_make_us_hammer_the_issuer(issuer: Issuer) -> None:
    """A second look comes only after a while."""
    tokens = Tokens(TokenOptions(secret=SECRET, jwks_url=issuer.url))
    for n in range(20):
        with pytest.raises(InvalidToken):
            await tokens.read(_signed("ES256", kid=f"k{n}"))
    assert issuer.asked == 1


async def test_an_issuer_that_is_away_is_not_the_callers_fault() -> None:
    """503 and not 401: the token may be right."""
    tokens = Tokens(TokenOptions(secret=SECRET, jwks_url="http://127.0.0.1:1/jwks"))
    with pytest.raises(Unavailable):
        await tokens.read(_signed("RS256"))


async def test_without_an_external_issuer_none_is_taken() -> None:
    """A well-signed token of somebody else is nothing to us."""
    with pytest.raises(InvalidToken):
        await Tokens(TokenOptions(secret=SECRET)).read(_signed("RS256"))
