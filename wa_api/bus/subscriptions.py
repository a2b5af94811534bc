"""The one subscription connection of a process, for all channels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from wa_api.bus.client import Redis, backoff
from wa_api.bus.tasks import Tasks
from wa_api.bus.wire import Connection, ReplyError
from wa_api.domain.errors import Unavailable

log = structlog.get_logger()

#: Channels named in one SUBSCRIBE after a reconnect.
_AT_ONCE = 1000


class Subscription:
    """One listener of one channel."""

    def __init__(
        self,
        channel: str,
        on_message: Callable[[bytes], None],
        on_ready: Callable[[], None] | None,
    ) -> None:
        self.channel = channel
        self.on_message = on_message
        self.on_ready = on_ready


class Subscriptions:
    """Channels and who listens; resubscribes by itself after a lost connection."""

    def __init__(self, redis: Redis, limit: float, tasks: Tasks) -> None:
        self._redis = redis
        self._limit = limit
        self._listeners: dict[bytes, list[Subscription]] = {}
        self._unconfirmed: dict[bytes, int] = {}
        self._confirmed: set[bytes] = set()
        self._changed = asyncio.Event()
        self._connection: Connection | None = None
        tasks.spawn(self._keep_up())

    def add(
        self,
        channel: str,
        on_message: Callable[[bytes], None],
        on_ready: Callable[[], None] | None = None,
    ) -> Subscription:
        """Listen from now on. `on_ready` is called when Redis has confirmed it, and again after
        each reconnect: whatever was published in between is missed.
        """
        name = channel.encode()
        subscription = Subscription(channel, on_message, on_ready)
        listeners = self._listeners.setdefault(name, [])
        listeners.append(subscription)
        if len(listeners) == 1:
            self._subscribe([name])
        elif name in self._confirmed:
            asyncio.get_running_loop().call_soon(_tell_ready, subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Stop listening; nothing is delivered after this returns."""
        name = subscription.channel.encode()
        listeners = self._listeners.get(name, [])
        if subscription not in listeners:
            return
        # A new list: the old one may be under iteration right now.
        self._listeners[name] = [other for other in listeners if other is not subscription]
        if not self._listeners[name]:
            del self._listeners[name]
            self._confirmed.discard(name)
            self._post("UNSUBSCRIBE", [name])

    async def ready(self, subscription: Subscription) -> None:
        """Return when Redis delivers this channel; raises Unavailable after the time limit."""
        name = subscription.channel.encode()
        if name in self._confirmed:
            return
        try:
            async with asyncio.timeout(self._limit):
                while name not in self._confirmed:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise Unavailable("Redis does not answer.") from None

    def _subscribe(self, names: Sequence[bytes]) -> None:
        for name in names:
            self._unconfirmed[name] = self._unconfirmed.get(name, 0) + 1
        self._post("SUBSCRIBE", names)

    def _post(self, verb: str, names: Sequence[bytes]) -> None:
        if self._connection is None:
            return
        try:
            self._connection.post((verb, *names))
        except Unavailable:
            # Unsaid words would leave us deaf: start over with a new connection.
            self._connection.abort()

    def _on_push(self, push: Any) -> None:
        match push:
            case [b"message", bytes() as name, bytes() as payload]:
                for subscription in self._listeners.get(name, ()):
                    try:
                        subscription.on_message(payload)
                    except Exception:
                        log.exception("bus.listener_failed", channel=subscription.channel)
            case [b"subscribe", bytes() as name, _]:
                self._confirm(name)
            case ReplyError():
                log.error("bus.subscription_refused", error=str(push))
                if self._connection is not None:
                    self._connection.abort()

    def _confirm(self, name: bytes) -> None:
        """Count confirmations, so that one of an earlier subscription is not taken for ours."""
        left = self._unconfirmed.pop(name, 1) - 1
        if left > 0:
            self._unconfirmed[name] = left
        elif name in self._listeners:
            self._confirmed.add(name)
            self._changed.set()
            for subscription in self._listeners[name]:
                _tell_ready(subscription)

    async def _keep_up(self) -> None:
        attempt = 0
        while True:
            try:
                connection = await self._redis.dial(self._on_push)
            except (Unavailable, ReplyError, OSError):
                await asyncio.sleep(backoff(attempt))
                attempt += 1
                continue
            attempt = 0
            try:
                await self._serve(connection)
            finally:
                self._connection = None
                self._confirmed.clear()
                connection.abort()
            log.warning("redis.subscriptions_lost", channels=len(self._listeners))
            await asyncio.sleep(backoff(0))

    async def _serve(self, connection: Connection) -> None:
        """Resubscribe, then see to it that the connection lives until it does not."""
        self._connection = connection
        self._unconfirmed.clear()
        names = list(self._listeners)
        for start in range(0, len(names), _AT_ONCE):
            self._subscribe(names[start : start + _AT_ONCE])
        loop = asyncio.get_running_loop()
        while not connection.lost.done():
            if loop.time() - connection.heard > 2 * self._limit:
                log.warning("redis.subscriptions_silent")
                return
            self._post("PING", [])
            await asyncio.wait([connection.lost], timeout=self._limit)


def _tell_ready(subscription: Subscription) -> None:
    if subscription.on_ready is not None:
        try:
            subscription.on_ready()
        except Exception:
            log.exception("bus.listener_failed", channel=subscription.channel)
