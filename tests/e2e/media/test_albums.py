"""Albums: pictures and videos that phones show together, through the real engine and back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.media.conftest import LIMIT, Json, Stage, sha256
from tests.support.samples import picture, sample

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

PHOTO, OTHER, CLIP = picture("JPEG", (60, 40)), picture("PNG", (40, 60)), sample("clip.mp4")


async def items(stage: Stage) -> list[Json]:
    """Two pictures and a video."""
    return [
        {"type": "image", "image": {"id": await stage.media(PHOTO), "caption": "One"}},
        {"type": "video", "video": {"id": await stage.media(CLIP), "caption": "Two"}},
        {"type": "image", "image": {"id": await stage.media(OTHER)}},
    ]


async def letter(stage: Stage, message: Json) -> Json:
    """What the friend's phone decrypted of a message."""
    path = f"/v1/sandbox/phones/{stage.friend['phone']}/inbox"
    query = {"id": message["wa_id"], "raw": True, "wait": 10}
    (found,) = (await stage.client.get(path, params=query)).json()["items"]
    content: Json = found["message"]
    return content


async def ended(stage: Stage, id: str) -> Json:
    """A message once it is over."""
    await stage.feed.event(
        "message.status_changed",
        stage.anna.session,
        LIMIT,
        lambda data: bool(data["id"] == id and data["status"] in ("failed", "sent")),
    )
    return await stage.message({"id": id})


@pytest.mark.proves("Album", "sent", "rest")
async def test_an_album_arrives_as_one(stage: Stage) -> None:
    """The phone gets what follows, then each item in order, which names the album as its own."""
    given = await items(stage)
    album = await stage.send("album", items=given)
    assert (album["album"]["images"], album["album"]["videos"]) == (2, 1)
    said = await letter(stage, album)
    assert said["albumMessage"] == {"expectedImageCount": 2, "expectedVideoCount": 1}
    sent = [await stage.message({"id": id}) for id in album["album"]["items"]]
    for message, content, wanted in zip(sent, (PHOTO, CLIP, OTHER), given, strict=True):
        received, file = await stage.delivered(message)
        assert (file["sha256"], file["matches"]) == (sha256(content), True)
        association = received["messageContextInfo"]["messageAssociation"]
        assert association["associationType"] == "MEDIA_ALBUM"
        key = association["parentMessageKey"]
        assert (key["ID"], key["fromMe"]) == (album["wa_id"], True)
        assert message["context"]["album"] == album["id"]
        kind = message["type"]
        assert received[f"{kind}Message"].get("caption", "") == wanted[kind].get("caption", "")
    inbox = (await stage.client.get(f"/v1/sandbox/phones/{stage.friend['phone']}/inbox")).json()
    order = [one["id"] for one in inbox["items"]]
    places = [order.index(one["wa_id"]) for one in (album, *sent)]
    assert places in (sorted(places), sorted(places, reverse=True))


@pytest.mark.proves("Album", "sent", "websocket")
async def test_an_album_is_accepted_once(stage: Stage) -> None:
    """Over a WebSocket too; a repeat names the same items, and nothing is sent twice."""
    data: Json = {"to": stage.friend["number"], "type": "album", "wait": 40}
    data["album"] = {"items": (await items(stage))[:2]}
    album = await stage.feed.command("message.send", stage.anna.session, data, 50)
    assert album["status"] in ("sent", "delivered", "read")
    path = f"/v1/sessions/{stage.anna.session}/messages"
    body = {name: value for name, value in data.items() if name != "wait"}
    headers = {"Idempotency-Key": "holiday"}
    first, again = [
        (await stage.client.post(path, json=body, headers=headers)).json() for _ in range(2)
    ]
    assert (again["id"], again["album"]) == (first["id"], first["album"])
    other = {**body, "album": {"items": body["album"]["items"][::-1]}}
    refused = await stage.client.post(path, json=other, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    for id in first["album"]["items"]:
        assert (await ended(stage, id))["context"]["album"] == first["id"]


@pytest.mark.proves("Album", "received", "rest", "websocket")
async def test_an_album_that_arrives_is_named_by_its_items(stage: Stage) -> None:
    """Its counts come first; each item says to which album it belongs."""
    path = f"/v1/sandbox/phones/{stage.friend['phone']}/send"

    async def phone(content: Json) -> Json:
        answer = await stage.client.post(path, json={"to": stage.anna.number, "message": content})
        assert answer.status_code == 200, answer.text
        seen = await stage.feed.event(
            "message.received",
            stage.anna.session,
            LIMIT,
            lambda data: bool(data["message"]["wa_id"] == answer.json()["id"]),
        )
        message: Json = seen.event["data"]["message"]
        return message

    album = await phone({"albumMessage": {"expectedImageCount": 2}})
    assert (album["type"], album["album"]) == ("album", {"images": 2})
    key = {"remoteJID": f"{stage.anna.number}@s.whatsapp.net", "ID": album["wa_id"]}
    association = {"associationType": "MEDIA_ALBUM", "parentMessageKey": key}
    item = await phone(
        {
            "imageMessage": {"mimetype": "image/jpeg", "caption": "One"},
            "messageContextInfo": {"messageAssociation": association},
        }
    )
    assert (item["image"]["caption"], item["context"]["album"]) == ("One", album["wa_id"])
    assert (await stage.message(item))["context"] == {"album": album["wa_id"]}
    forward = {"to": stage.friend["number"], "type": "forward"}
    forward["forward"] = {"message_id": album["id"]}  # type: ignore[assignment]
    sends = f"/v1/sessions/{stage.anna.session}/messages"
    refused = await stage.client.post(sends, json=forward)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_body")


async def test_without_its_album_no_item_is_sent(stage: Stage) -> None:
    """It was taken back before its turn: each item ends with a reason."""
    base = f"/v1/sessions/{stage.anna.session}"
    await stage.client.post(f"{base}/queue/pause")
    body = {"to": stage.friend["number"], "type": "album", "album": {"items": await items(stage)}}
    album = (await stage.client.post(f"{base}/messages", json=body)).json()
    answer = await stage.client.post(f"{base}/messages/{album['id']}/cancel")
    assert answer.status_code == 200, answer.text
    await stage.client.post(f"{base}/queue/resume")
    for id in album["album"]["items"]:
        item = await ended(stage, id)
        assert (item["status"], item["error"]["code"]) == ("failed", "target_not_sent")


async def test_an_item_that_cannot_be_refuses_the_album(stage: Stage) -> None:
    """All or none: nothing of it is kept."""
    path = f"/v1/sessions/{stage.anna.session}/messages"
    newest = (await stage.client.get(path, params={"limit": 1})).json()["items"]
    good: Any = {"type": "image", "image": {"id": await stage.media(PHOTO)}}
    for bad, status, code in [
        ({"type": "image", "image": {"id": "med_none"}}, 404, "media_not_found"),
        ({"type": "video", "video": good["image"]}, 415, "media_type_refused"),
    ]:
        body = {"to": stage.friend["number"], "type": "album", "album": {"items": [good, bad]}}
        answer = await stage.client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await stage.client.get(path, params={"limit": 1})).json()["items"] == newest
