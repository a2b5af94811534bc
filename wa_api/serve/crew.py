"""All processes of one gateway: kept up, replaced one by one, and taken down in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import structlog

from wa_api.serve.child import Child, Spec
from wa_api.serve.pulse import Pulse
from wa_api.serve.slot import OnDeath, Slot

log = structlog.get_logger()

#: In which order they are asked to end, and which part of the time each stage may use: first
#: nobody asks any more, then sessions disconnect, then what they said last is archived.
STOP_ORDER = (
    (("http",), 0.3),
    (("sessions",), 0.4),
    (("webhooks", "sandbox"), 0.3),
)

#: Which roles a rolling restart replaces. The sandbox plays the outside world, and Redis holds
#: what all others share: they stay.
ROLLED = ("webhooks", "sessions", "http")


class Crew:
    """The slots of a gateway."""

    def __init__(self, on_death: OnDeath, longest_pause: float) -> None:
        self.slots: list[Slot] = []
        self._on_death, self._longest_pause = on_death, longest_pause
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, spec: Spec) -> Slot:
        """Keep one more process running from now on."""
        slot = Slot(spec, self._on_death, self._longest_pause)
        self.slots.append(slot)
        self._tasks.add(asyncio.create_task(slot.run(), name=f"slot {spec.name}"))
        return slot

    def children(self) -> Iterator[Child]:
        """The processes that are there at the moment."""
        for slot in self.slots:
            if slot.child is not None:
                yield slot.child

    async def ready(self, pulse: Pulse, limit: float) -> list[str]:
        """Wait until every process is ready; returns the names of those that are not in time."""
        deadline = asyncio.get_running_loop().time() + limit
        return [
            slot.spec.name for slot in self.slots if not await _slot_ready(slot, pulse, deadline)
        ]

    async def roll(self, pulse: Pulse, start_limit: float, stop_limit: float) -> bool:
        """Replace every process by a new one, one after the other; each new one is ready before
        its predecessor is asked to end. Stops at the first that does not get ready.
        """
        for slot in [slot for role in ROLLED for slot in self.slots if slot.spec.role == role]:
            log.info("serve.rolling", process=slot.spec.name)
            if not await slot.roll(lambda child: pulse.ready(child, start_limit), stop_limit):
                log.error("serve.roll_stopped", process=slot.spec.name)
                return False
        log.info("serve.rolled")
        return True

    async def stop(self, seconds: float) -> None:
        """End all in order, within about `seconds`."""
        for slot in self.slots:
            slot.close()
        for stage, share in STOP_ORDER:
            async with asyncio.TaskGroup() as group:
                for slot in self.slots:
                    if slot.spec.role in stage:
                        group.create_task(slot.stop(seconds * share))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1)

    def kill(self) -> None:
        """End all at once."""
        for slot in self.slots:
            slot.kill()


async def _slot_ready(slot: Slot, pulse: Pulse, deadline: float) -> bool:
    """Its process may die and be replaced on the way."""
    loop = asyncio.get_running_loop()
    while (left := deadline - loop.time()) > 0:
        if slot.child is not None and await pulse.ready(slot.child, left):
            return True
        await asyncio.sleep(0.05)  # until the slot has started the next one
    return False
