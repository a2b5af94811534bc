"""Files by link: fetched when they are sent; what cannot be had ends the message with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.media.conftest import Stage, sha256
from tests.support.samples import bomb, picture, sample

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="package")]

PHOTO = picture("JPEG", (201, 101))
FILES = {
    "/sea.jpg": PHOTO,
    "/cut.jpg": PHOTO[:-200],
    "/bomb.png": bomb(),
    "/page.html": b"<html>no picture</html>",
    "/cut.mp4": sample("clip.mp4")[:-100],
    "/plan%20b.pdf": b"%PDF-1.7\n%\xe2\xe3\n",
}
MOVED = {
    "/moved": "/sea.jpg",
    "/circle": "/circle",
    "/inside": "http://127.0.0.1/secret",
    "/metadata": "http://169.254.169.254/latest/meta-data/",
    "/file": "file:///etc/passwd",
}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
    head = "HTTP/1.1 200 OK\r\nconnection: close\r\n"
    if path in MOVED:
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: {MOVED[path]}\r\n\r\n".encode())
    elif path in FILES:
        writer.write(f"{head}content-length: {len(FILES[path])}\r\n\r\n".encode() + FILES[path])
    elif path == "/huge":
        writer.write(f"{head}content-length: {200 << 20}\r\n\r\n".encode())
    elif path == "/endless":
        writer.write(f"{head}\r\n".encode())
        while not writer.is_closing():
            writer.write(bytes(65_536))
            await asyncio.wait_for(writer.drain(), 10)
    elif path == "/silent":
        await reader.read()
    else:
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
    writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await _serve(reader, writer)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        writer.close()


@pytest_asyncio.fixture(loop_scope="package")
async def url() -> AsyncIterator[str]:
    """A server under the one name that links may lead to on this machine."""
    server = await asyncio.start_server(_answer, "localhost", 0)
    yield f"http://localhost:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.mark.parametrize("path", ["/sea.jpg", "/moved"])
async def test_a_link_is_fetched_and_sent(stage: Stage, url: str, path: str) -> None:
    """The phone gets the bytes; the message then has the media's id."""
    message = await stage.send("image", link=url + path, caption="Sea")
    received, file = await stage.delivered(message)
    assert (file["sha256"], received["imageMessage"]["caption"]) == (sha256(PHOTO), "Sea")
    assert (received["imageMessage"]["width"], received["imageMessage"]["height"]) == (201, 101)
    shown = (await stage.message(message))["image"]
    assert (shown["sha256"], shown["size"], shown["link"]) == (
        sha256(PHOTO),
        len(PHOTO),
        url + path,
    )
    assert (await stage.client.get(f"/v1/media/{shown['id']}/content")).content == PHOTO


async def test_a_documents_name_is_the_links(stage: Stage, url: str) -> None:
    """Unless the client says another."""
    message = await stage.send("document", link=url + "/plan%20b.pdf")
    received, _ = await stage.delivered(message)
    assert received["documentMessage"]["fileName"] == "plan b.pdf"


BAD = {
    "wrong type": ("image", "/page.html", "media_type_refused"),
    "cut off picture": ("image", "/cut.jpg", "media_damaged"),
    "cut off video": ("video", "/cut.mp4", "media_damaged"),
    "decompression bomb": ("image", "/bomb.png", "media_too_complex"),
    "200 megabytes": ("document", "/huge", "media_too_large"),
    "endless": ("image", "/endless", "media_too_large"),
    "silent": ("image", "/silent", "link_failed"),
    "not there": ("image", "/nothing", "link_failed"),
    "in a circle": ("image", "/circle", "link_failed"),
    "to a private address": ("image", "/inside", "link_refused"),
    "to a cloud's own service": ("image", "/metadata", "link_refused"),
    "to a file": ("image", "/file", "link_refused"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_link_fails_with_a_reason_and_leaves_nothing_behind(
    stage: Stage, url: str, case: str
) -> None:
    """The message ends as failed; no file stays, not even a draft."""
    kind, path, code = BAD[case]
    before = stage.left()
    message = await stage.send(kind, link=url + path)
    assert (message["status"], message["error"]["code"]) == ("failed", code), message
    assert stage.left() == before
    assert stage.left()


async def test_a_private_address_itself_is_refused(stage: Stage, url: str) -> None:
    """Only the name is allowed here, not the address behind it."""
    message = await stage.send("image", link=url.replace("localhost", "127.0.0.1") + "/sea.jpg")
    assert (message["status"], message["error"]["code"]) == ("failed", "link_refused")
