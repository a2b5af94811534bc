"""A phone with a history is linked: its chats, messages and names are there, and nothing is told
twice. What is read or written on the phone afterwards shows too."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.asking.conftest import LIMIT, World
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

OLDER = 30


async def _send(world: World, sender: Json, to: Json, *texts: str) -> list[str]:
    return [
        (await world.phone(sender, "send", {"to": to["number"], "text": text}))["id"]
        for text in texts
    ]


async def _link(world: World, phone: Json) -> str:
    """Link a session to an existing phone; its id."""
    body = {"network": "sandbox", "start": True}
    session: str = (await world.tenant.rest.post("/sessions", body))["id"]
    qr = await world.feed.event("session.qr_issued", session, LIMIT)
    await world.phone(phone, "scan", {"qr": qr.event["data"]["qr"]})
    return session


@pytest.mark.proves("Initial history", "rest", "websocket")
async def test_a_phones_history_comes_at_linking(world: World) -> None:
    """Three parts are told; chats have their order, names and unread counts, messages their
    times and statuses; one person is one chat; search finds the past."""
    dora, emil, fred = [await world.tenant.new_phone(name) for name in ("Dora", "Emil", "Fred")]
    group = await world.phone(
        dora, "groups", {"subject": "Choir", "members": [emil["number"], fred["number"]]}
    )
    await _send(world, emil, dora, *(f"note {n}" for n in range(OLDER)))
    await _send(world, dora, emil, "my answer")
    await asyncio.sleep(1.1)  # WhatsApp's times are whole seconds
    await world.phone(fred, "send", {"to": group["group"], "text": "rehearsal at eight"})
    await _send(world, fred, dora, "first", "second")

    session = await _link(world, dora)
    rest, path = world.tenant.rest, f"/sessions/{session}"
    for kind in ("initial_bootstrap", "push_name", "recent"):
        event = "session.history_progress"
        part = (
            await world.feed.event(event, session, LIMIT, lambda d, kind=kind: d["kind"] == kind)
        ).event["data"]
    assert (part["progress"], part["messages"]) == (100, OLDER + 1 - 20)

    chats = (await world.feed.command("chat.list", session, {}))["items"]
    shown = [(one["id"].split("@")[0], one["name"], one.get("unread", 0)) for one in chats]
    number = group["group"].split("@")[0]
    assert sorted(shown[:2]) == sorted([(number, "Choir", 1), (fred["number"], "Fred", 2)])
    assert shown[2:] == [(emil["number"], "Emil", 0)]
    assert chats[2]["last_message"]["text"] == {"body": "my answer"}
    assert chats[2]["last_message"]["status"] == "read"
    assert {one["id"] for one in chats[2:]} == {f"{emil['number']}@s.whatsapp.net"}
    assert chats[2]["lid"].endswith("@lid")

    page = await rest.get(f"{path}/messages", chat=emil["number"], limit=100)
    texts = [one["text"]["body"] for one in page["items"]]
    assert texts == ["my answer", *(f"note {n}" for n in reversed(range(OLDER)))]
    assert {one["source"] for one in page["items"]} == {"history"}
    found = await rest.get(f"{path}/messages/search", q="rehearsal")
    assert [one["message"]["from"]["phone"] for one in found["items"]] == [f"+{fred['number']}"]
    contacts = (await rest.get(f"{path}/contacts"))["items"]
    assert {one.get("push_name") for one in contacts} >= {"Emil", "Fred"}
    told = [seen.event for seen in world.feed.seen if seen.event.get("session") == session]
    assert not [event for event in told if event["type"].startswith("message.")]


@pytest.mark.proves("Chat list and pages for user interfaces", "websocket")
async def test_what_happens_on_the_phone_shows(world: World) -> None:
    """A writer becomes a contact once; reading on the phone marks the chat as read here."""
    gina = await world.tenant.new_phone("Gina")
    await _send(world, gina, {"number": world.anna.number}, "one", "two")
    told = await world.told("contact.changed", lambda d: d["contact"].get("push_name") == "Gina")
    chat = told["contact"]["id"]
    assert chat == f"{gina['number']}@s.whatsapp.net"
    # People are learned beside messages, not after them.
    await world.told(
        "message.received",
        lambda d: (d["message"]["chat"]["id"], d["message"].get("text")) == (chat, {"body": "two"}),
    )
    shown = await world.command("chat.get", chat=gina["number"])
    assert shown["unread"] == 2
    assert (shown["name"], shown["lid"]) == ("Gina", told["contact"]["lid"])
    assert (await world.command("contact.get", contact=shown["lid"]))["id"] == chat

    inbox = await world.tenant.rest.get(f"/sandbox/phones/{world.anna.phone}/inbox", limit=1000)
    last = [one["id"] for one in inbox["items"] if one["text"] == "two"][-1]
    await world.phone({"phone": world.anna.phone}, "read", {"ids": [last]})
    changed = await world.told("chat.changed", lambda d: d["chat"]["id"] == chat)
    assert changed["chat"].get("unread", 0) == 0
    events = [seen.event["data"] for seen in world.feed.seen]
    names = [
        data["contact"]["id"] for data in events if "contact" in data and "id" in data["contact"]
    ]
    assert names.count(chat) == 1
