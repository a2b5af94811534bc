"""Webhooks over REST, delivered by a real worker."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
import trustme
from standardwebhooks.webhooks import Webhook

from tests.e2e.api.conftest import Gateway, Tenant, end, environment
from tests.e2e.webhooks.receivers import Request, answer, receiver, until

pytestmark = pytest.mark.e2e

URL = "https://example.org/hook"


@pytest.fixture
async def api(gateway: Gateway, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """The tenant's client."""
    async with httpx.AsyncClient(
        base_url=f"{gateway.url}/v1", headers=tenant.headers, timeout=30
    ) as client:
        yield client


@pytest.mark.proves("Custom headers", "rest")
async def test_a_webhook_is_made_changed_shown_and_deleted(api: httpx.AsyncClient):
    """The secret is shown once, header values never; what is absent in a change stays."""
    made = await api.post(
        "/webhooks", json={"url": URL, "types": ["message.*"], "headers": {"X-Key": "hidden"}}
    )
    assert made.status_code == 201, made.text
    hook = made.json()
    assert hook["secret"].startswith("whsec_")
    assert hook["headers"] == ["x-key"]
    shown = (await api.get(f"/webhooks/{hook['id']}")).json()
    assert "secret" not in shown
    assert "hidden" not in str(shown)
    assert (shown["state"], shown["waiting"], shown["dead_letters"]) == ("enabled", 0, 0)
    changed = await api.patch(f"/webhooks/{hook['id']}", json={"batch": 10, "types": []})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["batch"], changed.json()["url"]) == (10, URL)
    assert "types" not in changed.json()
    assert [w["id"] for w in (await api.get("/webhooks")).json()["items"]] == [hook["id"]]
    rotated = await api.post(f"/webhooks/{hook['id']}/rotate-secret", json={})
    assert rotated.json()["secret"] not in (None, hook["secret"])
    assert (await api.delete(f"/webhooks/{hook['id']}")).status_code == 204
    gone = await api.get(f"/webhooks/{hook['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "webhook_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://example.org/"},
        {"url": "ftp://example.org/"},
        {"url": "https://user@example.org/"},
        {"url": "https:///x"},
        {"url": "https://example.org:99999/"},
        {"url": "https://exa mple.org/"},
        {"url": URL, "types": ["message.recieved"]},
        {"url": URL, "headers": {"Host": "x"}},
        {"url": URL, "headers": {"webhook-id": "x"}},
        {"url": URL, "headers": {"a": "b\r\nc: d"}},
        {"url": URL, "concurrency": 1000},
        {"url": URL, "secret": "x"},
    ],
)
async def test_what_cannot_be_is_refused(api: httpx.AsyncClient, body: dict[str, object]):
    """Wrong URLs, event types, headers and limits get 422."""
    assert (await api.post("/webhooks", json=body)).status_code == 422


async def test_webhooks_are_the_tenants_own(
    gateway: Gateway, api: httpx.AsyncClient, stranger: Tenant
):
    """Another tenant finds nothing, and nobody names a session that is not theirs."""
    hook = (await api.post("/webhooks", json={"url": URL})).json()["id"]
    async with httpx.AsyncClient(base_url=f"{gateway.other}/v1", headers=stranger.headers) as other:
        for method, path in (
            ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"),
            ("POST", "/test"), ("POST", "/rotate-secret"), ("POST", "/redrive"),
            ("GET", "/deliveries"), ("GET", "/dead-letters"), ("DELETE", "/dead-letters"),
        ):  # fmt: skip
            json = {} if method in ("PATCH", "POST") else None
            answered = await other.request(method, f"/webhooks/{hook}{path}", json=json)
            assert answered.status_code == 404, (method, path, answered.text)
        assert (await other.get("/webhooks")).json()["items"] == []
        foreign = await other.post("/webhooks", json={"url": URL, "sessions": ["ses_unknown"]})
        assert foreign.status_code == 404
    await api.delete(f"/webhooks/{hook}")


async def test_from_creation_to_redrive(gateway: Gateway, tenant: Tenant, api: httpx.AsyncClient):
    """Events are delivered and logged; a test is answered; dead letters are redriven, all by REST."""
    well = True

    async def changing(_: Request) -> bytes:
        return answer(200 if well else 500, body=b"hm")

    env = environment(
        gateway.directory,
        gateway.redis_url,
        gateway.prefix,
        WA_DATABASE_URL=gateway.database_url,
        WA_WEBHOOKS_ALLOW_PRIVATE="localhost",
        WA_WEBHOOKS_RETRY_SECONDS="0.1",
    )
    ca, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(tls)
    authority = gateway.directory / "authority.pem"
    ca.cert_pem.write_to_path(str(authority))
    worker = subprocess.Popen(  # noqa: ASYNC220 - starts at once
        [sys.executable, "-m", "workers", "webhooks"], env=env | {"SSL_CERT_FILE": str(authority)}
    )
    try:
        async with receiver(changing, tls) as target:
            url = target.url.replace("127.0.0.1", "localhost")
            hook = (await api.post("/webhooks", json={"url": url})).json()
            path = f"/webhooks/{hook['id']}"
            tested = await api.post(f"{path}/test")
            assert tested.status_code == 200, tested.text
            assert (tested.json()["delivered"], tested.json()["status"]) == (True, 200)
            sent = target.requests[0]
            assert Webhook(hook["secret"]).verify(sent.body, sent.headers)["type"] == "webhook.test"

            made = await api.post("/webhooks", json={"url": URL, "enabled": False})
            await api.post(f"/webhooks/{made.json()['id']}/resume")
            await until(lambda: len(target.requests) == 2)
            assert target.requests[1].event["type"] == "webhook.resumed"

            well = False
            await api.post(f"/webhooks/{made.json()['id']}/pause")
            letters: list[dict[str, object]] = []
            for _ in range(200):
                letters = (await api.get(f"{path}/dead-letters")).json()["items"]
                if letters:
                    break
            assert letters
            assert (letters[0]["type"], letters[0]["error"]) == ("webhook.paused", "http_500")
            assert (letters[0]["response"], letters[0]["attempts"]) == ("hm", 2)
            well = True
            redriven = await api.post(f"{path}/redrive", json={"events": [letters[0]["id"]]})
            assert redriven.json() == {"events": 1}
            await until(lambda: target.ids[-1] == letters[0]["id"] and len(target.ids) == 5)

            await api.post(f"{path}/replay", json={"since": 0})
            await until(lambda: len(target.ids) >= 7)
            gone = await api.post(f"{path}/replay", json={"after": "8" + "9" * 18})
            assert gone.status_code == 410
            for _ in range(200):
                log = (await api.get(f"{path}/deliveries", params={"delivered": "false"})).json()
                if len(log["items"]) == 2:
                    break
            assert [one["attempt"] for one in log["items"]] == [2, 1]
            await api.post(f"{path}/pause")
            refused = await api.post(f"{path}/test")
            assert refused.json()["code"] == "webhook_not_enabled"
    finally:
        assert end(worker) == 0
