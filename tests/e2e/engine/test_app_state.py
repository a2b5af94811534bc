"""What the library cannot do with the phone's app state; see docs/decisions/0011.

When a later version can, this test fails: then build what chats.md says is missing.
"""

from __future__ import annotations

import asyncio

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

COLLECTIONS = {
    1: "critical_block",
    2: "critical_unblock_low",
    3: "regular_low",
    4: "regular_high",
    5: "regular",
}


async def pin(engines, session: str, number: str, collection: int) -> str:
    """What the library said; the phone shares its keys a moment after it has linked the session."""
    for _ in range(100):
        said = await engines.do(
            "pin_on_phone", session, chat=f"{number}@s.whatsapp.net", collection=collection
        )
        if "no app state keys found" not in said:
            return said
        await asyncio.sleep(0.1)
    return said


async def test_changes_of_app_state_leave_without_their_collection(engines, sandbox, session):
    """Whichever is asked for, none is named, so none is changed; the session goes on."""
    await engines.link(session)
    other = await sandbox.phone(name="Other")
    for number, name in COLLECTIONS.items():
        said = await pin(engines, session, other["number"], number)
        assert "updating app state ():" in said, name
        assert 'code="400"' in said, name
    await engines.do("send", session, to=other["number"], text="still here")
    [letter] = await sandbox("phone.inbox", phone=other["phone"], wait=10)
    assert letter["text"] == "still here"
