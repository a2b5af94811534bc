"""Calls that ring: rejected at once when the session's setting says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from wa_api.domain.data import Data
from wa_api.domain.profile import CallReceived, RejectCall
from workers.engine.port import CallFailed, Engine, EngineNotReady

log = structlog.get_logger()


class Doorkeeper:
    """Answers the calls of one session."""

    def __init__(self, rejects: bool) -> None:
        """`rejects`: the session's setting."""
        self.rejects = rejects
        self._at_work: set[asyncio.Task[None]] = set()  # each is bounded by the engine's limit

    def hear(self, facts: Iterable[Data], engine: Engine | None) -> None:
        """Look for calls among what happened. Returns at once: the engine waits for us."""
        if not self.rejects or engine is None:
            return
        for fact in facts:
            if isinstance(fact, CallReceived):
                task = asyncio.create_task(_reject(engine, fact.call))
                self._at_work.add(task)
                task.add_done_callback(self._at_work.discard)


async def _reject(engine: Engine, call: str) -> None:
    try:
        await engine.ask(RejectCall(call=call))
    except (CallFailed, EngineNotReady) as error:
        log.info("session.call_not_rejected", error=type(error).__name__)
