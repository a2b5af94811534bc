"""The engine alone against the sandbox: what a kill -9 loses, and what the store costs.

    python tests/benchmarks/engine.py loss [KILLS]
    python tests/benchmarks/engine.py connections DATABASE_URL [SESSIONS]
    python tests/benchmarks/engine.py churn [SESSIONS] [SECONDS]

`loss` sends to sessions at a steady rate, kills the process with the engines at a random moment,
starts another on the same device stores, and counts messages that neither process handled: the
library had acknowledged them to the network and had not handed them over.
`connections` links sessions on PostgreSQL stores and counts the database's connections.
`churn` links many sessions in one process, restarts them all, then starts and stops some while
others send, and says whether the process survived and what it has in use.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import asyncpg

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e" / "engine"))
from processes import Engines, Refused, Sandbox

SESSIONS = 20


async def one_kill(sandbox: Sandbox, rate: float, handler: float) -> tuple[int, int]:
    """(messages sent, messages lost) of one kill under `rate` messages a second in all."""
    run = uuid.uuid4().hex[:8]
    names = [f"ses_{run}n{number}" for number in range(SESSIONS)]
    with tempfile.TemporaryDirectory() as folder:
        seen: set[str] = set()
        async with Engines(sandbox, Path(folder)) as first:
            phones = await asyncio.gather(*(first.link(name) for name in names))
            for name in names:
                await first.do("slow", name, seconds=handler)
            other = await sandbox.phone()
            load = await sandbox(
                "load.start",
                phones=[other["phone"]],
                to=[phone["number"] for phone in phones],
                rate=rate,
                seconds=3,
                text=run,
            )
            await asyncio.sleep(random.uniform(1.5, 2.5))
            await first.kill()
            seen |= told(first)
        await asyncio.sleep(3)
        sent = (await sandbox("load.stats", load=load["load"]))["sent"]
        async with Engines(sandbox, Path(folder)) as second:
            await asyncio.gather(*(second.do("start", name) for name in names))
            quiet = 0
            while quiet < 3:
                known = len(seen)
                await asyncio.sleep(1)
                seen |= told(second)
                quiet = quiet + 1 if len(seen) == known else 0
    return sent, sent - len(seen)


def told(engines: Engines) -> set[str]:
    """Texts that handlers have finished with."""
    return {e["data"]["content"]["body"] for e in engines.events if e["event"] == "Inbound"}


async def loss(kills: int) -> None:
    """Print the loss per kill for some rates and handler times."""
    sys.stdout.write(f"{SESSIONS} sessions, {kills} kills each; lost messages per kill\n")
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox(Path(folder)) as sandbox:
            for rate, handler in ((50, 0.002), (200, 0.002), (200, 0.05), (400, 0.2)):
                results = [await one_kill(sandbox, rate, handler) for _ in range(kills)]
                lost = sorted(one for _, one in results)
                sys.stdout.write(
                    f"{rate:4d}/s, handler {handler * 1000:3.0f} ms: "
                    f"sent {sum(sent for sent, _ in results)}, lost {lost}\n"
                )


async def connections(url: str, sessions: int) -> None:
    """Print how many connections the library's stores hold, at once and after a while."""
    watcher = await asyncpg.connect(url)
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Sandbox(Path(folder)) as sandbox,
            Engines(sandbox, Path(folder) / "engines", stores=url) as engines,
        ):
            names = [f"ses_{uuid.uuid4().hex}" for _ in range(sessions)]
            for name in names:
                await engines.link(name)
            for wait in (0, 10, 35):
                await asyncio.sleep(wait)
                held = await watcher.fetchval(count) - 1
                sys.stdout.write(f"{sessions} sessions, +{wait} s: {held} connections\n")
            for name in names:
                await engines.do("stop", name)
            await asyncio.sleep(35)
            sys.stdout.write(f"stopped, +35 s: {await watcher.fetchval(count) - 1} connections\n")
            for name in names:
                await engines.do("forget", name)
    await watcher.close()


async def churn(sessions: int, seconds: float) -> None:
    """Print times, counts and what is in use."""
    names = [f"ses_{number}" for number in range(sessions)]
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Sandbox(Path(folder)) as sandbox,
            Engines(sandbox, Path(folder) / "engines") as engines,
        ):
            phones: list[dict[str, Any]] = []
            begun = time.monotonic()
            for at in range(0, sessions, 20):
                phones += await asyncio.gather(*(engines.link(n) for n in names[at : at + 20]))
            sys.stdout.write(f"{sessions} paired in {time.monotonic() - begun:.1f} s\n")
            await asyncio.gather(*(engines.do("stop", name) for name in names))
            begun = time.monotonic()
            await asyncio.gather(*(engines.do("start", name) for name in names))
            await asyncio.gather(*(engines.event("Online", n, nth=2, limit=60) for n in names))
            sys.stdout.write(f"{sessions} back online in {time.monotonic() - begun:.1f} s\n")
            counts = {"cycles": 0, "sent": 0, "refused": 0}
            until = time.monotonic() + seconds
            half = sessions // 2
            await asyncio.gather(
                *(cycle(engines, name, until, counts) for name in names[:half:4]),
                *(
                    talk(engines, name, phone["number"], until, counts)
                    for name, phone in zip(names[half::4], phones[half + 1 :: 4], strict=False)
                ),
            )
            sys.stdout.write(f"{seconds:.0f} s: {counts}\n{await engines.do('stats')}\n")
            begun = time.monotonic()
            code = await engines.leave(60)
            sys.stdout.write(f"left with {code} after {time.monotonic() - begun:.1f} s\n")


async def cycle(engines: Engines, name: str, until: float, counts: dict[str, int]) -> None:
    """Stop and start a session until the time is over."""
    nth = 2
    while time.monotonic() < until:
        await engines.do("stop", name)
        await engines.do("start", name)
        nth += 1
        await engines.event("Online", name, nth=nth, limit=60)
        counts["cycles"] += 1


async def talk(engines: Engines, name: str, to: str, until: float, counts: dict[str, int]) -> None:
    """Send one message after the other until the time is over."""
    while time.monotonic() < until:
        try:
            await engines.do("send", name, to=to, text="churn")
            counts["sent"] += 1
        except Refused:
            counts["refused"] += 1


def number(at: int, otherwise: int) -> int:
    """An optional argument."""
    return int(sys.argv[at]) if len(sys.argv) > at else otherwise


if __name__ == "__main__":
    match sys.argv[1]:
        case "loss":
            asyncio.run(loss(number(2, 3)))
        case "connections":
            asyncio.run(connections(sys.argv[2], number(3, 10)))
        case "churn":
            asyncio.run(churn(number(2, 200), number(3, 30)))
