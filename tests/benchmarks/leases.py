"""What holding 1,000 leases costs: `python tests/benchmarks/leases.py [leases] [seconds]`.

One process holds them through the keeper that session workers use, at the default lease time,
against an embedded server. Prints the CPU of this process and of the server while renewing, less
what the same takes without leases, and the server's commands per second.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import psutil
import structlog

from wa_api.bus.embedded import Embedded, run_embedded
from wa_api.bus.open import Bus, open_bus
from wa_api.domain.ids import SessionId, WorkerId, new_id
from workers.sessions.clock import boottime
from workers.sessions.deadman import deadman
from workers.sessions.keeper import Keeper


async def commands(bus: Bus) -> int:
    """How many the server has done so far, those inside of scripts included."""
    said = (await bus.redis.execute("", "INFO", "stats")).decode()
    return int(said.split("total_commands_processed:")[1].split()[0])


async def spent(bus: Bus, server: Embedded, seconds: float) -> tuple[float, float, float]:
    """CPU of this process and of the server (shares of a core), commands per second."""
    process = psutil.Process(server.pid)

    def theirs() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    before = (time.process_time(), theirs(), await commands(bus))
    await asyncio.sleep(seconds)
    after = (time.process_time(), theirs(), await commands(bus))
    own, other, done = ((b - a) / seconds for a, b in zip(before, after, strict=True))
    return own, other, done


async def main(leases: int, seconds: float) -> None:
    """Measure without and with leases."""
    worker = WorkerId(new_id("wrk"))
    with tempfile.TemporaryDirectory(prefix="wa-") as directory:
        async with run_embedded(Path(directory)) as server, open_bus(server.url) as bus:
            timer = deadman()
            keeper = Keeper(bus.leases, lambda lease: None, timer)
            keeping = asyncio.create_task(keeper.run())
            idle = await spent(bus, server, seconds / 2)
            for _ in range(leases):
                since = boottime()
                lease = await bus.leases.acquire(SessionId(new_id("ses")), worker)
                assert lease is not None
                keeper.hold(lease, since)
            await asyncio.sleep(bus.leases.ttl)
            renewed = keeper.renewed
            busy = await spent(bus, server, seconds)
            assert len(keeper) == leases
            rate = (keeper.renewed - renewed) / seconds
            keeping.cancel()
            timer.arm(None)
    own, other, done = (b - a for a, b in zip(idle, busy, strict=True))
    print(f"leases held                 {leases} for {seconds:.0f} s, lost none")
    print(f"renewals                    {rate:.0f} per second")
    print(f"CPU of the process          {own * 100:.2f} % of a core")
    print(f"CPU of Redis                {other * 100:.2f} % of a core")
    print(f"commands                    {done:.0f} per second, inside of scripts included")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    given = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(given + [1000, 30][len(given) :])))
