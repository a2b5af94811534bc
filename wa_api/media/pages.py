"""Web pages: what they say of themselves in their head. Runs in the workshop only.

The standard parser takes minutes for half a megabyte that was made for it; the workshop's limits end that.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

from wa_api.media.jobs import Page

MOST_TITLE, MOST_DESCRIPTION, MOST_URL = 200, 500, 2048  #: characters
_HEAD = 4096  #: bytes in which a page says how it is encoded
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
#: Where each fact is found, best first. `<title>` and `<link rel=image_src>` are the last resort.
_TITLE = ("og:title", "twitter:title", "<title>")
_DESCRIPTION = ("og:description", "twitter:description", "description")
_PICTURE = (
    *("og:image:secure_url", "og:image", "og:image:url"),
    *("twitter:image", "twitter:image:src", "<image_src>"),
)
_WANTED = frozenset((*_TITLE, *_DESCRIPTION, *_PICTURE))


def read(path: Path, mimetype: str) -> Page:
    """Read a page; `mimetype` is what its server calls it, with the charset if it says one."""
    content = path.read_bytes()
    reader = _Reader()
    reader.feed(content.decode(_charset(content, mimetype), "replace"))
    reader.close()
    picture = reader.first(_PICTURE)
    return Page(
        title=_cut(reader.first(_TITLE), MOST_TITLE),
        description=_cut(reader.first(_DESCRIPTION), MOST_DESCRIPTION),
        picture=picture if len(picture) <= MOST_URL else "",
    )


def _charset(content: bytes, mimetype: str) -> str:
    """How a page is encoded: by its first bytes, its server, its head; UTF-8 when none is right."""
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for place in (mimetype.encode(errors="replace"), content[:_HEAD]):
        said = _CHARSET.search(place)
        if said and _is_charset(name := said[1].decode()):
            return name
    return "utf-8"


def _is_charset(name: str) -> bool:
    """Python knows codecs besides that are none, such as `zip`."""
    try:
        return b"<a>".decode(name) == "<a>"
    except (LookupError, ValueError):
        return False


class _Reader(HTMLParser):
    """Collects the first of each wanted fact."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._found: dict[str, str] = {}
        self._in_title = False

    def first(self, names: tuple[str, ...]) -> str:
        """The best of these that the page has, in one line."""
        return next((line for name in names if (line := _line(self._found.get(name, "")))), "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Meta tags, the title and the linked picture."""
        self._in_title = tag == "title" and "<title>" not in self._found
        if tag not in ("meta", "link"):
            return
        given = {name: value or "" for name, value in reversed(attrs)}
        if tag == "link":
            self._note(f"<{given.get('rel', '').strip().lower()}>", given.get("href", ""))
        else:
            name = given.get("property") or given.get("name") or ""
            self._note(name.strip().lower(), given.get("content", ""))

    def handle_endtag(self, tag: str) -> None:
        """The title ends."""
        self._in_title = False

    def handle_data(self, data: str) -> None:
        """The title's text."""
        if self._in_title:
            self._found["<title>"] = self._found.get("<title>", "") + data

    def _note(self, name: str, value: str) -> None:
        if name in _WANTED and value.strip():
            self._found.setdefault(name, value)


def _line(text: str) -> str:
    """Text without line breaks, control characters and halves of characters."""
    return "".join(c for c in " ".join(text.split()) if unicodedata.category(c) not in ("Cc", "Cs"))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
