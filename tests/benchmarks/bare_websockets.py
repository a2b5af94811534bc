"""A bare broadcast with Python's `websockets` on uvloop, to compare with.

python bare_websockets.py BEFORE AFTER
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import orjson
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def run(
    connections: set[ServerConnection], frame: tuple[str, str], asked: dict[str, Any]
) -> list[float]:
    """Send so many frames to everybody, at a rate or `step` at a time; when each was sent."""
    times: list[float] = []
    start, count, rate = time.monotonic(), asked["count"], asked["rate"]
    while len(times) < count:
        due = len(times) + asked["step"]
        if rate:
            due = int((time.monotonic() - start) * rate) + 1
        while len(times) < min(due, count):
            number = asked["first"] + len(times)
            times.append(time.monotonic())
            broadcast(connections, f"{frame[0]}{number:012}{frame[1]}")
        await asyncio.sleep(0.005 if rate else 0)
    return times


async def main(before: str, after: str) -> None:
    """Serve until the standard input ends."""
    connections: set[ServerConnection] = set()

    async def handle(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.discard(connection)

    async with serve(
        handle, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=1024
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            times = await run(connections, (before, after), orjson.loads(line))
            print(orjson.dumps(times).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:3]))
