"""Fan-out inside one process: one subscription per tenant, whatever the number of readers.

An event is made into a frame once. A reader only notes what is due to it; at the end of the tick
everything that is due to one client goes out in one write. Nobody waits for anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import structlog

from wa_api.bus.ports import Feed
from wa_api.domain.ids import TenantId
from wa_api.http.feed.allowances import Allowance, Allowances
from wa_api.http.feed.closes import RESTART, REVOKED, TOO_MANY, TRY_LATER, Close
from wa_api.http.feed.link import text_frame
from wa_api.http.metrics import Metrics

log = structlog.get_logger()


@dataclass(eq=False)
class Item:
    """One event on its way to readers; its encodings are made once, when first asked for."""

    cursor: int
    session: str | None
    type: str
    envelope: bytes

    @cached_property
    def frame(self) -> bytes:
        """The WebSocket frame."""
        return text_frame(b'{"type":"event","event":' + self.envelope + b"}")

    @cached_property
    def chunk(self) -> bytes:
        """The server-sent event."""
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (self.cursor, self.type.encode(), self.envelope)


class Reader(Protocol):
    """Who gets a tenant's events."""

    def take(self, item: Item) -> bool:
        """Note an event; True asks for a `flush` at the end of the tick. Never waits."""
        ...

    def flush(self) -> None:
        """Send what is due."""
        ...

    def gap(self) -> None:
        """Events were lost to the live feed: read on from the log."""
        ...

    def fail(self) -> None:
        """A `flush` broke: end the connection, so that the client resumes."""
        ...


class Member(Protocol):
    """A connection that the process watches over."""

    @property
    def subject(self) -> str:
        """Whose it is: the user or API key."""
        ...

    @property
    def ids(self) -> frozenset[str]:
        """What can be revoked about its credentials."""
        ...

    def close(self, close: Close) -> None:
        """End it with a reason."""
        ...

    def tick(self, now: float) -> None:
        """Once a second (`now`: the loop's clock): heartbeat, expiry."""
        ...

    def notice(self, frame: bytes) -> None:
        """Tell the client something about the server, if its protocol can."""
        ...


class _Channel:
    """One tenant's readers."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.readers: set[Reader] = set()
        self.stop: Callable[[], Awaitable[None]] | None = None
        self.lock = asyncio.Lock()

    def on_event(self, cursor: str, session: str | None, type: str, envelope: bytes) -> None:
        item = Item(int(cursor), session, type, envelope)
        due = self.hub.due
        for reader in self.readers:
            if reader.take(item):
                due.append(reader)
        self.hub.metrics.events.inc()
        self.hub.schedule()

    def on_gap(self, _after: str, _until: str) -> None:
        for reader in list(self.readers):
            reader.gap()


class Hub:
    """All feed connections of this process."""

    def __init__(self, feed: Feed, metrics: Metrics, limit: int, allowances: Allowances) -> None:
        """`limit` bounds the connections, `allowances` those of one caller."""
        self.feed, self.metrics, self.limit = feed, metrics, limit
        self._allowances = allowances
        self.members: set[Member] = set()
        self.due: list[Reader] = []
        self._channels: dict[TenantId, _Channel] = {}
        self._scheduled = False
        self._closing: Close | None = None

    def admit(self, member: Member) -> Allowance | Close:
        """Watch over a connection until `dismiss`; or the reason why it must go."""
        if self._closing is not None:
            return self._closing
        if len(self.members) >= self.limit:
            return TRY_LATER
        allowance = self._allowances.enter(member.subject)
        if allowance is None:
            return TOO_MANY
        self.members.add(member)
        return allowance

    def dismiss(self, member: Member) -> None:
        """It is gone (or was never admitted)."""
        if member in self.members:
            self.members.remove(member)
            self._allowances.leave(member.subject)

    async def join(self, tenant: TenantId, reader: Reader) -> None:
        """From when this returns, the reader takes every event of the tenant."""
        channel = self._channels.setdefault(tenant, _Channel(self))
        channel.readers.add(reader)
        try:
            async with channel.lock:
                if channel.stop is None:
                    channel.stop = await self.feed.follow(tenant, channel.on_event, channel.on_gap)
        except BaseException:
            channel.readers.discard(reader)
            raise

    async def leave(self, tenant: TenantId, reader: Reader) -> None:
        """The last reader of a tenant ends its subscription."""
        channel = self._channels.get(tenant)
        if channel is None:
            return
        channel.readers.discard(reader)
        async with channel.lock:
            if not channel.readers and channel.stop is not None:
                stop, channel.stop = channel.stop, None
                await stop()
            if not channel.readers and self._channels.get(tenant) is channel:
                del self._channels[tenant]

    def schedule(self) -> None:
        """Flush whoever has something due, at the end of this tick."""
        if self.due and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        due, self.due = self.due, []
        for reader in due:
            try:
                reader.flush()
            except Exception:  # one client's trouble is not the others'
                log.exception("feed.flush_failed")
                reader.fail()

    def revoked(self, ids: frozenset[str]) -> None:
        """Credentials were revoked: their connections end now."""
        for member in [m for m in self.members if not ids.isdisjoint(m.ids)]:
            member.close(REVOKED)

    def announce(self, frame: bytes) -> None:
        """Tell every client something about the server."""
        for member in list(self.members):
            member.notice(frame)

    async def watch(self, stop: asyncio.Event) -> None:
        """Heartbeats and expiry of all connections, once a second, until `stop`."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            for member in list(self.members):
                member.tick(loop.time())
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                continue

    def close_all(self, close: Close = RESTART) -> None:
        """End every connection and admit no more."""
        self._closing = close
        for member in list(self.members):
            member.close(close)

    async def stop(self) -> None:
        """End every subscription."""
        async with AsyncExitStack() as stack:
            for channel in self._channels.values():
                if channel.stop is not None:
                    stack.push_async_callback(channel.stop)
            self._channels.clear()
