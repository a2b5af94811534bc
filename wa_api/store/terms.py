"""The words that a message is found by: folded and cut here, so that databases only look them up."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec

from wa_api.domain.content import Action

#: Of one message, so many words are searched, and so many characters of each.
MOSTWORDS, LONGEST = 4000, 64

WORD = re.compile(r"[^\W_]+")
#: Members of content that people read.
_READ = frozenset(
    {
        *("body", "caption", "filename", "title", "description", "footer", "header"),
        *("name", "question", "address", "text", "options", "display_text", "formatted_name"),
    }
)


def fold(text: str) -> str:
    """A text as it is compared: small letters, no accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in plain if not unicodedata.combining(each))


def words(text: str) -> str:
    """The terms of a text: folded words with single spaces between; "" when there are none."""
    found = WORD.findall(fold(text))
    return " ".join([word[:LONGEST] for word in found[:MOSTWORDS]])


def readable(content: Any) -> str:
    """All that people read in a content (a Struct or its JSON), one part a line."""
    return "\n".join(_readable(content))


def words_of(content: Any) -> str | None:
    """The terms of a content; None when there is nothing to be found by.

    What changes another message is not found by itself (see `changes.effect`).
    """
    if isinstance(content, Action):
        return None
    return words(readable(content)) or None


def _readable(part: Any, *, read: bool = False) -> Iterator[str]:
    if isinstance(part, str):
        if read:
            yield part
        return
    if isinstance(part, list | tuple):
        for one in part:
            yield from _readable(one, read=read)
        return
    if isinstance(part, msgspec.Struct):
        part = msgspec.structs.asdict(part)
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _readable(value, read=name in _READ)
