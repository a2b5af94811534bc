"""The sandbox over REST: phones of a tenant, and clear errors."""

from __future__ import annotations

import httpx
import pytest

pytestmark = pytest.mark.e2e


async def test_a_phone_is_made_changed_and_removed(client: httpx.AsyncClient) -> None:
    """What was made is found under its id until it is deleted."""
    made = await client.post("/v1/sandbox/phones", json={"name": "Anna"})
    assert made.status_code == 201, made.text
    phone = made.json()
    path = f"/v1/sandbox/phones/{phone['phone']}"
    assert (await client.get(path)).json() == phone
    assert (await client.get("/v1/sandbox/phones")).json()["items"] == [phone]
    changed = await client.patch(path, json={"echo": True, "name": "Ann"})
    assert (changed.json()["echo"], changed.json()["name"]) == (True, "Ann")
    assert (await client.get(f"{path}/inbox")).json() == {"items": []}
    assert (await client.get("/v1/sandbox/network")).json()["phones"] == 1
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).json()["code"] == "not_found"


async def test_what_a_phone_cannot_do_is_a_clear_error(client: httpx.AsyncClient) -> None:
    """The sandbox's refusals are problem documents with codes of their own."""
    phone = (await client.post("/v1/sandbox/phones", json={})).json()["phone"]
    path = f"/v1/sandbox/phones/{phone}"
    scan = await client.post(f"{path}/scan", json={"qr": "2@nonsense"})
    assert scan.status_code in (400, 409), scan.text
    wrong = await client.post(f"{path}/break", json={"how": "gently"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_body")
    nothing = await client.post(f"{path}/send", json={"to": phone})
    assert (nothing.status_code, nothing.json()["code"]) == (400, "bad_request")
    assert (await client.post(f"{path}/online", json={"online": False})).status_code == 204
    offline = await client.post(f"{path}/send", json={"to": phone, "text": "hi"})
    assert (offline.status_code, offline.json()["code"]) == (409, "phone_offline")
