"""The bus beside plain redis-py on the same server: `python tests/benchmarks/bus.py [redis-url]`.

Without a URL it starts an embedded server. Prints operations a second, CPU per operation of this
process (both ends run in it) and the ratios; only the ratios mean something on another machine.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import redis.asyncio
import structlog

from wa_api.bus.embedded import run_embedded
from wa_api.bus.open import Bus, open_bus
from wa_api.bus.ports import Lease
from wa_api.bus.tasks import Tasks
from wa_api.domain.commands import Command, Reply
from wa_api.domain.events import Event
from wa_api.domain.ids import SessionId, TenantId, WorkerId, new_id

COUNT, SIDE_BY_SIDE, ROUNDS = 5_000, 64, 3
BODY = "x" * 800


async def measure(operation: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """(operations a second, CPU microseconds each), the best of some rounds."""

    async def worker() -> None:
        for _ in range(COUNT // SIDE_BY_SIDE):
            await operation()

    best = (0.0, 0.0)
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(worker() for _ in range(SIDE_BY_SIDE)))
        took = time.perf_counter() - wall
        best = max(best, (COUNT / took, (time.process_time() - cpu) / COUNT * 1e6))
    return best


def answering(bus: Bus, lease: Lease, tasks: Tasks) -> None:
    """An owner that answers at once, side by side as a session's lanes do."""

    async def answer(command: Command) -> None:
        await bus.inbox.finish(lease, command, Reply(id=command.id, data={"status": "sent"}))

    async def take(command: Command) -> None:
        tasks.spawn(answer(command))

    bus.inbox.attach(lease, take)


async def plain_rpc(url: str, prefix: str, stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
    """Request and reply with redis-py: XADD, and a reply by PUBLISH."""
    client, owner = (redis.asyncio.from_url(url, socket_timeout=None) for _ in range(2))
    heard = client.pubsub()
    await heard.subscribe(f"{prefix}replies")
    waiting: dict[bytes, asyncio.Future[None]] = {}

    async def listen() -> None:
        async for message in heard.listen():
            if message["type"] == "message":
                waiting.pop(message["data"]).set_result(None)

    tasks = [asyncio.create_task(_serve(owner, prefix)), asyncio.create_task(listen())]
    stack.push_async_callback(_close, tasks, heard, client, owner)

    async def call() -> None:
        name = secrets.token_hex(8).encode()
        waiting[name] = asyncio.get_running_loop().create_future()
        answer = waiting[name]
        await client.xadd(f"{prefix}in", {"id": name, "data": BODY})
        await answer

    return call


async def _serve(owner: redis.asyncio.Redis, prefix: str) -> None:
    last = "0-0"
    while True:
        for _, entries in (await owner.xread({f"{prefix}in": last}, block=1000)) or []:
            async with owner.pipeline(transaction=False) as pipe:
                for last, fields in entries:
                    pipe.xdel(f"{prefix}in", last)
                    pipe.publish(f"{prefix}replies", fields[b"id"])
                await pipe.execute()


async def _close(tasks: list[asyncio.Task[None]], *clients: redis.asyncio.Redis) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for client in clients:
        await client.aclose()


async def compare(url: str) -> None:
    """Print the table."""
    prefix = f"bench-{secrets.token_hex(4)}:"
    tenant, session = TenantId(new_id("ten")), SessionId(new_id("ses"))
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(url, prefix, 60, most_entries=10**9))
        plain = redis.asyncio.from_url(url, socket_timeout=None)
        stack.push_async_callback(plain.aclose)
        lease = await bus.leases.acquire(session, WorkerId(new_id("wrk")))
        assert lease is not None
        tasks = Tasks()
        stack.push_async_callback(tasks.close)
        answering(bus, lease, tasks)
        event = Event(type="x.happened", tenant=tenant, time="", data={"text": BODY})
        stop = await bus.feed.follow(tenant, lambda *_: None)
        stack.push_async_callback(stop)

        async def xadd_publish() -> None:
            async with plain.pipeline(transaction=True) as pipe:
                pipe.xadd(f"{prefix}log", {"e": BODY})
                pipe.publish(f"{prefix}events", BODY)
                await pipe.execute()

        def call() -> Awaitable[Reply]:
            return bus.commands.call(
                Command(
                    id=new_id("cmd"),
                    tenant=tenant,
                    session=session,
                    name="message.send",
                    data={"text": BODY},
                    deadline=time.time() + 30,
                )
            )

        rows = {
            "append and follow": (lambda: bus.log.append([event], lease), xadd_publish),
            "call and reply": (call, await plain_rpc(url, prefix, stack)),
            "ping": (bus.ping, plain.ping),
        }
        print(f"{'':20}{'bus/s':>10}{'us':>7}{'redis-py/s':>12}{'us':>7}{'ratio':>8}")
        for name, (ours, theirs) in rows.items():
            (rate, cpu), (rate2, cpu2) = await measure(ours), await measure(theirs)
            print(f"{name:20}{rate:10.0f}{cpu:7.0f}{rate2:12.0f}{cpu2:7.0f}{rate / rate2:8.2f}")
        async for key in plain.scan_iter(f"{prefix}*"):
            await plain.unlink(key)


async def main() -> None:
    """With the given server, or one of our own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    if len(sys.argv) > 1:
        return await compare(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        async with run_embedded(Path(directory)) as server:
            return await compare(server.url)


if __name__ == "__main__":
    asyncio.run(main())
