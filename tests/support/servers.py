"""Databases and Redis servers for tests: those that the test run names, and one's own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from tests.support.places import short_place
from wa_api.bus.embedded import find_server


@asynccontextmanager
async def database(server: str) -> AsyncIterator[str]:
    """A database of its own on that server, dropped afterwards."""
    name = f"wa_test_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def servers() -> AsyncIterator[dict[str, str]]:
    """Settings for what WA_TEST_DATABASE_URL and WA_TEST_REDIS_URL name, on a database and under
    a key prefix of its own; nothing for the embedded defaults.
    """
    async with AsyncExitStack() as stack:
        settings: dict[str, str] = {}
        if url := os.environ.get("WA_TEST_DATABASE_URL"):
            settings["WA_DATABASE_URL"] = await stack.enter_async_context(database(url))
        if url := os.environ.get("WA_TEST_REDIS_URL"):
            settings |= {"WA_REDIS_URL": url, "WA_REDIS_PREFIX": f"test-{uuid4().hex[:12]}:"}
        yield settings


@contextmanager
def redis_server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis-compatible server of a test's own that keeps nothing: its URL and its process."""
    with short_place() as directory:
        path = directory / "redis.sock"
        command = [
            find_server(),
            "--port",
            "0",
            "--unixsocket",
            path,
            "--save",
            "",
            "--dir",
            directory,
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while not path.exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield f"unix://{path}", server
        finally:
            server.send_signal(signal.SIGCONT)  # a test may have stopped it
            server.terminate()
            server.wait(5)
