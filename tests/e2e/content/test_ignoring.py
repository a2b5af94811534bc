"""What a session ignores is neither kept nor told, from the change of its settings on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.content.conftest import LIMIT, Stage, on_stage
from wa_api.demo.client import Json, Refused

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """One of its own: what other tests said in the chats that are ignored here would be kept."""
    async with on_stage() as one:
        yield one


FEATURE = "Ignore filters (groups, status, channels)"


async def set_ignored(stage: Stage, ignore: Json | None) -> Json:
    """Change the setting of the running session; what it answers."""
    body = {"settings": {} if ignore is None else {"ignore": ignore}}
    changed: Json = await stage.tenant.rest.call("PATCH", f"/sessions/{stage.mine.session}", body)
    return changed


async def heard(stage: Stage, to: str, phone: Json | None = None) -> bool:
    """Whether readers are told of a message to `to`: one in the direct chat follows it."""
    ignored = await stage.say(to=to, phone=phone, text="for nobody")
    await stage.received(await stage.say(phone=phone, text="for everybody"))
    return any(wa_id_of(seen.event) == ignored for seen in stage.feed.seen)


def wa_id_of(event: Json) -> str | None:
    """WhatsApp's id of the message that an event tells of."""
    message = event["data"].get("message")
    return message.get("wa_id") if isinstance(message, dict) else None


async def until_deaf(stage: Stage, to: str) -> None:
    """The session's owner hears of the change a moment after the answer."""
    async with asyncio.timeout(LIMIT):
        while await heard(stage, to):
            continue


async def kept(stage: Stage, chat: str) -> list[Any]:
    """What the store has of a chat."""
    page = await stage.tenant.rest.get(stage.path, chat=chat, limit=100)
    items: list[Any] = page["items"]
    return items


@pytest.mark.proves(FEATURE, "rest")
async def test_ignored_kinds_are_neither_kept_nor_told(stage: Stage) -> None:
    """Groups and status posts, on a running session without a reconnect; then they are back."""
    assert await heard(stage, stage.group)
    before = [seen.event["type"] for seen in stage.feed.seen].count("session.state_changed")
    changed = await set_ignored(stage, {"kinds": ["group", "status", "newsletter"]})
    assert changed["settings"]["ignore"] == {"kinds": ["group", "status", "newsletter"]}
    await until_deaf(stage, stage.group)
    messages = len(await kept(stage, stage.group))
    assert not await heard(stage, stage.group)
    assert not await heard(stage, "status@broadcast")
    assert len(await kept(stage, stage.group)) == messages
    assert await kept(stage, "status@broadcast") == []

    news = await stage.tenant.rest.post(
        f"/sandbox/phones/{stage.mine.phone}/groups",
        {"subject": "Unheard", "members": [stage.friend["phone"]]},
    )
    await stage.received(await stage.say(text="after the group"))
    told = [seen.event for seen in stage.feed.seen if seen.event["type"].startswith("group.")]
    assert news["group"] not in str(told)

    await set_ignored(stage, None)
    async with asyncio.timeout(LIMIT):
        while not await heard(stage, stage.group):
            continue
    after = [seen.event["type"] for seen in stage.feed.seen].count("session.state_changed")
    assert after == before


@pytest.mark.proves(FEATURE, "rest")
async def test_what_is_sent_to_an_ignored_chat_is_followed_as_ever(stage: Stage) -> None:
    """Its status changes; who got it is not told."""
    await set_ignored(stage, {"kinds": ["group"]})
    await until_deaf(stage, stage.group)
    seen = len(stage.feed.seen)
    sent = await stage.send("text", {"body": "To all"}, to=stage.group)
    await stage.until(sent["id"], lambda now: now["status"] == "delivered")
    await stage.received(await stage.say(text="and now"))
    types = {one.event["type"] for one in stage.feed.seen[seen:]}
    assert "message.receipt" not in types
    assert "message.status_changed" in types
    await set_ignored(stage, None)


@pytest.mark.proves(FEATURE, "rest")
async def test_one_person_is_ignored_by_the_phone_number(stage: Stage) -> None:
    """Also where messages come under the LID; what the person types is not told either."""
    other = await stage.tenant.new_phone("Other")
    wa_id = await stage.say(phone=other, text="hello")
    await stage.received(wa_id)
    await set_ignored(stage, {"chats": [f"+{other['number']}"]})
    async with asyncio.timeout(LIMIT):
        while await told_of(stage, other):
            continue
    typing = {"to": stage.mine.number, "state": "typing"}
    await stage.tenant.rest.post(f"/sandbox/phones/{other['phone']}/typing", typing)
    await stage.tenant.rest.post(f"/sandbox/phones/{stage.friend['phone']}/typing", typing)
    friend = stage.friend["number"]
    await stage.event("chat.typing_changed", lambda data: data["chat"]["phone"] == f"+{friend}")
    typed = [one.event for one in stage.feed.seen if one.event["type"] == "chat.typing_changed"]
    assert other["number"] not in str(typed)
    await set_ignored(stage, None)


async def told_of(stage: Stage, phone: Json) -> bool:
    """Whether a message of this phone is told; one of the friend's follows it."""
    wa_id = await stage.say(phone=phone, text="anybody?")
    await stage.received(await stage.say(text="somebody"))
    return any(wa_id_of(seen.event) == wa_id for seen in stage.feed.seen)


@pytest.mark.proves(FEATURE, "rest")
async def test_the_history_of_ignored_chats_is_not_kept(stage: Stage) -> None:
    """A session that ignores groups from its creation on gets the direct chats only."""
    owner = await stage.tenant.new_phone("Owner")
    group = await stage.tenant.rest.post(
        f"/sandbox/phones/{owner['phone']}/groups",
        {"subject": "Past", "members": [stage.friend["phone"]]},
    )
    await stage.say(to=group["group"], text="in the group")
    await stage.say(to=owner["number"], text="to you")
    settings = {"ignore": {"kinds": ["group"]}}
    body = {"network": "sandbox", "start": True, "settings": settings}
    session = (await stage.tenant.rest.post("/sessions", body))["id"]
    qr = await stage.feed.event("session.qr_issued", session, LIMIT)
    scan = {"qr": qr.event["data"]["qr"]}
    await stage.tenant.rest.post(f"/sandbox/phones/{owner['phone']}/scan", scan)
    await stage.feed.event(
        "session.history_progress", session, LIMIT, lambda data: data["kind"] == "recent"
    )
    chats = (await stage.tenant.rest.get(f"/sessions/{session}/chats"))["items"]
    assert [one["kind"] for one in chats] == ["direct"]
    page = await stage.tenant.rest.get(f"/sessions/{session}/messages", limit=100)
    assert [one["text"]["body"] for one in page["items"]] == ["to you"]


@pytest.mark.parametrize(
    ("ignore", "code"),
    [
        ({"kinds": ["crowd"]}, "invalid_body"),
        ({"chats": ["nobody at all"]}, "invalid_address"),
        ({"chats": ["5511999999999"] * 1001}, "invalid_body"),
        ({"everything": True}, "invalid_body"),
    ],
)
async def test_wrong_filters_are_refused(stage: Stage, ignore: Json, code: str) -> None:
    """With a code that says what is wrong."""
    with pytest.raises(Refused) as refused:
        await set_ignored(stage, ignore)
    assert refused.value.problem["code"] == code
