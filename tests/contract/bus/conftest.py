"""One suite over every kind of Redis: embedded, external, behind Sentinels, a Cluster."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.contract.bus import servers
from wa_api.bus.embedded import run_embedded
from wa_api.bus.open import Bus, open_bus
from wa_api.domain.ids import SessionId, TenantId, WorkerId, new_id

KINDS = ["embedded", "sentinel", "cluster"]
if servers.external_answers():
    KINDS.append("external")

#: Seconds; short, because some tests wait for leases to expire.
TTL = 0.6


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server started as the product starts its own."""
    with asyncio.Runner() as runner:
        context = run_embedded(tmp_path_factory.mktemp("embedded"))
        server = runner.run(context.__aenter__())
        yield server.url
        runner.run(context.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a master behind Sentinels."""
    with servers.sentinels(tmp_path_factory.mktemp("sentinel")) as (url, _):
        yield url


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Cluster."""
    with servers.cluster(tmp_path_factory.mktemp("cluster")) as (url, _):
        yield url


@pytest.fixture(scope="session")
def external() -> str:
    """The URL of a Redis that somebody else started."""
    return servers.EXTERNAL


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> str:
    """Each kind of Redis in turn."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def prefix() -> str:
    """Keeps tests apart, also on a shared server."""
    return f"test-{secrets.token_hex(6)}:"


Process = Callable[..., Any]


@pytest.fixture
async def process(url: str, prefix: str) -> AsyncIterator[Process]:
    """Opens a bus as one more process would; everything it wrote is removed at the end."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Bus:
            options = {"lease_seconds": TTL, "time_limit": 20.0, **options}
            return await stack.enter_async_context(open_bus(url, prefix, **options))

        yield start
    if url == servers.EXTERNAL:
        names = await servers.ask(url, "KEYS", f"{prefix}*")
        if names:
            await servers.ask(url, "DEL", *names)


@pytest.fixture
async def bus(process: Process) -> Bus:
    """One process's bus."""
    return await process()


@pytest.fixture
async def other(process: Process) -> Bus:
    """Another process's bus."""
    return await process()


@pytest.fixture
def session() -> SessionId:
    """A session that nobody has."""
    return SessionId(new_id("ses"))


@pytest.fixture
def tenant() -> TenantId:
    """A tenant without events."""
    return TenantId(new_id("ten"))


@pytest.fixture
def alice() -> WorkerId:
    """A session worker."""
    return WorkerId(new_id("wrk"))


@pytest.fixture
def bob() -> WorkerId:
    """Another session worker."""
    return WorkerId(new_id("wrk"))
