"""Previews of links: looked up once for all sessions of the process, and never waited for long.

What a page says is shown to whoever gets the message, so only pages on the internet are fetched
(see `wa_api.net`), and only the workshop reads them. A page that cannot be had has no preview.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import string
import time
from collections import OrderedDict
from collections.abc import Awaitable
from typing import TypeVar
from urllib.parse import quote, urljoin

import structlog
from msgspec.structs import replace

from wa_api.domain.content import Preview
from wa_api.domain.errors import LinkFailed, WaError
from wa_api.media.jobs import Page
from wa_api.net.fetch import MOST_URL
from wa_api.shelf import Shelf

log = structlog.get_logger()

T = TypeVar("T")

SECONDS = 5.0  #: for a page and its picture together
MOST_PAGE, MOST_PICTURE = 512 << 10, 4 << 20  #: bytes; of a page the rest is not read
#: Answers that are remembered, and for how long (seconds), with a preview and without.
_REMEMBERED, _GOOD_SECONDS, _FRUITLESS_SECONDS = 512, 600.0, 60.0
_AT_ONCE = 8  #: pages or pictures that are fetched
_URL = re.compile(r"""https?://[^\s<>"]+""", re.IGNORECASE)
_HEADERS = {"accept": "text/html"}


def first_url(body: str) -> str | None:
    """The first link in a text, without the sentence's own punctuation."""
    found = _URL.search(body)
    if found is None:
        return None
    url = found[0]
    while url[-1] in ".,;:!?'*_~`…" or (url[-1] == ")" and url.count("(") < url.count(")")):
        url = url[:-1]
    return url if len(url) <= MOST_URL else None


class Previews:
    """See above."""

    def __init__(self, shelf: Shelf) -> None:
        """`shelf` has the rules about addresses, and the workshop."""
        self._shelf = shelf
        self._fetcher = dataclasses.replace(shelf.fetcher, seconds=SECONDS)
        self._known: OrderedDict[str, tuple[Preview | None, float]] = OrderedDict()
        self._looking: dict[str, asyncio.Task[Preview | None]] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def of(self, url: str) -> Preview | None:
        """The preview of a page, within `SECONDS`; None when there is none to be had."""
        preview, until = self._known.get(url, (None, 0.0))
        if until > time.monotonic():
            return preview
        looking = self._looking.get(url)
        if looking is None:
            looking = self._looking[url] = asyncio.create_task(self._look_up(url))
            looking.add_done_callback(lambda _: self._looking.pop(url))
        return await asyncio.shield(looking)

    async def _look_up(self, url: str) -> Preview | None:
        end = asyncio.get_running_loop().time() + SECONDS
        page = await _tried("page", end, self._page(url))
        preview = None
        if page is not None and (page.title or page.description):
            thumbnail = None
            if page.picture:
                thumbnail = await _tried("picture", end, self._thumbnail(page.picture))
            preview = Preview(
                url=url,
                title=page.title,
                description=page.description,
                thumbnail=thumbnail or "",
            )
        self._remember(url, preview)
        return preview

    def _remember(self, url: str, preview: Preview | None) -> None:
        seconds = _FRUITLESS_SECONDS if preview is None else _GOOD_SECONDS
        self._known[url] = (preview, time.monotonic() + seconds)
        self._known.move_to_end(url)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _page(self, url: str) -> Page:
        """What a page says of itself; its picture's URL is absolute."""
        async with (
            self._room,
            self._fetcher.open(_encoded(url), _HEADERS) as fetched,
            self._shelf.draft(MOST_PAGE) as draft,
        ):
            said = fetched.mimetype or ""
            if said.partition(";")[0].strip().lower() != "text/html":
                raise LinkFailed("The link leads to no page.")
            async for piece in fetched.pieces:
                await draft.write(piece[: MOST_PAGE - draft.size])
                if draft.size == MOST_PAGE:
                    break
            page = await self._shelf.page(draft, said)
            return replace(page, picture=_joined(fetched.url, page.picture))

    async def _thumbnail(self, url: str) -> str:
        async with (
            self._room,
            self._fetcher.open(_encoded(url)) as fetched,
            self._shelf.draft(MOST_PICTURE) as draft,
        ):
            async for piece in fetched.pieces:
                await draft.write(piece)
            return await self._shelf.thumbnail(draft)


def _joined(base: str, picture: str) -> str:
    try:
        return urljoin(base, picture) if picture else ""
    except ValueError:  # what they wrote is not a URL
        return ""


def _encoded(url: str) -> str:
    """People write links with letters that URLs cannot have."""
    return quote(url, safe=string.punctuation)


async def _tried(what: str, end: float, step: Awaitable[T]) -> T | None:
    """The result, or None when there was none by `end` (of the loop's clock), whatever went wrong."""
    try:
        async with asyncio.timeout_at(end):
            return await step
    except TimeoutError:
        outcome = "timed_out"
    except WaError as error:
        outcome = error.code
    except Exception as error:  # noqa: BLE001 - what strangers wrote; a traceback might show the URL
        outcome = type(error).__name__
    log.info("preview.not_had", what=what, outcome=outcome)
    return None
