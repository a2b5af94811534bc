"""Sessions over REST, without a worker to run them."""

from __future__ import annotations

import httpx
import pytest

pytestmark = pytest.mark.e2e


@pytest.mark.proves("Restart, stop, logout, delete", "rest")
async def test_a_session_is_made_listed_changed_and_removed(client: httpx.AsyncClient) -> None:
    """What was made is found under its id until it is deleted."""
    made = await client.post("/v1/sessions", json={"name": "support", "network": "sandbox"})
    assert made.status_code == 201, made.text
    session = made.json()
    assert session["state"] == "stopped"
    assert session["desired"] == "stopped"
    assert session["linked"] is False
    path = f"/v1/sessions/{session['id']}"
    assert (await client.get(path)).json() == session
    assert (await client.get("/v1/sessions")).json() == {"items": [session], "next": None}
    changed = await client.patch(path, json={"name": "sales"})
    assert changed.json()["name"] == "sales"
    started = await client.post(f"{path}/start")
    assert started.json()["desired"] == "running"
    assert (await client.post(f"{path}/stop")).json()["desired"] == "stopped"
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).json()["code"] == "session_not_found"
    assert (await client.delete(path)).status_code == 404


async def test_lists_are_paged(client: httpx.AsyncClient) -> None:
    """Following `next` gives every session once."""
    made = [(await client.post("/v1/sessions", json={})).json()["id"] for _ in range(5)]
    seen: list[str] = []
    after = ""
    for _ in range(4):
        page = (await client.get(f"/v1/sessions?limit=2{after}")).json()
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == made


async def test_names_are_unique_in_a_tenant(client: httpx.AsyncClient) -> None:
    """A second session of the same name is a conflict."""
    assert (await client.post("/v1/sessions", json={"name": "a"})).status_code == 201
    again = await client.post("/v1/sessions", json={"name": "a"})
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")


async def test_a_session_that_shows_no_code_says_why(client: httpx.AsyncClient) -> None:
    """Asking a stopped session for its QR code or for an unlink is a conflict with a reason."""
    session = (await client.post("/v1/sessions", json={})).json()["id"]
    qr = await client.get(f"/v1/sessions/{session}/qr")
    assert (qr.status_code, qr.json()["code"]) == (409, "no_qr")
    assert "stopped" in qr.json()["detail"]
    logout = await client.post(f"/v1/sessions/{session}/logout")
    assert logout.json()["code"] == "session_not_linked"
