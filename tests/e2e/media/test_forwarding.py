"""A file goes on to others without being uploaded again."""

from __future__ import annotations

import pytest

from tests.e2e.media.conftest import Json, Stage, sha256
from tests.support.samples import picture, sample

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

PHOTO, VOICE = picture("JPEG"), sample("voice.ogg")


def uploads(stage: Stage) -> set[str]:
    """What lies at WhatsApp's media servers: each upload is encrypted by itself, and another file."""
    folder = stage.gateway.served.data / "sandbox" / "media"
    return {str(path) for path in folder.rglob("*") if path.is_file()}


async def forward(stage: Stage, message: Json, to: Json, way: str = "rest") -> Json:
    """Send a stored message on, and wait for the outcome."""
    body = {"to": to["number"], "type": "forward", "forward": {"message_id": message["id"]}}
    if way == "websocket":
        body["wait"] = 50
        return await stage.feed.command("message.send", stage.anna.session, body)
    path = f"/v1/sessions/{stage.anna.session}/messages"
    answer = await stage.client.post(path, json=body, params={"wait": 50})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def opened(stage: Stage, message: Json, by: Json) -> tuple[Json, Json]:
    """What a phone got: the content, and the file that it decrypted."""
    inbox = f"/v1/sandbox/phones/{by['phone']}/inbox"
    query = {"id": message["wa_id"], "raw": True, "wait": 50}
    (letter,) = (await stage.client.get(inbox, params=query)).json()["items"]
    return letter["message"], (await stage.client.get(f"{inbox}/{message['wa_id']}/media")).json()


@pytest.mark.proves("Forward", "sent", "rest")
async def test_a_picture_of_ones_own_goes_on(stage: Stage) -> None:
    """Somebody else opens the same file, marked as forwarded; nothing was uploaded for it."""
    other = await stage.tenant.new_phone("Carla")
    message = await stage.send("image", id=await stage.media(PHOTO), caption="Sea")
    there = uploads(stage)
    sent = await forward(stage, message, other)
    assert sent["image"]["sha256"] == sha256(PHOTO)
    content, file = await opened(stage, sent, other)
    assert (file["sha256"], file["matches"]) == (sha256(PHOTO), True)
    part = content["imageMessage"]
    assert (part["caption"], part["contextInfo"]["isForwarded"]) == ("Sea", True)
    assert uploads(stage) == there


@pytest.mark.proves("Forward", "sent", "websocket")
async def test_what_arrived_goes_on_even_if_it_was_never_fetched(stage: Stage) -> None:
    """A voice note of a friend to somebody else, by the keys that it came with."""
    other = await stage.tenant.new_phone("Dora")
    got = await stage.phone_sends("audio", VOICE, fields={"PTT": True})
    there = uploads(stage)
    sent = await forward(stage, got, other, "websocket")
    content, file = await opened(stage, sent, other)
    assert (file["sha256"], file["matches"]) == (sha256(VOICE), True)
    assert content["audioMessage"]["contextInfo"]["isForwarded"]
    assert uploads(stage) == there
