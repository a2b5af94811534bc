"""Newsletters, from both sides, through the real engine."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
from samples import picture

from tests.e2e.asking.conftest import LIMIT, World
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

PICTURE = b64encode(picture("PNG", (900, 700))).decode()


async def shown(world: World, newsletter: str) -> Json:
    """A newsletter as the network keeps it."""
    path = f"/sandbox/phones/{world.bruno['phone']}/newsletters/{newsletter}"
    found: Json = await world.tenant.rest.get(path)
    return found


@pytest.mark.proves("Channels", "rest", "websocket")
async def test_a_newsletter_is_made_and_written(world: World) -> None:
    """The number makes one with a picture, writes to it, and finds it in its list."""
    body = {"name": "News", "description": "What is new", "image": PICTURE}
    made = await world.call("POST", "/newsletters", body)
    assert (made["name"], made["description"], made["role"]) == ("News", "What is new", "owner")
    assert made["picture_id"]
    assert made in (await world.get("/newsletters"))["items"]
    assert await world.command("newsletter.get", newsletter=made["id"]) == made
    text = {"to": made["id"], "type": "text", "text": {"body": "First issue"}}
    sent = await world.tenant.rest.post(world.path("/messages"), text, wait=10)
    assert sent["status"] in ("sent", "delivered")
    [post] = (await shown(world, made["id"]))["posts"]
    assert "First issue" in str(post["message"])
    plain = await world.command("newsletter.create", name="Plain")
    assert (plain["name"], "picture_id" in plain) == ("Plain", False)


@pytest.mark.proves("Channels", "rest", "websocket")
async def test_a_newsletter_is_found_followed_read_and_left(world: World) -> None:
    """Readers are told; messages arrive, are listed with their figures, and reacted to."""
    theirs = await world.phone(world.bruno, "newsletters", {"name": "Bruno's"})
    id, link = theirs["newsletter"], f"https://whatsapp.com/channel/{theirs['invite']}"
    found = await world.get("/newsletters/by-link", link=link)
    assert (found["id"], found["name"], found["link"]) == (id, "Bruno's", link)
    await world.call("POST", f"/newsletters/{id}/follow")
    told = await world.told("newsletter.joined", lambda data: data["newsletter"]["id"] == id)
    assert told["newsletter"]["role"] == "follower"
    await world.command("newsletter.mute", newsletter=id)
    assert (await world.told("newsletter.mute_changed"))["muted"]
    assert (await world.get(f"/newsletters/{id}"))["muted"]
    await world.call("POST", f"/newsletters/{id}/unmute")

    post = await world.phone(world.bruno, f"newsletters/{id}/publish", {"text": "Hello all"})
    came = await world.told("message.received", lambda data: data["message"]["chat"]["id"] == id)
    assert came["message"]["text"]["body"] == "Hello all"
    listed = await world.get(f"/newsletters/{id}/messages", count=10)
    assert listed["items"] == [
        {
            "server_id": post["server_id"],
            "type": "text",
            "content": {"body": "Hello all"},
            "views": 1,
        }
    ]
    assert (await world.command("newsletter.messages", newsletter=id, before=1))["items"] == []

    assert (await world.call("POST", f"/newsletters/{id}/watch"))["seconds"] > 0
    reaction = {"server_id": post["server_id"], "emoji": "👍"}
    await world.call("POST", f"/newsletters/{id}/react", reaction)
    await until_reactions(world, id, {"👍": 1})
    await world.phone(world.carla, f"newsletters/{id}/react", reaction)
    told = await world.told(
        "newsletter.updated", lambda data: data["messages"][0].get("reactions") == {"👍": 2}
    )
    assert told["newsletter"] == id
    await world.command("newsletter.react", newsletter=id, server_id=post["server_id"], emoji="")
    await until_reactions(world, id, {"👍": 1})

    await world.command("newsletter.unfollow", newsletter=id)
    await world.told("newsletter.left", lambda data: bool(data["newsletter"] == id))
    assert id not in [each["id"] for each in (await world.get("/newsletters"))["items"]]


async def until_reactions(world: World, newsletter: str, wanted: dict[str, int]) -> None:
    """Wait until the network has these."""
    async with asyncio.timeout(LIMIT):
        while (await shown(world, newsletter))["posts"][0]["reactions"] != wanted:
            await asyncio.sleep(0.1)


async def test_what_is_no_newsletter(world: World) -> None:
    """404 with a code of its own, and 422 for what is no address of one."""
    nothing = "/newsletters/120363000000000009@newsletter"
    assert await world.refused("GET", nothing) == "newsletter_not_found"
    assert await world.refused("POST", f"{nothing}/follow") == "newsletter_not_found"
    assert await world.refused("GET", "/newsletters/5511999990000") == "invalid_address"
    link = "https://whatsapp.com/channel/ABCDEFGHIJKL"
    assert await world.refused("GET", "/newsletters/by-link", link=link) == "newsletter_not_found"
