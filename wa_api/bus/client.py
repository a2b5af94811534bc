"""Redis as the rest of the bus sees it: `execute`, whatever stands behind it.

A command is repeated only where Redis said that it did not do it; when that is unknown the
caller gets Unavailable.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from wa_api.bus.tasks import Tasks
from wa_api.bus.wire import Connection, Part, ReplyError
from wa_api.domain.errors import Unavailable

log = structlog.get_logger()

#: Refusals that pass by themselves: nothing was done, try again shortly.
_PASSING = ("LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY")
#: Refusals that somebody has to repair.
_BROKEN = ("OOM", "MISCONF", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM")

_RETRY_SECONDS = 0.05
_BACKOFF = (0.05, 2.0)

Dial = Callable[[Callable[[Any], None] | None], Awaitable[Connection]]


class Redis(Protocol):
    """Where commands go."""

    #: Whether keys with different hash tags may live on different servers.
    sharded: bool

    async def execute(self, key: str, *parts: Part) -> Any:
        """Run one command; `key` says where ("" for anywhere). Raises Unavailable within the time
        limit, and ReplyError when Redis refuses the command itself.
        """
        ...

    async def dial(self, on_push: Callable[[Any], None]) -> Connection:
        """A connection of its own, for subscriptions."""
        ...


def backoff(attempt: int) -> float:
    """Seconds to wait before the next attempt, with jitter so that processes spread out."""
    shortest, longest = _BACKOFF
    return float(min(longest, shortest * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0))  # noqa: S311


class Node:
    """One server (or whichever is master now) over one connection that is kept up."""

    sharded = False

    def __init__(self, dial: Dial, limit: float, tasks: Tasks) -> None:
        self._dial = dial
        self._limit = limit
        self._connection: Connection | None = None
        self._up = asyncio.Event()
        self._task = tasks.spawn(self._keep_up())

    async def execute(self, key: str, *parts: Part) -> Any:
        """See Redis."""
        connection = self._connection
        if connection is not None and connection.open:
            reply = await connection.send(parts)
            if type(reply) is not ReplyError:
                return reply
            await self._judge(connection, reply)
        return await self._insist(parts)

    async def dial(self, on_push: Callable[[Any], None]) -> Connection:
        """See Redis."""
        return await self._dial(on_push)

    async def pipeline(self, first: tuple[Part, ...], then: tuple[Part, ...]) -> Any:
        """Two commands with nothing between them on the wire; the answer to the second."""
        connection = self._connection
        if connection is None:
            raise Unavailable("Redis does not answer.")
        connection.send(first)
        reply = await connection.send(then)
        if type(reply) is ReplyError:
            raise reply
        return reply

    def close(self) -> None:
        """Give the connection up."""
        self._task.cancel()

    async def _insist(self, parts: tuple[Part, ...]) -> Any:
        """Wait for a connection, and try again while Redis says "not now"."""
        try:
            async with asyncio.timeout(self._limit):
                while True:
                    await self._up.wait()
                    connection = self._connection
                    if connection is None:
                        continue
                    if not connection.open:
                        self._forget(connection)
                        continue
                    reply = await connection.send(parts)
                    if type(reply) is not ReplyError:
                        return reply
                    await self._judge(connection, reply)
        except TimeoutError:
            raise Unavailable("Redis does not answer.") from None

    async def _judge(self, connection: Connection, refusal: ReplyError) -> None:
        """Return when it is worth another try, else raise."""
        kind = str(refusal).partition(" ")[0]
        if kind == "READONLY":  # the master has become a replica: find the new one
            self._forget(connection)
            connection.abort()
        elif kind in _PASSING:
            await asyncio.sleep(_RETRY_SECONDS)
        elif kind in _BROKEN:
            raise Unavailable(f"Redis refuses commands: {kind}.")
        else:
            raise refusal

    def _forget(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None
            self._up.clear()

    async def _keep_up(self) -> None:
        attempt = 0
        while True:
            try:
                connection = await self._dial(None)
            except (Unavailable, ReplyError, OSError) as error:
                if attempt == 0:
                    log.warning("redis.unreachable", error=str(error))
                await asyncio.sleep(backoff(attempt))
                attempt += 1
                continue
            self._connection = connection
            self._up.set()
            log.debug("redis.connected", attempts=attempt + 1)
            attempt = 0
            try:
                await connection.lost
            finally:
                self._forget(connection)
                connection.abort()
            await asyncio.sleep(backoff(0))
