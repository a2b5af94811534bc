"""What the contact list shows of people besides their names, and how it learns it."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime

import pytest
from samples import picture

from tests.e2e.asking.conftest import World
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

JPEG = b64encode(picture("JPEG")).decode()


async def met(world: World, name: str) -> Json:
    """Somebody who wrote to the session, and so is a contact of it."""
    phone = await world.tenant.new_phone(name)
    await world.phone(phone, "send", {"to": world.anna.number, "text": "Hello"})
    await world.told("contact.changed", lambda data: data["contact"].get("lid") == phone["lid"])
    return phone


async def shown(world: World, who: Json) -> Json:
    """The contact, the same by itself and in the list."""
    one = await world.get(f"/contacts/{who['number']}")
    listed = (await world.command("contact.list", name=who["number"]))["items"]
    assert listed == [one]
    return one


async def has_changed(world: World, who: Json, **facts: object) -> Json:
    """The contact as readers are told it when it shows these facts."""

    def is_so(data: Json) -> bool:
        contact = data["contact"]
        right = all(contact.get(name) == value for name, value in facts.items())
        return bool(contact.get("lid") == who["lid"] and right)

    contact: Json = (await world.told("contact.changed", is_so))["contact"]
    return contact


async def say_about(world: World, who: Json, about: str) -> None:
    """Another about text on the phone."""
    await world.tenant.rest.call("PATCH", f"/sandbox/phones/{who['phone']}", {"about": about})


@pytest.mark.proves("Contact list, picture, about", "rest", "websocket")
async def test_an_about_text_that_was_looked_up_is_kept(world: World) -> None:
    """With the time; one that is gone is taken away at the next look."""
    who = await met(world, "Hanna")
    assert "about_at" not in await shown(world, who)
    await say_about(world, who, "In the garden")
    await world.get(f"/contacts/{who['lid']}/about")
    first = await has_changed(world, who, about="In the garden")
    assert await shown(world, who) == first
    await world.command("contact.about", contact=who["number"])
    again = await shown(world, who)
    assert datetime.fromisoformat(again["about_at"]) > datetime.fromisoformat(first["about_at"])
    await say_about(world, who, "")
    await world.command("contact.about", contact=who["number"])
    gone = await shown(world, who)
    assert "about" not in gone
    assert gone["about_at"] > again["about_at"]


@pytest.mark.proves("Contact list, picture, about", "rest", "websocket")
async def test_a_picture_is_kept_replaced_and_removed(world: World) -> None:
    """A new one is known to be there before anybody looks; a removed one is removed at once."""
    who = await met(world, "Ida")
    path = f"/contacts/{who['number']}/picture"
    made = await world.phone(who, "picture", {"image": JPEG})
    unseen = await has_changed(world, who, picture_changed=True)
    assert "picture_id" not in unseen
    found = await world.get(path)
    kept = await shown(world, who)
    assert (kept["picture_id"], kept["picture_url"]) == (made["id"], found["url"])
    assert "picture_changed" not in kept
    await world.phone(who, "picture", {"image": JPEG})
    newer = await has_changed(world, who, picture_changed=True)
    assert not {"picture_id", "picture_url"} & set(newer) or newer == unseen
    await world.command("contact.picture", contact=who["lid"], preview=True)
    small = await shown(world, who)
    assert small["picture_id"] != made["id"]
    assert "picture_url" not in small
    await world.phone(who, "picture", {"image": ""})
    await world.told("contact.picture_changed", lambda data: bool(data.get("removed")))
    await has_changed(world, who, picture_id=None, picture_changed=None, push_name="Ida")
    assert await world.refused("GET", path) == "picture_not_found"
    none = await shown(world, who)
    assert not {"picture_id", "picture_url", "picture_changed"} & set(none)
    assert none["picture_at"] > small["picture_at"]


async def test_a_picture_that_is_gone_is_noticed_when_asked_for(world: World) -> None:
    """What the contact list showed is taken away by the refusal."""
    who = await met(world, "Jana")
    assert await world.refused("GET", f"/contacts/{who['number']}/picture") == "picture_not_found"
    kept = await shown(world, who)
    assert "picture_at" in kept
    assert "picture_id" not in kept


async def test_looking_a_stranger_up_makes_no_contact(world: World) -> None:
    """The answer comes; the list stays as it is."""
    stranger = await world.tenant.new_phone("Kai")
    await say_about(world, stranger, "Nobody")
    about = await world.get(f"/contacts/{stranger['number']}/about")
    assert about["about"] == "Nobody"
    code = await world.refused("GET", f"/contacts/{stranger['number']}")
    assert code == "contact_not_found"
