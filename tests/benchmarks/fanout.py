"""One event to many sockets: a whole gateway's HTTP worker beside bare broadcasts of the same frames.

    python -m tests.benchmarks.fanout [--sockets 100,1000] [--idle 5000] [--quick]

The gateway's events are appended to the log by another process and come through Redis, filters
and cursors; Node's `ws` and Python's `websockets` only write the frames to everybody. `burst`: as
fast as they go, `step` events at a time; `paced`: at a rate. One worker each; the clients are one
more process. Prints tables and JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil

from tests.benchmarks.harness import gateway, percentile, report, seconds
from tests.benchmarks.sockets import DIGITS, MARK, Clients, clients
from wa_api.bus.embedded import run_embedded
from wa_api.bus.open import Bus, open_bus
from wa_api.domain.events import ChatTyping, Event, cursor_of, encode_tail, event, with_cursor
from wa_api.domain.messages import Address

_HERE = Path(__file__).parent
_PREFIX = "wa:"
#: Events per second when paced, by the number of sockets.
_RATES = {1: 200.0, 100: 200.0, 1000: 20.0}
_HEAD = ("server", "sockets", "mode", "events", "frames/s", "p50 ms", "p99 ms", "CPU s",
         "frames per CPU s")  # fmt: skip

#: Sends events `first`…, so many, at a rate (0: all at once, `step` at a time); when each was sent.
Send = Callable[[int, int, float, int], Awaitable[list[float]]]


@dataclass
class Server:
    """Something that broadcasts."""

    name: str
    process: psutil.Process
    port: int
    send: Send
    path: str = "/"
    token: str = ""


def sample(tenant: str, number: int) -> Event:
    """A small event, as typing is."""
    chat = Address(id=f"{number:0{DIGITS}}{MARK.decode()}")
    return event(tenant, "ses_01a2180e606e70859602d455253a59c8",
                 ChatTyping(chat=chat, sender=chat, state="typing"))  # fmt: skip


def template() -> tuple[str, str]:
    """What stands before and after the number in the frame that the gateway would send."""
    tail = encode_tail(sample("ten_01a2180e606e70859602d455253a59c8", 0))
    envelope = with_cursor(cursor_of("1764163205000-0"), tail)
    frame = (b'{"type":"event","event":' + envelope + b"}").decode()
    before, _, after = frame.partition("0" * DIGITS)
    return before, after


# ── servers ──


@asynccontextmanager
async def ours(sockets: int) -> AsyncIterator[Server]:
    """A gateway with one HTTP worker; events are appended by this process."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wa-")))
        redis = await stack.enter_async_context(run_embedded(folder))
        settings = {
            "WA_REDIS_URL": redis.url,
            "WA_HTTP_WORKERS": "1",
            "WA_LOG_LEVEL": "error",
            "WA_HTTP_SOCKETS_PER_CALLER": str(sockets + 10),
            "WA_HTTP_HEARTBEAT_SECONDS": "120",
        }
        running = await stack.enter_async_context(gateway(**settings))
        tenant = await running.tenant()
        bus = await stack.enter_async_context(open_bus(redis.url, _PREFIX, 6.0))
        [worker] = running.children("http")
        port = int(running.url.rpartition(":")[2])

        async def send(first: int, count: int, rate: float, step: int) -> list[float]:
            return await _append(bus, tenant.id, first, count, rate, step)

        yield Server("wa-api", worker, port, send, "/v1/ws", tenant.rest.credential)


async def _append(
    bus: Bus, tenant: str, first: int, count: int, rate: float, step: int
) -> list[float]:
    times: list[float] = []
    start = time.monotonic()
    while len(times) < count:
        due = len(times) + step
        if rate:
            due = int((time.monotonic() - start) * rate) + 1
        events = [sample(tenant, first + n) for n in range(len(times), min(due, count))]
        if events:
            times += [time.monotonic()] * len(events)
            await bus.log.append(events)
        if rate:
            await asyncio.sleep(0.005)
    return times


@asynccontextmanager
async def bare(name: str, *command: str) -> AsyncIterator[Server]:
    """A program that takes orders on its standard input."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24
    )
    source, orders = process.stdout, process.stdin
    assert source is not None
    assert orders is not None

    async def send(first: int, count: int, rate: float, step: int) -> list[float]:
        asked = {"first": first, "count": count, "rate": rate, "step": step}
        orders.write(orjson.dumps(asked) + b"\n")
        return list(orjson.loads(await source.readline()))

    try:
        port = int(await source.readline())
        yield Server(name, psutil.Process(process.pid), port, send)
    finally:
        process.kill()
        await process.wait()


def node_ws(folder: Path) -> list[str] | None:
    """The command of a bare Node server, with `ws` installed into a folder; None without npm."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        print("Node or npm is not installed: no comparison with ws.")
        return None
    done = subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "ws"],
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode:
        print("npm cannot install ws: no comparison with it.")
        return None
    return [node, str(_HERE / "bare_ws.mjs"), str(folder), *template()]


# ── measuring ──


async def measure(
    server: Server, readers: Clients, sockets: int, mode: str, events: int
) -> list[Any]:
    """One row of the table."""
    rate = _RATES.get(sockets, 20.0) if mode == "paced" else 0.0
    await readers.ask("begin", mode == "paced")
    used, began = seconds(server.process), time.monotonic()
    times = await server.send(1, events, rate, 20)
    ended = await readers.received(events * sockets)
    used = seconds(server.process) - used
    frames = events * sockets
    late: list[float] = []
    if rate:
        late = [(at - times[n - 1]) * 1000 for n, at in await readers.ask("seen")]
    return [
        server.name, sockets, mode, events, round(frames / (ended - began)),
        *(round(percentile(late, part), 2) if late else "" for part in (0.5, 0.99)),
        round(used, 2), round(frames / max(used, 0.01)),
    ]  # fmt: skip


async def fan_out(server: Server, sockets: int, quick: bool) -> list[list[Any]]:
    """Paced, then (to more than one) three bursts, of which the median."""
    frames = 100_000 if quick else 400_000
    with clients() as readers:
        await readers.ask("connect", server.port, server.path, server.token, sockets)
        await asyncio.sleep(1)
        await measure(server, readers, sockets, "burst", max(20, 20_000 // sockets))  # warm
        paced = int(_RATES.get(sockets, 20.0) * (5 if quick else 20))
        rows = [await measure(server, readers, sockets, "paced", paced)]
        if sockets == 1:
            return rows
        bursts = [
            await measure(server, readers, sockets, "burst", frames // sockets) for _ in range(3)
        ]
        return [*rows, sorted(bursts, key=lambda row: row[-1])[1]]


async def idle(server: Server, sockets: int) -> list[Any]:
    """Memory that an open connection without traffic takes in the server's process."""
    with clients() as readers:
        await readers.ask("connect", server.port, server.path, server.token, 10)
        await asyncio.sleep(1)
        before = server.process.memory_full_info().uss
        await readers.ask("connect", server.port, server.path, server.token, sockets)
        await asyncio.sleep(2)
        after = server.process.memory_full_info().uss
    return [server.name, sockets, round((after - before) / sockets / 1024, 1)]


async def main(sizes: list[int], idle_sockets: int, quick: bool) -> None:
    """Every server in turn, in processes of their own."""
    with tempfile.TemporaryDirectory(prefix="ws-") as folder:
        node = node_ws(Path(folder))
        python = [sys.executable, str(_HERE / "bare_websockets.py"), *template()]
        starts: list[Callable[[], Any]] = [
            lambda: ours(max([*sizes, idle_sockets])),
            *([lambda: bare("Node ws", *node)] if node else []),
            lambda: bare("websockets", *python),
        ]
        rows, memory = [], []
        for size in sizes:
            for start in starts:
                async with start() as server:
                    rows += await fan_out(server, size, quick)
        for start in starts if idle_sockets else ():
            async with start() as server:
                memory.append(await idle(server, idle_sockets))
    report("Fan-out of one event to many sockets", _HEAD, rows)
    if memory:
        report("Memory of an idle socket", ("server", "sockets", "KiB each"), memory)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", default="1,100,1000")
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    asyncio.run(main([int(one) for one in given.sockets.split(",")], given.idle, given.quick))
