"""Requests per second over all HTTP processes, and where API keys may be used from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.e2e.api.conftest import Gateway, Process, Tenant, end, environment, start_http
from tests.e2e.api.sockets import opened

pytestmark = pytest.mark.e2e

FEATURE = "API rate limits, IP allow-list"
#: So slow that nothing comes back while a test runs: a burst of two requests.
SLOW = {"requests_per_second": 0.1}
ELSEWHERE, HERE = "198.51.100.9", "203.0.113.7"


@pytest.fixture(scope="module")
def behind(gateway: Gateway) -> Iterator[Process]:
    """A process behind one proxy."""
    env = environment(
        gateway.directory,
        gateway.redis_url,
        gateway.prefix,
        WA_DATABASE_URL=gateway.database_url,
        WA_HTTP_PROXIES="1",
    )
    started = start_http(env)
    yield started
    assert end(started.process) == 0


@pytest.fixture
async def both(gateway: Gateway) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of two processes, without credentials."""
    async with (
        httpx.AsyncClient(base_url=gateway.url, timeout=20) as one,
        httpx.AsyncClient(base_url=gateway.other, timeout=20) as two,
    ):
        yield [one, two]


async def key(client: httpx.AsyncClient, **more: object) -> dict[str, str]:
    """The headers of a new key."""
    body = {"name": "limited", "scopes": ["sessions:read", "events:read"], **more}
    made = await client.post("/v1/api-keys", json=body)
    assert made.status_code == 201, made.text
    shown = (await client.get("/v1/api-keys")).json()["items"][-1]
    assert {name: shown[name] for name in more} == more
    return {"Authorization": f"Bearer {made.json()['key']}"}


@pytest.mark.proves(FEATURE, "rest")
async def test_a_keys_limit_holds_over_all_processes(
    client: httpx.AsyncClient, both: list[httpx.AsyncClient]
) -> None:
    """Its burst is used up at either; then 429 says when to come back. A token made from the key
    has no burst of its own, and other callers are not concerned.
    """
    headers = await key(client, **SLOW)
    answers = [await one.get("/v1/sessions", headers=headers) for one in (both[0], both[0])]
    assert [one.status_code for one in answers] == [200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"caller";q=1;w=2'
    assert answers[0].headers["ratelimit"] == '"caller";r=0;t=0'
    refused = await both[1].get("/v1/sessions", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert refused.json()["retryable"]
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert refused.headers["ratelimit"].startswith('"caller";r=0;t=')
    grant = {"grant_type": "api_key", "api_key": headers["Authorization"].split()[1]}
    token = (await both[1].post("/v1/auth/token", json=grant)).json()["access_token"]
    same = await both[1].get("/v1/sessions", headers={"Authorization": f"Bearer {token}"})
    assert same.status_code == 429
    assert (await client.get("/v1/sessions")).status_code == 200


@pytest.mark.proves(FEATURE, "rest")
async def test_a_tenants_limit_is_for_all_its_callers(
    admin: httpx.AsyncClient, tenant: Tenant, stranger: Tenant, both: list[httpx.AsyncClient]
) -> None:
    """The platform sets it, the tenant cannot; 0 lifts it."""
    path = f"/v1/tenants/{tenant.id}"
    changed = await admin.patch(path, json=SLOW)
    assert changed.json()["requests_per_second"] == 0.1
    statuses = [(await one.get("/v1/sessions", headers=tenant.headers)).status_code for one in both]
    assert statuses == [200, 429]
    assert (await both[0].get("/v1/sessions", headers=stranger.headers)).status_code == 200
    own = await both[0].patch(f"/v1/tenants/{stranger.id}", json=SLOW, headers=stranger.headers)
    assert own.status_code == 403
    lifted = await admin.patch(path, json={"requests_per_second": 0})
    assert "requests_per_second" not in lifted.json()


@pytest.mark.proves(FEATURE, "websocket")
async def test_commands_count_as_requests(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """Those of a WebSocket take from the same bucket; the socket stays open."""
    headers = await key(client, requests_per_second=1.0)
    async with opened(gateway.processes[0].ws, headers["Authorization"].split()[1]) as socket:
        frame = {"type": "command", "command": "chat.list", "session": "ses_none", "data": {}}
        codes = []
        for n in range(3):
            await socket.send({**frame, "ref": n})
            codes.append((await socket.next(types=("reply",)))["error"]["code"])
        assert codes[0] in ("forbidden", "session_not_found")
        assert codes[-1] == "too_many_requests"
        await socket.send({"type": "ping", "ref": "alive"})
        assert (await socket.next(types=("pong",)))["ref"] == "alive"


@pytest.mark.proves(FEATURE, "rest", "websocket")
async def test_a_key_is_refused_from_elsewhere(
    client: httpx.AsyncClient, gateway: Gateway, behind: Process
) -> None:
    """Behind a proxy that is trusted the forwarded address counts, without one it does not: it is
    what anybody may write. Tokens, and sockets, are bound like the key.
    """
    headers = await key(client, networks=[f"{HERE}/32", "2001:db8::/32"])
    text = headers["Authorization"].split()[1]
    grant = {"grant_type": "api_key", "api_key": text}
    async with httpx.AsyncClient(base_url=behind.url, timeout=20) as proxied:
        for address, status in ((HERE, 200), ("2001:db8::1", 200), (ELSEWHERE, 403)):
            # The last address is the one that the trusted proxy saw; the first is anybody's word.
            came = {"X-Forwarded-For": f"{HERE}, {address}"}
            answer = await proxied.get("/v1/sessions", headers=headers | came)
            assert answer.status_code == status, address
            signed = await proxied.post("/v1/auth/token", json=grant, headers=came)
            assert signed.status_code == status
        assert answer.json()["code"] == "address_not_allowed"
        came = {"X-Forwarded-For": HERE}
        token = (await proxied.post("/v1/auth/token", json=grant, headers=came)).json()
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        assert (await proxied.get("/v1/auth/me", headers=bearer | came)).status_code == 200
        stolen = await proxied.get("/v1/auth/me", headers=bearer | {"X-Forwarded-For": ELSEWHERE})
        assert (stolen.status_code, stolen.json()["code"]) == (403, "address_not_allowed")
        assert "WWW-Authenticate" not in stolen.headers
    async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as direct:
        forged = await direct.get("/v1/sessions", headers=headers | {"X-Forwarded-For": HERE})
        assert forged.status_code == 403
        stream = await direct.get("/v1/ws", params={"access_token": text})
        assert (stream.status_code, stream.json()["code"]) == (403, "address_not_allowed")
    async with opened(gateway.processes[0].ws, await plain(client)) as socket:
        await socket.send({"type": "auth", "token": text, "ref": 1})
        assert (await socket.next(types=("reply",)))["error"]["code"] == "address_not_allowed"


async def plain(client: httpx.AsyncClient) -> str:
    """A key for anywhere."""
    return (await key(client))["Authorization"].split()[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"networks": []},
        {"networks": ["10.0.0.1/8"]},
        {"networks": ["everywhere"]},
        {"networks": ["10.0.0.0/33"]},
        {"networks": ["10.0.0.0/8"] * 101},
        {"requests_per_second": 0},
        {"requests_per_second": -1},
    ],
)
async def test_wrong_limits_are_refused(
    client: httpx.AsyncClient, wrong: dict[str, object]
) -> None:
    """A network with host bits is a mistake, and a limit of nothing too."""
    body = {"name": "wrong", "scopes": ["sessions:read"], **wrong}
    answer = await client.post("/v1/api-keys", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
