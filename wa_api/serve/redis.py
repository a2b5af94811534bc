"""Redis for the parent: the one that is set, or one of our own that we keep running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from config.settings import Settings, WrongSetting
from wa_api.bus.embedded import EmbeddedError, run_embedded
from wa_api.bus.open import Bus, open_bus
from wa_api.domain.errors import Unavailable
from wa_api.serve.prepare import StartFailed
from wa_api.serve.slot import pause_after

log = structlog.get_logger()

_LONGEST_PAUSE = 5.0

#: Seconds that a Redis which is set gets to answer at the start.
_PATIENCE = 10.0


@asynccontextmanager
async def open_redis(settings: Settings, url: str) -> AsyncIterator[Bus]:
    """The bus, once Redis answers; raises WrongSetting or StartFailed."""
    limit = settings.redis.timeout_seconds
    try:
        opened = open_bus(url, settings.redis.prefix, time_limit=limit)
        async with opened as bus:
            await _until_it_answers(bus)
            yield bus
    except ValueError as error:
        raise WrongSetting(f"WA_REDIS_URL: {error}.") from None


async def _until_it_answers(bus: Bus) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    return await bus.ping()
                except Unavailable:
                    await asyncio.sleep(0.2)
    except TimeoutError:
        raise StartFailed("WA_REDIS_URL: Redis does not answer.") from None


class OwnRedis:
    """The embedded server. Its data survives its death, but for the last second of writes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ending = asyncio.Event()
        self._url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Start it and return its URL, the same after every restart; raises StartFailed."""
        self._task = asyncio.create_task(self._keep())
        try:
            return await asyncio.shield(self._url)
        except EmbeddedError as error:
            raise StartFailed(str(error)) from None

    async def stop(self) -> None:
        """End it, with its data written."""
        self._ending.set()
        if self._task is not None:
            await self._task

    async def _keep(self) -> None:
        deaths = 0
        while not self._ending.is_set():
            try:
                await self._once()
            except EmbeddedError as error:
                if not self._url.done():
                    self._url.set_exception(error)
                    return
                log.error("serve.redis_cannot_start", error=str(error))
            deaths += 1
            await self._pause(pause_after(deaths, _LONGEST_PAUSE))

    async def _once(self) -> None:
        async with run_embedded(self._directory) as server:
            if not self._url.done():
                self._url.set_result(server.url)
            died, ending = (
                asyncio.create_task(server.wait()),
                asyncio.create_task(self._ending.wait()),
            )
            try:
                await asyncio.wait({died, ending}, return_when=asyncio.FIRST_COMPLETED)
                if died.done():
                    log.warning("serve.died", process="redis", pid=server.pid, code=died.result())
            finally:
                died.cancel()
                ending.cancel()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return
