"""The account's own profile, privacy, disappearing messages and calls, through the real engine."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
from samples import picture

from tests.e2e.asking.conftest import LIMIT, World
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

JPEG = b64encode(picture("JPEG")).decode()
PICTURE = b64encode(picture("PNG", (900, 700))).decode()


async def phone(world: World) -> Json:
    """The session's own phone, as the network sees it."""
    found: Json = await world.tenant.rest.get(f"/sandbox/phones/{world.anna.phone}")
    return found


@pytest.mark.proves("Profile name, about, photo", "rest", "websocket")
async def test_the_profile_is_changed_and_read(world: World) -> None:
    """Name, about and picture are those that the phone shows afterwards."""
    changed = await world.call("PATCH", "/profile", {"name": "Anna B.", "about": "At work"})
    assert (changed["name"], changed["about"]) == ("Anna B.", "At work")
    shown = await phone(world)
    assert (shown["name"], shown["about"]) == ("Anna B.", "At work")
    assert changed["contact"]["phone"] == f"+{world.anna.number}"
    given = await world.call("PUT", "/profile/picture", {"image": PICTURE})
    profile = await world.command("profile.get")
    assert profile["picture_id"] == given["id"]
    back = await world.command("profile.update", name="Anna", about="")
    assert back["name"] == "Anna"
    assert "about" not in back
    assert await world.refused("PUT", "/profile/picture", {"image": "AAAA"}) == "invalid_image"


@pytest.mark.proves("Contact list, picture, about", "rest", "websocket")
async def test_a_contact_changes_its_picture_and_about(world: World) -> None:
    """Readers are told of a new picture; it and the about text are found."""
    await world.tenant.rest.call(
        "PATCH", f"/sandbox/phones/{world.bruno['phone']}", {"about": "On holiday"}
    )
    about = await world.get(f"/contacts/{world.bruno['number']}/about")
    assert about["about"] == "On holiday"
    made = await world.phone(world.bruno, "picture", {"image": JPEG})
    told = await world.told(
        "contact.picture_changed",
        lambda data: bool(data["contact"] == about["contact"]),
    )
    assert "removed" not in told
    found = await world.command("contact.picture", contact=world.bruno["number"], preview=True)
    assert (found["id"], found["type"]) == (made["id"], "preview")
    await world.phone(world.bruno, "picture", {"image": ""})
    await world.told(
        "contact.picture_changed",
        lambda data: bool(data.get("removed")) and data["contact"] == about["contact"],
    )


@pytest.mark.proves("Privacy settings", "rest", "websocket")
async def test_privacy_settings(world: World) -> None:
    """Each setting can be changed and read; the default of disappearing messages is set."""
    before = await world.get("/privacy")
    assert before["groups"] == "all"
    wanted = {
        "last_seen": "contacts",
        "online": "match_last_seen",
        "picture": "none",
        "about": "contacts",
        "read_receipts": "none",
        "groups": "contacts",
        "calls": "known",
    }
    assert await world.call("PATCH", "/privacy", {**wanted, "disappearing": 604_800}) == wanted
    assert await world.command("privacy.get") == wanted
    shown = await phone(world)
    assert (shown["disappearing"], shown["privacy"]["groupadd"]) == (604_800, "contacts")
    assert await world.command("privacy.update", **before, disappearing=0) == before


async def test_who_hides_from_groups_is_named(world: World) -> None:
    """Somebody whose privacy settings forbid it is not added, and needs an invitation."""
    path = f"/sandbox/phones/{world.carla['phone']}"
    await world.tenant.rest.call("PATCH", path, {"privacy": {"groupadd": "contacts"}})
    made = await world.command("group.create", name="Shy", participants=[world.carla["number"]])
    [refused] = made["refused"]
    assert refused["error"]["code"] == "invite_needed"
    await world.tenant.rest.call("PATCH", path, {"privacy": {"groupadd": "all"}})


async def test_messages_of_a_chat_disappear(world: World) -> None:
    """The contact gets WhatsApp's own message about it, with a present time."""
    await world.call("PUT", f"/chats/{world.carla['number']}/disappearing", {"seconds": 86_400})
    inbox = f"/sandbox/phones/{world.carla['phone']}/inbox"
    async with asyncio.timeout(LIMIT):
        while not (got := await protocol_messages(world, inbox)):
            await asyncio.sleep(0.1)
    assert got[0]["type"] == "EPHEMERAL_SETTING"
    assert got[0]["ephemeralExpiration"] == 86_400
    assert int(got[0]["ephemeralSettingTimestamp"]) > 1_700_000_000


async def protocol_messages(world: World, inbox: str) -> list[Json]:
    """What came about the chat itself."""
    letters = (await world.tenant.rest.get(inbox, raw="true"))["items"]
    return [
        one["message"]["protocolMessage"] for one in letters if one["type"] == "protocolMessage"
    ]


async def test_contact_links(world: World) -> None:
    """One's own link leads to oneself; a reset one is another, and the old one leads nowhere."""
    old = (await world.get("/profile/link"))["link"]
    assert (await world.get("/profile/link"))["link"] == old
    found = await world.command("contact.by_link", link=old)
    assert found["contact"]["phone"] == f"+{world.anna.number}"
    new = (await world.call("POST", "/profile/link/reset"))["link"]
    assert new != old
    assert await world.refused("GET", "/contact-link", link=old) == "recipient_not_on_whatsapp"


@pytest.mark.proves("Calls: event, reject", "rest", "websocket")
async def test_a_call_rings_and_is_rejected(world: World) -> None:
    """Readers are told who calls; the caller hears that it was not taken, and it is over."""
    body = {"to": world.anna.number, "video": True}
    call = (await world.phone(world.bruno, "call", body))["call"]
    told = await world.told("call.received", lambda data: bool(data["call"] == call))
    assert told["from"]["phone"] == f"+{world.bruno['number']}"
    assert told["video"]
    await world.call("POST", f"/calls/{call}/reject")
    ended = await world.told("call.ended", lambda data: bool(data["call"] == call))
    assert ended["reason"] == "rejected"
    heard = await world.tenant.rest.get(f"/sandbox/phones/{world.bruno['phone']}/events")
    assert [one["ids"] for one in heard["items"] if one["kind"] == "call"] == [[call]]
    assert await world.refused("POST", f"/calls/{call}/reject") == "call_not_found"
    body = {"to": world.anna.number}
    call = (await world.phone(world.bruno, "call", body))["call"]
    await world.told("call.received", lambda data: bool(data["call"] == call))
    await world.phone(world.bruno, "hang-up", {"call": call})
    ended = await world.told("call.ended", lambda data: bool(data["call"] == call))
    assert ended["reason"] == "timeout"
    call = (await world.phone(world.carla, "call", body))["call"]
    await world.told("call.received", lambda data: bool(data["call"] == call))
    await world.command("call.reject", call=call)
    await world.told("call.ended", lambda data: bool(data["call"] == call))


async def test_all_calls_are_rejected_when_the_session_says_so(world: World) -> None:
    """With the setting nobody has to ask."""
    session = f"/sessions/{world.anna.session}"
    rest = world.tenant.rest
    await rest.call("PATCH", session, {"settings": {"reject_calls": True}})
    await rest.post(f"{session}/stop")
    await world.told("session.state_changed", lambda data: data["state"] == "stopped")
    seen = len(world.feed.seen)
    await rest.post(f"{session}/start")
    async with asyncio.timeout(LIMIT):
        while not any(connected(one.event) for one in world.feed.seen[seen:]):
            await asyncio.sleep(0.1)
    call = (await world.phone(world.bruno, "call", {"to": world.anna.number}))["call"]
    ended = await world.told("call.ended", lambda data: bool(data["call"] == call))
    assert ended["reason"] == "rejected"
    await rest.call("PATCH", session, {"settings": {}})


def connected(event: Json) -> bool:
    """Whether an event says so."""
    return event["type"] == "session.state_changed" and event["data"]["state"] == "connected"
