"""What a file is, from its content."""

from __future__ import annotations

from pathlib import Path

import puremagic

from wa_api.domain.errors import MediaTypeRefused
from wa_api.domain.media import MediaKind, family

_HEAD = 8192
OCTETS, TEXT = "application/octet-stream", "text/plain"

#: Beginnings of the types that are acted upon (offset, bytes, type): a wrong guess would send
#: something as what it is not, so these are exact. `puremagic` names all others.
_EXACT = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"BM", "image/bmp"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"#!AMR", "audio/amr"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
)
_BRANDS = {
    b"M4A": "audio/mp4",
    b"M4B": "audio/mp4",
    b"qt ": "video/quicktime",
    b"3gp": "video/3gpp",
}
#: Other files of the same container family.
_OTHERS = {b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"crx "}


def sniff(path: Path) -> str:
    """The MIME type of a local file; OCTETS for what nobody knows. Reads its beginning only."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if (exact := _exact(head)) is not None:
        return exact
    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        found = []
    named = next((one.mime_type for one in found if one.mime_type), "")
    if named and family(named) is MediaKind.DOCUMENT:
        return str(named)
    return TEXT if _is_text(head) else OCTETS


def _exact(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _OTHERS else _BRANDS.get(head[8:11], "video/mp4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    for at, begins, mimetype in _EXACT:
        if head[at : at + len(begins)] == begins:
            return mimetype
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # An MPEG audio frame; layer 0 means AAC (ADTS).
        return "audio/mpeg" if head[1] & 0x06 else "audio/aac"
    return None


def _is_text(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not just cut in the middle of a character
            return False
    return bool(head) and b"\0" not in head


def settle(found: str, declared: str | None) -> str:
    """The type that counts, of the one found in the content and the one that was declared.

    Raises MediaTypeRefused when something else was declared to be a picture, a video or a sound.
    """
    said = (declared or "").partition(";")[0].strip().lower()
    if said in ("", OCTETS, found):
        return found
    said_family, found_family = family(said), family(found)
    if said_family is not MediaKind.DOCUMENT and not _related(said_family, found_family):
        raise MediaTypeRefused(f"It was declared as {said}, but its content is {found}.")
    return said if found_family is MediaKind.DOCUMENT else found


def _related(said: MediaKind, found: MediaKind) -> bool:
    moving = {MediaKind.VIDEO, MediaKind.AUDIO}  # containers hold either
    return said is found or {said, found} <= moving
