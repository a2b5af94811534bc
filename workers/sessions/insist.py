"""Doing a thing again while what it needs is away, as long as it is ours to do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from wa_api.domain.errors import Fenced, Unavailable

log = structlog.get_logger()

T = TypeVar("T")
_FIRST, _MOST = 0.05, 2.0


class Lost:
    """Whether a session's lease is gone; ends what waits for it."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._waiting: dict[asyncio.Timeout, float] = {}

    def __bool__(self) -> bool:
        return self._at is not None

    def set(self) -> None:
        """It is gone: everything that insists ends, after its grace."""
        if self._at is not None:
            return
        self._at = asyncio.get_running_loop().time()
        for scope, grace in self._waiting.items():
            scope.reschedule(self._at + grace)

    async def guard(self, step: Callable[[], Awaitable[T]], grace: float) -> T:
        """Run a step; raises Fenced `grace` seconds after the lease is gone."""
        scope = asyncio.timeout_at(None if self._at is None else self._at + grace)
        try:
            async with scope:
                self._waiting[scope] = grace
                try:
                    return await step()
                finally:
                    del self._waiting[scope]
        except TimeoutError:
            if scope.expired():
                raise Fenced from None
            raise


async def insist(
    step: Callable[[], Awaitable[T]], lost: Lost | None = None, grace: float = 0.0
) -> T:
    """Repeat `step` while it raises Unavailable, with growing, jittered pauses.

    Ends when it works, raises something else, or `grace` seconds after the lease is `lost`
    (raises Fenced). Waiting here is what holds an engine back while the database is away.
    """
    if lost is None:
        return await _repeat(step)
    return await lost.guard(lambda: _repeat(step), grace)


async def _repeat(step: Callable[[], Awaitable[T]]) -> T:
    pause = _FIRST
    while True:
        try:
            return await step()
        except Unavailable as error:
            log.warning("session.write_waits", error=str(error), pause=pause)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries
        pause = min(pause * 2, _MOST)
