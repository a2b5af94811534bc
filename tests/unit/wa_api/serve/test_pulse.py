"""Heartbeats: who hangs is killed, and nobody is blamed while Redis is away."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from wa_api.bus.ports import WorkerInfo
from wa_api.domain.errors import Unavailable
from wa_api.serve import pulse as subject
from wa_api.serve.child import Child, Spec
from wa_api.serve.pulse import Pulse


class HeardFleet:
    """A fleet whose heartbeats the test decides."""

    def __init__(self) -> None:
        self.alive: dict[str, WorkerInfo] = {}
        self.away = False

    async def workers(self) -> list[WorkerInfo]:
        if self.away:
            raise Unavailable
        return list(self.alive.values())

    def beat(self, child: Child, state: str = "ready") -> None:
        self.alive[child.worker] = WorkerInfo(
            worker=child.worker, role="sessions", network="sandbox", host="here", pid=child.pid,
            state=state, capacity=1, sessions=0, started=0.0, figures={},
        )  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks every 10 ms, patience of 5 looks, birth within 10."""
    monkeypatch.setattr(subject, "INTERVAL", 0.01)
    monkeypatch.setattr(subject, "BIRTH", 0.1)
    monkeypatch.setattr(subject, "FORGOTTEN", 0.0)


@pytest.fixture
async def child() -> AsyncIterator[Child]:
    """A process that never beats by itself."""
    argv = (sys.executable, "-S", "-c", "import time; time.sleep(60)")
    made = Child(Spec(name="test", role="sessions", argv=argv))
    yield made
    made.kill()
    await made.wait()


@pytest.mark.usefixtures("quick")
class TestPulse:
    """One child, one fleet."""

    async def watch(self, fleet: HeardFleet, child: Child, seconds: float) -> None:
        """Look for some time."""
        stop = asyncio.Event()
        task = asyncio.create_task(Pulse(fleet, lambda: [child], 0.05).run(stop))  # type: ignore[arg-type]
        ended = asyncio.create_task(child.wait())
        await asyncio.wait({ended}, timeout=seconds)
        ended.cancel()
        stop.set()
        await task

    async def test_who_beats_lives(self, child: Child) -> None:
        """A heartbeat at every look keeps a process alive."""
        fleet = HeardFleet()
        fleet.beat(child)
        await self.watch(fleet, child, 0.3)
        assert child.running

    async def test_who_never_beats_is_killed(self, child: Child) -> None:
        """A process that hangs before its first heartbeat is replaced too."""
        await self.watch(HeardFleet(), child, 5)
        assert await child.wait() == -signal.SIGKILL

    async def test_who_stops_beating_is_killed_even_when_stopped(self, child: Child) -> None:
        """SIGSTOP is a hang."""
        fleet = HeardFleet()
        fleet.beat(child)
        os.kill(child.pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(0.05, fleet.alive.clear)
        await self.watch(fleet, child, 5)
        assert await child.wait() == -signal.SIGKILL

    async def test_nobody_is_blamed_while_redis_is_away(self, child: Child) -> None:
        """Without Redis a missing heartbeat says nothing."""
        fleet = HeardFleet()
        fleet.away = True
        await self.watch(fleet, child, 0.4)
        assert child.running

    async def test_a_roles_own_process_without_heartbeats_is_left_alone(self) -> None:
        """Redis itself, for example."""
        argv = (sys.executable, "-S", "-c", "import time; time.sleep(60)")
        made = Child(replace(Spec(name="test", role="redis", argv=argv), beats=False))
        await self.watch(HeardFleet(), made, 0.3)
        assert made.running
        made.kill()
        await made.wait()

    async def test_ready_waits_for_the_word(self, child: Child) -> None:
        """`draining` is not ready; `ready` is; a dead process never gets ready."""
        fleet, stop = HeardFleet(), asyncio.Event()
        fleet.beat(child, "draining")
        pulse = Pulse(fleet, lambda: [child], 5)  # type: ignore[arg-type]
        task = asyncio.create_task(pulse.run(stop))
        assert not await pulse.ready(child, 0.1)
        fleet.beat(child, "ready")
        assert await pulse.ready(child, 5)
        fleet.alive.clear()
        await asyncio.sleep(0.05)
        child.kill()
        assert not await pulse.ready(child, 5)
        stop.set()
        await task
