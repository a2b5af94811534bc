"""Which processes there are, and words to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, TypeVar

import msgspec
import structlog

from wa_api.bus.client import Redis
from wa_api.bus.keys import Keys
from wa_api.bus.leases import read_all
from wa_api.bus.ports import WorkerInfo
from wa_api.bus.subscriptions import Subscriptions
from wa_api.domain.ids import SessionId, WorkerId

log = structlog.get_logger()

#: Words not yet read by a slow listener; older ones are dropped (sweeps find what they said).
_MOST_UNREAD = 10_000
_MISSED_BEATS = 3

_T = TypeVar("_T")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(WorkerInfo).decode


class RedisFleet:
    """See ports.Fleet."""

    def __init__(
        self, redis: Redis, subscriptions: Subscriptions, keys: Keys, beat_seconds: float
    ) -> None:
        self._redis = redis
        self._subscriptions = subscriptions
        self._keys = keys
        self._beat_ms = round(beat_seconds * 1000)

    async def beat(self, info: WorkerInfo) -> None:
        """See ports.Fleet."""
        key, index = self._keys.worker(info.worker), self._keys.workers
        await self._redis.execute(
            key, "SET", key, _encode(info), "PX", self._beat_ms * _MISSED_BEATS
        )
        await self._redis.execute(index, "SADD", index, info.worker)

    async def leave(self, worker: WorkerId) -> None:
        """See ports.Fleet."""
        key, index = self._keys.worker(worker), self._keys.workers
        await self._redis.execute(key, "DEL", key)
        await self._redis.execute(index, "SREM", index, worker)

    async def workers(self) -> list[WorkerInfo]:
        """See ports.Fleet."""
        index = self._keys.workers
        names = [name.decode() for name in await self._redis.execute(index, "SMEMBERS", index)]
        beats = await read_all(self._redis, [self._keys.worker(name) for name in names])
        if silent := [name for name, beat in zip(names, beats, strict=True) if beat is None]:
            await self._redis.execute(index, "SREM", index, *silent)
        return [_decode(beat) for beat in beats if beat is not None]

    async def announce(self, network: str, session: SessionId) -> None:
        """See ports.Fleet."""
        await self._publish(self._keys.wanted(network), session)

    def wanted(self, network: str) -> AsyncIterator[SessionId]:
        """See ports.Fleet. Hears from now on, not only from the first step on."""
        channels = [self._keys.wanted(network), self._keys.freed]
        return _Words(self._subscriptions, channels, SessionId)

    async def tell(self, worker: WorkerId, order: str, argument: str = "") -> None:
        """See ports.Fleet."""
        await self._publish(self._keys.orders(worker), f"{order} {argument}")

    def orders(self, worker: WorkerId) -> AsyncIterator[tuple[str, str]]:
        """See ports.Fleet. Hears from now on, not only from the first step on."""
        return _Words(self._subscriptions, [self._keys.orders(worker)], _order)

    async def _publish(self, channel: str, word: str) -> None:
        await self._redis.execute(channel, "PUBLISH", channel, word)


def _order(word: str) -> tuple[str, str]:
    order, _, argument = word.partition(" ")
    return order, argument


class _Words(AsyncIterator[_T], Generic[_T]):
    """What is said on some channels. `aclose` ends it, as does dropping the bus."""

    def __init__(
        self, subscriptions: Subscriptions, channels: Sequence[str], read: Callable[[str], _T]
    ) -> None:
        self._subscriptions = subscriptions
        self._read = read
        self._unread: asyncio.Queue[bytes] = asyncio.Queue(_MOST_UNREAD)
        self._heard = [subscriptions.add(channel, self._on_message) for channel in channels]

    async def __anext__(self) -> _T:
        return self._read((await self._unread.get()).decode())

    async def aclose(self) -> None:
        """Stop listening."""
        for subscription in self._heard:
            self._subscriptions.remove(subscription)

    def _on_message(self, payload: bytes) -> None:
        if self._unread.full():
            self._unread.get_nowait()
        self._unread.put_nowait(payload)
