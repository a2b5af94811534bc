"""Buckets of requests: what is taken is taken for every process, and comes back with time."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from wa_api.bus.open import Bus


@pytest.fixture
def name() -> str:
    """A caller that nobody knows."""
    return f"caller:{secrets.token_hex(6)}"


async def test_a_bucket_is_shared_by_all_processes(bus: Bus, other: Bus, name: str):
    """Together they get what it holds, however they ask; and hear how long the next one takes."""
    asked = [bus.rates.take(name, 0.001, 10, 3), other.rates.take(name, 0.001, 10, 3)] * 1
    asked += [one.rates.take(name, 0.001, 10, 3) for one in (bus, other, bus)]
    taken = await asyncio.gather(*asked)
    assert sum(one.tokens for one in taken) == 10
    assert min(one.left for one in taken) == 0
    last = await other.rates.take(name, 0.001, 10, 1)
    assert last.tokens == 0
    assert 900 < last.wait <= 1000


async def test_tokens_come_back(bus: Bus, name: str):
    """At the bucket's rate, up to what it holds."""
    assert (await bus.rates.take(name, 1000, 5, 9)).tokens == 5
    async with asyncio.timeout(60):
        while not (await bus.rates.take(name, 1000, 5, 1)).tokens:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert (await bus.rates.take(name, 1000, 5, 9)).tokens == 5


async def test_callers_have_buckets_of_their_own(bus: Bus, name: str):
    """One that is empty is nobody else's trouble."""
    assert (await bus.rates.take(name, 0.001, 2, 9)).tokens == 2
    assert (await bus.rates.take(f"{name}2", 0.001, 2, 9)).tokens == 2
