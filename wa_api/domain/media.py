"""Files that messages carry: their kinds, types and limits. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NewType, TypeVar

import msgspec

from wa_api.domain.content import Audio, Document, File, Image, Sticker, Video

MediaId = NewType("MediaId", str)

F = TypeVar("F", bound=File)

MiB = 1 << 20


class MediaKind(StrEnum):
    """What a file is sent as; it decides which types are taken and how large one may be."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"  #: a voice note: Ogg with Opus
    DOCUMENT = "document"
    STICKER = "sticker"  #: WebP, 512 by 512


#: Bytes that WhatsApp's clients take of each kind.
MOST_BYTES = {
    MediaKind.IMAGE: 16 * MiB,
    MediaKind.VIDEO: 64 * MiB,
    MediaKind.AUDIO: 16 * MiB,
    MediaKind.VOICE: 16 * MiB,
    MediaKind.DOCUMENT: 100 * MiB,
    MediaKind.STICKER: 1 * MiB,
}

_PICTURES = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff"}
)
_VIDEOS = frozenset(
    {
        *("video/mp4", "video/3gpp", "video/quicktime", "video/webm"),
        *("video/x-matroska", "video/x-msvideo"),
    }
)
_SOUNDS = frozenset(
    {"audio/mpeg", "audio/mp4", "audio/aac", "audio/amr", "audio/ogg", "audio/wav", "audio/flac"}
)

#: Types that can be sent as a kind, if need be after conversion; documents may be anything.
TAKES: dict[MediaKind, frozenset[str]] = {
    MediaKind.IMAGE: _PICTURES,
    MediaKind.VIDEO: _VIDEOS | {"image/gif"},
    MediaKind.AUDIO: _SOUNDS,
    MediaKind.VOICE: _SOUNDS | {"video/mp4", "video/webm"},
    MediaKind.STICKER: _PICTURES,
}

#: Types that WhatsApp's clients show as they are; the others of `TAKES` are converted.
NATIVE: dict[MediaKind, frozenset[str]] = {
    MediaKind.IMAGE: frozenset({"image/jpeg", "image/png"}),
    MediaKind.VIDEO: frozenset({"video/mp4", "video/3gpp"}),
    MediaKind.AUDIO: frozenset({"audio/mpeg", "audio/mp4", "audio/aac", "audio/amr", "audio/ogg"}),
    MediaKind.VOICE: frozenset(),  # `Facts.codec` decides
    MediaKind.STICKER: frozenset(),  # `Facts` decide
}

#: The side of a sticker in pixels.
STICKER_SIDE = 512


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found out about a file by looking into it.

    `unseen`: nothing was; it was taken on trust as it arrived.
    `width` and `height` in pixels, `seconds` whole (at least 1), `thumbnail` a
    small JPEG and `waveform` 64 loudness values (0 to 100), both base64.
    """

    width: int | None = None
    height: int | None = None
    seconds: int | None = None
    animated: bool = False
    unseen: bool = False
    codec: str | None = None  #: of an Ogg file: `opus`, `vorbis` …
    thumbnail: str | None = None
    waveform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A local file that can go out as it is."""

    path: Path
    kind: MediaKind
    mimetype: str
    facts: Facts
    sha256: str
    size: int


def takes(kind: MediaKind, mimetype: str) -> bool:
    """Whether files of that type can be sent as the kind."""
    return kind is MediaKind.DOCUMENT or mimetype in TAKES[kind]


def is_ready(kind: MediaKind, mimetype: str, facts: Facts) -> bool:
    """Whether a file can go out as it is."""
    match kind:
        case MediaKind.DOCUMENT:
            return True
        case MediaKind.VOICE:
            return mimetype == "audio/ogg" and facts.codec == "opus"
        case MediaKind.STICKER:
            square = facts.width == facts.height == STICKER_SIDE
            return mimetype == "image/webp" and square
        case _:
            return mimetype in NATIVE[kind]


def family(mimetype: str) -> MediaKind:
    """The kind that suits a type best."""
    for kind in (MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.AUDIO):
        if mimetype in TAKES[kind]:
            return kind
    return MediaKind.DOCUMENT


#: What is safe to show inside of a page under our own origin; the rest is only downloaded.
INLINE = (_PICTURES | _VIDEOS | _SOUNDS) - {"image/tiff"}


def kind_of(content: File) -> MediaKind:
    """What a message's file is sent as."""
    match content:
        case Image():
            return MediaKind.IMAGE
        case Video():
            return MediaKind.VIDEO
        case Audio(voice=voice):
            return MediaKind.VOICE if voice else MediaKind.AUDIO
        case Sticker():
            return MediaKind.STICKER
        case Document():
            return MediaKind.DOCUMENT
        case _:
            raise TypeError(type(content).__name__)


_DESCRIBED = ("width", "height", "seconds", "thumbnail", "waveform", "animated")


def described(content: F, mimetype: str, facts: Facts) -> F:
    """Content with what is known of its file, as far as its kind shows it."""
    shown = {"mimetype": mimetype} | {
        name: value
        for name in _DESCRIBED
        if name in content.__struct_fields__ and (value := getattr(facts, name))
    }
    return msgspec.structs.replace(content, **shown)
