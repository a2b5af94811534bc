"""Text, with link previews and the colours of status posts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from wa_api.domain.content import Content, Preview, Text
from workers.engine.neonize import wa

_OPAQUE = 0xFF000000


def to_text(text: Text) -> Any:
    """A plain conversation where that is enough, else an extended text."""
    part = wa.ExtendedTextMessage()
    if text.preview is not None:
        _preview_to(part, text.preview)
    if text.background is not None:
        part.backgroundArgb = _argb(text.background)
    if text.color is not None:
        part.textArgb = _argb(text.color)
    if text.font is not None:
        part.font = text.font
    if not part.ListFields():
        return wa.Message(conversation=text.body)
    part.text = text.body
    return wa.Message(extendedTextMessage=part)


def _preview_to(part: Any, preview: Preview) -> None:
    part.matchedText, part.title = preview.url, preview.title
    part.description = preview.description
    part.previewType = wa.ExtendedTextMessage.NONE
    if preview.thumbnail:
        part.JPEGThumbnail = b64decode(preview.thumbnail)


def _argb(color: str) -> int:
    return _OPAQUE | int(color.removeprefix("#"), 16)


def _color(argb: int) -> str:
    return f"#{argb & 0xFFFFFF:06X}"


def _plain(body: Any) -> Text:
    return Text(body=body)


def _extended(part: Any) -> Text:
    return Text(
        body=part.text,
        preview=_preview_of(part),
        background=_color(part.backgroundArgb) if part.HasField("backgroundArgb") else None,
        color=_color(part.textArgb) if part.HasField("textArgb") else None,
        font=part.font if part.HasField("font") else None,
    )


def _preview_of(part: Any) -> Preview | None:
    if not part.matchedText or not (part.title or part.description):
        return None
    return Preview(
        url=part.matchedText,
        title=part.title,
        description=part.description,
        thumbnail=b64encode(part.JPEGThumbnail).decode(),
    )


READ: dict[str, Callable[[Any], Content | None]] = {
    "conversation": _plain,
    "extendedTextMessage": _extended,
}
