"""One endpoint: its connections, and a request with everything that can go wrong.

On httpcore's connections and not on httpx or httpcore's pool: with 20 connections the pool costs
1.7 ms of CPU per request (it looks at all of them for each), a connection by itself 0.2 ms. A
deliverer bounds its requests itself, so a list of idle connections is all that is left to do.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpcore

from wa_api.net.addresses import AddressRefused

#: Bytes of an answer that are read (a longer one costs the connection), and that are kept.
_MOST_READ, _MOST_KEPT = 65_536, 2_048
#: Seconds after which an unused connection is not used any more.
_IDLE = 30.0
_MOST_RETRY_AFTER = 86_400.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request. `error` None: delivered. `retry_after` and `duration` in seconds."""

    status: int | None
    error: str | None
    response: str | None
    retry_after: float | None
    duration: float

    @property
    def delivered(self) -> bool:
        """Whether the endpoint took it (any 2xx)."""
        return self.error is None


class Endpoint:
    """Where requests of one webhook go."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout: float,
        backend: httpcore.AsyncNetworkBackend,
        tls: ssl.SSLContext,
    ) -> None:
        """`timeout` (seconds) bounds a whole request."""
        self._url = httpcore.URL(url)
        self._origin = self._url.origin
        self._timeout = timeout
        self._backend, self._tls = backend, tls
        self._timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
        host = self._url.host + (b":%d" % self._url.port if self._url.port else b"")
        self._headers = [(b"host", host), (b"content-type", b"application/json")]
        self._headers += [(name.encode(), value.encode()) for name, value in headers.items()]
        self._idle: list[httpcore.AsyncHTTPConnection] = []
        self._shared: httpcore.AsyncHTTPConnection | None = None
        self._left: deque[httpcore.AsyncHTTPConnection] = deque(maxlen=8)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """One request; whatever happens is told in the outcome. (Cancellation is passed on.)"""
        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        listed.append((b"content-length", b"%d" % len(body)))
        request = httpcore.Request(
            "POST",
            self._url,
            headers=self._headers + listed,
            content=body,
            extensions={"timeout": self._timeouts},
        )
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                response, kept = await self._exchange(request)
        except Exception as error:  # noqa: BLE001 - an endpoint may do anything
            return Outcome(None, _said(error), None, None, time.monotonic() - started)
        return _outcome(response, kept, time.monotonic() - started)

    async def _exchange(self, request: httpcore.Request) -> tuple[httpcore.Response, bytes]:
        connection, used = self._take()
        try:
            return await self._on(connection, request)
        except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError):
            if not used:
                raise
        except httpcore.ConnectionNotAvailable:
            pass
        # It was closed by the other side while it was idle: that says nothing about the event.
        return await self._on(self._fresh(), request)

    async def _on(
        self, connection: httpcore.AsyncHTTPConnection, request: httpcore.Request
    ) -> tuple[httpcore.Response, bytes]:
        response = None
        try:
            response = await connection.handle_async_request(request)
            kept = await _read(response)
        except httpcore.ConnectionNotAvailable:
            raise
        except BaseException:
            if connection is self._shared:
                # Others may still use it; new requests do not.
                self._shared = None
                self._left.append(connection)
            elif connection not in self._left:
                await connection.aclose()
            raise
        finally:
            if response is not None:
                await response.aclose()
        self._give_back(connection, response)
        return response, kept

    def _take(self) -> tuple[httpcore.AsyncHTTPConnection, bool]:
        """A connection, and whether it was used before."""
        if self._shared is not None:
            if self._shared.is_available() and not self._shared.has_expired():
                return self._shared, True
            if self._shared.is_closed():
                self._shared = None
        while self._idle:
            connection = self._idle.pop()
            if connection.is_available() and not connection.has_expired():
                return connection, True
        return self._fresh(), False

    def _fresh(self) -> httpcore.AsyncHTTPConnection:
        return httpcore.AsyncHTTPConnection(
            self._origin,
            ssl_context=self._tls,
            keepalive_expiry=_IDLE,
            http1=True,
            http2=self._origin.scheme == b"https",
            network_backend=self._backend,
        )

    def _give_back(
        self, connection: httpcore.AsyncHTTPConnection, response: httpcore.Response
    ) -> None:
        if connection.is_closed() or connection is self._shared or connection in self._left:
            return
        if response.extensions.get("http_version") == b"HTTP/2" and self._shared is None:
            self._shared = connection  # carries many requests at once
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        """Close all connections."""
        if self._shared is not None:
            self._idle.append(self._shared)
            self._shared = None
        self._idle.extend(self._left)
        while self._idle:
            await self._idle.pop().aclose()


async def _read(response: httpcore.Response) -> bytes:
    """The beginning of the answer. Reads to its end, if that is near, to keep the connection."""
    kept, total = b"", 0
    try:
        async for part in response.aiter_stream():
            total += len(part)
            if len(kept) < _MOST_KEPT:
                kept += part[: _MOST_KEPT - len(kept)]
            if total > _MOST_READ:
                break
    except (httpcore.ReadError, httpcore.ReadTimeout, httpcore.RemoteProtocolError):
        pass  # the status has been said, and it is what counts
    return kept


def _outcome(response: httpcore.Response, kept: bytes, duration: float) -> Outcome:
    status = response.status
    error = None
    if not 200 <= status < 300:
        error = "redirect_not_followed" if 300 <= status < 400 else f"http_{status}"
    text = kept.decode(errors="replace").replace("\0", "\ufffd") or None
    later = _retry_after(response) if status in (429, 503) else None
    return Outcome(status, error, text, later, duration)


def _retry_after(response: httpcore.Response) -> float | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after":
            return retry_after(value.decode("latin-1"), time.time())
    return None


def retry_after(value: str, now: float) -> float | None:
    """Seconds that a Retry-After header (seconds or a date, RFC 9110) asks for; at most a day."""
    value = value.strip()
    if re.fullmatch(r"\d{1,9}", value):
        return min(float(value), _MOST_RETRY_AFTER)
    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - now), _MOST_RETRY_AFTER)
    except (ValueError, OverflowError):
        return None


def _said(error: Exception) -> str:
    """A word that can be relied on, and what the library says."""
    if isinstance(error, TimeoutError | httpcore.TimeoutException):
        return "timeout"
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (AddressRefused, "address_refused"),
        (httpcore.ConnectError, "tls_failed" if "SSL" in str(error) else "connect_failed"),
        (httpcore.NetworkError, "connection_lost"),
        (httpcore.ProtocolError, "protocol_error"),
    )
    word = next((word for kind, word in kinds if isinstance(error, kind)), "failed")
    return f"{word}: {str(error) or type(error).__name__}"[:500]
