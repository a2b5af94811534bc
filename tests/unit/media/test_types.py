"""A file's type comes from its content; what it is said to be is only believed of documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import animation, picture, sample, tone

from wa_api.domain.errors import MediaTypeRefused
from wa_api.media.types import settle, sniff

CONTENTS = {
    "image/jpeg": picture("JPEG"),
    "image/png": picture("PNG"),
    "image/webp": picture("WEBP"),
    "image/gif": animation(),
    "image/bmp": picture("BMP"),
    "image/tiff": picture("TIFF"),
    "video/mp4": sample("clip.mp4"),
    "video/webm": sample("clip.webm"),
    "audio/ogg": sample("voice.ogg"),
    "audio/mpeg": sample("tone.mp3"),
    "audio/wav": tone(),
    "audio/amr": b"#!AMR\n" + bytes(32),
    "audio/aac": b"\xff\xf1\x50\x80" + bytes(32),
    "video/quicktime": b"\0\0\0\x14ftypqt  " + bytes(32),
    "video/3gpp": b"\0\0\0\x14ftyp3gp5" + bytes(32),
    "audio/mp4": b"\0\0\0\x14ftypM4A " + bytes(32),
    "application/pdf": b"%PDF-1.7\n%\xe2\xe3\n",
    "text/plain": "Fine weather, señor.\n".encode(),
    "application/octet-stream": b"\x01\x02\xfe\x00" * 9,
}


@pytest.mark.parametrize("mimetype", CONTENTS)
def test_content_tells_the_type(tmp_path: Path, mimetype: str) -> None:
    """By its beginning, whatever the name."""
    file = tmp_path / "x"
    file.write_bytes(CONTENTS[mimetype])
    assert sniff(file) == mimetype


def test_pictures_in_other_containers_are_no_videos(tmp_path: Path) -> None:
    """HEIC and AVIF share MP4's container."""
    file = tmp_path / "x"
    file.write_bytes(b"\0\0\0\x18ftypheic" + bytes(32))
    assert not sniff(file).startswith("video/")


@pytest.mark.parametrize(
    ("found", "declared", "settled"),
    [
        ("image/png", None, "image/png"),
        ("image/png", "image/jpeg", "image/png"),
        ("audio/mp4", "video/mp4", "audio/mp4"),
        ("application/zip", "application/vnd.oasis.opendocument.text", None),
        ("text/plain", "text/csv; charset=utf-8", "text/csv"),
        ("image/png", "application/octet-stream", "image/png"),
        ("image/png", "application/pdf", "image/png"),
    ],
)
def test_documents_may_say_what_they_are(
    found: str, declared: str | None, settled: str | None
) -> None:
    """A declared type counts where the content is not one of the types that are acted upon."""
    assert settle(found, declared) == (settled or declared)


@pytest.mark.parametrize("declared", ["image/png", "video/mp4", "audio/ogg"])
def test_a_document_is_not_called_a_picture(declared: str) -> None:
    """That would be sent as something that no phone can show."""
    with pytest.raises(MediaTypeRefused):
        settle("text/html", declared)
