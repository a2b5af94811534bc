"""Fetching what a stranger's URL leads to: to public addresses only, in bounded time.

Each redirect is a new connection, and so is checked like the first (see `addresses`).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

import httpcore

from wa_api.domain.errors import LinkFailed, LinkRefused
from wa_api.net.addresses import AddressRefused, Guarded, Rules

MOST_URL = 2048
_REDIRECTS = {301, 302, 303, 307, 308}
_NAMED = re.compile(r"""filename\*?=(?:UTF-8'')?"?([^";]+)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL gave. `mimetype` is what the server says, `pieces` the body as it comes."""

    url: str
    mimetype: str | None
    filename: str | None
    length: int | None
    pieces: AsyncIterator[bytes]


def check_url(url: str) -> str:
    """The URL, if it is one that is fetched; raises LinkRefused."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise LinkRefused("That is not a URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > MOST_URL:
        raise LinkRefused("Only http:// and https:// URLs are fetched.")
    if parts.username is not None or parts.password is not None or port == 0:
        raise LinkRefused("A URL with a user name or password is not fetched.")
    if not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
        raise LinkRefused("The URL must be encoded: only visible ASCII characters.")
    return url


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """`seconds` bounds a whole fetch, body included; `redirects` are followed."""

    rules: Rules
    seconds: float = 30.0
    redirects: int = 3
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    @asynccontextmanager
    async def open(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Fetched]:
        """GET a URL. Raises LinkRefused or LinkFailed, also while the body is read."""
        try:
            async with asyncio.timeout(self.seconds):
                async with self._final(url, headers or {}) as fetched:
                    yield fetched
        except (TimeoutError, httpcore.TimeoutException):
            raise LinkFailed(f"The link took longer than {self.seconds:g} seconds.") from None
        except AddressRefused:
            raise LinkRefused("The link leads to an address that is not on the internet.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, OSError):
            raise LinkFailed("The connection to where the link leads failed.") from None

    @asynccontextmanager
    async def _final(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Fetched]:
        """The first answer that is not a redirect."""
        for _ in range(self.redirects + 1):
            async with self._get(check_url(url), headers) as response:
                if response.status not in _REDIRECTS:
                    yield _fetched(url, response)
                    return
                url = _next(url, _header(response, b"location") or "")
        raise LinkFailed("The link leads from one place to the next too often.")

    @asynccontextmanager
    async def _get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[httpcore.Response]:
        sent = {"user-agent": "wa-api", "accept": "*/*", "accept-encoding": "identity", **headers}
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self.tls, network_backend=Guarded(self.rules), max_connections=1
            ) as pool,
            pool.stream(
                "GET",
                url,
                headers=list(sent.items()),
                extensions={
                    "timeout": dict.fromkeys(("connect", "read", "write", "pool"), self.seconds)
                },
            ) as response,
        ):
            yield response


def _next(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise LinkRefused("The link leads to what is not a URL.") from None


def _fetched(url: str, response: httpcore.Response) -> Fetched:
    if response.status != 200:
        raise LinkFailed(f"The link answered {response.status}.", answered=response.status)
    if (_header(response, b"content-encoding") or "identity").lower() != "identity":
        raise LinkFailed("The link answered with compressed content, which nobody asked for.")
    said = _header(response, b"content-length") or ""
    return Fetched(
        url,
        _header(response, b"content-type"),
        _filename(url, _header(response, b"content-disposition") or ""),
        int(said) if said.isdecimal() else None,
        response.aiter_stream(),
    )


def _header(response: httpcore.Response, name: bytes) -> str | None:
    found = (value for key, value in response.headers if key.lower() == name)
    value = next(found, None)
    return None if value is None else value.decode("latin-1")


def _filename(url: str, disposition: str) -> str | None:
    """A name for people: what the server says, else the end of the path."""
    named = _NAMED.search(disposition)
    raw = unquote(named[1] if named else urlsplit(url).path)
    name = "".join(c for c in raw.rpartition("/")[2] if c.isprintable()).strip()
    return name[:200] or None
