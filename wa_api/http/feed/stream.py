"""Server-sent events: the same log for clients that only read."""

from __future__ import annotations

import asyncio
import time

import msgspec

from wa_api.domain.principals import Scope
from wa_api.http.feed.closes import EXPIRED, TOO_SLOW, Close
from wa_api.http.feed.follower import Follower
from wa_api.http.feed.frames import Gap
from wa_api.http.feed.hub import Item
from wa_api.http.types import Context
from wa_api.services.auth import Verified
from wa_api.services.events import Filter


class Stream:
    """One client of server-sent events."""

    def __init__(self, context: Context, verified: Verified, wants: Filter) -> None:
        self._context, self._verified = context, verified
        self.tenant = verified.principal.require(Scope.EVENTS_READ)
        self.subject = verified.principal.subject
        self.follower = Follower(context.services.events, self.tenant, wants, self)
        self._chunks: list[bytes] = []
        self._size = 0
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self.closed_with: Close | None = None

    @property
    def open(self) -> bool:
        """See `follower.Output`."""
        return self.closed_with is None

    @property
    def ids(self) -> frozenset[str]:
        """See `hub.Member`."""
        return self._verified.ids

    def close(self, close: Close) -> None:
        """See `hub.Member`; the reason is the stream's last event."""
        if self.closed_with is None:
            self._context.metrics.closed.labels(str(close.code)).inc()
            self.closed_with = close
            self._taken.set()
            self._wake.set()

    def tick(self, _now: float) -> None:
        """See `hub.Member`."""
        expires = self._verified.principal.expires_at
        if expires is not None and expires <= time.time():
            self.close(EXPIRED)

    def notice(self, frame: bytes) -> None:
        """See `hub.Member`: a stream has no place for it."""

    def deliver(self, items: list[Item]) -> None:
        """See `follower.Output`."""
        self._put(b"".join([item.chunk for item in items]))

    def gap(self, after: int, goes_on: int) -> None:
        """See `follower.Output`: an event whose id a browser comes back with."""
        self._context.metrics.gaps.labels("sse").inc()
        told = msgspec.json.encode(Gap(str(after), str(goes_on)))
        self._put(b"id: %d\nevent: gap\ndata: %b\n\n" % (goes_on, told))

    def _put(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._context.options.buffer_bytes:
            self.close(TOO_SLOW)
            return
        self._chunks.append(chunk)
        self._wake.set()

    async def drained(self) -> None:
        """See `follower.Output`."""
        while self._size and self.closed_with is None:
            self._taken.clear()
            await self._taken.wait()

    def missed(self, after: int) -> None:
        """See `follower.Output`."""
        self._context.tasks.start(self.follower.catch_up(after), "feed.catch_up")

    async def next(self) -> bytes:
        """What to send now: events, a heartbeat comment, or b"" when the stream is over."""
        if not self._chunks and self.closed_with is None:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), self._context.options.heartbeat_seconds)
            except TimeoutError:
                return b": heartbeat\n\n"
        chunks, self._chunks, self._size = self._chunks, [], 0
        self._taken.set()
        return b"".join(chunks)

    def last_words(self) -> bytes:
        """The event that says why the stream ends."""
        close = self.closed_with
        if close is None:
            return b""
        said = msgspec.json.encode({"code": close.code, "reason": close.reason})
        return b"event: close\ndata: " + said + b"\n\n"
