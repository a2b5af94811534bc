"""Gateways started for real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.places import short_place
from tests.support.servers import servers as named_servers


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path (Unix sockets live in it)."""
    with short_place() as directory:
        yield directory


@pytest.fixture
async def servers() -> AsyncIterator[dict[str, str]]:
    """Settings for the database and the Redis that the test run names, or for none."""
    async with named_servers() as settings:
        yield settings
