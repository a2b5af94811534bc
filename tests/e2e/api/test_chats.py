"""Chats, contacts and search over REST and WebSocket; the test plays the session's owner."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.e2e.api.conftest import Gateway, Tenant
from tests.e2e.api.owner import Owner
from tests.e2e.api.sockets import opened
from wa_api.store import contacts
from wa_api.store.contacts import Learned

pytestmark = pytest.mark.e2e

CHAT = "5511999990000@s.whatsapp.net"
LID = "100000000000009@lid"


async def _get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.proves("Chat list and pages for user interfaces", "rest", "websocket")
@pytest.mark.proves("Archive, mark unread (local)", "rest", "websocket")
async def test_a_front_end_keeps_its_list(
    gateway: Gateway, tenant: Tenant, client: httpx.AsyncClient, owner: Owner
) -> None:
    """It lists, opens, reads and marks chats, by route or by command, and events keep it right."""
    path = f"/v1/sessions/{owner.session}"
    ids = [(await owner.receive(f"number {n}", f"W{n}")).id for n in range(3)]
    async with opened(gateway.processes[0].ws, tenant.key) as socket:

        async def ask(command: str, **data: Any) -> Any:
            frame = {"type": "command", "ref": command, "command": command}
            reply = await socket.ask({**frame, "session": owner.session, "data": data})
            assert reply["ok"], reply
            return reply["data"]

        listed = await _get(client, f"{path}/chats")
        assert await ask("chat.list", limit=50) == listed
        [chat] = listed["items"]
        assert (chat["id"], chat["kind"], chat["unread"]) == (CHAT, "direct", 3)
        assert chat["last_message"]["text"] == {"body": "number 2"}
        assert (await ask("chat.get", chat="5511999990000"))["id"] == CHAT

        page = await ask("message.list", chat=CHAT, around=ids[1], limit=3)
        assert [one["id"] for one in page["items"]] == ids[::-1]
        assert (await ask("message.get", message=ids[0]))["text"] == {"body": "number 0"}

        await ask("chat.read", chat=CHAT)
        [asked] = [one for one in owner.asked if one.name == "message.read"]
        assert sorted(asked.data["wa_ids"]) == ["W0", "W1", "W2"]

        marked = await client.patch(
            f"{path}/chats/{CHAT}", json={"archived": True, "pinned": True, "unread": True}
        )
        assert marked.json()["marked_unread"] is True
        assert await _get(client, f"{path}/chats", archived=False) == {"items": [], "next": None}
        await ask("chat.update", chat=CHAT, archived=False, muted_until="2099-01-01T00:00:00Z")

        assert (await client.delete(f"{path}/messages/{ids[2]}")).status_code == 204
        [chat] = (await _get(client, f"{path}/chats"))["items"]
        assert chat["last_message"]["id"] == ids[1]
        await ask("chat.delete", chat=CHAT)
        assert (await _get(client, f"{path}/messages"))["items"] == []
    types = "chat.changed,chat.deleted,message.deleted"
    events = (await _get(client, "/v1/events", types=types))["items"]
    read, marked, muted, message, gone = (event["data"] for event in events)
    shown = {"id": CHAT, "session": owner.session, "kind": "direct", "phone": "+5511999990000"}
    at = {"time": read["chat"]["time"]}
    pinned = {"pinned": True, "marked_unread": True}
    assert read["chat"] == shown | at
    assert marked["chat"] == shown | at | pinned | {"archived": True}
    assert muted["chat"] == shown | at | pinned | {"muted_until": "2099-01-01T00:00:00.000Z"}
    assert (message["id"], gone["chat"]["id"]) == (ids[2], CHAT)


@pytest.mark.proves("Full-text search", "rest", "websocket")
async def test_messages_are_found_by_their_words(
    gateway: Gateway, tenant: Tenant, client: httpx.AsyncClient, owner: Owner
) -> None:
    """Accents and capitals aside; the answer shows where; pages go on; quotes do no harm."""
    path = f"/v1/sessions/{owner.session}/messages/search"
    for n, text in enumerate(("Olá, São Paulo", "sao paulo again", "nothing")):
        await owner.receive(text, f"W{n}")
    found = await _get(client, path, q="SAO pau", chat="5511999990000")
    assert [one["message"]["text"]["body"] for one in found["items"]] == [
        "sao paulo again",
        "Olá, São Paulo",
    ]
    last = found["items"][1]
    words = [last["snippet"][a:b] for a, b in last["at"]]
    assert (last["snippet"], words) == ("Olá, São Paulo", ["São", "Paulo"])
    first = await _get(client, path, q="sao", limit=1)
    rest = await _get(client, path, q="sao", limit=1, before=first["next"])
    assert rest["items"][0]["message"]["text"]["body"] == "Olá, São Paulo"
    for odd in ("'; DROP TABLE messages; --", '"sao" OR *', "&|!():*", "  ", "a:*b"):
        assert (await _get(client, path, q=odd))["items"] == []
    assert (await _get(client, path, q="sao", until="2020-01-01T00:00:00Z"))["items"] == []
    assert (await _get(client, path, q="sao", type="image"))["items"] == []
    async with opened(gateway.processes[1].ws, tenant.key) as socket:
        frame = {"type": "command", "ref": 1, "command": "message.search"}
        data = {"q": "sao", "from": "5511999990000"}
        reply = await socket.ask({**frame, "session": owner.session, "data": data})
        assert len(reply["data"]["items"]) == 2


@pytest.mark.proves("LID and phone lookup", "rest", "websocket")
async def test_contacts_have_one_identity(
    gateway: Gateway, tenant: Tenant, client: httpx.AsyncClient, owner: Owner
) -> None:
    """Found by number or LID, listed by a part of the name; a send to the LID joins the chat."""
    path = f"/v1/sessions/{owner.session}"
    await owner.receive("hi")
    await contacts.learn(
        owner.tenant, owner.session, [Learned(contact=CHAT, lid=LID, push_name="Zoë")]
    )
    for name in ("5511999990000", LID, "+5511999990000"):
        contact = await _get(client, f"{path}/contacts/{name}")
        assert (contact["id"], contact["lid"], contact["push_name"]) == (CHAT, LID, "Zoë")
    [named] = (await _get(client, f"{path}/contacts", name="zoe"))["items"]
    assert named["id"] == CHAT
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        frame = {"type": "command", "ref": 1, "command": "contact.get", "session": owner.session}
        assert (await socket.ask({**frame, "data": {"contact": LID}}))["data"]["id"] == CHAT
    sent = await client.post(f"{path}/messages", json={"to": LID, "text": {"body": "hello"}})
    assert sent.json()["chat"]["id"] == CHAT
    [chat] = (await _get(client, f"{path}/chats"))["items"]
    assert (chat["name"], chat["lid"]) == ("Zoë", LID)
    assert chat["last_message"]["text"] == {"body": "hello"}
    batch = {"messages": [{"to": LID, "text": {"body": "and more"}}]}
    assert (await client.post(f"{path}/messages/batch", json=batch)).status_code in (200, 202)
    assert len((await _get(client, f"{path}/messages", chat=LID))["items"]) == 3
