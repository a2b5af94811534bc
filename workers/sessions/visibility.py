"""Being seen as online: only such a device is told who is typing and who is online."""

from __future__ import annotations

import asyncio

import structlog

from workers.engine.port import CallFailed, Engine, EngineNotReady

log = structlog.get_logger()

#: Seconds between tries: the engine refuses until it has the account's name, which comes with
#: the first app state (0.1 s after a login, minutes on a large account).
PAUSES = (0.1, 0.4, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0)


class Visibility:
    """Shows one session as online after each connect."""

    def __init__(self, wanted: bool) -> None:
        """`wanted`: the session's setting."""
        self.wanted = wanted  #: counts when the engine connects
        self._showing: asyncio.Task[None] | None = None

    def online(self, engine: Engine) -> None:
        """The engine connected."""
        self.offline()
        if self.wanted:
            self._showing = asyncio.create_task(_show(engine))

    def offline(self) -> None:
        """The engine is gone, or its connection."""
        if self._showing is not None:
            self._showing.cancel()
            self._showing = None


async def _show(engine: Engine) -> None:
    for pause in PAUSES:
        await asyncio.sleep(pause)
        try:
            return await engine.presence(True)
        except EngineNotReady:
            return None
        except CallFailed as error:
            log.debug("session.not_shown_online", code=error.code)
    log.warning("session.never_shown_online")
    return None
