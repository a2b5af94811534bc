"""Files in WhatsApp's messages, both ways, and their encryption as clients do it."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from tests.support.samples import picture
from wa_api.domain.addresses import parse_address
from wa_api.domain.content import Album, Audio, Context, Document, File, Image, Sticker, Video
from wa_api.domain.errors import MediaDamaged, MediaGone
from wa_api.domain.media import Facts, MediaKind
from workers.engine import convert
from workers.engine.download import Opener, _url
from workers.engine.neonize import wa
from workers.engine.port import Remote, Target, Uploaded
from workers.sandbox.attachments import seal

THUMBNAIL = b64encode(picture("JPEG", (9, 9))).decode()
WAVEFORM = b64encode(bytes(range(64))).decode()
FACTS = Facts(width=12, height=9, seconds=7, animated=True, thumbnail=THUMBNAIL, waveform=WAVEFORM)
KEY = bytes(range(32))


def uploaded(mimetype: str) -> Uploaded:
    """A file with everything that can be known of one."""
    return Uploaded(
        url="https://mmg.whatsapp.net/v/x?a=1",
        direct_path="/v/x?a=1",
        key=KEY,
        sha256=b"s" * 32,
        enc_sha256=b"e" * 32,
        size=99,
        mimetype=mimetype,
        facts=FACTS,
    )


def known(mimetype: str) -> dict[str, Any]:
    """What a reader sees of it."""
    return {"mimetype": mimetype, "sha256": (b"s" * 32).hex(), "size": 99}


JPEG, MP4, OGG = "image/jpeg", "video/mp4", "audio/ogg"
SEEN = {"width": 12, "height": 9, "thumbnail": THUMBNAIL}
CASES: dict[str, tuple[str, File, dict[str, Any]]] = {
    "image": (JPEG, Image(caption="a"), SEEN),
    "image once": (JPEG, Image(view_once=True), SEEN),
    "video": (MP4, Video(caption="a"), {**SEEN, "seconds": 7}),
    "video once": (MP4, Video(view_once=True), {**SEEN, "seconds": 7}),
    "gif": (MP4, Video(gif=True), {**SEEN, "seconds": 7}),
    "note": (MP4, Video(note=True), {**SEEN, "seconds": 7}),
    "audio": (OGG, Audio(), {"seconds": 7}),
    "voice": (f"{OGG}; codecs=opus", Audio(voice=True), {"seconds": 7, "waveform": WAVEFORM}),
    "voice once": (
        f"{OGG}; codecs=opus",
        Audio(voice=True, view_once=True),
        {"seconds": 7, "waveform": WAVEFORM},
    ),
    "document": ("text/csv", Document(filename="a.csv"), {"thumbnail": THUMBNAIL}),
    "captioned": ("text/csv", Document(filename="a", caption="c"), {"thumbnail": THUMBNAIL}),
    "sticker": ("image/webp", Sticker(), {"width": 12, "height": 9, "animated": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_sent_is_read_as_the_same(case: str) -> None:
    """Field by field, with what the file's own facts add."""
    mimetype, content, facts = CASES[case]
    message = convert.message_to(content, file=uploaded(mimetype))
    read = convert.content_of(wa.Message.FromString(message.SerializeToString()))
    expected = {
        **{name: getattr(content, name) for name in content.__struct_fields__},
        **known(mimetype),
        **facts,
    }
    assert read == type(content)(**expected)


@pytest.mark.parametrize("case", CASES)
def test_the_file_of_a_message_is_found_inside_of_every_wrapper(case: str) -> None:
    """With the keys and hashes to open it, and the kind that its keys are made for."""
    mimetype, content, _ = CASES[case]
    message = convert.message_to(content, file=uploaded(mimetype))
    remote = convert.remote_of(message.SerializeToString())
    assert remote is not None
    assert (remote.direct_path, remote.key) == ("/v/x?a=1", KEY)
    assert (remote.sha256, remote.enc_sha256) == (b"s" * 32, b"e" * 32)
    kinds = {Image: "image", Sticker: "image", Video: "video", Audio: "audio"}
    assert remote.keyed_as == kinds.get(type(content), "document")


def test_a_text_has_no_file() -> None:
    """Nor has a message whose keys are missing."""
    assert convert.remote_of(wa.Message(conversation="x").SerializeToString()) is None
    bare = wa.Message(imageMessage={"directPath": "/x"})
    assert convert.remote_of(bare.SerializeToString()) is None


def test_a_file_must_be_uploaded_first() -> None:
    """There is nothing to refer to before."""
    with pytest.raises(ValueError, match="not uploaded"):
        convert.message_to(Image(id="med_1"))


def test_an_album_says_what_follows() -> None:
    """Counts only; the pictures come by themselves."""
    album = Album(images=2, videos=1)
    assert convert.content_of(convert.message_to(album)) == album


def test_an_item_names_its_album() -> None:
    """As this account's own message, beside what else surrounds it; phones do so too."""
    context = Context(album="msg_1", mentions=("5511999990001@s.whatsapp.net",))
    chat = parse_address("5511999990000")
    album = Target(wa_id="3EB0", chat=chat, sender=None, content=Album(images=2))
    item = convert.message_to(Image(id="med_1"), context, album, file=uploaded(JPEG))
    key = item.messageContextInfo.messageAssociation.parentMessageKey
    assert (key.remoteJID, key.fromMe, key.ID) == (str(chat), True, "3EB0")
    assert not item.imageMessage.contextInfo.HasField("quotedMessage")
    assert convert.context_of(item) == Context(album="3EB0", mentions=context.mentions)
    bare = convert.message_to(Image(id="med_1"), Context(album="msg_1"), album, file=uploaded(JPEG))
    assert convert.context_of(bare) == Context(album="3EB0")


def test_other_associations_are_no_albums() -> None:
    """A picture in two qualities, for example."""
    item = convert.message_to(Image(id="med_1"), file=uploaded(JPEG))
    association = item.messageContextInfo.messageAssociation
    association.associationType = wa.MessageAssociation.HD_IMAGE_DUAL_UPLOAD
    association.parentMessageKey.ID = "3EB0"
    assert convert.context_of(item) == Context()


def test_a_huge_thumbnail_is_left_out() -> None:
    """It would be in every event."""
    message = wa.Message(imageMessage={"mimetype": JPEG, "JPEGThumbnail": bytes(40_000)})
    read = convert.content_of(message)
    assert isinstance(read, Image)
    assert read.thumbnail is None


# ── encryption ──


def sealed(plain: bytes, kind: MediaKind = MediaKind.IMAGE) -> tuple[bytes, Remote]:
    """A file as a client uploads it, made by the sandbox's own implementation."""
    info = {MediaKind.IMAGE: b"WhatsApp Image Keys", MediaKind.VIDEO: b"WhatsApp Video Keys"}[kind]
    blob = seal(plain, KEY, info)
    remote = Remote(
        direct_path="/v/x",
        key=KEY,
        sha256=hashlib.sha256(plain).digest(),
        enc_sha256=hashlib.sha256(blob).digest(),
        size=len(plain),
        keyed_as=kind,
    )
    return blob, remote


def opened(blob: bytes, remote: Remote, step: int) -> bytes:
    """Fed in pieces."""
    opener = Opener(remote)
    pieces = [opener.feed(blob[at : at + step]) for at in range(0, len(blob), step)]
    return b"".join([*pieces, opener.close()])


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 70_000])
@pytest.mark.parametrize("step", [1, 7, 16, 4096])
def test_a_file_is_opened_however_it_comes(size: int, step: int) -> None:
    """In pieces of any size, with its MAC at the end."""
    plain = (bytes(range(256)) * 300)[: size if step > 1 else min(size, 1000)]
    blob, remote = sealed(plain)
    assert opened(blob, remote, step) == plain


@pytest.mark.parametrize("at", [0, 500, -15, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    """In the content, its end, or the MAC."""
    blob, remote = sealed(bytes(1000))
    changed = bytearray(blob)
    changed[at] ^= 1
    with pytest.raises(MediaDamaged):
        opened(bytes(changed), remote, 100)


def test_a_file_that_ends_early_is_noticed() -> None:
    """A connection that closed too soon."""
    blob, remote = sealed(bytes(1000))
    with pytest.raises(MediaDamaged):
        opened(blob[:-40], remote, 100)


def test_a_files_address_is_on_whatsapps_servers() -> None:
    """Whoever sends a message chooses the path, never the host."""
    _, remote = sealed(b"x", MediaKind.VIDEO)
    assert _url(remote).startswith("https://mmg.whatsapp.net/v/x?hash=")
    for path in ("//evil.example/x", "evil.example/x", "@evil.example/x", ""):
        with pytest.raises(MediaGone):
            _url(
                Remote(**{**{n: getattr(remote, n) for n in remote.__slots__}, "direct_path": path})
            )
