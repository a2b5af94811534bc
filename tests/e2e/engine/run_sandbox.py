"""The sandbox network in a process of its own: `run_sandbox.py DATA_DIR`, until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from workers.sandbox.process import run
from workers.sandbox.settings import SandboxSettings


async def main(folder: Path) -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run(SandboxSettings(data_dir=folder), stop)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
