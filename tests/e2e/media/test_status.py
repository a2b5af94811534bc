"""Status posts reach the phones of contacts, and nobody else's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.e2e.media.conftest import LIMIT, Json, Stage, sha256
from tests.support.samples import picture, sample

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

STATUS = "status@broadcast"
ROW = "Status post with media, to contacts"
PHOTO, CLIP = picture("JPEG"), sample("clip.mp4")


async def post(stage: Stage, kind: str, **part: Any) -> Json:
    """Post a status over REST, and wait until WhatsApp has it."""
    body = {"to": STATUS, "type": kind, kind: part}
    path = f"/v1/sessions/{stage.anna.session}/messages"
    answer = await stage.client.post(path, json=body, params={"wait": 50})
    assert answer.status_code == 200, answer.text
    message: Json = answer.json()
    return message


async def seen_by(stage: Stage, phone: Json, message: Json, wait: float = 0.0) -> list[Json]:
    """What that phone decrypted of a post."""
    path = f"/v1/sandbox/phones/{phone['phone']}/inbox"
    query = {"id": message["wa_id"], "raw": True, "wait": wait}
    letters: list[Json] = (await stage.client.get(path, params=query)).json()["items"]
    return letters


async def save(stage: Stage, phone: Json) -> None:
    """Somebody comes into the address book of Anna's phone; returns when the session knows it."""
    path = f"/v1/sandbox/phones/{stage.anna.phone}/contacts"
    answer = await stage.client.post(path, json={"contact": phone["number"], "name": "Bruno S."})
    assert answer.status_code == 204, answer.text
    async with asyncio.timeout(LIMIT):
        while not await seen_by(stage, phone, await post(stage, "text", body="Who sees me?"), 1):
            pass


@pytest.mark.proves(ROW, "sent", "rest")
@pytest.mark.proves("Status post", "sent", "rest")
async def test_contacts_see_what_is_posted(stage: Stage) -> None:
    """Text, picture and video, byte for byte; a phone that is in no address book sees nothing."""
    stranger = await stage.tenant.new_phone("Stranger")
    other = await stage.tenant.new_phone("Another contact")
    for phone in (stage.friend, other):
        await save(stage, phone)
    posts = [
        await post(stage, "text", body="A day at sea", background_color="#112233"),
        await post(stage, "image", id=await stage.media(PHOTO), caption="Sea"),
        await post(stage, "video", id=await stage.media(CLIP)),
    ]
    for message, content in zip(posts, (None, PHOTO, CLIP), strict=True):
        [letter] = await seen_by(stage, stage.friend, message, LIMIT)
        assert letter["chat"] == STATUS
        assert letter["sender_pn"].startswith(stage.anna.number)
        if content is None:
            assert letter["text"] == "A day at sea"
        else:
            file = (await stage.client.get(f"{stage.inbox}/{message['wa_id']}/media")).json()
            assert (file["sha256"], file["matches"]) == (sha256(content), True)
        assert await seen_by(stage, other, message, LIMIT)
        assert await seen_by(stage, stranger, message) == []


async def test_only_those_on_the_phones_list_see_it(stage: Stage) -> None:
    """It is shown, and obeyed: a contact that is not on the list sees nothing."""
    chosen = await stage.tenant.new_phone("Chosen")
    for phone in (stage.friend, chosen):
        await save(stage, phone)
    path = f"/v1/sandbox/phones/{stage.anna.phone}"
    wanted = {"status_list": {"type": "whitelist", "people": [chosen["number"]]}}
    assert (await stage.client.patch(path, json=wanted)).status_code == 200
    try:
        found = await stage.client.get(f"/v1/sessions/{stage.anna.session}/privacy/status")
        assert found.json()["audience"] == "only"
        assert [one["phone"] for one in found.json()["people"]] == [f"+{chosen['number']}"]
        told = await stage.feed.command("privacy.status", stage.anna.session, {})
        assert told == found.json()
        message = await post(stage, "text", body="For one only")
        assert await seen_by(stage, chosen, message, LIMIT)
        assert await seen_by(stage, stage.friend, message) == []
    finally:
        await stage.client.patch(path, json={"status_list": {}})


@pytest.mark.proves(ROW, "sent", "websocket")
async def test_a_picture_is_posted_over_the_websocket(stage: Stage) -> None:
    """The same command as for any message."""
    await save(stage, stage.friend)
    image = {"id": await stage.media(PHOTO)}
    body = {"to": STATUS, "type": "image", "image": image, "wait": 50}
    message = await stage.feed.command("message.send", stage.anna.session, body)
    [letter] = await seen_by(stage, stage.friend, message, LIMIT)
    assert letter["type"] == "imageMessage"


@pytest.mark.proves(ROW, "received", "rest", "websocket")
async def test_a_contacts_picture_arrives(stage: Stage) -> None:
    """With its file, in the chat of status posts."""
    message = await stage.phone_sends("image", PHOTO, to=STATUS)
    assert message["chat"]["id"] == STATUS
    assert (await stage.stored(message))["sha256"] == sha256(PHOTO)
