"""The audit trail: what administrators do is on record, and only theirs to read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.e2e.api.conftest import Gateway, Tenant

pytestmark = pytest.mark.e2e

_PASSWORD = "long enough password"


async def _trail(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


@pytest.mark.proves("Audit log", "rest")
async def test_changes_are_on_record(client: httpx.AsyncClient, tenant: Tenant) -> None:
    """Who, what, to what, when and from where; newest first, and never a secret."""
    body = {"name": f"agent-{tenant.id}", "password": _PASSWORD, "role": "agent"}
    user = (await client.post("/v1/users", json=body)).json()["id"]
    await client.patch(f"/v1/users/{user}", json={"password": f"another {_PASSWORD}"})
    key = await client.post("/v1/api-keys", json={"name": "bot", "scopes": ["messages:read"]})
    session = (await client.post("/v1/sessions", json={"name": "Sales"})).json()["id"]
    webhook = await client.post(
        "/v1/webhooks", json={"url": "https://example.com/hook", "headers": {"x-key": "hidden"}}
    )
    await client.post(f"/v1/webhooks/{webhook.json()['id']}/rotate-secret", json={})
    await client.delete(f"/v1/api-keys/{key.json()['id']}")
    await client.delete(f"/v1/users/{user}")
    trail = await _trail(client)
    assert [(one["action"], one["target"]) for one in trail[:8]] == [
        ("user.deleted", user),
        ("api_key.revoked", key.json()["id"]),
        ("webhook.secret_rotated", webhook.json()["id"]),
        ("webhook.created", webhook.json()["id"]),
        ("session.created", session),
        ("api_key.created", key.json()["id"]),
        ("user.updated", user),
        ("user.created", user),
    ]
    for entry in trail[:8]:
        assert (entry["subject"], entry["address"]) == (tenant.key_id, "127.0.0.1")
    assert trail[0]["details"] == {"name": body["name"]}
    assert trail[6]["details"] == {"name": body["name"], "password": "changed"}
    shown = str(trail)
    for secret in (_PASSWORD, "hidden", key.json()["key"], "whsec_"):
        assert secret not in shown


async def test_what_was_refused_is_not_on_record(client: httpx.AsyncClient) -> None:
    """An entry means that it happened."""
    before = await _trail(client)
    assert (await client.delete("/v1/users/usr_none")).status_code == 404
    assert (await client.post("/v1/sessions", json={"network": "none"})).status_code == 422
    assert await _trail(client) == before


async def test_the_trail_is_paged_and_filtered(client: httpx.AsyncClient) -> None:
    """By family, action, caller and target; page by page without a repeat."""
    ids = [(await client.post("/v1/sessions", json={})).json()["id"] for _ in range(3)]
    await client.patch(f"/v1/sessions/{ids[0]}", json={"name": "First"})
    first = (await client.get("/v1/audit", params={"action": "session.*", "limit": 2})).json()
    rest = await _trail(client, action="session.*", before=first["next"])
    assert [one["action"] for one in first["items"]] == ["session.updated", "session.created"]
    assert [one["target"] for one in [*first["items"][1:], *rest]][:3] == ids[::-1]
    assert len(await _trail(client, target=ids[0])) == 2
    assert await _trail(client, subject="usr_nobody") == []
    assert {one["action"] for one in await _trail(client, action="session.created")} == {
        "session.created"
    }


async def test_only_administrators_read_it(
    gateway: Gateway, client: httpx.AsyncClient, tenant: Tenant, admin: httpx.AsyncClient
) -> None:
    """Not agents; the platform reads its own trail, and a tenant's when it names it."""
    body = {"name": "reader", "scopes": ["messages:read"]}
    key = (await client.post("/v1/api-keys", json=body)).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as agent:
        assert (await agent.get("/v1/audit")).status_code == 403
    made = (await admin.post("/v1/tenants", json={"name": "New"})).json()["id"]
    own = await _trail(admin, target=made)
    assert [one["action"] for one in own] == ["tenant.created"]
    theirs = await _trail(admin, tenant=tenant.id, action="api_key.created")
    assert theirs[0]["details"]["name"] == "reader"


@pytest.mark.parametrize(
    "query", [{"action": "users"}, {"action": "user.%"}, {"limit": 0}, {"before": "a b"}]
)
async def test_a_bad_filter_is_refused(client: httpx.AsyncClient, query: dict[str, Any]) -> None:
    """A clear answer instead of an empty page."""
    answer = await client.get("/v1/audit", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")
