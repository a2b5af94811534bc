"""A WhatsApp network without phones, speaking the real protocol.

`run` serves it, `SandboxSettings` says where; `main` is the whole process.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Protocol

from workers.sandbox.settings import SandboxSettings

__all__ = ["SandboxSettings", "main", "run"]


class SettingsLike(Protocol):
    """Of the product's settings, what the sandbox needs."""

    @property
    def data_dir(self) -> Path: ...


async def run(settings: SandboxSettings, stop: asyncio.Event) -> None:
    """Serves the network until `stop` is set; see `workers.sandbox.process`."""
    # Signal tests and settings readers import this package; the protocol's weight comes here.
    from workers.sandbox.process import run as serve

    await serve(settings, stop)


def main(settings: SettingsLike) -> None:
    """Runs the process until SIGTERM or SIGINT."""
    import uvloop

    given = settings if isinstance(settings, SandboxSettings) else None
    chosen = given or SandboxSettings(data_dir=Path(settings.data_dir))

    async def serve() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await run(chosen, stop)

    uvloop.run(serve())
