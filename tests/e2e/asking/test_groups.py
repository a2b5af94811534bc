"""Groups: what is asked of them, and what readers are told, through the real engine."""

from __future__ import annotations

from base64 import b64encode

import pytest
from samples import picture

from tests.e2e.asking.conftest import World, address
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

PICTURE = b64encode(picture("PNG", (900, 700))).decode()
NOBODY = "999000000001"


def roles(group: Json) -> dict[str, str]:
    """Who is what, by phone number."""
    return {
        each["contact"]["phone"].removeprefix("+"): each.get("role", "member")
        for each in group["participants"]
    }


async def made(world: World, name: str, *people: Json) -> str:
    """A new group of the session's own with these people in it."""
    body = {"name": name, "participants": [one["number"] for one in people]}
    return str((await world.call("POST", "/groups", body))["group"]["id"])


async def joined(world: World, name: str, *more: Json) -> str:
    """A group that Bruno made with the session in it."""
    members = [world.anna.phone, *(one["phone"] for one in more)]
    body = {"subject": name, "members": members}
    group = (await world.phone(world.bruno, "groups", body))["group"]
    await world.told("group.joined", lambda data: bool(data["group"]["id"] == group))
    return str(group)


async def as_bruno(world: World, group: str, what: str, body: Json) -> None:
    """Bruno does something in a group on his phone."""
    await world.phone(world.bruno, f"groups/{group}/{what}", body)


async def test_a_group_is_made_listed_and_read(world: World) -> None:
    """Who cannot be added is named with the reason; the others are in."""
    body = {"name": "Team", "participants": [world.bruno["number"], NOBODY]}
    answer = await world.command("group.create", **body)
    group = answer["group"]
    assert (group["name"], roles(group)) == (
        "Team",
        {world.anna.number: "owner", world.bruno["number"]: "member"},
    )
    [refused] = answer["refused"]
    assert refused["contact"]["phone"] == f"+{NOBODY}"
    assert refused["error"]["code"] == "recipient_not_on_whatsapp"
    told = await world.told("group.joined", lambda data: bool(data["group"]["id"] == group["id"]))
    assert told["group"] == group
    listed = await world.get("/groups")
    assert group in listed["items"]
    assert await world.get(f"/groups/{group['id']}", fresh="true") == group
    assert await world.command("group.get", group=group["id"]) == group


async def test_members_are_added_promoted_demoted_and_removed(world: World) -> None:
    """One result for each person; readers are told each change, and by whom."""
    group = await made(world, "Members", world.bruno)
    carla, path = world.carla["number"], f"/groups/{group}/participants"
    changes = (
        ("add", "added"),
        ("promote", "promoted"),
        ("demote", "demoted"),
        ("remove", "removed"),
    )
    for action, change in changes:
        body = {"action": action, "participants": [carla]}
        done = await world.call("POST", path, body)
        assert done["items"] == [{"contact": address(world.carla)}]
        told = await world.told(
            "group.participants_changed",
            lambda data, change=change: data["group"] == group and data["change"] == change,
        )
        assert told["participants"] == [address(world.carla)]
        assert told["by"]["phone"] == f"+{world.anna.number}"
        now = roles(await world.get(f"/groups/{group}"))
        expected = {"added": "member", "promoted": "admin", "demoted": "member"}
        assert now.get(carla) == expected.get(change)
    body = {"action": "add", "participants": [world.bruno["number"], NOBODY]}
    again = await world.call("POST", path, body)
    codes = {one["contact"]["phone"]: one["error"]["code"] for one in again["items"]}
    assert codes == {
        f"+{world.bruno['number']}": "already_in_group",
        f"+{NOBODY}": "recipient_not_on_whatsapp",
    }


@pytest.mark.proves(
    "Groups: create, participants, name, description, photo, invite, settings", "rest", "websocket"
)
async def test_settings_change_and_are_told(world: World) -> None:
    """Name, topic, announce, locked and disappearing messages, over REST and the WebSocket."""
    group = await made(world, "Before", world.bruno)
    body = {
        "name": "After",
        "topic": "What we talk about",
        "announce": True,
        "locked": True,
        "disappearing": 86_400,
    }
    changed = await world.call("PATCH", f"/groups/{group}", body)
    assert {key: changed[key] for key in body} == body
    for key, value in body.items():
        told = await world.told(
            "group.changed", lambda data, key=key: data["group"] == group and key in data
        )
        assert told[key] == value
    back = {"topic": "", "announce": False, "locked": False, "disappearing": 0}
    changed = await world.command("group.update", group=group, **back)
    assert {key: changed.get(key, "" if key == "topic" else 0) for key in back} == back
    assert changed["name"] == "After"


async def test_what_others_do_in_a_group_is_told(world: World) -> None:
    """What is done on somebody's phone comes as an event, and the known group is right again."""
    group = await joined(world, "Bruno's")
    assert (await world.get(f"/groups/{group}"))["name"] == "Bruno's"
    await as_bruno(world, group, "update", {"subject": "Bruno's team", "topic": "x"})
    told = await world.told("group.changed", lambda data: data.get("name") == "Bruno's team")
    assert (told["group"], told["by"]) == (group, address(world.bruno))
    assert (await world.get(f"/groups/{group}"))["name"] == "Bruno's team"
    members = {"action": "add", "members": [world.carla["phone"]]}
    await as_bruno(world, group, "participants", members)
    told = await world.told(
        "group.participants_changed",
        lambda data: data["group"] == group and data["change"] == "added",
    )
    assert told["participants"] == [address(world.carla)]
    assert world.carla["number"] in roles(await world.get(f"/groups/{group}"))


async def test_only_admins_may(world: World) -> None:
    """A member who is no admin is refused with a code that says so; strangers see nothing."""
    group = await joined(world, "Not ours")
    await as_bruno(world, group, "update", {"locked": True})
    add = {"action": "add", "participants": [world.carla["number"]]}
    path = f"/groups/{group}"
    assert await world.refused("PATCH", path, {"name": "Ours"}) == "not_group_admin"
    assert await world.refused("POST", f"{path}/participants", add) == "not_group_admin"
    assert await world.refused("GET", f"{path}/invite") == "not_group_admin"
    other = (await world.phone(world.bruno, "groups", {"subject": "Private"}))["group"]
    assert await world.refused("GET", f"/groups/{other}") == "not_in_group"
    assert await world.refused("GET", "/groups/120363000000000001@g.us") == "group_not_found"
    await world.call("POST", f"{path}/leave")
    assert await world.refused("GET", path) == "not_in_group"


@pytest.mark.proves(
    "Groups: create, participants, name, description, photo, invite, settings", "rest", "websocket"
)
async def test_invite_links(world: World) -> None:
    """A link is read, looked at, followed and reset; an old one leads nowhere."""
    own = await made(world, "Own")
    old = (await world.get(f"/groups/{own}/invite"))["link"]
    assert old.startswith("https://chat.whatsapp.com/")
    new = (await world.call("POST", f"/groups/{own}/invite/reset"))["link"]
    told = await world.told("group.changed", lambda data: "invite_link" in data)
    assert told["invite_link"] == new != old
    await world.phone(world.carla, "join-group", {"invite": new})
    await world.told(
        "group.participants_changed",
        lambda data: data["group"] == own and data.get("reason") == "invite",
    )
    assert await world.refused("POST", "/groups/join", {"link": old}) == "invite_invalid"
    theirs = (await world.phone(world.bruno, "groups", {"subject": "Open"}))["group"]
    path = f"/sandbox/phones/{world.bruno['phone']}/groups/{theirs}"
    link = (await world.tenant.rest.get(path))["invite"]
    seen = await world.get("/groups/invited", link=link)
    assert (seen["id"], seen["name"]) == (theirs, "Open")
    assert await world.command("group.join", link=link) == {"group": theirs}
    told = await world.told("group.joined", lambda data: data["group"]["id"] == theirs)
    assert told["reason"] == "invite"


@pytest.mark.proves("Groups: list join requests", "rest", "websocket")
async def test_who_asks_to_be_let_in(world: World) -> None:
    """Where admins let people in, those who wait are listed, and the phone decides."""
    group = await made(world, "Closed", world.bruno)
    body = {"action": "promote", "participants": [world.bruno["number"]]}
    await world.call("POST", f"/groups/{group}/participants", body)
    await as_bruno(world, group, "update", {"approval": True})
    link = (await world.get(f"/groups/{group}/invite"))["link"]
    assert not (await world.phone(world.carla, "join-group", {"invite": link}))["joined"]
    [waiting] = (await world.get(f"/groups/{group}/join-requests"))["items"]
    assert waiting["contact"]["lid"] == world.carla["lid"]
    await as_bruno(world, group, "decide", {"members": [world.carla["phone"]]})
    await world.told(
        "group.participants_changed",
        lambda data: data["group"] == group and data["change"] == "added",
    )
    assert (await world.command("group.join_requests", group=group)) == {"items": []}


async def test_a_group_has_a_picture(world: World) -> None:
    """Any picture is taken, as a square JPEG, and found again; what is none is refused."""
    group = await made(world, "With picture")
    path = f"/groups/{group}/picture"
    given = await world.call("PUT", path, {"image": PICTURE})
    found = await world.get(f"/contacts/{group}/picture")
    assert found["id"] == given["id"]
    known = await world.get(f"/contacts/{group}/picture", known=given["id"])
    assert "url" not in known
    told = await world.told("group.changed", lambda data: data["group"] == group)
    assert told["picture"] == "set"
    assert await world.refused("PUT", path, {"image": "R0lGODlh"}) == "invalid_image"


@pytest.mark.proves("Communities", "rest", "websocket")
async def test_communities(world: World) -> None:
    """A community has an announcement group; groups are put into it, listed and taken out."""
    body = {"name": "Village", "community": True}
    community = (await world.call("POST", "/groups", body))["group"]
    assert community["community"]
    within = {"name": "Street", "community_id": community["id"]}
    street = (await world.call("POST", "/groups", within))["group"]
    assert street["community_id"] == community["id"]
    market = await made(world, "Market", world.bruno)
    path = f"/communities/{community['id']}"
    await world.call("POST", f"{path}/link", {"group": market})
    told = await world.told("group.changed", lambda data: data["group"] == market)
    assert told["linked"] == {"id": community["id"], "name": "Village", "kind": "parent"}
    listed = (await world.get(f"{path}/groups"))["items"]
    assert {each["name"]: each.get("default", False) for each in listed} == {
        "Village": True,
        "Street": False,
        "Market": False,
    }
    people = await world.command("community.participants", community=community["id"])
    assert world.bruno["lid"] in {one["lid"] for one in people["items"]}
    await world.command("community.unlink", community=community["id"], group=market)
    assert len((await world.get(f"{path}/groups"))["items"]) == 2
