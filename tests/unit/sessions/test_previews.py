"""A link's preview is had from a page on the internet, once, or quietly not at all."""

from __future__ import annotations

import asyncio
import io
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from PIL import Image
from samples import picture

from tests.support.site import answer
from wa_api.domain.content import Preview
from wa_api.shelf import MediaOptions, open_shelf
from workers.sessions import previews as module
from workers.sessions.previews import MOST_PAGE, Previews, first_url

HTML = "text/html; charset=utf-8"
PAGES: dict[str, tuple[str, bytes]] = {
    "/news/one": (HTML, b'<title>News</title><meta property="og:image" content="../sea.jpg">'),
    "/sea.jpg": ("image/jpeg", picture("JPEG", (400, 200))),
    "/untitled": (HTML, b'<meta property="og:image" content="/sea.jpg">'),
    "/text": ("text/plain", b"<title>No page</title>"),
    "/huge": (HTML, b"<title>Huge</title>" + b"x" * (2 * MOST_PAGE)),
    "/late": (HTML, b"<!--" + b"x" * MOST_PAGE + b"--><title>Too late</title>"),
    "/no-picture": (HTML, b'<title>T</title><meta property="og:image" content="/text">'),
    "/gone-picture": (HTML, b'<title>T</title><meta property="og:image" content="/nothing">'),
    "/inside-picture": (HTML, b'<title>T</title><meta property="og:image" content="http://[::1]/">'),
    "/bad-picture": (HTML, b'<title>T</title><meta property="og:image" content="http://[">'),
    "/slow-picture": (HTML, b'<title>T</title><meta property="og:image" content="/silent">'),
    "/ol%C3%A1": (HTML, "<title>Olá</title>".encode()),
}  # fmt: skip


class Site:
    """Serves PAGES on this machine, and counts."""

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        self.asked[path] += 1
        if path == "/silent":
            await reader.read()
        elif path == "/moved":
            writer.write(b"HTTP/1.1 302 Found\r\nlocation: /news/one\r\n\r\n")
        elif path == "/inside":
            writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\n")
        else:
            writer.write(answer(PAGES, path))
        writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Under the one name that may be reached below."""
    made = Site()
    server = await asyncio.start_server(made.answer, "localhost", 0)
    made.url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


@pytest.fixture
def previews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Previews:
    """As in production, but for the name, and with time for slow machines."""
    monkeypatch.setattr(module, "SECONDS", 60.0)
    return Previews(open_shelf(MediaOptions(folder=tmp_path, allowed=("localhost",))))


@pytest.mark.parametrize("path", ["/news/one", "/moved"])
async def test_a_page_gives_title_and_picture(site: Site, previews: Previews, path: str) -> None:
    """The picture's URL is relative to where the page was found, and becomes a small JPEG."""
    got = await previews.of(site.url + path)
    assert got is not None
    assert (got.url, got.title) == (site.url + path, "News")
    with Image.open(io.BytesIO(b64decode(got.thumbnail))) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (96, 48))


@pytest.mark.parametrize("path", ["/untitled", "/text", "/late", "/nothing", "/inside", "/sea.jpg"])
async def test_what_is_no_page_has_no_preview(site: Site, previews: Previews, path: str) -> None:
    """Nothing said of itself, something else, beyond the limit, not there, or led inside."""
    assert await previews.of(site.url + path) is None


async def test_a_page_is_read_up_to_the_limit(site: Site, previews: Previews) -> None:
    """What stands before it counts; nothing stays on the disk."""
    assert await previews.of(site.url + "/huge") == Preview(url=site.url + "/huge", title="Huge")


@pytest.mark.parametrize(
    "path", ["/no-picture", "/gone-picture", "/inside-picture", "/bad-picture"]
)
async def test_a_bad_picture_costs_only_the_picture(
    site: Site, previews: Previews, path: str
) -> None:
    """Whatever is wrong with it."""
    got = await previews.of(site.url + path)
    assert got == Preview(url=site.url + path, title="T")


async def test_a_silent_picture_costs_only_the_picture(
    site: Site, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page said is kept when the time is over."""
    monkeypatch.setattr(module, "SECONDS", 4.0)
    url = site.url + "/slow-picture"
    assert await previews.of(url) == Preview(url=url, title="T")


async def test_a_private_address_has_no_preview(site: Site, previews: Previews) -> None:
    """Only the name is allowed here, not the address behind it; nothing is connected to."""
    assert await previews.of(site.url.replace("localhost", "127.0.0.1") + "/news/one") is None
    assert not site.asked


async def test_a_silent_page_is_not_waited_for(
    site: Site, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message goes without."""
    monkeypatch.setattr(module, "SECONDS", 0.2)
    assert await previews.of(site.url + "/silent") is None


async def test_answers_are_shared_and_remembered(
    site: Site, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page for many messages is fetched once, while it is under way and later; not for ever."""
    url = site.url + "/huge"
    one, two = await asyncio.gather(previews.of(url), previews.of(url))
    assert one == two == await previews.of(url)
    assert site.asked["/huge"] == 1
    monkeypatch.setattr(module, "_REMEMBERED", 1)
    for path in ("/nothing", "/nothing", "/huge"):
        await previews.of(site.url + path)
    assert site.asked == {"/huge": 2, "/nothing": 1}


async def test_the_log_does_not_tell_where(site: Site, previews: Previews) -> None:
    """Only what came of it."""
    with structlog.testing.capture_logs() as lines:
        await previews.of(site.url + "/nothing?token=secret")
    assert [(line["event"], line["outcome"]) for line in lines] == [
        ("preview.not_had", "link_failed")
    ]
    assert "secret" not in str(lines)
    assert "localhost" not in str(lines)


async def test_letters_that_urls_do_not_have_are_encoded(site: Site, previews: Previews) -> None:
    """The preview keeps the link as the text has it."""
    got = await previews.of(site.url + "/olá")
    assert got == Preview(url=site.url + "/olá", title="Olá")


@pytest.mark.parametrize(
    ("body", "url"),
    [
        ("see https://example.org/x, and http://b.org", "https://example.org/x"),
        ("(https://example.org/x).", "https://example.org/x"),
        ("https://example.org/Cat_(animal)", "https://example.org/Cat_(animal)"),
        ('"HTTPS://Example.org"', "HTTPS://Example.org"),
        ("*https://example.org/?q=1#top*", "https://example.org/?q=1#top"),
        ("two\nhttps://example.org/\nlines", "https://example.org/"),
        ("ftp://example.org www.example.org", None),
        ("https://example.org/" + "x" * 2048, None),
        ("https://", None),
    ],
)
def test_the_first_link_of_a_text_is_found(body: str, url: str | None) -> None:
    """Without the marks and stops around it."""
    assert first_url(body) == url
