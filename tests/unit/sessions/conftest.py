"""An actor for tests of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.unit.sessions.actor_stage import Stage
from workers.sessions import actor as module


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Its pauses are short, and it is let go in the end."""
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.02))
    made = Stage()
    yield made
    if made.actor is not None and made.task is not None:
        await made.actor.lose()
        await asyncio.wait_for(made.task, 5)
