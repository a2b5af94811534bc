"""Each kind of file through REST, the engine and the sandbox to a phone, and back: by hash."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.media.conftest import Json, Stage, sha256
from tests.support.samples import animation, picture, sample, tone
from wa_api.media import recordings

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

PHOTO, CLIP, VOICE = picture("JPEG"), sample("clip.mp4"), sample("voice.ogg")
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40

#: Kind, what is uploaded, what the client says, the part of WhatsApp's message, and its fields.
SENT = {
    "image": ("image", PHOTO, {"caption": "Sea"}, "imageMessage", {"caption": "Sea", "width": 120, "height": 90, "mimetype": "image/jpeg"}),
    "png": ("image", picture("PNG"), {}, "imageMessage", {"mimetype": "image/png"}),
    "video": ("video", CLIP, {"caption": "Waves"}, "videoMessage", {"caption": "Waves", "width": 64, "height": 48, "seconds": 1, "mimetype": "video/mp4"}),
    "gif": ("video", CLIP, {"gif": True}, "videoMessage", {"gifPlayback": True}),
    "video note": ("video", CLIP, {"note": True}, "ptvMessage", {"seconds": 1}),
    "audio": ("audio", sample("tone.mp3"), {}, "audioMessage", {"seconds": 1, "mimetype": "audio/mpeg"}),
    "voice note": ("audio", VOICE, {"voice": True}, "audioMessage", {"PTT": True, "seconds": 2, "mimetype": "audio/ogg; codecs=opus"}),
    "document": ("document", PDF, {"filename": "plan.pdf"}, "documentMessage", {"fileName": "plan.pdf", "title": "plan.pdf", "mimetype": "application/pdf"}),
}  # fmt: skip


def part_of(content: Json, name: str) -> Json:
    """A part of WhatsApp's message, whatever is around it."""
    for wrapper in (
        "viewOnceMessageV2",
        "viewOnceMessageV2Extension",
        "documentWithCaptionMessage",
    ):
        content = content.get(wrapper, {}).get("message", content)
    found: Json = content[name]
    return found


#: The rows of docs/features.md that a case proves.
ROWS = {
    "image": "Image",
    "video": "Video",
    "gif": "GIF",
    "video note": "Video note",
    "audio": "Audio",
    "document": "Document",
    "sticker": "Sticker",
    "voice note": "Voice note with conversion",
}


def cases(named: dict[str, Any], *columns: str) -> list[Any]:
    """Each case with what it proves."""
    return [
        pytest.param(name, marks=pytest.mark.proves(ROWS[name], *columns) if name in ROWS else ())
        for name in named
    ]


@pytest.mark.parametrize("case", cases(SENT, "sent", "rest"))
async def test_a_file_arrives_as_it_was_sent(stage: Stage, case: str) -> None:
    """The phone decrypts the same bytes, and finds around them what was said of them."""
    kind, content, said, name, fields = SENT[case]
    message = await stage.send(kind, id=await stage.media(content), **said)
    received, file = await stage.delivered(message)
    assert (file["sha256"], file["matches"]) == (sha256(content), True)
    part = part_of(received, name)
    assert {field: part.get(field) for field in fields} == fields
    assert int(part["fileLength"]) == len(content)
    shown = message[kind]
    assert (shown["sha256"], shown["size"]) == (sha256(content), len(content))
    for field, value in said.items():
        assert shown[field] == value
    if kind in ("image", "video"):
        assert b64decode(part["JPEGThumbnail"]).startswith(b"\xff\xd8")
    if said.get("voice"):
        assert len(b64decode(part["waveform"])) == 64


@pytest.mark.proves("View once", "sent", "rest")
@pytest.mark.parametrize(
    ("kind", "content", "wrapper", "name"),
    [
        ("image", PHOTO, "viewOnceMessageV2", "imageMessage"),
        ("video", CLIP, "viewOnceMessageV2", "videoMessage"),
        ("audio", VOICE, "viewOnceMessageV2Extension", "audioMessage"),
    ],
)
async def test_view_once(stage: Stage, kind: str, content: bytes, wrapper: str, name: str) -> None:
    """It is wrapped and marked, so that phones show it once."""
    more = {"voice": True} if kind == "audio" else {}
    message = await stage.send(kind, id=await stage.media(content), view_once=True, **more)
    received, file = await stage.delivered(message)
    assert received[wrapper]["message"][name]["viewOnce"] is True
    assert file["sha256"] == sha256(content)
    assert message[kind]["view_once"] is True


async def test_a_documents_caption(stage: Stage) -> None:
    """Phones show it only inside of a wrapper of its own."""
    media = await stage.media(PDF)
    message = await stage.send("document", id=media, caption="The plan", filename="plan.pdf")
    received, _ = await stage.delivered(message)
    inner = received["documentWithCaptionMessage"]["message"]["documentMessage"]
    assert (inner["caption"], inner["fileName"]) == ("The plan", "plan.pdf")


@pytest.mark.proves("Sticker", "sent", "rest")
@pytest.mark.parametrize(("form", "animated"), [("PNG", False), ("GIF", True)])
async def test_a_sticker_is_made_of_a_picture(stage: Stage, form: str, animated: bool) -> None:
    """A square WebP, which moves if the picture did."""
    content = animation("GIF") if animated else picture("PNG")
    message = await stage.send("sticker", id=await stage.media(content))
    received, file = await stage.delivered(message)
    part = received["stickerMessage"]
    assert (part["width"], part["height"], part["mimetype"]) == (512, 512, "image/webp")
    assert part.get("isAnimated", False) is animated
    assert file["matches"]
    assert b64decode(file["data"])[8:12] == b"WEBP"


@pytest.mark.proves("Voice note with conversion", "sent", "rest")
async def test_a_voice_note_is_made_of_a_sound(stage: Stage) -> None:
    """With ffmpeg: Ogg with Opus, its length, and a waveform."""
    message = await stage.send("audio", id=await stage.media(tone(2)), voice=True)
    received, file = await stage.delivered(message)
    part = received["audioMessage"]
    assert (part["PTT"], part["seconds"], part["mimetype"]) == (True, 2, "audio/ogg; codecs=opus")
    assert b"OpusHead" in b64decode(file["data"])[:100]
    assert len(b64decode(part["waveform"])) == 64


#: Kind at the phone, what it sends, fields of its message; our kind, and what it shows.
RECEIVED: dict[str, tuple[str, bytes, Json, str, Json]] = {
    "image": ("image", PHOTO, {"caption": "Hi", "width": 120, "height": 90, "JPEGThumbnail": "/9j/"}, "image", {"caption": "Hi", "width": 120, "height": 90, "thumbnail": "/9j/"}),
    "video": ("video", CLIP, {"seconds": 1, "caption": "Look"}, "video", {"seconds": 1, "caption": "Look"}),
    "gif": ("video", CLIP, {"gifPlayback": True}, "video", {"gif": True}),
    "video note": ("note", CLIP, {"seconds": 1}, "video", {"note": True, "seconds": 1}),
    "audio": ("audio", sample("tone.mp3"), {"seconds": 1}, "audio", {"seconds": 1}),
    "voice note": ("audio", VOICE, {"PTT": True, "seconds": 2, "waveform": "AAEC"}, "audio", {"voice": True, "seconds": 2, "waveform": "AAEC"}),
    "document": ("document", PDF, {"fileName": "a.pdf", "caption": "See"}, "document", {"filename": "a.pdf", "caption": "See"}),
    "sticker": ("sticker", picture("WEBP"), {"isAnimated": True}, "sticker", {"animated": True}),
}  # fmt: skip


@pytest.mark.parametrize("case", cases(RECEIVED, "received", "websocket"))
async def test_a_file_that_arrives_can_be_downloaded(stage: Stage, case: str) -> None:
    """At once for small kinds, when asked for with the others; the bytes are those that were sent."""
    sent_as, content, fields, kind, shown = RECEIVED[case]
    message = await stage.phone_sends(sent_as, content, fields=fields)
    assert message["type"] == kind
    assert {name: message[kind].get(name) for name in shown} == shown
    assert (message[kind]["sha256"], message[kind]["size"]) == (sha256(content), len(content))
    if kind in ("image", "audio", "sticker"):
        event = await stage.stored(message)
        assert (event["sha256"], event["size"]) == (sha256(content), len(content))
    else:
        assert "id" not in message[kind]
    path = f"/v1/sessions/{stage.anna.session}/messages/{message['id']}/media"
    media = (await stage.client.post(path)).json()
    assert (media["sha256"], media["session"]) == (sha256(content), stage.anna.session)
    assert (await stage.client.get(media["url"])).content == content
    assert (await stage.message(message))[kind]["id"] == media["id"]


async def test_a_voice_note_that_arrived_is_sent_on_as_it_is(stage: Stage, tmp_path: Path) -> None:
    """By its id; nothing is converted, and the phone is told length and waveform."""
    sound, made = tmp_path / "tone.wav", tmp_path / "voice.ogg"
    sound.write_bytes(tone(2))
    recordings.convert(sound, made, "voice", "audio/wav")  # no two are the same
    voice = made.read_bytes()
    media = (await stage.stored(await stage.phone_sends("audio", voice)))["media"]
    received, file = await stage.delivered(await stage.send("audio", id=media, voice=True))
    assert file["sha256"] == sha256(voice)
    assert received["audioMessage"]["seconds"] == 2
    assert len(b64decode(received["audioMessage"]["waveform"])) == 64


async def test_a_picture_that_arrived_and_is_uploaded_too_is_known(stage: Stage) -> None:
    """An upload is looked into, also when its bytes came from a phone before."""
    content = picture("JPEG", (121, 91))
    await stage.stored(await stage.phone_sends("image", content))
    shown = (await stage.client.get(f"/v1/media/{await stage.media(content)}")).json()
    assert (shown["width"], shown["height"]) == (121, 91)


@pytest.mark.proves("View once", "received", "websocket")
async def test_a_view_once_picture_arrives_as_such(stage: Stage) -> None:
    """Whoever shows it knows that it is meant to be seen once."""
    message = await stage.phone_sends("image", PHOTO, fields={"viewOnce": True})
    assert message["image"]["view_once"] is True


@pytest.mark.parametrize(("kind", "content"), [("image", PHOTO), ("video", CLIP)])
async def test_a_status_post(stage: Stage, kind: str, content: bytes) -> None:
    """It is posted, and the account's own phone has it too."""
    path = f"/v1/sessions/{stage.anna.session}/messages"
    part = {"id": await stage.media(content), "caption": "Today"}
    body = {"to": "status@broadcast", "type": kind, kind: part}
    posted = (await stage.client.post(path, json=body, params={"wait": 40})).json()
    assert posted["status"] in ("sent", "delivered", "read"), posted
    inbox = f"/v1/sandbox/phones/{stage.anna.phone}/inbox"
    query = {"id": posted["wa_id"], "raw": True, "wait": 10}
    (letter,) = (await stage.client.get(inbox, params=query)).json()["items"]
    assert letter["message"][f"{kind}Message"]["caption"] == "Today"
    file = (await stage.client.get(f"{inbox}/{posted['wa_id']}/media")).json()
    assert file["sha256"] == sha256(content)


async def test_a_picture_is_sent_over_a_websocket_too(stage: Stage) -> None:
    """The same body as over REST."""
    data = {
        "to": stage.friend["number"],
        "type": "image",
        "image": {"id": await stage.media(PHOTO)},
        "wait": 30,
    }
    message = await stage.feed.command("message.send", stage.anna.session, data, 40)
    assert (await stage.delivered(message))[1]["sha256"] == sha256(PHOTO)


@pytest.mark.proves("Media: download, S3, retention", "websocket")
async def test_a_file_is_asked_for_over_a_websocket_too(stage: Stage) -> None:
    """The reply has the link."""
    message = await stage.phone_sends("document", PDF)
    data = {"message_id": message["id"]}
    media = await stage.feed.command("message.media", stage.anna.session, data, 40)
    assert (await stage.client.get(media["url"])).content == PDF


async def test_what_whatsapp_has_no_more_is_gone(stage: Stage) -> None:
    """410, and the message stays as it was."""
    fields = {"directPath": "/v/t62/" + "0" * 64 + "?ccb=1&oh=0&oe=0"}
    message = await stage.phone_sends("document", b"lost", fields=fields)
    path = f"/v1/sessions/{stage.anna.session}/messages/{message['id']}/media"
    answer = await stage.client.post(path)
    assert (answer.status_code, answer.json()["code"]) == (410, "media_gone")
    assert "id" not in (await stage.message(message))["document"]


async def test_what_was_tampered_with_is_not_kept(stage: Stage) -> None:
    """The hash in the message is wrong: an event says so, and no file stays."""
    before = stage.left()
    fields = {"fileSHA256": "AAAA" * 10 + "AAA="}
    message = await stage.phone_sends("image", picture("JPEG", (33, 33)), fields=fields)
    seen = await stage.feed.event(
        "message.media_failed",
        stage.anna.session,
        30,
        lambda data: bool(data["id"] == message["id"]),
    )
    assert seen.event["data"]["error"]["code"] == "media_damaged"
    assert stage.left() == before


async def test_one_upload_goes_to_many_chats(stage: Stage) -> None:
    """It is brought to WhatsApp once: the messages refer to the same encrypted file."""
    media = await stage.media(picture("JPEG", (77, 77)))
    first, second = [await stage.send("image", id=media) for _ in range(2)]
    parts: list[Any] = [(await stage.delivered(one))[0]["imageMessage"] for one in (first, second)]
    assert parts[0]["directPath"] == parts[1]["directPath"]
