"""A link is looked up when its message goes out: from a real page to the friend's phone."""

from __future__ import annotations

import asyncio
import io
from base64 import b64decode
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PIL import Image

from tests.e2e.media.conftest import Stage, on_stage
from tests.support.samples import picture
from tests.support.site import answer

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

HTML = b"""<!doctype html><title>Not this</title><meta property="og:title" content="Tom &amp; Jerry">
<meta property="og:description" content="A cat, a mouse"><meta property="og:image" content="sea.jpg">"""
FILES = {
    "/news/a": ("text/html; charset=utf-8", HTML),
    "/news/sea.jpg": ("image/jpeg", picture("JPEG", (400, 200))),
}


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
    writer.write(answer(FILES, path))
    writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    """Links may lead to this machine under one name."""
    async with on_stage(WA_MEDIA_ALLOW_PRIVATE="localhost") as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    """A site under that name."""
    server = await asyncio.start_server(_answer, "localhost", 0)
    yield f"http://localhost:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.mark.proves("Link preview (fetched)", "sent", "rest")
async def test_a_link_goes_out_with_what_its_page_says(stage: Stage, url: str) -> None:
    """The phone has title, description, link and a small picture; so has the message, read again."""
    body = f"See {url}/news/a, it is good"
    message = await stage.send("text", body=body, preview_url=True)
    part = (await stage.letter(message))["extendedTextMessage"]
    thumbnail = part.pop("JPEGThumbnail")
    assert part == {
        "text": body,
        "matchedText": f"{url}/news/a",
        "title": "Tom & Jerry",
        "description": "A cat, a mouse",
        "previewType": "NONE",
    }
    with Image.open(io.BytesIO(b64decode(thumbnail))) as image:
        assert (image.format, image.size) == ("JPEG", (96, 48))
    assert (await stage.message(message))["text"] == {
        "body": body,
        "preview_url": True,
        "preview": {
            "url": part["matchedText"],
            "title": part["title"],
            "description": part["description"],
            "thumbnail": thumbnail,
        },
    }
    assert stage.left() == []


@pytest.mark.proves("Link preview (fetched)", "websocket")
async def test_a_link_sent_over_the_websocket_is_looked_up(stage: Stage, url: str) -> None:
    """In the same way."""
    text = {"body": f"{url}/news/a", "preview_url": True}
    form = {"to": stage.friend["number"], "type": "text", "text": text, "wait": 20}
    message = await stage.feed.command("message.send", stage.anna.session, form)
    assert (await stage.letter(message))["extendedTextMessage"]["title"] == "Tom & Jerry"


@pytest.mark.parametrize(
    "link",
    ["{url}/nothing", "{private}/news/a", "http://169.254.169.254/latest/meta-data/"],
    ids=["not there", "private", "a cloud's own service"],
)
async def test_a_page_that_cannot_be_had_fails_no_message(
    stage: Stage, url: str, link: str
) -> None:
    """The text goes out as it is."""
    body = link.format(url=url, private=url.replace("localhost", "127.0.0.1"))
    message = await stage.send("text", body=body, preview_url=True)
    assert await stage.letter(message) == {"conversation": body}


async def test_nothing_is_looked_up_unasked(stage: Stage, url: str) -> None:
    """A link alone is only a text."""
    message = await stage.send("text", body=f"{url}/news/a")
    assert await stage.letter(message) == {"conversation": f"{url}/news/a"}
