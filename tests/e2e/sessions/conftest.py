"""One stage per test: its own Redis, database and sandbox."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.sessions.stage import Stage, stage


@pytest.fixture
async def gateway() -> AsyncIterator[Stage]:
    """Everything but session workers; leases of two seconds."""
    with tempfile.TemporaryDirectory(prefix="wa-e2e-") as folder:
        async with stage(Path(folder), WA_SESSIONS_LEASE_SECONDS="2") as it:
            yield it
