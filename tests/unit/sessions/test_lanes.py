"""Work of one chat runs in order; chats do not wait for each other."""

from __future__ import annotations

import asyncio

from tests.unit.sessions.fakes import until
from workers.sessions.lanes import Lanes


async def test_one_lane_keeps_its_order():
    """The second job begins when the first has ended."""
    done: list[str] = []

    async def work(job: str) -> None:
        await asyncio.sleep(0)
        done.append(job)

    lanes = Lanes(work, width=4, bound=10)
    for job in "abc":
        await lanes.put("chat", job)
    await until(lambda: len(done) == 3)
    assert done == ["a", "b", "c"]
    assert len(lanes) == 0


async def test_a_slow_chat_holds_nobody_else_up():
    """Another lane's job ends while the first lane's is stuck."""
    stuck, done = asyncio.Event(), []

    async def work(job: str) -> None:
        if job == "slow":
            await stuck.wait()
        done.append(job)

    lanes = Lanes(work, width=2, bound=10)
    await lanes.put("one", "slow")
    await lanes.put("two", "quick")
    await until(lambda: done == ["quick"])
    stuck.set()
    await until(lambda: done == ["quick", "slow"])


async def test_no_more_than_its_width_at_once():
    """The third chat waits for one of two places."""
    running, most, go = 0, 0, asyncio.Event()

    async def work(_: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go.wait()
        running -= 1

    lanes = Lanes(work, width=2, bound=10)
    for chat in "abc":
        await lanes.put(chat, chat)
    await until(lambda: running == 2)
    go.set()
    await until(lambda: len(lanes) == 0)
    assert most == 2


async def test_put_waits_when_full():
    """The bound is back-pressure on whoever brings work."""
    go = asyncio.Event()

    async def work(_: str) -> None:
        await go.wait()

    lanes = Lanes(work, width=1, bound=2)
    await lanes.put("a", "1")
    await lanes.put("a", "2")
    third = asyncio.create_task(lanes.put("a", "3"))
    await asyncio.sleep(0.01)
    assert not third.done()
    go.set()
    await third


async def test_closing_ends_what_runs_and_drops_the_rest():
    """Jobs that were not begun are not begun any more, and nobody is left waiting."""
    go, done = asyncio.Event(), []

    async def work(job: str) -> None:
        await go.wait()
        done.append(job)

    lanes = Lanes(work, width=1, bound=2)
    await lanes.put("a", "1")
    await lanes.put("b", "2")
    waiting = asyncio.create_task(lanes.put("c", "3"))
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(lanes.close(5))
    await asyncio.sleep(0.01)
    go.set()
    assert await closing
    await asyncio.wait_for(waiting, 1)
    assert done == ["1"]


async def test_closing_does_not_wait_for_ever():
    """Work that does not end is cancelled, and said not to be clean."""

    async def work(_: str) -> None:
        await asyncio.Event().wait()

    lanes = Lanes(work, width=1, bound=2)
    await lanes.put("a", "1")
    await asyncio.sleep(0.01)
    assert not await lanes.close(0.02)
