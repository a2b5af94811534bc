"""A real Redis-compatible server of the tests' own, and a store."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.contract.store.conftest import Migrated, migrated  # noqa: F401 - a fixture
from wa_api.bus.embedded import run_embedded
from wa_api.bus.open import Bus, open_bus
from wa_api.domain.ids import TenantId
from wa_api.store import events, tenants
from wa_api.store.open import open_store


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's URL."""
    with asyncio.Runner() as runner:
        context = run_embedded(tmp_path_factory.mktemp("embedded"))
        running = runner.run(context.__aenter__())
        yield running.url
        runner.run(context.__aexit__(None, None, None))


@pytest.fixture
def url(migrated: Migrated, tmp_path: Path) -> str:  # noqa: F811
    """A migrated database."""
    return migrated.sqlite(tmp_path / "wa.db")


@pytest.fixture
async def tenant(url: str) -> AsyncIterator[TenantId]:
    """A tenant in an open store."""
    async with open_store(url):
        yield (await tenants.create("Acme")).id


@pytest.fixture
def prefix() -> str:
    """What the test's keys begin with."""
    return f"t{secrets.token_hex(4)}:"


@pytest.fixture
async def bus(server: str, prefix: str) -> AsyncIterator[Bus]:
    """A bus with keys of its own; leases last long."""
    async with open_bus(server, prefix, 30.0, floor=events.floor) as opened:
        yield opened
