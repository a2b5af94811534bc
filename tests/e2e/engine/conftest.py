"""One sandbox and one process with engines per test module: the library's state is the process's."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.engine.processes import Engines, Sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    """A network without phones."""
    async with Sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engines(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engines]:
    """A process that runs engines."""
    async with Engines(sandbox, tmp_path_factory.mktemp("engines")) as started:
        yield started


@pytest.fixture
def session() -> str:
    """A fresh session id."""
    return f"ses_{uuid.uuid4().hex}"
