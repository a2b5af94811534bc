"""The short form of the fault suite: each check once, in about a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.hosts import Sizes
from tests.chaos.run import Plan, run

#: One of each family, in this order.
FAULTS = ["kill-sessions", "kill-http", "redis-restarted", "term-sessions", "sockets-dropped"]


SMALL = {"seed": 1, "sessions": 4, "rate": 4, "rest": 2, "settle": 6}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


async def test_nothing_is_lost_or_doubled_by_a_few_faults(tmp_path: Path) -> None:
    """Two hosts, traffic both ways, five faults: the judge finds no violation."""
    sizes = Sizes(http=2, workers=1)
    report = await run(Plan(**SMALL, faults=FAULTS, count=5, sizes=sizes, keep=tmp_path))
    assert report["violations"] == []
    assert report["figures"]["sends_accepted"] > 20
    assert report["figures"]["inbound_received"] > 20


async def test_everything_can_be_replaced_under_traffic(tmp_path: Path) -> None:
    """A rolling restart of a host, as documented: nothing is lost, doubled or refused."""
    sizes = Sizes(http=1, workers=1)
    report = await run(Plan(**SMALL, faults=["roll"], count=1, sizes=sizes, keep=tmp_path))
    assert report["violations"] == []
    assert set(report["figures"]["http_answers"]) == {"202"}
