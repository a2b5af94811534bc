"""The phone's address book, as the library keeps it; see docs/decisions/0013."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.e2e.engine.processes import Engines, Sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

LIMIT = 20.0
NOBODY = "99912345678"


async def names(engines: Engines, session: str) -> dict[str, str]:
    """Who is saved as what, by the address's user."""
    found = await engines.do("saved_contacts", session)
    return {one["contact"]["user"]: one["name"] for one in found}


async def until(engines: Engines, session: str, wanted: dict[str, str]) -> None:
    """Changes come by themselves, a moment later."""
    seen: Any = None
    try:
        async with asyncio.timeout(LIMIT):
            while (seen := await names(engines, session)) != wanted:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{seen} is not {wanted}") from None


async def test_the_address_book_is_read_and_follows_the_phone(
    engines: Engines, sandbox: Sandbox, session: str
):
    """What was saved before linking, later entries, other names; who is only met is not in it."""
    phone, peer = [await sandbox.phone(name=name) for name in ("Owner", "Peer")]
    me, other = phone["phone"], await sandbox.phone(name="Stranger")
    mine = {"phone": me}
    book = [
        {"contact": peer["number"], "name": "Pia Peer", "first_name": "Pia"},
        {"contact": NOBODY, "name": "", "first_name": "Nobody"},
    ]
    await sandbox("phone.save_contacts", **mine, contacts=book)
    await engines.link(session, phone)
    await until(engines, session, {peer["number"]: "Pia Peer", NOBODY: "Nobody"})
    await sandbox("phone.send", phone=other["phone"], to=phone["number"], text="Hello")
    await engines.event("Inbound", session)
    by_lid = {"contact": other["lid"], "name": "Olga"}
    again = {"contact": peer["number"], "name": "P. Peer"}
    await sandbox("phone.save_contacts", **mine, contacts=[by_lid, again])
    lid = other["lid"].partition("@")[0]
    wanted = {peer["number"]: "P. Peer", NOBODY: "Nobody", lid: "Olga"}
    await until(engines, session, wanted)
    [olga] = [one for one in await engines.do("saved_contacts", session) if one["name"] == "Olga"]
    assert olga["other"]["user"] == other["number"]
    assert olga["push_name"] == "Stranger"
    await sandbox("phone.save_contacts", **mine, contacts=[{**again, "name": ""}])
    del wanted[peer["number"]]
    await until(engines, session, wanted)


async def test_an_entry_that_is_removed_stays_in_the_library(
    engines: Engines, sandbox: Sandbox, session: str
):
    """It ignores removals, until the number is linked anew. If this fails, tell people.md."""
    phone = await sandbox.phone(name="Owner")
    mine = {"phone": phone["phone"]}
    await sandbox("phone.save_contacts", **mine, contacts=[{"contact": NOBODY, "name": "Nobody"}])
    await engines.link(session, phone)
    await until(engines, session, {NOBODY: "Nobody"})
    await sandbox("phone.remove_contact", **mine, contact=NOBODY)
    marker = {"contact": "99987654321", "name": "Marker"}
    await sandbox("phone.save_contacts", **mine, contacts=[marker])
    await until(engines, session, {NOBODY: "Nobody", marker["contact"]: "Marker"})
    anew = f"{session}x"
    await engines.link(anew, phone)
    await until(engines, anew, {marker["contact"]: "Marker"})
