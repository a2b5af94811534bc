"""A whole gateway of one's own: `wa-api serve` on a free port with its data in a directory."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

_TOKEN = re.compile(r"administrator\s+(\S+)")


class NotReady(Exception):
    """The gateway did not come up; the text has its last words."""


@dataclass(slots=True)
class Served:
    """A running `wa-api serve`. `token` lets the first administrator in, once."""

    process: asyncio.subprocess.Process
    data: Path
    output: Path
    url: str = ""
    token: str = ""

    def said(self) -> str:
        """All that it printed: banner and log lines."""
        return self.output.read_text(errors="replace")

    async def until_ready(self, limit: float) -> None:
        """Wait for its ready file; raises NotReady."""
        try:
            async with asyncio.timeout(limit):
                while not self._is_ready():
                    if self.process.returncode is not None:
                        raise NotReady(f"ended with {self.process.returncode}: {self._last()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise NotReady(f"not ready after {limit:.0f} s: {self._last()}") from None

    def _is_ready(self) -> bool:
        try:
            facts = orjson.loads((self.data / "serve.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return False
        if facts["pid"] != self.process.pid:
            return False
        self.url = facts["url"]
        found = _TOKEN.search(self.said())
        self.token = found[1] if found else ""
        return True

    def _last(self) -> str:
        return "\n".join(self.said().splitlines()[-15:])

    async def stop(self, number: int = signal.SIGTERM, limit: float = 10.0) -> int:
        """Ask it to end (or kill it) and return its exit code; raises TimeoutError."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(limit):
            return await self.process.wait()


@asynccontextmanager
async def served(
    directory: Path, settings: Mapping[str, str], *, limit: float = 60.0, ready: bool = True
) -> AsyncIterator[Served]:
    """Start it with exactly these settings, wait until it is ready, and end it afterwards."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WA_")}
    data, output = directory / "data", directory / "serve.log"
    chosen = {"WA_DATA_DIR": str(data), "WA_HTTP_PORT": "0", **settings}
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wa_api", "serve"),
            env={**inherited, **chosen},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    finally:
        os.close(file)
    gateway = Served(process, data, output)
    try:
        if ready:
            await gateway.until_ready(limit)
        yield gateway
    finally:
        try:
            await gateway.stop()
        except TimeoutError:
            process.kill()  # its children die with it
            await process.wait()
