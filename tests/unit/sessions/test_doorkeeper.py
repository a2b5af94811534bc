"""Calls are rejected when the session's setting says so, and nothing waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

from wa_api.domain.messages import Address
from wa_api.domain.profile import CallEnded, CallReceived, RejectCall
from workers.engine.port import CallFailed, EngineNotReady
from workers.sessions.doorkeeper import Doorkeeper

CALLER = Address(id="5511999990000@s.whatsapp.net")
RINGS = CallReceived(call="C1", caller=CALLER)


class Engine:
    """Answers asks as the test says."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[Any] = []
        self.failure = failure

    async def ask(self, what: Any) -> None:
        self.asked.append(what)
        if self.failure is not None:
            raise self.failure


async def heard(rejects: bool, engine: Engine, *facts: Any) -> list[Any]:
    """What was asked of the engine after these facts."""
    Doorkeeper(rejects).hear(facts, engine)  # type: ignore[arg-type]  # a fake
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return engine.asked


async def test_every_call_that_rings_is_rejected() -> None:
    """And nothing else is: a call that ended needs no answer."""
    ended = CallEnded(call="C0", caller=CALLER)
    assert await heard(True, Engine(), ended, RINGS) == [RejectCall(call="C1")]


async def test_without_the_setting_calls_ring() -> None:
    """Somebody else may take them."""
    assert await heard(False, Engine(), RINGS) == []


async def test_a_call_that_cannot_be_rejected_harms_nobody() -> None:
    """It ended meanwhile, or the connection is gone."""
    for failure in (CallFailed("call_not_found", "over"), EngineNotReady()):
        assert len(await heard(True, Engine(failure), RINGS)) == 1
