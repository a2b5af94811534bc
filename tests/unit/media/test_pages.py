"""What a page says of itself is read from its head, whatever else it holds, in bounded time."""

from __future__ import annotations

from pathlib import Path

import pytest

from wa_api.domain.errors import MediaTooComplex
from wa_api.media.jobs import Page
from wa_api.media.pages import MOST_DESCRIPTION, MOST_TITLE, MOST_URL, read
from wa_api.media.studio import Studio

OPEN_GRAPH = """<!doctype html><html><head><title>Last resort</title>
<META PROPERTY="OG:Title" CONTENT="Tom &amp; Jerry">
<meta content='About "both"' property=og:description />
<meta name=description content="For search engines">
<meta property="og:image" content="/a b.jpg?x=1&amp;y=2"></head><body>Hello"""


def page(folder: Path, html: str | bytes, mimetype: str = "text/html") -> Page:
    """Read a page."""
    file = folder / "page"
    file.write_bytes(html if isinstance(html, bytes) else html.encode())
    return read(file, mimetype)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (OPEN_GRAPH, Page(title="Tom & Jerry", description='About "both"', picture="/a b.jpg?x=1&y=2")),
        ('<meta name="twitter:title" content="T"><meta name="twitter:image" content="t.png">', Page(title="T", picture="t.png")),
        ("<title>\n Two\n lines </title><meta name=description content=D>", Page(title="Two lines", description="D")),
        ('<title>T</title><link rel="image_src" href="p.png">', Page(title="T", picture="p.png")),
        ('<title>First</title><svg><title>Second</title></svg>', Page(title="First")),
        ('<title>T</title><meta property="og:title" content=" "><meta property="og:title" content="Full">', Page(title="Full")),
        ('<meta property="og:title" content="a\x00b\x1b[1m">', Page(title="a\ufffdb[1m".replace("\ufffd", ""))),
        ("<title>Cut off", Page(title="Cut off")),
        ("", Page()),
        ("\x89PNG\r\n\x1a\n\x00<<<>>><meta><meta content><link rel>", Page()),
    ],
)  # fmt: skip
def test_the_best_of_what_a_page_says_is_taken(tmp_path: Path, html: str, expected: Page) -> None:
    """Open Graph before Twitter before plain HTML, the first of each, in one line."""
    assert page(tmp_path, html) == expected


@pytest.mark.parametrize(
    ("content", "mimetype"),
    [
        ("<title>Olá</title>".encode(), "text/html"),
        ("<title>Olá</title>".encode("latin-1"), "text/html; charset=ISO-8859-1"),
        ('<meta charset="windows-1252"><title>Olá</title>'.encode("cp1252"), "text/html"),
        ("<title>Olá</title>".encode("utf-16"), "text/html; charset=utf-8"),
        ("<title>Olá</title>".encode("utf-8-sig"), "text/html; charset=latin-1"),
        ("<title>Olá</title>".encode(), "text/html; charset=zip"),
        ("<title>Olá</title>".encode(), "text/html; charset=no-such"),
    ],
)
def test_a_page_is_decoded_as_it_says(tmp_path: Path, content: bytes, mimetype: str) -> None:
    """By its first bytes, its server or its head; as UTF-8 when it says nothing or nonsense."""
    assert page(tmp_path, content, mimetype).title == "Olá"


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    """They are shown as what they are."""
    assert page(tmp_path, b"<title>a\xff</title>").title == "a\ufffd"


def test_long_facts_are_cut(tmp_path: Path) -> None:
    """With an ellipsis; half a URL is none."""
    html = (
        f'<title>{"t" * 9999}</title><meta name=description content="{"d" * 9999}">'
        f'<meta property=og:image content="{"u" * (MOST_URL + 1)}">'
    )
    got = page(tmp_path, html)
    assert got.title == "t" * (MOST_TITLE - 1) + "…"
    assert got.description == "d" * (MOST_DESCRIPTION - 1) + "…"
    assert got.picture == ""


async def test_a_page_that_takes_long_is_given_up(tmp_path: Path) -> None:
    """The standard parser would work for minutes; the workshop is ended."""
    file = tmp_path / "page"
    file.write_bytes(b"<a " * 170_000)
    with pytest.raises(MediaTooComplex):
        await Studio().page(file, "text/html")
