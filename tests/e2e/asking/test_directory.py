"""What WhatsApp tells of people: through REST and WebSocket, the real engine and the sandbox."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.asking.conftest import World, address

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

NOBODY = "999000000001"


@pytest.mark.proves("Number check", "rest", "websocket")
async def test_numbers_are_checked_in_bulk(world: World) -> None:
    """Each number gets one answer in its place, with both addresses when it is there."""
    body = {"numbers": [NOBODY, world.bruno["number"], f"+{world.carla['number']}"]}
    for found in (
        await world.call("POST", "/contacts/check", body),
        await world.command("contacts.check", **body),
    ):
        assert found["items"] == [
            {"number": NOBODY, "exists": False},
            *(
                {"number": one["number"], "exists": True, "contact": address(one)}
                for one in (world.bruno, world.carla)
            ),
        ]


async def test_only_phone_numbers_are_checked(world: World) -> None:
    """A group or a LID is no number; more than 500 are too many."""
    group = {"numbers": ["120363000000000001@g.us"]}
    assert await world.refused("POST", "/contacts/check", group) == "invalid_address"
    many = {"numbers": [NOBODY] * 501}
    assert await world.refused("POST", "/contacts/check", many) == "invalid_body"


async def test_about_and_devices_of_a_contact(world: World) -> None:
    """Found by phone number and by LID; who is not on WhatsApp is 404."""
    for contact in (world.bruno["number"], world.bruno["lid"]):
        found = await world.get(f"/contacts/{contact}/about")
        assert found["contact"] == address(world.bruno)
        devices = await world.command("contact.devices", contact=contact)
        assert devices == {"contact": address(world.bruno), "devices": [0]}
    for what in ("about", "devices"):
        code = await world.refused("GET", f"/contacts/{NOBODY}/{what}")
        assert code == "recipient_not_on_whatsapp"


@pytest.mark.proves("Block", "rest", "websocket")
async def test_the_block_list(world: World) -> None:
    """Blocking and unblocking answer with the list, as does asking for it."""
    blocked = await world.call("POST", f"/contacts/{world.carla['number']}/block")
    assert blocked == {"items": [address(world.carla)]}
    assert await world.get("/blocklist") == blocked
    assert await world.command("contact.unblock", contact=world.carla["lid"]) == {"items": []}
    assert await world.command("blocklist.get") == {"items": []}


async def test_a_watched_contact_comes_and_goes(world: World) -> None:
    """After a subscription its presence is told, with both addresses."""
    await world.call("POST", f"/contacts/{world.bruno['number']}/subscribe")
    async with asyncio.timeout(60):
        await world.phone(world.bruno, "presence", {"available": True})
        seen = await world.told("contact.presence_changed", lambda data: bool(data["online"]))
    assert seen["contact"]["lid"] == world.bruno["lid"]


async def test_a_picture_that_is_not_there(world: World) -> None:
    """404 with a code of its own."""
    code = await world.refused("GET", f"/contacts/{world.bruno['number']}/picture")
    assert code == "picture_not_found"
