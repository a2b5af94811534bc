"""A tenant finds and changes nothing of another, on any route; without a token, on none."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.e2e.api.conftest import Gateway, Tenant
from tests.e2e.api.owner import Owner
from wa_api.http.resources import resources_for
from wa_api.http.routes import Access, Operation
from wa_api.http.types import HttpOptions

pytestmark = pytest.mark.e2e

OPERATIONS = [
    operation
    for resource in resources_for(HttpOptions(sandbox=True))
    for operation in resource.operations
]
GUARDED = [one for one in OPERATIONS if one.access is not Access.PUBLIC]

#: A body that would be right, for each operation that takes one.
BODIES: dict[str, Any] = {
    "auth.revoke": {},
    "tenants.create": {"name": "x"},
    "tenants.update": {"name": "taken over"},
    "users.create": {"name": "mallory", "password": "long enough password"},
    "users.update": {"role": "owner"},
    "api-keys.create": {"name": "x", "scopes": ["sessions:read"]},
    "sessions.create": {"name": "x"},
    "sessions.update": {"name": "taken over"},
    "sessions.pairing_code": {"phone": "5511999990000"},
    "messages.send": {"to": "5511999990000", "text": {"body": "hi"}},
    "messages.read": {"message_ids": ["msg_1"]},
    "messages.typing": {"chat": "5511999990000"},
    "queue.send_batch": {"messages": [{"to": "5511999990000", "text": {"body": "hi"}}]},
    "queue.purge": {"scheduled": True},
    "chats.update": {"pinned": True},
    "chats.read": {},
    "directory.check": {"numbers": ["5511999990000"]},
    "webhooks.create": {"url": "https://example.org/"},
    "webhooks.update": {"name": "taken over"},
    "webhooks.rotate_secret": {},
    "webhooks.replay": {"since": 0},
    "webhooks.redrive": {},
    "groups.create": {"name": "taken over"},
    "groups.update": {"name": "taken over"},
    "groups.participants": {"action": "remove", "participants": ["5511999990000"]},
    "groups.set_picture": {"image": "/9j/"},
    "groups.join": {"link": "https://chat.whatsapp.com/abcdefghijkl"},
    "groups.link": {"group": "120363000000000001@g.us"},
    "groups.unlink": {"group": "120363000000000001@g.us"},
    "fleet.move": {},
    "profile.update": {"name": "taken over"},
    "profile.set_picture": {"image": "/9j/"},
    "profile.update_privacy": {"groups": "all"},
    "profile.set_disappearing": {"seconds": 0},
    "newsletters.create": {"name": "taken over"},
    "newsletters.react": {"server_id": 1, "emoji": ""},
    "sandbox.create": {},
    "sandbox.create_newsletter": {"name": "taken over"},
    "sandbox.publish": {"text": "taken over"},
    "sandbox.react": {"server_id": 1},
    "sandbox.set_picture": {"image": ""},
    "sandbox.call": {"to": "5511999990000"},
    "sandbox.hang_up": {"call": "none"},
    "sandbox.group_participants": {"action": "remove", "members": ["5511999990000"]},
    "sandbox.update_group": {"subject": "taken over"},
    "sandbox.leave_group": {},
    "sandbox.decide_group": {"members": ["5511999990000"]},
    "sandbox.join_group": {"invite": "abcdefghijkl"},
    "sandbox.update": {"name": "taken over"},
    "sandbox.scan": {"qr": "2@x"},
    "sandbox.link_code": {"code": "ABCD1234"},
    "sandbox.unlink": {"device": 1},
    "sandbox.send": {"to": "5511999990000", "text": "hi"},
    "sandbox.read": {"ids": ["x"]},
    "sandbox.typing": {"to": "5511999990000"},
    "sandbox.presence": {"available": True},
    "sandbox.online": {"online": False},
    "sandbox.garble": {},
    "sandbox.refuse_pairing": {},
    "sandbox.break_devices": {"how": "drop"},
    "sandbox.create_group": {"subject": "x"},
    "sandbox.save_contact": {"contact": "5511999990000"},
    "sandbox.save_contacts": {"contacts": [{"contact": "5511999990000", "name": "x"}]},
    "sandbox.remove_contact": {"contact": "5511999990000"},
    "sandbox.accept_invite": {"id": "x"},
    "sandbox.start_load": {"phones": ["ph_1"], "to": ["5511999990000"], "rate": 1},
}

#: A query string that would be right, where one is required.
QUERIES = {
    "groups.find_invited": "link=https://chat.whatsapp.com/abcdefghijkl",
    "chats.find": "q=secret",
    "newsletters.find": "link=https://whatsapp.com/channel/ABCDEFGHIJKL",
    "profile.find_linked": "link=https://wa.me/qr/ABCDEFGHIJ",
}


def _path(operation: Operation, parameters: dict[str, str]) -> str:
    path = operation.template
    for name in operation.parameters:
        path = path.replace(f"{{{name}}}", parameters.get(name, "none"))
    return path


def test_every_route_of_the_api_is_declared(gateway: Gateway) -> None:
    """The document lists what is served under /v1, so that the tests below miss nothing."""
    listed = httpx.get(f"{gateway.url}/openapi.json").json()["paths"]
    served = {(path, method.upper()) for path, methods in listed.items() for method in methods}
    declared = {(one.template, one.method) for one in OPERATIONS}
    assert {one for one in served if one[0].startswith("/v1")} <= declared


@pytest.mark.parametrize("operation", GUARDED, ids=lambda one: one.id)
async def test_without_a_token_every_route_is_401(gateway: Gateway, operation: Operation) -> None:
    """Nothing is done and nothing told."""
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.request(
            operation.method, _path(operation, {}), json=BODIES.get(operation.id)
        )
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_another_tenants_things_do_not_exist(
    client: httpx.AsyncClient,
    gateway: Gateway,
    tenant: Tenant,
    stranger: Tenant,
    owner: Owner,
    subtests: pytest.Subtests,
) -> None:
    """404 (or 403 for what is no tenant's business), and everything is as it was before."""
    things = await _things(client, tenant, owner)
    async with httpx.AsyncClient(base_url=gateway.url, headers=stranger.headers) as one:
        for operation in (one for one in GUARDED if one.parameters):
            with subtests.test(operation.id):
                before = await _everything(client, owner)
                answer = await one.request(
                    operation.method, _url(operation, things), json=_body(operation, things)
                )
                expected = 403 if operation.access == "platform:admin" else 404
                assert answer.status_code == expected, answer.text
                assert "secret" not in answer.text
                assert await _everything(client, owner) == before
                assert owner.asked == []


def _url(operation: Operation, things: dict[str, str]) -> str:
    query = QUERIES.get(operation.id)
    return _path(operation, things) + (f"?{query}" if query else "")


def _body(operation: Operation, things: dict[str, str]) -> Any:
    if operation.id == "messages.read":
        return {"message_ids": [things["message"]]}
    return BODIES.get(operation.id)


async def _things(client: httpx.AsyncClient, tenant: Tenant, owner: Owner) -> dict[str, str]:
    """One of everything that a path can name, all of the first tenant's."""

    async def made(path: str, body: Any) -> Any:
        return (await client.post(path, json=body)).json()

    phone = (await made("/v1/sandbox/phones", {"name": "mine"}))["phone"]
    load = {"phones": [phone], "to": [phone], "rate": 0.01, "seconds": 600}
    hook = {"url": "https://example.org/", "enabled": False}
    user = {"name": f"u-{tenant.id}", "password": "long enough password"}
    return {
        "webhook": (await made("/v1/webhooks", hook))["id"],
        "phone": phone,
        "media": (await client.post("/v1/media", content=b"secret")).json()["id"],
        "load": (await made("/v1/sandbox/load", load))["load"],
        "tenant": tenant.id,
        "session": owner.session,
        "message": (await owner.receive("secret")).id,
        "user": (await made("/v1/users", user))["id"],
        "key": tenant.key_id,
        "worker": "wrk_test",
        "contact": "5511999990000",
        "group": "120363000000000001@g.us",
        "community": "120363000000000001@g.us",
        "chat": "5511999990000",
        "newsletter": "120363000000000001@newsletter",
    }


async def _everything(client: httpx.AsyncClient, owner: Owner) -> list[Any]:
    paths = (
        f"/v1/sessions/{owner.session}",
        f"/v1/sessions/{owner.session}/messages",
        f"/v1/sessions/{owner.session}/chats",
        "/v1/users",
        "/v1/events",
        "/v1/webhooks",
        "/v1/sandbox/phones",
    )
    keys = (await client.get("/v1/api-keys")).json()["items"]
    return [(await client.get(path)).json() for path in paths] + [[one["id"] for one in keys]]


async def test_lists_hold_only_ones_own(
    gateway: Gateway, client: httpx.AsyncClient, stranger: Tenant, owner: Owner
) -> None:
    """Sessions, users, keys and events of another tenant are in no list."""
    await owner.say_typing()
    await client.post("/v1/sandbox/phones", json={})
    async with httpx.AsyncClient(base_url=gateway.url, headers=stranger.headers) as one:
        for path in ("/v1/sessions", "/v1/users", "/v1/events", "/v1/sandbox/phones"):
            assert (await one.get(path)).json()["items"] == []
        trail = (await one.get("/v1/audit")).json()["items"]
        assert [entry["target"] for entry in trail] == [stranger.key_id]
        keys = (await one.get("/v1/api-keys")).json()["items"]
        assert [key["id"] for key in keys] == [stranger.key_id]
        for path in ("/v1/users", "/v1/api-keys", "/v1/audit"):
            answer = await one.get(path, params={"tenant": owner.tenant})
            assert answer.status_code == 404
        answer = await one.get("/v1/events", params={"session": owner.session})
        assert answer.json()["items"] == []
