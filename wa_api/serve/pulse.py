"""Signs of life: which children beat, which are ready, and which hang and must be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from wa_api.bus.ports import Fleet, WorkerInfo
from wa_api.domain.errors import Unavailable
from wa_api.serve.child import Child

log = structlog.get_logger()

#: Seconds between looks at the fleet.
INTERVAL = 0.5

#: Seconds after its last beat that the fleet forgets a process (three beats of two seconds).
FORGOTTEN = 6.0

#: Seconds a process may take until its first sign of life (2 s on an idle machine; to kill one
#: that starts slowly only adds to what slows it).
BIRTH = 60.0


class Pulse:
    """What the fleet's heartbeats say about our children.

    Counts looks, not seconds: when this process itself was stopped, or Redis was away, nobody is
    blamed for it.
    """

    def __init__(self, fleet: Fleet, children: Callable[[], Iterable[Child]], hung: float) -> None:
        self.known: dict[str, WorkerInfo] = {}
        self._fleet, self._children = fleet, children
        self._patience = max(2, round((hung - FORGOTTEN) / INTERVAL))
        self._missed: dict[str, int] = {}
        self._beaten: set[str] = set()
        self._looked = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`; kill children that hang."""
        while not stop.is_set():
            await self._look()
            looked, self._looked = self._looked, asyncio.Event()
            looked.set()
            try:
                await asyncio.wait_for(stop.wait(), INTERVAL)
            except TimeoutError:
                continue

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(5):
                workers = await self._fleet.workers()
        except (Unavailable, TimeoutError):
            self.known.clear()
            self._missed.clear()
            return
        self.known = {str(info.worker): info for info in workers}
        children = [child for child in self._children() if child.running and child.spec.beats]
        for child in children:
            self._judge(child)
        mine = {str(child.worker) for child in children}
        self._beaten &= mine
        self._missed = {worker: count for worker, count in self._missed.items() if worker in mine}

    def _judge(self, child: Child) -> None:
        worker = str(child.worker)
        if worker in self.known:
            self._beaten.add(worker)
            self._missed.pop(worker, None)
            return
        missed = self._missed[worker] = self._missed.get(worker, 0) + 1
        patience = self._patience if worker in self._beaten else round(BIRTH / INTERVAL)
        if missed >= patience:
            log.warning("serve.hangs", process=child.spec.name, pid=child.pid, worker=worker)
            child.kill()

    async def ready(self, child: Child, limit: float) -> bool:
        """Wait until a child says that it is ready; False when it ends or takes too long."""
        ended = asyncio.ensure_future(child.wait())
        try:
            async with asyncio.timeout(limit):
                while not ended.done():
                    info = self.known.get(str(child.worker))
                    if not child.spec.beats or (info is not None and info.state == "ready"):
                        return True
                    look = asyncio.ensure_future(self._looked.wait())
                    await asyncio.wait({look, ended}, return_when=asyncio.FIRST_COMPLETED)
                    look.cancel()
        except TimeoutError:
            pass
        finally:
            ended.cancel()
        return False
