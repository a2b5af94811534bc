"""What the benchmarks share: a gateway on its own database, CPU by role, percentiles, tables."""

from __future__ import annotations

import math
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import orjson
import psutil

from tests.support.gateway import Gateway
from tests.support.servers import servers

#: How a process's command line tells its role.
ROLES = {"http": "http", "sessions": "sessions", "webhooks": "webhooks", "sandbox": "sandbox"}


@asynccontextmanager
async def gateway(**settings: str) -> AsyncIterator[Gateway]:
    """A gateway in a directory of its own, on PostgreSQL and Redis where these are named by
    WA_TEST_DATABASE_URL and WA_TEST_REDIS_URL, else on the embedded defaults."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wa-")))
        settings |= await stack.enter_async_context(servers())
        yield await stack.enter_async_context(Gateway.start(directory, **settings))


def cpu_by_role(running: Gateway) -> dict[str, float]:
    """CPU seconds that each role's processes have used so far (`redis`: the embedded server)."""
    used = dict.fromkeys([*ROLES, "redis", "supervisor"], 0.0)
    for process in running.processes():
        try:
            used[_role(process, running)] += seconds(process)
        except psutil.NoSuchProcess:
            continue
    return used


def seconds(process: psutil.Process) -> float:
    """User and system time of one process."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _role(process: psutil.Process, running: Gateway) -> str:
    if process.pid == running.served.process.pid:
        return "supervisor"
    words = process.cmdline()
    return next((role for role, word in ROLES.items() if word in words), "redis")


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The difference."""
    return {role: after[role] - before[role] for role in after}


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile; NaN of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Plain text, columns aligned."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def report(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people, then one line of JSON for programs."""
    print(f"\n{title}\n{table(head, rows)}")
    figures = [dict(zip(head, row, strict=True)) for row in rows]
    print(orjson.dumps({"title": title, "rows": figures}).decode(), flush=True)
