"""The gate before the device stores' database: an outage is a pause, not an error."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import uvloop

from tests.chaos.servers import Postgres, postgres_binaries
from workers.engine.gate import Gate

pytestmark = [pytest.mark.e2e]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that PostgreSQL's user may enter."""
    with tempfile.TemporaryDirectory(prefix="wa-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(postgres_binaries() is None, reason="PostgreSQL is not installed")
def test_connections_wait_while_the_database_is_away(place: Path) -> None:
    """Those that are there end with it; new ones come through when it is back, and not before."""
    uvloop.run(_away_and_back(place))  # the loop of workers


async def _away_and_back(place: Path) -> None:
    server = Postgres(place, "127.0.0.1")
    await server.start()
    try:
        async with Gate(server.url) as gate:
            address = gate.through(server.url)
            first = await connect(address)
            assert await first.fetchval("SELECT repeat('x', 300000)") == "x" * 300_000
            await server.end(signal.SIGINT)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await first.fetchval("SELECT 1")
            waiting = asyncio.create_task(connect(address))
            await asyncio.sleep(1)
            assert not waiting.done()
            await server.start()
            second = await waiting
            assert await second.fetchval("SELECT 2") == 2
            await ended_by_the_server(second, address)
            for _ in range(20):
                third = await asyncio.wait_for(connect(address), 5)
                await third.close()
            first.terminate()
    finally:
        await server.end(signal.SIGINT)


async def ended_by_the_server(connection: asyncpg.Connection, address: str) -> None:
    """An administrator ends it: in doubt, the gate looks, and opens again."""
    other = await connect(address)
    await other.fetchval("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    other.terminate()
    connection.terminate()


async def connect(address: str) -> asyncpg.Connection:
    """As the library does, which reads `hostaddr`; this driver does not."""
    parts = urlsplit(address)
    return await asyncpg.connect(
        host=parse_qs(parts.query)["hostaddr"][0],
        port=parts.port,
        user=parts.username,
        database=parts.path.strip("/"),
        ssl=False,
        timeout=30,
    )


async def test_the_librarys_address_keeps_the_hosts_name() -> None:
    """It is what a certificate is checked against; options stay, and a Unix socket is left alone."""
    async with Gate("postgresql://127.0.0.1:1/x") as gate:
        address = gate.through("postgres://u:p%40@db:6432/wa?sslmode=verify-full")
        parts = urlsplit(address)
        assert (parts.username, parts.password, parts.hostname) == ("u", "p%40", "db")
        assert parts.port not in (None, 6432)
        expected = {"sslmode": ["verify-full"], "hostaddr": ["127.0.0.1"]}
        assert parse_qs(parts.query) == expected
        socket = "postgres:///wa?host=/run/postgresql"
        assert gate.through(socket) == socket
