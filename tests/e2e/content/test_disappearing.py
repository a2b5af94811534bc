"""How long the messages of a chat last: set by either side, and followed by what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.content.conftest import Stage
from wa_api.demo.client import Json

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

DAY, WEEK, SINCE = 86_400, 604_800, 1_790_000_000


async def by_phone(
    stage: Stage, seconds: int, at: int, to: str | None = None, phone: Json | None = None
) -> None:
    """A phone sets it in a direct chat."""
    setting = {
        "type": "EPHEMERAL_SETTING",
        "ephemeralExpiration": seconds,
        "ephemeralSettingTimestamp": at,
    }
    await stage.say(to, phone, message={"protocolMessage": setting})


async def told(stage: Stage, chat: str, seconds: int) -> Json:
    """The event of that change."""
    return await stage.event(
        "chat.disappearing_changed",
        lambda data: data["chat"]["id"] == chat and data.get("disappears_after", 0) == seconds,
    )


async def chat_of(stage: Stage, chat: str) -> Json:
    """The chat as it is listed, over REST and the WebSocket."""
    shown: Json = await stage.tenant.rest.get(f"/sessions/{stage.mine.session}/chats/{chat}")
    assert await stage.feed.command("chat.get", stage.mine.session, {"chat": chat}) == shown
    return shown


async def lasts(stage: Stage, sent: Json) -> dict[str, Any]:
    """What the friend's phone is told of a message's end."""
    message = (await stage.inbox(sent["wa_id"]))["message"]
    found: dict[str, Any] = message.get("extendedTextMessage", {}).get("contextInfo", {})
    return found


@pytest.mark.proves("Disappearing messages: setting of a chat", "received", "rest", "websocket")
async def test_what_a_contact_sets_is_told_kept_and_followed(stage: Stage) -> None:
    """What is sent then disappears in the same way, and says so; a reaction has no such thing."""
    chat = stage.friend["jid"]
    await by_phone(stage, WEEK, SINCE)
    news = await told(stage, chat, WEEK)
    assert news["by"]["lid"] == stage.friend["lid"]
    assert (await chat_of(stage, chat))["disappears_after"] == WEEK
    sent = await stage.send("text", {"body": "like the others here"})
    assert await lasts(stage, sent) == {
        "expiration": WEEK,
        "ephemeralSettingTimestamp": str(SINCE),
    }
    shown = (await stage.get(sent["id"]))["context"]
    assert shown == {"disappears_after": WEEK, "disappears_set_at": SINCE}
    day = await stage.send("text", {"body": "mine"}, context={"disappears_after": DAY})
    assert await lasts(stage, day) == {"expiration": DAY}
    reaction = await stage.send("reaction", {"message_id": sent["id"], "emoji": "👍"})
    assert "contextInfo" not in str((await stage.inbox(reaction["wa_id"]))["message"])

    await by_phone(stage, DAY, SINCE - 10)  # older than what is known
    await by_phone(stage, 0, SINCE + 10)
    assert "disappears_after" not in await told(stage, chat, 0)
    assert "disappears_after" not in await chat_of(stage, chat)
    plain = await stage.send("text", {"body": "stays"})
    assert await lasts(stage, plain) == {}
    days = [
        seen.event
        for seen in stage.feed.seen
        if seen.event["type"] == "chat.disappearing_changed"
        and seen.event["data"].get("disappears_after") == DAY
    ]
    assert days == []


@pytest.mark.proves("Disappearing messages: setting of a chat", "received", "rest", "websocket")
async def test_a_groups_setting_is_the_chats(stage: Stage) -> None:
    """Set by somebody else: told by whom, kept, and followed by what is sent."""
    body = {"subject": "Short lived", "members": [stage.mine.phone]}
    path = f"/sandbox/phones/{stage.friend['phone']}/groups"
    group = (await stage.tenant.rest.post(path, body))["group"]
    await stage.event("chat.changed", lambda data: data["chat"]["id"] == group)
    await stage.tenant.rest.post(f"{path}/{group}/update", {"disappearing": DAY})
    assert (await told(stage, group, DAY))["by"]["lid"] == stage.friend["lid"]
    assert (await chat_of(stage, group))["disappears_after"] == DAY
    sent = await stage.send("text", {"body": "short"}, to=group)
    assert await lasts(stage, sent) == {"expiration": DAY}


async def test_a_message_tells_a_setting_that_was_missed(stage: Stage) -> None:
    """As it is when a session was linked after the setting was made."""
    friend = await stage.tenant.new_phone("Old friend")
    about = {"expiration": DAY, "ephemeralSettingTimestamp": SINCE}
    message = {"extendedTextMessage": {"text": "as always", "contextInfo": about}}
    got = await stage.received(await stage.say(phone=friend, message=message))
    assert got["context"] == {"disappears_after": DAY, "disappears_set_at": SINCE}
    await told(stage, friend["jid"], DAY)
    sent = await stage.send("text", {"body": "as always"}, to=friend["number"])
    letter = await stage.inbox(sent["wa_id"], friend)
    assert letter["message"]["extendedTextMessage"]["contextInfo"]["expiration"] == DAY


@pytest.mark.proves("Disappearing messages: setting of a chat", "sent", "rest", "websocket")
async def test_what_is_set_here_is_kept_and_followed(stage: Stage) -> None:
    """Over REST, over the WebSocket, and on the account's own phone."""
    somebody = await stage.tenant.new_phone("Somebody")
    await stage.received(await stage.say(phone=somebody, text="who I am"))
    chat, session = somebody["jid"], stage.mine.session
    await stage.tenant.rest.call(
        "PUT", f"/sessions/{session}/chats/{somebody['number']}/disappearing", {"seconds": DAY}
    )
    assert "by" not in await told(stage, chat, DAY)
    sent = await stage.send("text", {"body": "for a day"}, to=somebody["number"])
    letter = await stage.inbox(sent["wa_id"], somebody)
    assert letter["message"]["extendedTextMessage"]["contextInfo"]["expiration"] == DAY
    data = {"chat": somebody["lid"], "seconds": 0}
    await stage.feed.command("chat.set_disappearing", session, data)
    assert "disappears_after" not in await told(stage, chat, 0)
    own, later = {"phone": stage.mine.phone}, 4_000_000_000
    await by_phone(stage, WEEK, later, somebody["number"], own)
    assert "by" not in await told(stage, chat, WEEK)
    assert (await chat_of(stage, somebody["number"]))["disappears_after"] == WEEK
