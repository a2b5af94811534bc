"""Many sessions on few workers: link them all by QR, stop everything, bring them all back.

    python -m tests.benchmarks.fleet [--sessions 200] [--workers 2]

Prints seconds to link and to reconnect all, memory per session, and idle CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

import psutil

from tests.benchmarks.harness import cpu_by_role, gateway, report, spent
from tests.support.gateway import Gateway, Tenant
from wa_api.demo.client import Feed

AT_ONCE = 16


async def link_all(tenant: Tenant, feed: Feed, count: int) -> list[str]:
    """Session ids, all linked through QR codes."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> str:
        async with room:
            return (await tenant.link_session(feed, 120)).session

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def connected(tenant: Tenant, count: int, limit: float) -> None:
    """Wait until that many sessions of the tenant are connected."""
    async with asyncio.timeout(limit):
        while True:
            found, after = 0, None
            while True:
                query = {"limit": 200, "state": "connected"} | ({"after": after} if after else {})
                page = await tenant.rest.get("/sessions", **query)
                found += len(page["items"])
                after = page["next"]
                if not after:
                    break
            if found >= count:
                return
            await asyncio.sleep(0.1)


def session_workers(running: Gateway) -> list[psutil.Process]:
    """Those of the sandbox network."""
    return running.children("sessions", "sandbox")


def resident(running: Gateway) -> float:
    """MB of all session workers of the sandbox network."""
    return sum(one.memory_info().rss for one in session_workers(running)) / 1e6


async def main(args: Any) -> None:
    """Link, measure, kill all owners at once, measure again."""
    capacity = str(args.sessions + 10)
    async with gateway(
        WA_LOG_LEVEL="warning",
        WA_SESSIONS_WORKERS=str(args.workers),
        WA_SESSIONS_CAPACITY=capacity,
    ) as running:
        tenant = await running.tenant()
        empty = resident(running)
        async with tenant.feed() as feed:
            begin = time.monotonic()
            await link_all(tenant, feed, args.sessions)
            linking = time.monotonic() - begin
        full = resident(running)
        await asyncio.sleep(5)
        before, at = cpu_by_role(running), time.monotonic()
        await asyncio.sleep(20)
        idle = spent(before, cpu_by_role(running))
        period = time.monotonic() - at
        for process in session_workers(running):
            process.kill()
        begin = time.monotonic()
        # The rows say `connected` until the new owners say otherwise: wait for them to start.
        await asyncio.sleep(1.5)
        await connected(tenant, args.sessions, 120)
        back = time.monotonic() - begin
        report(
            f"{args.sessions} sandbox sessions on {args.workers} session workers",
            ["figure", "value"],
            [
                ["seconds to link all by QR", linking],
                ["seconds from kill -9 of all owners until all are connected again", back],
                [
                    "MB per session (with its share of Python objects)",
                    (full - empty) / args.sessions,
                ],
                ["MB of session workers, empty", empty],
                ["MB of session workers, after reconnecting", resident(running)],
                *(
                    [f"idle CPU of {role}, % of a core", idle[role] / period * 100]
                    for role in ("sessions", "http", "webhooks", "redis", "sandbox")
                ),
            ],
        )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sessions", type=int, default=200)
    options.add_argument("--workers", type=int, default=2)
    asyncio.run(main(options.parse_args()))
