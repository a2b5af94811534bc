"""People are shown under the names that the number's owner gave them on the phone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.e2e.asking.conftest import LIMIT, World
from wa_api.demo.client import Json, Refused

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

NOBODY = "99912345678"
PROVES = ("Contact list, picture, about", "rest", "websocket")


async def save(world: World, owner: Json, **names: str) -> None:
    """Write names into a phone's address book, by numbers (`n…`) or LIDs (`l…`)."""
    book = [
        {"contact": who[1:] + ("@lid" if who[0] == "l" else ""), "name": name}
        for who, name in names.items()
    ]
    await world.phone(owner, "contacts/import", {"contacts": book})


async def link(world: World, phone: Json) -> str:
    """A new session on a phone that is there already."""
    body = {"network": "sandbox", "start": True}
    session: str = (await world.tenant.rest.post("/sessions", body))["id"]
    qr = await world.feed.event("session.qr_issued", session, LIMIT)
    await world.phone(phone, "scan", {"qr": qr.event["data"]["qr"]})
    return session


async def listed(world: World, session: str) -> dict[str, Any]:
    """Saved names by phone number, or by LID where only that is known."""
    items = (await world.tenant.rest.get(f"/sessions/{session}/contacts", limit=200))["items"]
    return {one["id"].partition("@")[0]: one["name"] for one in items if "name" in one}


async def until_listed(world: World, session: str, **names: str) -> None:
    """The book is read a moment after the phone sent it."""
    wanted = {who[1:]: name for who, name in names.items()}
    seen: Any = None
    try:
        async with asyncio.timeout(LIMIT):
            while (seen := await listed(world, session)) != wanted:
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{seen} is not {wanted}") from None


async def told(world: World, session: str, who: Json, name: str | None) -> Json:
    """The contact, as readers are told it under this name."""

    def right(data: Json) -> bool:
        contact = data["contact"]
        return bool(contact["id"] == who["jid"] and contact.get("name") == name)

    event = await world.feed.event("contact.changed", session, LIMIT, right)
    contact: Json = event.event["data"]["contact"]
    return contact


async def chat(world: World, session: str, name: str) -> Json | None:
    """The chat that is found by a part of its name."""
    found = (await world.feed.command("chat.list", session, {"name": name}))["items"]
    return found[0] if found else None


@pytest.mark.proves(*PROVES)
@pytest.mark.proves("Chat list: names of people", "rest", "websocket")
async def test_names_come_with_linking_and_follow_the_phone(world: World) -> None:
    """Of people who never wrote, too; under one identity, whichever address was saved."""
    lena, milo, nora = [await world.tenant.new_phone(name) for name in ("Lena", "Milo", "Nora")]
    mine, milos, noras = lena["number"], milo["number"], nora["lid"].partition("@")[0]
    for who in (milo, nora):
        await world.phone(who, "send", {"to": mine, "text": "Hello"})
    names = {f"n{milos}": "Milo from work", f"l{noras}": "Norita", f"n{NOBODY}": "Aunt"}
    await save(world, lena, **names)
    session = await link(world, lena)
    names[f"n{nora['number']}"] = names.pop(f"l{noras}")
    await until_listed(world, session, **names)

    contact = await world.feed.command("contact.get", session, {"contact": nora["lid"]})
    assert (contact["id"], contact["name"]) == (nora["jid"], "Norita")
    assert contact["push_name"] == "Nora"
    shown = {one["phone"]: one["name"] for one in await chats(world, session)}
    assert shown == {f"+{milos}": "Milo from work", f"+{nora['number']}": "Norita"}

    await save(world, lena, **{f"n{milos}": "Milo (new job)", f"l{noras}": "Nora B."})
    renamed = await told(world, session, milo, "Milo (new job)")
    assert renamed["push_name"] == "Milo"
    await told(world, session, nora, "Nora B.")
    found = await chat(world, session, "new job")
    assert found is not None
    assert found["id"] == milo["jid"]
    assert await chat(world, session, "from work") is None

    await save(world, lena, **{f"n{milos}": ""})
    await told(world, session, milo, None)
    found = await chat(world, session, "milo")
    assert found is not None
    assert (found["id"], found["name"]) == (milo["jid"], "Milo")


async def chats(world: World, session: str) -> list[Json]:
    """The chat list."""
    items: list[Json] = (await world.tenant.rest.get(f"/sessions/{session}/chats"))["items"]
    return items


@pytest.mark.proves(*PROVES)
async def test_a_large_address_book_is_told_as_one(world: World) -> None:
    """Readers learn that they should read again."""
    olga = await world.tenant.new_phone("Olga")
    await save(world, olga, **{f"n{NOBODY}{n}": f"Friend {n}" for n in range(100, 250)})
    session = await link(world, olga)
    event = await world.feed.event("session.contacts_changed", session, LIMIT)
    assert event.event["data"] == {"contacts": 150}
    assert len(await listed(world, session)) == 150
    told = [seen.event for seen in world.feed.seen if seen.event.get("session") == session]
    assert not [one for one in told if one["type"] == "contact.changed"]


async def test_an_address_book_holds_people(world: World) -> None:
    """Groups, strangers without a name and the phone itself are refused; a friend needs no name."""
    group = await world.phone(world.bruno, "groups", {"subject": "Choir", "members": []})
    here = f"/sandbox/phones/{world.bruno['phone']}/contacts"
    for path, body, code in (
        (here, {"contact": group["group"], "name": "Choir"}, "bad_request"),
        (here, {"contact": NOBODY}, "bad_request"),
        (here, {"contact": world.bruno["number"]}, "bad_request"),
        (f"{here}/import", {"contacts": []}, "invalid_body"),
        ("/sandbox/phones/ph_0/contacts/remove", {"contact": NOBODY}, "not_found"),
    ):
        assert await refusal(world.tenant.rest, path, body) == code
    await world.phone(world.bruno, "contacts", {"contact": world.carla["phone"]})
    await world.phone(world.bruno, "contacts/remove", {"contact": world.carla["number"]})


async def refusal(rest: Any, path: str, body: Json) -> str:
    """The code that an order is refused with."""
    try:
        await rest.post(path, body)
    except Refused as error:
        return str(error.problem["code"])
    raise AssertionError("not refused")


async def test_who_is_removed_goes_with_the_next_linking(world: World) -> None:
    """The engine ignores removals; only what a new device is told has them."""
    paul, quinn = [await world.tenant.new_phone(name) for name in ("Paul", "Quinn")]
    names = {f"n{quinn['number']}": "Quinn Q.", f"n{NOBODY}": "Aunt"}
    await save(world, paul, **names)
    session = await link(world, paul)
    await until_listed(world, session, **names)
    await world.phone(paul, "contacts/remove", {"contact": quinn["number"]})
    rest = world.tenant.rest
    await rest.post(f"/sessions/{session}/logout")
    await world.feed.event(
        "session.state_changed", session, LIMIT, lambda data: data["state"] == "logged_out"
    )
    seen = len(world.feed.seen)
    await rest.post(f"/sessions/{session}/start")
    async with asyncio.timeout(LIMIT):
        while not (codes := qr_codes(world, session, seen)):
            await asyncio.sleep(0.1)
    await world.phone(paul, "scan", {"qr": codes[-1]})
    await until_listed(world, session, **{f"n{NOBODY}": "Aunt"})


def qr_codes(world: World, session: str, after: int) -> list[str]:
    """What was shown since."""
    events = [seen.event for seen in world.feed.seen[after:]]
    return [
        one["data"]["qr"]
        for one in events
        if one["type"] == "session.qr_issued" and one.get("session") == session
    ]
