"""Deliveries per second to local receivers, and what a dead and a slow endpoint cost the others.

    python -m tests.benchmarks.webhooks [--events 3000] [--rounds 5] [--json FILE]

One real webhook worker, a Redis-compatible server and a SQLite file of its own, receivers in a
process of their own. Prints a table, then JSON. Everything is on one machine: the numbers are
for comparing rows, not for promising.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson
import psutil
import uvloop

from wa_api.bus.embedded import find_server
from wa_api.bus.open import Bus, open_bus
from wa_api.domain.events import ChatTyping, event
from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.messages import Address
from wa_api.domain.webhooks import CHANNEL
from wa_api.store import tenants, webhooks
from wa_api.store.open import migrate, open_store
from wa_api.store.sealing import Sealer
from wa_api.store.webhook_rows import NewWebhook
from wa_api.wiring import floor

KEY = secrets.token_urlsafe(32)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GOOD, SLOW, DEAD = "good", "slow", "dead"


class _Endpoint(asyncio.Protocol):
    """Answers each request with 204, at once or after five seconds; notes cursor and time."""

    def __init__(self, kind: str, seen: list[tuple[int, float]]) -> None:
        self.kind, self.seen, self.buffer = kind, seen, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(self.buffer) < end + 4 + size:
                return
            self.buffer = self.buffer[end + 4 + size :]
            cursor = int(head.partition(b"webhook-id:")[2].split(b"\r\n")[0])
            self.seen.append((cursor, time.time()))
            if self.kind == GOOD:
                self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            elif self.kind == SLOW:
                asyncio.get_running_loop().call_later(
                    5, self.transport.write, b"HTTP/1.1 204 No Content\r\n\r\n"
                )


def receivers(kinds: list[str], pipe: Connection) -> None:
    """A process with one server per kind; says the ports, and on request what arrived."""
    gc.collect()  # what the parent left would hold a receiver up for 200 ms, some seconds later
    gc.freeze()

    async def run() -> None:
        seen: list[list[tuple[int, float]]] = [[] for _ in kinds]
        loop = asyncio.get_running_loop()
        ports = []
        for kind, into in zip(kinds, seen, strict=True):
            server = await loop.create_server(
                lambda kind=kind, into=into: _Endpoint(kind, into), "127.0.0.1", 0
            )
            ports.append(server.sockets[0].getsockname()[1])
        pipe.send(ports)
        while True:
            while not pipe.poll():
                await asyncio.sleep(0.02)
            if pipe.recv() == "count":
                pipe.send([len(one) for one in seen])
            else:
                pipe.send(seen)
                return

    uvloop.run(run())


async def load(bus: Bus, tenant: TenantId, count: int, rate: float) -> dict[int, float]:
    """Append events about 200 chats at a rate (0: at once); cursor to time of the append."""
    at: dict[int, float] = {}
    step = 100 if rate == 0 else max(1, round(rate / 100))
    start = time.perf_counter()
    for first in range(0, count, step):
        if rate:
            await asyncio.sleep(max(0.0, start + first / rate - time.perf_counter()))
        events = []
        for n in range(first, min(first + step, count)):
            chat = Address(id=f"55110000{n % 200:04}@s.whatsapp.net")
            events.append(
                event(tenant, "ses_1", ChatTyping(chat=chat, sender=chat, state="typing"))
            )
        now = time.time()
        at |= {int(cursor): now for cursor in await bus.log.append(events)}
    return at


def percentile(values: list[float], part: float) -> float:
    """The value below which that part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


async def scenario(
    name: str, kinds: list[str], count: int, rate: float, redis: str
) -> dict[str, Any]:
    """Deliver `count` events to each endpoint; how fast, and how late the good ones."""
    folder = Path(tempfile.mkdtemp(prefix="wa-bench-"))
    url, prefix = f"sqlite://{folder / 'wa.db'}", f"b{secrets.token_hex(4)}:"
    await migrate(url)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=receivers, args=(kinds, theirs))
    process.start()
    ports = await asyncio.to_thread(ours.recv)
    env = os.environ | {
        "WA_DATA_DIR": str(folder), "WA_DATABASE_URL": url, "WA_REDIS_URL": redis,
        "WA_REDIS_PREFIX": prefix, "WA_AUTH_JWT_SECRET": KEY, "WA_LOG_LEVEL": "error",
        "WA_WEBHOOKS_ALLOW_PRIVATE": "127.0.0.1",
    }  # fmt: skip
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(open_store(url))
        bus = await stack.enter_async_context(open_bus(redis, prefix, 6.0, floor=floor))
        tenant = (await tenants.create("bench")).id
        for port in ports:
            new = NewWebhook(
                url=f"http://127.0.0.1:{port}/",
                secret=Sealer([KEY]).seal(SECRET),
                cursor=int(await bus.log.head(tenant)),
                timeout=10.0,
            )
            await webhooks.create(tenant, new, 100)
        worker = subprocess.Popen([sys.executable, "-m", "workers", "webhooks"], env=env)  # noqa: ASYNC220
        hooks = [SessionId(one.id) for one in await webhooks.list_webhooks(tenant)]
        while len(await bus.leases.owners(hooks)) < len(hooks):
            await asyncio.sleep(0.1)
            await bus.fleet.announce(CHANNEL, hooks[0])
        good = [n for n, kind in enumerate(kinds) if kind == GOOD]
        cpu, began = _cpu(worker.pid), time.time()
        at = await load(bus, tenant, count, rate)
        limit = time.monotonic() + 120
        while True:
            ours.send("count")
            counts = await asyncio.to_thread(ours.recv)
            if all(counts[n] >= count for n in good) or time.monotonic() > limit:
                break
            await asyncio.sleep(0.05)
        used = _cpu(worker.pid) - cpu
        ours.send("stop")
        seen = await asyncio.to_thread(ours.recv)
        worker.kill()
        worker.wait()
    process.join(5)
    late = [when - at[cursor] for n in good for cursor, when in seen[n] if cursor in at]
    ended = max(when for n in good for _, when in seen[n])
    total = sum(len(seen[n]) for n in good)
    complete = all({cursor for cursor, _ in seen[n]} >= set(at) for n in good)
    return {
        "scenario": name, "endpoints": len(kinds), "events": count, "rate": rate,
        "deliveries_per_s": round(total / (ended - began)),
        "p50_ms": round(percentile(late, 0.5) * 1000, 1),
        "p99_ms": round(percentile(late, 0.99) * 1000, 1),
        "worker_cpu_us_per_delivery": round(used / total * 1e6), "complete": complete,
    }  # fmt: skip


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run with the median p99, of all that were made."""
    return sorted(runs, key=lambda run: run["p99_ms"])[len(runs) // 2] | {"runs": len(runs)}


async def main(events: int, rounds: int) -> list[dict[str, Any]]:
    """All scenarios; the two that are compared `rounds` times, of which the median."""
    folder = Path(tempfile.mkdtemp(prefix="wa-bench-"))
    redis = folder / "redis.sock"
    server = subprocess.Popen(  # noqa: ASYNC220
        [find_server(), "--port", "0", "--unixsocket", redis, "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    while not redis.exists():
        await asyncio.sleep(0.02)
    url = f"unix://{redis}"
    alone = [
        ("1 endpoint, all at once", [GOOD], events, 0.0),
        ("20 endpoints, all at once", [GOOD] * 20, max(100, events // 15), 0.0),
        ("1 endpoint, 200 events/s", [GOOD], 2000, 200.0),
    ]
    pair = [
        ("20 good endpoints, 20 events/s", [GOOD] * 20, 300, 20.0),
        ("18 of them, 1 dead, 1 of 5 s", [GOOD] * 18 + [DEAD, SLOW], 300, 20.0),
    ]
    try:
        rows = [await scenario(*one, url) for one in alone]
        # In turn, so that what else the machine does meets both alike.
        compared = [[await scenario(*one, url) for one in pair] for _ in range(rounds)]
        return rows + [_middle(list(runs)) for runs in zip(*compared, strict=True)]
    finally:
        server.terminate()
        server.wait(5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = uvloop.run(main(given.events, given.rounds))
    columns = list(results[0])
    print(" | ".join(columns))
    for row in results:
        print(" | ".join(str(row[column]) for column in columns))
    text = orjson.dumps(results, option=orjson.OPT_INDENT_2).decode()
    print(text)
    if given.json:
        given.json.write_text(text)
