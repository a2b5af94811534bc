"""Group commit without added delay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

from wa_api.domain.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Commits a batch: one result per item, in order; an exception as a result is that item's alone.
Commit = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]


class Batcher(Generic[Item, Result]):
    """Commits items in groups: what comes while one transaction runs goes into the next.

    `limit` bounds a batch, `bound` the items that wait; beyond it `add` waits for room. Use as an
    async context manager: the exit commits what is waiting.
    """

    def __init__(
        self, commit: Commit[Item, Result], *, limit: int = 200, bound: int = 2_000
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._room = asyncio.Semaphore(bound)
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed = True
        if self._task is not None:
            await self._task  # ends by itself: each commit has its own time limit

    async def add(self, item: Item) -> Result:
        """Wait until the item is committed; its result, or what its commit raised.

        A cancelled caller does not take its item back.
        """
        async with self._room:
            if self._closed:
                raise Unavailable("This process is stopping.")
            done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
            self._waiting.append((item, done))
            if self._task is None:
                self._task = asyncio.create_task(self._run(), name="store.batch")
            return await done

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._limit]
                del self._waiting[: self._limit]
                await self._settle(batch)
        finally:
            self._task = None
            for _, done in self._waiting:  # only when this task was cancelled
                done.cancel()

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([item for item, _ in batch])
        except Unavailable as error:
            results = [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - told to whoever added the item
            if len(batch) > 1:  # one bad item must not fail the others
                for one in batch:
                    await self._settle([one])
                return
            results = [error]
        for (_, done), result in zip(batch, results, strict=True):
            if done.done():
                continue
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)
