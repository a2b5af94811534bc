"""PostgreSQL and Redis for a gateway under test, where the test run names them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg


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
