"""Pictures of the profile, groups and newsletters, by the id of media that is kept."""

from __future__ import annotations

import httpx
import pytest
from samples import picture, sample

from tests.e2e.asking.conftest import World
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

ROW = "Pictures of profile, groups, channels by media id"


async def upload(world: World, content: bytes) -> str:
    """Keep a file; its id."""
    headers = {"Authorization": f"Bearer {world.tenant.rest.credential}"}
    async with httpx.AsyncClient(base_url=world.tenant.url, headers=headers, timeout=60) as client:
        answer = await client.post("/v1/media", content=content)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def shown(world: World, whose: str) -> str:
    """The id of the picture that WhatsApp shows of somebody or a group."""
    found: Json = await world.get(f"/contacts/{whose}/picture")
    return str(found["id"])


@pytest.mark.proves(ROW, "rest", "websocket")
async def test_a_kept_picture_is_shown(world: World) -> None:
    """A large one, over REST and the WebSocket: WhatsApp has a square JPEG of it afterwards."""
    media = await upload(world, picture("PNG", (1500, 900)))
    given = await world.call("PUT", "/profile/picture", {"media": media})
    assert (await world.get("/profile"))["picture_id"] == given["id"]
    given = await world.command("profile.set_picture", media=media)
    assert (await world.get("/profile"))["picture_id"] == given["id"]

    group = (await world.call("POST", "/groups", {"name": "By media"}))["group"]["id"]
    given = await world.call("PUT", f"/groups/{group}/picture", {"media": media})
    assert await shown(world, group) == given["id"]
    given = await world.command("group.set_picture", group=group, media=media)
    assert await shown(world, group) == given["id"]

    made = await world.call("POST", "/newsletters", {"name": "By media", "media": media})
    assert made["picture_id"]
    made = await world.command("newsletter.create", name="By media", media=media)
    assert made["picture_id"]


async def test_what_is_no_picture_of_ones_own(world: World) -> None:
    """Media of nobody, a sound, and neither or both ways to give one: each refused by name."""
    picture_id, sound = await upload(world, picture()), await upload(world, sample("tone.mp3"))
    path, image = "/profile/picture", "/9j/AAAA"
    assert await world.refused("PUT", path, {"media": "med_none"}) == "media_not_found"
    assert await world.refused("PUT", path, {"media": sound}) == "invalid_image"
    assert await world.refused("PUT", path, {}) == "invalid_body"
    both = {"media": picture_id, "image": image}
    assert await world.refused("PUT", path, both) == "invalid_body"
    body = {"name": "Both", **both}
    assert await world.refused("POST", "/newsletters", body) == "invalid_body"
