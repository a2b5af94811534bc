"""Who gets in, and who does not."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import httpx
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.api.conftest import SECRET, Gateway, Tenant

pytestmark = pytest.mark.e2e

_PASSWORD = "correct horse battery staple"


def _claims(**over: object) -> dict[str, object]:
    now = int(time.time())
    base = {
        "iss": "wa-api",
        "aud": "wa-api",
        "sub": "usr_test",
        "iat": now,
        "exp": now + 600,
        "jti": f"tok_{time.monotonic_ns()}",
        "tenant": "ten_test",
        "scope": "sessions:read",
    }
    return {k: v for k, v in {**base, **over}.items() if v is not None}


def _b64(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def _unsigned() -> str:
    return f"{_b64({'alg': 'none', 'typ': 'JWT'})}.{_b64(_claims())}."


def _rs256() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return jwt.encode(_claims(), pem, "RS256", headers={"kid": "k"})


def _altered() -> str:
    head, body, signature = jwt.encode(_claims(), SECRET, "HS256").split(".")
    del body
    return f"{head}.{_b64(_claims(scope='platform:admin', tenant=None))}.{signature}"


_WRONG: list[tuple[str, Callable[[], str], str]] = [
    ("nonsense", lambda: "nonsense", "invalid_token"),
    ("three empty parts", lambda: "..", "invalid_token"),
    ("another secret", lambda: jwt.encode(_claims(), "x" * 32, "HS256"), "invalid_token"),
    ("no signature", _unsigned, "invalid_token"),
    ("another algorithm", lambda: jwt.encode(_claims(), SECRET * 2, "HS512"), "invalid_token"),
    ("a key of its own", _rs256, "invalid_token"),
    ("altered claims", _altered, "invalid_token"),
    ("expired", lambda: jwt.encode(_claims(exp=1), SECRET, "HS256"), "token_expired"),
    ("no end", lambda: jwt.encode(_claims(exp=None), SECRET, "HS256"), "invalid_token"),
    ("no name", lambda: jwt.encode(_claims(jti=None), SECRET, "HS256"), "invalid_token"),
    ("other issuer", lambda: jwt.encode(_claims(iss="x"), SECRET, "HS256"), "invalid_token"),
    ("other audience", lambda: jwt.encode(_claims(aud="x"), SECRET, "HS256"), "invalid_token"),
    ("unknown key", lambda: f"wa_{'0' * 32}_{'a' * 43}", "invalid_token"),
    ("half a key", lambda: "wa_abc", "invalid_token"),
]


@pytest.mark.parametrize(("make", "code"), [pytest.param(m, c, id=name) for name, m, c in _WRONG])
async def test_a_wrong_token_is_401(gateway: Gateway, make: Callable[[], str], code: str) -> None:
    """Every forgery has the same status and a code, and says nothing else."""
    headers = {"Authorization": f"Bearer {make()}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as client:
        answer = await client.get("/v1/sessions")
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_of_ours_is_taken(gateway: Gateway) -> None:
    """The forgeries above fail for what is wrong with them, since this one does not."""
    headers = {"Authorization": f"Bearer {jwt.encode(_claims(), SECRET, 'HS256')}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as client:
        assert (await client.get("/v1/sessions")).status_code == 200


async def _sign_in(url: str, name: str, password: str = _PASSWORD) -> httpx.Response:
    body = {"grant_type": "password", "username": name, "password": password}
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        return await client.post("/v1/auth/token", json=body)


async def _user(client: httpx.AsyncClient, name: str, role: str = "agent") -> str:
    body = {"name": name, "password": _PASSWORD, "role": role}
    made = await client.post("/v1/users", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


@pytest.mark.proves("JWT, roles, tenants", "rest")
async def test_a_user_signs_in_refreshes_and_signs_out(
    gateway: Gateway, client: httpx.AsyncClient, tenant: Tenant
) -> None:
    """Tokens rotate; a refresh token used twice ends the sign-in; signing out reaches everybody."""
    name = f"ann-{tenant.id}"
    await _user(client, name)
    assert (await _sign_in(gateway.url, name, "wrong password!")).json()["code"] == (
        "wrong_credentials"
    )
    issued = (await _sign_in(gateway.url, name)).json()
    assert issued["expires_in"] == 900
    bearer = {"Authorization": f"Bearer {issued['access_token']}"}
    me = (await client.get("/v1/auth/me", headers=bearer)).json()
    assert me["tenant"] == tenant.id
    assert "messages:write" in me["scopes"]
    body = {"refresh_token": issued["refresh_token"]}
    renewed = await client.post("/v1/auth/refresh", json=body)
    assert renewed.status_code == 200
    replayed = await client.post("/v1/auth/refresh", json=body)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "token_revoked")
    ended = await client.post(
        "/v1/auth/refresh", json={"refresh_token": renewed.json()["refresh_token"]}
    )
    assert ended.status_code == 401
    assert (await client.post("/v1/auth/revoke", json={}, headers=bearer)).status_code == 204
    await _until_401(gateway, issued["access_token"])


async def _until_401(gateway: Gateway, token: str) -> None:
    """Revoked on every process."""
    deadline = time.monotonic() + 60
    headers = {"Authorization": f"Bearer {token}"}
    for process in gateway.processes:
        async with httpx.AsyncClient(base_url=process.url, headers=headers) as client:
            while (answer := await client.get("/v1/auth/me")).status_code != 401:
                assert time.monotonic() < deadline
        assert answer.json()["code"] == "token_revoked"


async def test_a_changed_password_ends_what_was_signed_in(
    gateway: Gateway, client: httpx.AsyncClient, tenant: Tenant
) -> None:
    """Old tokens are void at once, and the user can sign in anew."""
    name = f"bob-{tenant.id}"
    user = await _user(client, name)
    old = (await _sign_in(gateway.other, name)).json()["access_token"]
    changed = await client.patch(f"/v1/users/{user}", json={"password": _PASSWORD + "!"})
    assert changed.status_code == 200, changed.text
    await _until_401(gateway, old)
    new = (await _sign_in(gateway.url, name, _PASSWORD + "!")).json()["access_token"]
    answer = await client.get("/v1/auth/me", headers={"Authorization": f"Bearer {new}"})
    assert answer.status_code == 200


async def test_guessing_passwords_is_slowed_down(
    gateway: Gateway, client: httpx.AsyncClient, tenant: Tenant
) -> None:
    """After some wrong ones even the right one has to wait, and is told how long."""
    name = f"eve-{tenant.id}"
    await _user(client, name)
    statuses = [401]
    while statuses[-1] == 401:  # a slow machine forgives one every few seconds
        statuses.append((await _sign_in(gateway.url, name, "wrong password!")).status_code)
        assert len(statuses) < 40
    assert len(statuses) > 10
    refused = await _sign_in(gateway.url, name)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) >= 1


async def test_an_api_key_becomes_a_token(gateway: Gateway, tenant: Tenant) -> None:
    """The token has the key's scopes, and dies with the key."""
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        body = {"grant_type": "api_key", "api_key": tenant.key}
        token = (await client.post("/v1/auth/token", json=body)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.get("/v1/auth/me", headers=headers)).json()["tenant"] == tenant.id
        await client.delete(f"/v1/api-keys/{tenant.key_id}", headers=headers)
        await _until_401(gateway, token)
        again = await client.post("/v1/auth/token", json=body)
        assert again.json()["code"] == "wrong_credentials"


@pytest.mark.proves("API keys with scopes", "rest")
async def test_scopes_bound_what_a_key_may_do(client: httpx.AsyncClient) -> None:
    """A key does what its scopes say, sees only its sessions, and cannot outgrow its maker."""
    seen, hidden = [(await client.post("/v1/sessions", json={})).json()["id"] for _ in range(2)]
    body = {"name": "reader", "scopes": ["sessions:read"], "sessions": [seen]}
    key = (await client.post("/v1/api-keys", json=body)).json()["key"]
    reader = {"X-Api-Key": key}
    del client.headers["authorization"]
    assert (await client.get(f"/v1/sessions/{seen}", headers=reader)).status_code == 200
    assert (await client.get(f"/v1/sessions/{hidden}", headers=reader)).status_code == 404
    listed = (await client.get("/v1/sessions", headers=reader)).json()["items"]
    assert [one["id"] for one in listed] == [seen]
    refused = await client.post("/v1/sessions", json={}, headers=reader)
    assert (refused.status_code, refused.json()["scope"]) == (403, "sessions:write")
    refused = await client.post(
        "/v1/api-keys", json={"name": "x", "scopes": ["sessions:read"]}, headers=reader
    )
    assert refused.status_code == 403


async def test_a_tenant_cannot_make_platform_keys(client: httpx.AsyncClient) -> None:
    """Neither the platform's scope nor another tenant is to be had."""
    for body in (
        {"name": "x", "scopes": ["platform:admin"]},
        {"name": "x", "scopes": ["sessions:read"], "tenant": "ten_other"},
    ):
        assert (await client.post("/v1/api-keys", json=body)).status_code in (404, 422)
    assert (await client.post("/v1/tenants", json={"name": "x"})).status_code == 403


async def test_a_removed_tenant_is_out_at_once(
    gateway: Gateway, admin: httpx.AsyncClient, tenant: Tenant, client: httpx.AsyncClient
) -> None:
    """Its keys are void on every process."""
    assert (await client.get("/v1/auth/me")).status_code == 200
    assert (await admin.delete(f"/v1/tenants/{tenant.id}")).status_code == 204
    for process in gateway.processes:
        async with httpx.AsyncClient(base_url=process.url, headers=tenant.headers) as one:
            deadline = time.monotonic() + 60
            while (await one.get("/v1/auth/me")).status_code != 401:
                assert time.monotonic() < deadline
    assert (await admin.get(f"/v1/tenants/{tenant.id}")).status_code == 404
