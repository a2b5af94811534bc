"""The engine alone: neonize in a process of its own, linked to the sandbox, driven over pipes.

The baseline of the traffic benchmark: what a message costs when there is no gateway around it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import psutil

from tests.benchmarks.harness import seconds
from wa_api.bus.sandbox import SandboxClient

DRIVER = Path(__file__).parents[1] / "support" / "engine_driver.py"


class BareEngine:
    """A linked engine: what it reported, and when."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._news = asyncio.Event()
        self.facts: list[tuple[float, dict[str, Any]]] = []

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return seconds(psutil.Process(self._process.pid))

    async def read(self) -> None:
        """Collect what it says until it ends."""
        assert self._process.stdout
        async for line in self._process.stdout:
            self.facts.append((time.time(), orjson.loads(line)))
            self._news.set()

    def say(self, **command: Any) -> None:
        """One command."""
        assert self._process.stdin
        self._process.stdin.write(orjson.dumps(command) + b"\n")

    async def fact(self, event: str, limit: float = 30) -> dict[str, Any]:
        """The first fact of that kind."""
        async with asyncio.timeout(limit):
            while True:
                self._news.clear()
                for _, fact in self.facts:
                    if fact["event"] == event:
                        return fact
                await self._news.wait()


@asynccontextmanager
async def bare_engine(
    sandbox: SandboxClient, tenant: str, store: Path
) -> AsyncIterator[BareEngine]:
    """Start one and link it to a new phone; its number is `linked` among the facts."""
    info = await sandbox.call("network.info")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(DRIVER)),
        *(info["proxy_url"], str(info["noise_root_key_file"]), str(store / f"{uuid4().hex}.db")),
        env={**os.environ, "GOMAXPROCS": "1", "SSL_CERT_FILE": str(info["ca_file"])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    engine = BareEngine(process)
    reader = asyncio.create_task(engine.read())
    try:
        await engine.fact("ready")
        engine.say(do="connect", ref=0)
        code = (await engine.fact("qr"))["code"]
        phone = await sandbox.call("phone.create", tenant=tenant, name="Bare")
        await sandbox.call("phone.scan", tenant=tenant, phone=phone["phone"], qr=code)
        await engine.fact("connected")
        engine.facts.append((time.time(), {"event": "linked", **phone}))
        yield engine
    finally:
        process.kill()
        await process.wait()
        await reader
