"""Messages in groups: who wrote, who got them, and who may write."""

from __future__ import annotations

import pytest

from tests.e2e.asking.conftest import World, address
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]


async def group_of_three(world: World) -> str:
    """A group that Bruno made, with the session and Carla."""
    body = {"subject": "Three", "members": [world.anna.phone, world.carla["phone"]]}
    group = (await world.phone(world.bruno, "groups", body))["group"]
    await world.told("group.joined", lambda data: bool(data["group"]["id"] == group))
    return str(group)


async def send(world: World, group: str, text: str) -> Json:
    """The session writes in the group."""
    body = {"to": group, "type": "text", "text": {"body": text}}
    sent: Json = await world.tenant.rest.post(world.path("/messages"), body, wait=10)
    return sent


async def test_who_wrote_in_a_group_is_known_by_both_addresses(world: World) -> None:
    """The chat is the group, the author a person with phone number, LID and name."""
    group = await group_of_three(world)
    await world.phone(world.carla, "send", {"to": group, "text": "Hello group"})
    came = await world.told(
        "message.received", lambda data: bool(data["message"]["chat"]["id"] == group)
    )
    message = came["message"]
    assert message["text"] == {"body": "Hello group"}
    author = {key: message["from"].get(key) for key in ("id", "phone", "lid")}
    assert author == address(world.carla)
    assert message["from"]["name"] == "Carla"


@pytest.mark.proves("Receipts per recipient in groups", "received", "rest")
async def test_each_members_receipt_is_told(world: World) -> None:
    """Everybody in the group decrypts the message; who got and who read it is told by name."""
    group = await group_of_three(world)
    sent = await send(world, group, "To all")
    assert sent["status"] in ("sent", "delivered")
    for phone in (world.bruno, world.carla):
        inbox = f"/sandbox/phones/{phone['phone']}/inbox"
        letters = (await world.tenant.rest.get(inbox, id=sent["wa_id"], wait=10))["items"]
        assert [letter["text"] for letter in letters] == ["To all"]
    await world.phone(world.carla, "read", {"ids": [sent["wa_id"]]})
    for phone, status in (("bruno", "delivered"), ("carla", "delivered"), ("carla", "read")):
        lid = getattr(world, phone)["lid"]

        def of_member(data: Json, lid: str = lid, status: str = status) -> bool:
            return bool(data["recipient"].get("lid") == lid and data["status"] == status)

        told = await world.told("message.receipt", of_member)
        assert (told["chat"]["id"], told["wa_ids"]) == (group, [sent["wa_id"]])
    kept = await world.tenant.rest.get("/events", types="message.receipt", limit=1000)
    readers = [each["data"]["recipient"]["lid"] for each in kept["items"]]
    assert {world.bruno["lid"], world.carla["lid"]} <= set(readers)


async def test_where_only_admins_write_others_are_refused(world: World) -> None:
    """A send into an announcement group fails with a reason, and reaches nobody."""
    group = await group_of_three(world)
    await world.phone(world.bruno, f"groups/{group}/update", {"announce": True})
    await world.told("group.changed", lambda data: bool(data["group"] == group))
    sent = await send(world, group, "May I?")
    assert (sent["status"], sent["error"]["code"]) == ("failed", "whatsapp_refused")
