"""Slots and children: a process is kept running, and never outlives its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil
import pytest

from wa_api.serve.child import Child, Spec
from wa_api.serve.slot import Slot, pause_after

_SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(60)")
_STUBBORN = (
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
)


def spec(argv: tuple[str, ...] = _SLEEP, role: str = "sessions") -> Spec:
    """A process that does nothing."""
    return Spec(name="test", role=role, argv=argv)


async def until(true: Callable[[], bool], limit: float = 60.0) -> None:
    """Poll with a limit."""
    async with asyncio.timeout(limit):
        while not true():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(slot: Slot) -> AsyncIterator[Slot]:
    """The slot at work, and everything gone afterwards."""
    task = asyncio.create_task(slot.run())
    try:
        await until(lambda: slot.child is not None)
        yield slot
    finally:
        slot.kill()
        await asyncio.wait_for(task, 10)


def burying(into: list[Child]) -> Callable[[Child], Awaitable[None]]:
    """Remembers who died."""

    async def bury(child: Child) -> None:
        into.append(child)

    return bury


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_a_dead_process_is_replaced_at_once(number: int) -> None:
    """However it ends, its death is told and another one runs, without a pause."""
    dead: list[Child] = []
    async with running(Slot(spec(), burying(dead), 15.0)) as slot:
        first = slot.child
        assert first is not None
        os.kill(first.pid, number)
        began = time.monotonic()
        await until(lambda: slot.child is not first)
        assert time.monotonic() - began < 5
        assert dead == [first]
        assert slot.child is not None
        assert slot.child.worker != first.worker


async def test_a_process_that_keeps_dying_is_started_ever_slower() -> None:
    """Two deaths are forgiven, then pauses double up to the longest."""
    assert [pause_after(deaths, 3.0) for deaths in range(1, 9)] == [0, 0, 0.25, 0.5, 1, 2, 3, 3]
    dead: list[Child] = []
    async with running(Slot(spec((sys.executable, "-S", "-c", "")), burying(dead), 60.0)):
        await until(lambda: len(dead) == 4)
    gap = dead[3].started - dead[2].started
    assert gap >= 0.25


async def test_a_program_that_does_not_exist_is_tried_again_not_fatal() -> None:
    """A start that fails counts as a death."""
    slot = Slot(spec(("/nowhere/at-all",)), burying([]), 0.01)
    task = asyncio.create_task(slot.run())
    await until(lambda: slot.deaths >= 3)
    slot.kill()
    await asyncio.wait_for(task, 5)


async def test_stopping_ends_even_the_stubborn() -> None:
    """SIGTERM first, SIGKILL after the limit, and nothing is started again."""
    dead: list[Child] = []
    async with running(Slot(spec(_STUBBORN), burying(dead), 15.0)) as slot:
        child = slot.child
        assert child is not None
        await until(lambda: "SIG_IGN" in " ".join(psutil.Process(child.pid).cmdline()))
        await slot.stop(0.2)
        assert not child.running
        assert not psutil.pid_exists(child.pid)
    assert len(dead) == 1


async def test_a_stopped_process_can_be_killed() -> None:
    """SIGSTOP does not protect from the end."""
    async with running(Slot(spec(), burying([]), 15.0)) as slot:
        child = slot.child
        assert child is not None
        os.kill(child.pid, signal.SIGSTOP)
        child.kill()
        assert await asyncio.wait_for(child.wait(), 5) == -signal.SIGKILL


async def test_what_a_child_started_dies_with_it() -> None:
    """A grandchild does not stay behind."""
    code = "import subprocess, sys; print(flush=True); subprocess.run(sys.argv[1:])"
    argv = (sys.executable, "-S", "-c", code, *_SLEEP)
    child = Child(spec(argv))
    process = psutil.Process(child.pid)
    await until(lambda: bool(process.children()))
    grandchild = process.children()[0]
    os.kill(child.pid, signal.SIGKILL)
    await asyncio.wait_for(child.wait(), 5)
    await until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


async def test_a_rolling_restart_starts_the_new_one_before_it_stops_the_old() -> None:
    """There are two at one moment, and never none."""
    dead: list[Child] = []
    async with running(Slot(spec(), burying(dead), 15.0)) as slot:
        old = slot.child
        assert old is not None

        async def ready(new: Child) -> bool:
            assert old.running
            assert new.running
            return True

        assert await slot.roll(ready, 5.0)
        await until(lambda: slot.child is not old)
        assert dead == [old]
        assert slot.child is not None
        assert slot.child.running


async def test_a_new_process_that_does_not_get_ready_is_dropped() -> None:
    """The old one goes on working: a bad release does not take the gateway down."""
    async with running(Slot(spec(), burying([]), 15.0)) as slot:
        old = slot.child

        async def never(new: Child) -> bool:
            return False

        assert not await slot.roll(never, 5.0)
        assert slot.child is old
        assert old is not None
        assert old.running


def test_children_die_with_a_killed_parent() -> None:
    """SIGKILL of the parent leaves no orphan."""
    code = (
        "import asyncio\n"
        "from wa_api.serve.child import Child, Spec\n"
        "async def main():\n"
        f"    child = Child(Spec(name='x', role='x', argv={_STUBBORN!r}))\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait(5)
        orphan.wait(5)
