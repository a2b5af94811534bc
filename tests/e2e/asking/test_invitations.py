"""Invitations to groups: for those whom nobody may add, sent and accepted by either side."""

from __future__ import annotations

import time

import pytest

from tests.e2e.asking.conftest import World, address
from wa_api.demo.client import Json, Refused

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

ROW = "Groups: invitations to people who cannot be added"


async def shy(world: World, phone: str, who: str = "none") -> None:
    """A phone lets nobody add it to groups (or, again, all)."""
    path = f"/sandbox/phones/{phone}"
    await world.tenant.rest.call("PATCH", path, {"privacy": {"groupadd": who}})


async def invited(world: World, name: str, **more: object) -> tuple[str, Json]:
    """Bruno tries to add the session, and sends the invitation that WhatsApp gives him for it."""
    group = (await world.phone(world.bruno, "groups", {"subject": name}))["group"]
    body = {"action": "add", "members": [world.anna.phone]}
    answer = await world.phone(world.bruno, f"groups/{group}/participants", body)
    [given] = answer["invited"]
    invite = {
        "groupJID": group,
        "inviteCode": given["code"],
        "inviteExpiration": given["expiration"],
        "groupName": name,
        "caption": "Come in",
        **more,
    }
    body = {"to": world.anna.number, "message": {"groupInviteMessage": invite}}
    wa_id = (await world.phone(world.bruno, "send", body))["id"]
    came = await world.told("message.received", lambda data: data["message"]["wa_id"] == wa_id)
    message: Json = came["message"]
    return str(group), message


@pytest.mark.proves(ROW, "received", "rest")
@pytest.mark.proves(ROW, "received", "websocket")
async def test_an_invitation_that_arrives_is_accepted(world: World) -> None:
    """By the message's id, over REST and the WebSocket; once is enough."""
    await shy(world, world.anna.phone)
    try:
        for way in ("rest", "websocket"):
            await _accepted(world, way)
    finally:
        await shy(world, world.anna.phone, "all")


async def _accepted(world: World, way: str) -> None:
    group, message = await invited(world, f"By {way}")
    assert message["type"] == "group_invite"
    shown = message["group_invite"]
    assert (shown["group"], shown["name"], shown["caption"]) == (group, f"By {way}", "Come in")
    assert shown["expires_at"] > time.time()
    path = f"/messages/{message['id']}/accept-invite"
    if way == "rest":
        joined = await world.call("POST", path)
    else:
        joined = await world.command("message.accept_invite", message=message["id"])
    assert joined == {"group": group}
    told = await world.told("group.joined", lambda data: bool(data["group"]["id"] == group))
    assert told["reason"] == "invite"
    assert await world.refused("POST", path) == "already_in_group"


async def test_what_cannot_be_accepted(world: World) -> None:
    """Another message, none, one that is over, and a code that WhatsApp does not know."""
    await shy(world, world.anna.phone)
    try:
        _, over = await invited(world, "Over", inviteExpiration=int(time.time()) - 5)
        _, wrong = await invited(world, "Wrong", inviteCode="AAAAAAAA")
    finally:
        await shy(world, world.anna.phone, "all")
    wa_id = (await world.phone(world.bruno, "send", {"to": world.anna.number, "text": "x"}))["id"]
    text = await world.told("message.received", lambda data: data["message"]["wa_id"] == wa_id)
    for message, code in (
        (text["message"]["id"], "no_invitation"),
        ("msg_none", "message_not_found"),
        (over["id"], "invite_expired"),
        (wrong["id"], "invite_invalid"),
    ):
        assert await world.refused("POST", f"/messages/{message}/accept-invite") == code


@pytest.mark.proves(ROW, "sent", "rest", "websocket")
async def test_who_cannot_be_added_is_invited(world: World) -> None:
    """The answer has the code; what is sent with it lets exactly that person in."""
    await shy(world, world.carla["phone"])
    try:
        group = (await world.call("POST", "/groups", {"name": "Quiet"}))["group"]["id"]
        body = {"action": "add", "participants": [world.carla["number"]]}
        [refused] = (await world.call("POST", f"/groups/{group}/participants", body))["items"]
        assert refused["contact"] == address(world.carla)
        assert refused["error"]["code"] == "invite_needed"
        invite = {"group": group, "name": "Quiet", **refused["invite"]}
        letter = await _sent(world, "rest", world.bruno, invite)
        with pytest.raises(Refused):  # it is not for him
            await world.phone(world.bruno, "accept-invite", {"id": letter["id"]})
        letter = await _sent(world, "websocket", world.carla, invite)
        await world.phone(world.carla, "accept-invite", {"id": letter["id"]})
        told = await world.told(
            "group.participants_changed",
            lambda data: data["group"] == group and data["change"] == "added",
        )
        assert told["participants"] == [address(world.carla)]
    finally:
        await shy(world, world.carla["phone"], "all")


async def _sent(world: World, way: str, to: Json, invite: Json) -> Json:
    """The invitation as the phone got it."""
    body = {"to": to["number"], "type": "group_invite", "group_invite": invite}
    if way == "rest":
        sent = await world.tenant.rest.post(world.path("/messages"), body, wait=20)
    else:
        sent = await world.command("message.send", **body, wait=20)
    inbox = f"/sandbox/phones/{to['phone']}/inbox"
    page = await world.tenant.rest.get(inbox, id=sent["wa_id"], raw="true", wait=20)
    letter: Json = page["items"][0]
    got = letter["message"]["groupInviteMessage"]
    assert (got["groupJID"], got["inviteCode"]) == (invite["group"], invite["code"])
    return letter


async def test_an_invitation_is_checked(world: World) -> None:
    """It names a group, goes to one person, and is not passed on."""
    invite = {"group": "120363000000000001@g.us", "code": "AbCdEf12"}
    for to, part in (
        (world.bruno["number"], invite | {"group": world.bruno["number"]}),
        (world.bruno["number"], {"group": invite["group"]}),
        ("120363000000000001@g.us", invite),
    ):
        body = {"to": to, "type": "group_invite", "group_invite": part}
        assert await world.refused("POST", "/messages", body) == "invalid_body"
