"""Keeps one process running: starts it again however it ends, slower when it keeps dying."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from wa_api.serve.child import Child, Spec

log = structlog.get_logger()

#: A process that lived this long (seconds) is healthy: its next death is a first one.
HEALTHY_AGE = 20.0

OnDeath = Callable[[Child], Awaitable[None]]


def pause_after(deaths: int, longest: float) -> float:
    """Seconds to wait after so many deaths in a row: none at first, then doubling."""
    return 0.0 if deaths <= 2 else min(longest, 0.25 * 2.0 ** min(deaths - 3, 16))


class Slot:
    """A place that always has a living process in it, until it is closed."""

    def __init__(self, spec: Spec, on_death: OnDeath, longest_pause: float) -> None:
        self.spec = spec
        self.child: Child | None = None
        self.deaths = 0
        self._on_death = on_death
        self._longest_pause = longest_pause
        self._trial: Child | None = None  #: being tried while the old one still works
        self._successor: Child | None = None  #: takes over as soon as the old one ended
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Until closed: start, wait for the end, tell, pause, start again."""
        while not self._closing.is_set():
            child, self._successor = self._successor or self._start(), None
            if child is None:
                await self._pause(Child)
                continue
            self.child = child
            code = await child.wait()
            await self._on_death(child)
            if not self._closing.is_set() and self._successor is None:
                log.warning("serve.died", process=self.spec.name, pid=child.pid, code=code)
                await self._pause(child)

    def _start(self) -> Child | None:
        try:
            child = Child(self.spec)
        except OSError as error:  # no memory, no processes left: as bad as dying at once
            log.error("serve.cannot_start", process=self.spec.name, error=error.strerror)
            return None
        log.debug("serve.started", process=self.spec.name, pid=child.pid, worker=child.worker)
        return child

    async def _pause(self, child: Child | type[Child]) -> None:
        healthy = isinstance(child, Child) and child.age >= HEALTHY_AGE
        self.deaths = 1 if healthy else self.deaths + 1
        pause = pause_after(self.deaths, self._longest_pause)
        if pause:
            log.warning("serve.keeps_dying", process=self.spec.name, pause=pause)
            try:
                await asyncio.wait_for(self._closing.wait(), pause)
            except TimeoutError:
                return

    async def roll(self, ready: Callable[[Child], Awaitable[bool]], limit: float) -> bool:
        """Replace the process by a new one that is ready before the old one is asked to end.

        False, and the old one stays, when the new one does not get ready.
        """
        self._trial = trial = self._start()
        if trial is None or not await ready(trial):
            if trial is not None:
                trial.kill()
                await trial.wait()
                await self._on_death(trial)
            self._trial = None
            return False
        self._successor, self._trial = trial, None
        if self.child is not None:
            await self.child.stop(limit)
        return True

    def close(self) -> None:
        """From now on nothing is started again; the process itself still runs."""
        self._closing.set()

    async def stop(self, limit: float) -> None:
        """Close, and end the process within `limit` seconds, by force if need be."""
        self.close()
        async with asyncio.TaskGroup() as group:
            for child in self._living():
                group.create_task(self._stop(child, limit))

    async def _stop(self, child: Child, limit: float) -> None:
        if not await child.stop(limit):
            log.warning("serve.killed", process=self.spec.name, pid=child.pid)

    def kill(self) -> None:
        """Close, and end the process at once."""
        self.close()
        for child in self._living():
            child.kill()

    def _living(self) -> list[Child]:
        all_of_them = (self.child, self._trial, self._successor)
        return [child for child in all_of_them if child is not None and child.running]
