"""Lanes: work of one chat runs in order, chats side by side, within bounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lanes(Generic[T]):
    """Runs `work(job)` for every job: one at a time per lane, at most `width` at once.

    `put` waits while `bound` jobs are in: that is the back-pressure.
    """

    def __init__(
        self,
        work: Callable[[T], Awaitable[None]],
        width: int,
        bound: int,
    ) -> None:
        """`work` must not raise."""
        self._work = work
        self._lanes: dict[str, deque[T]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._width = asyncio.Semaphore(width)
        self._room = asyncio.Semaphore(bound)
        self._closed = False

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values())) + len(self._working)

    async def put(self, lane: str, job: T) -> None:
        """Queue a job behind the others of its lane; dropped when closed."""
        await self._room.acquire()
        if self._closed:
            self._room.release()
            return
        if lane in self._lanes:
            self._lanes[lane].append(job)
            return
        self._lanes[lane] = deque((job,))
        task = asyncio.create_task(self._run(lane), name=f"lane {lane}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, seconds: float) -> bool:
        """Begin no further job and let those at work end; False if some did not in time.

        Jobs that were not begun are dropped here: they are still in their stream and their row.
        """
        self._closed = True
        self._room.release()  # whoever waits in `put` passes this on
        for task in self._tasks - self._working:
            task.cancel()
        if self._working:
            await asyncio.wait([*self._working], timeout=seconds)
        clean = not self._working
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return clean

    async def _run(self, lane: str) -> None:
        jobs = self._lanes[lane]
        try:
            while jobs and not self._closed:
                await self._step(jobs)
        finally:
            del self._lanes[lane]

    async def _step(self, jobs: deque[T]) -> None:
        async with self._width:
            if self._closed:
                return
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - we are in one
            self._working.add(task)
            try:
                await self._work(jobs.popleft())
            finally:
                self._working.discard(task)
                self._room.release()
