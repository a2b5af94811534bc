"""What groups are called in the chat list, and how the list learns it."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.asking.conftest import LIMIT, World
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]


async def called(world: World, group: str, name: str) -> Json:
    """The group's chat, as readers are told it when it has this name."""
    told = await world.told(
        "chat.changed",
        lambda data: data["chat"]["id"] == group and data["chat"].get("name") == name,
    )
    chat: Json = told["chat"]
    return chat


async def listed(world: World, group: str) -> Json | None:
    """The group in the chat list."""
    chats = (await world.get("/chats", kind="group", limit=200))["items"]
    return next((chat for chat in chats if chat["id"] == group), None)


async def added(world: World, name: str) -> str:
    """A group of Bruno's to which the session was added."""
    body = {"subject": name, "members": [world.anna.phone]}
    return str((await world.phone(world.bruno, "groups", body))["group"])


async def rename(world: World, group: str, name: str) -> None:
    """Bruno changes the subject."""
    await world.phone(world.bruno, f"groups/{group}/update", {"subject": name})


@pytest.mark.proves("Chat list: names of groups", "rest", "websocket")
async def test_a_group_that_added_the_session_is_listed_by_its_name(world: World) -> None:
    """At once, before anybody writes; a new subject replaces the name."""
    group = await added(world, "Choir 7")
    told = await called(world, group, "Choir 7")
    assert (told["kind"], told.get("last_message")) == ("group", None)
    assert await listed(world, group) == told
    await rename(world, group, "Choir 8")
    await called(world, group, "Choir 8")
    assert (await world.command("chat.get", chat=group))["name"] == "Choir 8"
    found = (await world.command("chat.list", name="choir 8"))["items"]
    assert [chat["id"] for chat in found] == [group]


async def test_groups_of_ones_own_are_listed_and_renamed(world: World) -> None:
    """Made and renamed through the API; the frame of a community is no chat, its groups are."""
    group = (await world.call("POST", "/groups", {"name": "Mine"}))["group"]["id"]
    assert (await world.get(f"/chats/{group}"))["name"] == "Mine"
    await world.command("group.update", group=group, name="Still mine")
    assert (await world.get(f"/chats/{group}"))["name"] == "Still mine"
    community = await world.command("group.create", name="Town", community=True)
    assert await listed(world, community["group"]["id"]) is None


async def test_a_group_that_was_deleted_is_named_again_when_it_writes(world: World) -> None:
    """Nothing tells its name then, so WhatsApp is asked."""
    group = await added(world, "Forgotten")
    await called(world, group, "Forgotten")
    await world.call("DELETE", f"/chats/{group}")
    seen = len(world.feed.seen)
    await world.phone(world.bruno, "send", {"to": group, "text": "still here"})
    async with asyncio.timeout(LIMIT):
        while not ((chat := await listed(world, group)) and chat.get("name") == "Forgotten"):
            await asyncio.sleep(0.1)
    assert chat["last_message"]["text"] == {"body": "still here"}
    kinds = [one.event["type"] for one in world.feed.seen[seen:]]
    assert "group.joined" not in kinds


async def test_a_subject_that_changed_while_the_session_was_away_shows(world: World) -> None:
    """WhatsApp keeps the news, and the list has the name when the session is back."""
    group = await added(world, "Before")
    await called(world, group, "Before")
    path = f"/sessions/{world.anna.session}"
    await world.tenant.rest.post(f"{path}/stop")
    await world.told("session.state_changed", lambda data: data["state"] == "stopped")
    await rename(world, group, "While away")
    await world.tenant.rest.post(f"{path}/start")
    assert (await called(world, group, "While away"))["id"] == group
