"""Group commit: together when busy, at once when idle, each item its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from wa_api.domain.errors import Fenced, Unavailable
from wa_api.store.batch import Batcher


class Ledger:
    """Commits numbers when it is let; answers their double."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    async def commit(self, items: Sequence[int]) -> list[int | Exception]:
        """Negative numbers poison their batch, zero is refused alone."""
        self.batches.append(list(items))
        self.begun.set()
        await self.gate.wait()
        if any(item < 0 for item in items):
            raise ValueError("poison")
        if 13 in items:
            raise Unavailable
        return [Fenced() if item == 0 else item * 2 for item in items]


@pytest.fixture
def ledger() -> Ledger:
    """A ledger that commits at once."""
    return Ledger()


async def test_what_comes_while_one_runs_goes_together(ledger: Ledger):
    """The first goes alone without waiting for company; the rest share the next."""
    ledger.gate.clear()
    async with Batcher(ledger.commit, limit=3) as batcher:
        first = asyncio.create_task(batcher.add(1))
        await ledger.begun.wait()
        others = [asyncio.create_task(batcher.add(n)) for n in (2, 3, 4, 5)]
        await asyncio.sleep(0)
        ledger.gate.set()
        assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10]
    assert ledger.batches == [[1], [2, 3, 4], [5]]


async def test_an_exception_as_result_is_one_items_own(ledger: Ledger):
    """A fenced item does not fail its neighbours."""
    async with Batcher(ledger.commit) as batcher:
        results = await asyncio.gather(*(batcher.add(n) for n in (1, 0, 2)), return_exceptions=True)
    assert results[0] == 2
    assert isinstance(results[1], Fenced)
    assert results[2] == 4


async def test_one_bad_item_does_not_fail_the_others(ledger: Ledger):
    """A batch that cannot be committed is tried item by item."""
    async with Batcher(ledger.commit) as batcher:
        results = await asyncio.gather(
            *(batcher.add(n) for n in (1, -1, 2)), return_exceptions=True
        )
    assert [results[0], results[2]] == [2, 4]
    assert isinstance(results[1], ValueError)


async def test_an_unavailable_database_is_told_to_all(ledger: Ledger):
    """No storm of single attempts against a database that is away."""
    async with Batcher(ledger.commit) as batcher:
        results = await asyncio.gather(
            *(batcher.add(n) for n in (1, 13, 2)), return_exceptions=True
        )
    assert all(isinstance(one, Unavailable) for one in results)
    assert len(ledger.batches) == 1


async def test_beyond_the_bound_callers_wait(ledger: Ledger):
    """Memory is bounded: the third does not even enter."""
    ledger.gate.clear()
    async with Batcher(ledger.commit, limit=1, bound=2) as batcher:
        tasks = [asyncio.create_task(batcher.add(n)) for n in (1, 2, 3)]
        for _ in range(10):
            await asyncio.sleep(0)
        assert ledger.batches == [[1]]
        ledger.gate.set()
        assert await asyncio.gather(*tasks) == [2, 4, 6]


async def test_leaving_commits_what_waits_and_takes_no_more(ledger: Ledger):
    """Nothing that was added is lost by a clean stop."""
    batcher = Batcher(ledger.commit, limit=1)
    async with batcher:
        tasks = [asyncio.create_task(batcher.add(n)) for n in (1, 2, 3)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*tasks) == [2, 4, 6]
    with pytest.raises(Unavailable):
        await batcher.add(4)


async def test_a_cancelled_caller_does_not_disturb_the_others(ledger: Ledger):
    """Its item is committed all the same."""
    ledger.gate.clear()
    async with Batcher(ledger.commit) as batcher:
        gone, stays = [asyncio.create_task(batcher.add(n)) for n in (1, 2)]
        await ledger.begun.wait()
        gone.cancel()
        ledger.gate.set()
        assert await stays == 4
    assert ledger.batches == [[1, 2]]
