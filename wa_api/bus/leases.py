"""Leases: who runs which session. Redis' own clock counts, unless it is set forward."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from wa_api.bus.client import Redis
from wa_api.bus.keys import Keys
from wa_api.bus.ports import Lease, Renewal
from wa_api.bus.scripts import Script
from wa_api.domain.errors import Unavailable
from wa_api.domain.ids import NO_EPOCH, Epoch, SessionId, WorkerId

log = structlog.get_logger()

_T = TypeVar("_T")

#: Keys of one Lua call: 500 hold Redis for 0.7 ms.
_BATCH = 500
#: Part of the lease time by which Redis' clock may run ahead between two looks.
_STEP = 0.25
#: How long a released session waits for its chosen successor.
_RESERVED_MS = 3000
#: How long the list of a worker's sessions outlives its last renewal.
_HINT_MS = 24 * 3600 * 1000

_acquire, _renew, _release = Script("acquire"), Script("renew"), Script("release")


def token(lease: Lease) -> str:
    """What stands in the lease's key while it is held."""
    return f"{lease.worker}:{lease.epoch}"


class _Steps:
    """Notices that Redis' clock was set forward: all leases expired then, and their holders do
    not know it before their next renewal. So nobody takes one for a lease time.

    It is compared with a clock that is never set, from one answer of Redis to the next.
    """

    def __init__(self, ttl: float, clock: Callable[[], float]) -> None:
        self._ttl, self.clock = ttl, clock
        self._ahead: float | None = None  #: by how much Redis is ahead of our clock, at most
        self._until = 0.0

    def look(self, asked: float, seconds: Sequence[bytes]) -> bool:
        """Judge an answer to TIME that was asked for at `asked`; whether leases may be taken."""
        redis, now = int(seconds[0]) + int(seconds[1]) / 1e6, self.clock()
        if self._ahead is not None and redis > now + self._ahead + self._ttl * _STEP:
            log.error("leases.clock_was_set_forward", seconds=round(redis - now - self._ahead, 1))
            self._until = now + self._ttl
        self._ahead = redis - asked
        return now >= self._until


class RedisLeases:
    """See ports.Leases."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        ttl: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is one that nobody sets, in seconds."""
        self._redis = redis
        self._keys = keys
        self._ttl_ms = round(ttl * 1000)
        self._steps = _Steps(ttl, clock)

    @property
    def ttl(self) -> float:
        """Seconds after which an unrenewed lease is free for others."""
        return self._ttl_ms / 1000

    async def acquire(
        self, session: SessionId, worker: WorkerId, floor: Epoch = NO_EPOCH
    ) -> Lease | None:
        """See ports.Leases."""
        # Written first: a worker that dies in between leaves a name too many, not one too few.
        keys, held = self._keys, self._keys.held(worker)
        _, _, steady = await asyncio.gather(
            self._redis.execute(held, "SADD", held, session),
            self._redis.execute(held, "PEXPIRE", held, _HINT_MS),
            self._clock_is_steady(keys.lease(session)),
        )
        if not steady:
            return None
        epoch = await _acquire.run(
            self._redis,
            (keys.lease(session), keys.epoch(session), keys.reserved(session)),
            worker,
            self._ttl_ms,
            floor,
        )
        return Lease(session, worker, Epoch(epoch)) if epoch else None

    async def renew(self, leases: Sequence[Lease]) -> Mapping[SessionId, Renewal]:
        """See ports.Leases."""
        # First, because nothing may fail after the renewal itself.
        if leases:
            await self._clock_is_steady(self._keys.lease(leases[0].session))
        for worker in {lease.worker for lease in leases}:
            held = self._keys.held(worker)
            await self._redis.execute(held, "PEXPIRE", held, _HINT_MS)
        batches = _batches(leases, 1 if self._redis.sharded else _BATCH)
        answers = await asyncio.gather(*map(self._renew_batch, batches))
        return {session: outcome for answer in answers for session, outcome in answer}

    async def _clock_is_steady(self, key: str) -> bool:
        """Always in a Cluster, whose servers each have a clock of their own."""
        if self._redis.sharded:
            return True
        asked = self._steps.clock()
        return self._steps.look(asked, await self._redis.execute(key, "TIME"))

    async def _renew_batch(self, leases: Sequence[Lease]) -> list[tuple[SessionId, Renewal]]:
        names = [self._keys.lease(lease.session) for lease in leases]
        renewed = await _renew.run(self._redis, names, self._ttl_ms, *map(token, leases))
        return [
            (lease.session, Renewal.RENEWED if kept else Renewal.LOST)
            for lease, kept in zip(leases, renewed, strict=True)
        ]

    async def release(self, lease: Lease, successor: WorkerId | None = None) -> bool:
        """See ports.Leases."""
        released = await _release.run(
            self._redis,
            (self._keys.lease(lease.session), self._keys.reserved(lease.session)),
            token(lease),
            successor or "",
            _RESERVED_MS,
            *self._announcement(lease.session, successor),
        )
        held = self._keys.held(lease.worker)
        with suppress(Unavailable):  # only a hint: the lease itself is released
            await self._redis.execute(held, "SREM", held, lease.session)
        return bool(released)

    def _announcement(self, session: SessionId, successor: WorkerId | None) -> tuple[str, str]:
        """Whom to tell, and what: the successor alone, since nobody else could have it now."""
        if successor is None:
            return self._keys.freed, session
        return self._keys.orders(successor), f"take {session}"

    async def release_all(self, worker: WorkerId) -> list[SessionId]:
        """See ports.Leases."""
        held = self._keys.held(worker)
        names = await self._redis.execute(held, "SMEMBERS", held)
        owners = await self.owners([SessionId(name.decode()) for name in names])
        ours = [lease for lease in owners.values() if lease.worker == worker]
        done = await asyncio.gather(*map(self.release, ours))
        freed = [lease.session for lease, released in zip(ours, done, strict=True) if released]
        await self._redis.execute(held, "DEL", held)
        return freed

    async def owners(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, Lease]:
        """See ports.Leases."""
        names = [self._keys.lease(session) for session in sessions]
        values = await read_all(self._redis, names)
        return {
            session: _lease(session, value.decode())
            for session, value in zip(sessions, values, strict=True)
            if value is not None
        }


async def read_all(redis: Redis, names: Sequence[str]) -> list[bytes | None]:
    """The strings at any number of keys, wherever they live."""
    if redis.sharded:
        return list(await asyncio.gather(*(redis.execute(name, "GET", name) for name in names)))
    values: list[bytes | None] = []
    for batch in _batches(names, _BATCH):
        values += await redis.execute(batch[0], "MGET", *batch)
    return values


def _lease(session: SessionId, held: str) -> Lease:
    worker, _, epoch = held.rpartition(":")
    return Lease(session, WorkerId(worker), Epoch(int(epoch)))


def _batches(items: Sequence[_T], size: int) -> list[Sequence[_T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
