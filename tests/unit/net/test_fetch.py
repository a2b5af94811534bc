"""A stranger's URL is fetched in bounded time and from public addresses, or refused with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from wa_api.domain.errors import LinkFailed, LinkRefused
from wa_api.net.addresses import Rules
from wa_api.net.fetch import Fetcher, check_url

ANSWERS = {
    "/photo.jpg": b"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: 5\r\n\r\nhello",
    "/named": b'HTTP/1.1 200 OK\r\ncontent-disposition: attachment; filename="a b.pdf"\r\n'
    b"content-length: 0\r\n\r\n",
    "/chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "/moved": b"HTTP/1.1 302 Found\r\nlocation: /photo.jpg\r\ncontent-length: 0\r\n\r\n",
    "/circle": b"HTTP/1.1 302 Found\r\nlocation: /circle\r\ncontent-length: 0\r\n\r\n",
    "/private": b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/x\r\ncontent-length: 0\r\n\r\n",
    "/file": b"HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n",
    "/broken": b"HTTP/1.1 302 Found\r\nlocation: http://[\r\ncontent-length: 0\r\n\r\n",
    "/missing": b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    "/zipped": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    "/short": b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
    "/slow": b"",
}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
    if path == "/endless":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(bytes(65_536))
                await writer.drain()
        except OSError:
            return
    writer.write(ANSWERS[path])
    if path == "/slow":
        await reader.read()  # until the other side has had enough
    writer.close()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A server on an address that the fetcher below is allowed to reach."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
def fetcher() -> Fetcher:
    """As in production, but for one address."""
    return Fetcher(rules=Rules(["127.0.0.1"]), seconds=2.0)


async def get(fetcher: Fetcher, url: str) -> tuple[bytes, str | None, str | None]:
    """The beginning of the body, the type and the name."""
    body = b""
    async with fetcher.open(url) as fetched:
        async for piece in fetched.pieces:
            body = (body + piece)[:1000]
        return body, fetched.mimetype, fetched.filename


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/photo.jpg", (b"hello", "image/jpeg", "photo.jpg")),
        ("/named", (b"", None, "a b.pdf")),
        ("/chunked", (b"abc", None, "chunked")),
        ("/moved", (b"hello", "image/jpeg", "photo.jpg")),
    ],
)
async def test_what_is_there_is_fetched(
    fetcher: Fetcher, url: str, path: str, expected: tuple[object, ...]
) -> None:
    """With its type and name; redirects are followed."""
    assert await get(fetcher, url + path) == expected


@pytest.mark.parametrize("path", ["/missing", "/circle", "/zipped", "/short", "/slow", "/endless"])
async def test_what_cannot_be_had_says_why(fetcher: Fetcher, url: str, path: str) -> None:
    """No 200, redirects without end, compression, an early end, and what takes too long."""
    with pytest.raises(LinkFailed):
        await get(fetcher, url + path)


@pytest.mark.parametrize("path", ["/file", "/private", "/broken"])
async def test_a_redirect_is_checked_like_the_first_url(url: str, path: str) -> None:
    """Its scheme, and its address at the moment of connecting: only one name is allowed here."""
    fetcher = Fetcher(rules=Rules(["localhost"]), seconds=2.0)
    with pytest.raises(LinkRefused):
        await get(fetcher, url.replace("127.0.0.1", "localhost") + path)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/x",
        "http://",
        "//example.org/x",
        "https://user:secret@example.org/x",
        "https://example.org/a b",
        "https://example.org/\r\nx-injected: 1",
        "https://exämple.org/",
        "https://example.org:99999/",
        "https://example.org/" + "x" * 2048,
    ],
)
def test_only_plain_http_urls_are_links(url: str) -> None:
    """What else could be read as one is refused before anything is connected."""
    with pytest.raises(LinkRefused):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/x", "http://[::1]/x", "http://169.254.169.254/latest/meta-data"]
)
async def test_private_addresses_are_not_reached(url: str) -> None:
    """Cloud machines' own services among them."""
    with pytest.raises(LinkRefused):
        await get(Fetcher(rules=Rules(), seconds=2.0), url)
