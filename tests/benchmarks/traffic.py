"""Sending and receiving at a steady rate, beside a bare engine on the same sandbox.

    python -m tests.benchmarks.traffic [--seconds 20] [--send 50] [--receive 100]

For each direction: CPU milliseconds per message of every role, of the bare engine doing the same
work, the gateway's own share (all roles less the engine's), and latencies: from the REST request
to the sandbox having the message, and from the sandbox's send to the WebSocket frame. PostgreSQL
and Redis are used when WA_TEST_DATABASE_URL and WA_TEST_REDIS_URL name them; an external
database's or Redis's own CPU is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.bare_engine import BareEngine, bare_engine
from tests.benchmarks.harness import cpu_by_role, gateway, percentile, report, spent
from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.bus.sandbox import SandboxClient
from wa_api.demo.client import Feed

HEAD = ["who", "ms CPU per message", "http", "sessions", "webhooks", "redis", "p50 ms", "p99 ms"]
#: The gateway's own roles; `sessions` contains the engine.
OWN = ["http", "sessions", "webhooks", "redis"]


async def paced(rate: float, count: int, act: Callable[[int], Awaitable[None]]) -> None:
    """Call `act(0…count-1)` at a rate, each in a task of its own."""
    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
            group.create_task(act(number))


async def arrivals(sandbox: SandboxClient, tenant: str, word: str, count: int) -> dict[str, float]:
    """When the sandbox had each message, by text; waits until all are there."""
    async with asyncio.timeout(60):
        while True:
            found, after = {}, 0
            while page := await sandbox.call("judge.arrived", tenant=tenant, after=after):
                found |= {entry["text"]: entry["at"] for entry in page if entry["text"]}
                after = page[-1]["number"]
            if sum(text.startswith(word) for text in found) >= count:
                return found
            await asyncio.sleep(0.2)


async def send_bare(engine: BareEngine, to: str, rate: float, count: int, word: str) -> float:
    """CPU milliseconds per message."""

    async def one(number: int) -> None:
        engine.say(do="text", to=to, text=f"{word} {number}", ref=number)

    before = engine.cpu
    await paced(rate, count, one)
    async with asyncio.timeout(60):
        while sum("id" in fact for _, fact in engine.facts) < count:
            await asyncio.sleep(0.1)
    return (engine.cpu - before) / count * 1000


async def measure_sends(
    running: Gateway, tenant: Tenant, sandbox: SandboxClient, anna: Linked, args: Any
) -> None:
    """REST request → the sandbox has it."""
    count = int(args.seconds * args.send)
    bert = await tenant.new_phone("Bert")
    with tempfile.TemporaryDirectory() as place:
        async with bare_engine(sandbox, tenant.id, Path(place)) as engine:
            await send_bare(engine, bert["number"], args.send, 20, "warm")
            engine.facts.clear()
            bare = await send_bare(engine, bert["number"], args.send, count, "bare")
    asked: dict[str, float] = {}

    async def one(number: int) -> None:
        body = f"gateway {number}"
        asked[body] = time.time()
        message = {"to": bert["number"], "type": "text", "text": {"body": body}}
        await tenant.rest.post(f"/sessions/{anna.session}/messages", message)

    await paced(args.send, 20, one)
    await arrivals(sandbox, tenant.id, "gateway", 20)
    asked.clear()
    await sandbox.call("judge.reset", tenant=tenant.id)
    before = cpu_by_role(running)
    await paced(args.send, count, one)
    had = await arrivals(sandbox, tenant.id, "gateway", count)
    used = spent(before, cpu_by_role(running))
    latencies = [(had[text] - at) * 1000 for text, at in asked.items()]
    show(f"Send at {args.send}/s, {count} messages", bare, used, count, latencies)


async def measure_receives(
    running: Gateway, tenant: Tenant, sandbox: SandboxClient, anna: Linked, args: Any
) -> None:
    """The sandbox's send → the WebSocket frame."""
    count = int(args.seconds * args.receive)
    bert = await tenant.new_phone("Berta")

    async def load(to: str, word: str, number: int) -> None:
        given = {"phones": [bert["phone"]], "to": [to], "rate": args.receive, "count": number}
        started = await sandbox.call("load.start", tenant=tenant.id, text=word, **given)
        async with asyncio.timeout(60 + args.seconds):
            while (await sandbox.call("load.stats", tenant=tenant.id, load=started["load"]))[
                "running"
            ]:
                await asyncio.sleep(0.1)

    with tempfile.TemporaryDirectory() as place:
        async with bare_engine(sandbox, tenant.id, Path(place)) as engine:
            linked = (await engine.fact("linked"))["number"]
            await load(linked, "warm", 20)
            before_bare = engine.cpu
            await load(linked, "bare", count)
            await engine_has(engine, "bare", count)
            bare = (engine.cpu - before_bare) / count * 1000
    async with tenant.feed() as feed:
        await load(anna.number, "warm", 20)
        await feed_has(feed, "warm", 20)
        before = cpu_by_role(running)
        await load(anna.number, "gateway", count)
        seen = await feed_has(feed, "gateway", count)
        used = spent(before, cpu_by_role(running))
    latencies = await from_departure(sandbox, tenant.id, seen)
    show(f"Receive at {args.receive}/s, {count} messages", bare, used, count, latencies)


async def engine_has(engine: BareEngine, word: str, count: int) -> None:
    """Wait until the bare engine has reported them all."""
    async with asyncio.timeout(60):
        while (
            sum(
                fact["event"] == "message" and fact["text"].startswith(word)
                for _, fact in engine.facts
            )
            < count
        ):
            await asyncio.sleep(0.1)


async def feed_has(feed: Feed, word: str, count: int) -> dict[str, float]:
    """When each text came over the WebSocket (monotonic seconds)."""
    async with asyncio.timeout(60):
        while True:
            found = {
                seen.event["data"]["message"]["text"]["body"]: seen.at
                for seen in feed.seen
                if seen.event["type"] == "message.received"
            }
            found = {text: at for text, at in found.items() if text.startswith(word)}
            if len(found) >= count:
                return found
            await asyncio.sleep(0.1)


async def from_departure(
    sandbox: SandboxClient, tenant: str, seen: dict[str, float]
) -> list[float]:
    """Milliseconds from the phone's send (same machine, same monotonic clock) to the frame."""
    latencies, after = [], 0
    while page := await sandbox.call("judge.sent", tenant=tenant, after=after):
        latencies += [
            (seen[entry["text"]] - entry["at_mono"]) * 1000
            for entry in page
            if entry["text"] in seen
        ]
        after = page[-1]["number"]
    return latencies


def show(
    title: str, bare: float, used: dict[str, float], count: int, latencies: list[float]
) -> None:
    """One table: the bare engine, the gateway, and the ratio of its own part to the engine."""
    per = {role: used[role] / count * 1000 for role in OWN}
    whole = sum(per.values())
    p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
    own = whole - bare
    report(
        title,
        HEAD,
        [
            ["bare engine", bare, "", bare, "", "", "", ""],
            ["gateway with engine", whole, *(per[role] for role in OWN), p50, p99],
            [
                "gateway's own part",
                own,
                per["http"],
                per["sessions"] - bare,
                per["webhooks"],
                per["redis"],
                "",
                "",
            ],
            ["own part / engine", own / bare, "", "", "", "", "", ""],
        ],
    )


async def main(args: Any) -> None:
    """Both directions on one gateway."""
    where = (os.environ.get("WA_TEST_DATABASE_URL") and "PostgreSQL") or "SQLite"
    redis = (os.environ.get("WA_TEST_REDIS_URL") and "external Redis") or "embedded Valkey"
    print(f"{where}, {redis}, one HTTP worker, one session worker")
    async with gateway(WA_LOG_LEVEL="warning") as running:
        tenant = await running.tenant()
        sandbox = SandboxClient(running.served.data / "sandbox" / "control.sock")
        async with tenant.feed() as feed:
            anna = await tenant.link_session(feed)
        await measure_sends(running, tenant, sandbox, anna, args)
        await measure_receives(running, tenant, sandbox, anna, args)
        await sandbox.close()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--send", type=float, default=50)
    options.add_argument("--receive", type=float, default=100)
    asyncio.run(main(options.parse_args()))
