"""The short form of what readers go through."""

from __future__ import annotations

import pytest

from tests.chaos.readers import FAULTS, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


async def test_all_readers_end_with_the_same_list() -> None:
    """Cut off, their workers killed and Redis restarted, none misses an event; sockets repeat none."""
    report = await run(seconds=8, seed=3)
    assert report["wrong"] == []
    assert set(report["faults"]) == set(FAULTS)
    assert report["events"] > 200
    assert min(report["websocket_connections"], report["stream_connections"]) > 1
