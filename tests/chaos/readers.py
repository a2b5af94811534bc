"""A WebSocket, a stream and a webhook through faults: all three end with the same list of events.

    python -m tests.chaos.readers [--minutes 10] [--seed 1] [--json FILE]

A whole gateway with a Redis of its own, real traffic over the sandbox, and faults at random:
connections of the readers cut, HTTP and webhook workers killed, Redis restarted. In the end the
log itself, read by REST, says what there was.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.chaos.servers import Redis, until
from tests.chaos.three import StreamReader, WebhookReader, WebSocketReader
from tests.chaos.wires import Proxy
from tests.e2e.webhooks.receivers import receiver
from tests.support.gateway import Gateway, Linked, Tenant

_SETTINGS = {
    "WA_HTTP_WORKERS": "2",
    "WA_HTTP_HEARTBEAT_SECONDS": "2",
    "WA_SESSIONS_LEASE_SECONDS": "4",
    "WA_WEBHOOKS_ALLOW_HTTP": "true",
    "WA_WEBHOOKS_ALLOW_PRIVATE": "127.0.0.1",
    "WA_WEBHOOKS_RETRY_SECONDS": ",".join(["1"] * 60),
}
_FRIENDS = 6
_SETTLE = 60.0


@dataclass
class Scene:
    """Everything that takes part."""

    gateway: Gateway
    tenant: Tenant
    redis: Redis
    session: Linked
    friends: list[str]
    proxy: Proxy
    ws: WebSocketReader
    sse: StreamReader
    hook: WebhookReader
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def send(self) -> None:
        """Send by REST twice a second; each until it is accepted, under one key."""
        number = 0
        headers = {"Authorization": f"Bearer {self.tenant.rest.credential}"}
        path = f"{self.gateway.url}/v1/sessions/{self.session.session}/messages"
        async with httpx.AsyncClient(headers=headers, timeout=5, trust_env=False) as client:
            while True:
                number += 1
                body = {"to": self.friends[number % _FRIENDS], "text": {"body": f"out {number}"}}
                key = {"Idempotency-Key": f"out-{number}"}
                with contextlib.suppress(httpx.HTTPError):
                    while (await client.post(path, json=body, headers=key)).status_code >= 500:
                        await asyncio.sleep(0.2)
                await asyncio.sleep(0.5)

    async def log(self, after: str) -> list[str]:
        """What there was, by REST."""
        ids: list[str] = []
        while True:
            page = await self.tenant.rest.get("/events", after=after, limit=1000)
            ids += [one["id"] for one in page["items"]]
            after = page["next"]
            if not page["more"]:
                return ids


@asynccontextmanager
async def scene(folder: Path, seed: int, rate: float) -> AsyncIterator[Scene]:
    """A gateway with a linked session, traffic, and three readers from the same cursor on."""
    async with AsyncExitStack() as stack:
        redis = Redis(folder, "127.0.0.1")
        stack.push_async_callback(redis.end)
        await redis.start()
        start = Gateway.start(folder, WA_REDIS_URL=redis.url, **_SETTINGS)
        gateway = await stack.enter_async_context(start)
        tenant = await gateway.tenant()
        async with tenant.feed() as feed:
            session = await tenant.link_session(feed)
        phones = [await tenant.new_phone(f"Friend {n}") for n in range(_FRIENDS)]
        proxy = Proxy("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        await proxy.start()
        stack.push_async_callback(proxy.close)
        hook = WebhookReader(random.Random(seed))
        hook.receiver = await stack.enter_async_context(receiver(hook.answer))
        made = await tenant.rest.post("/webhooks", {"url": hook.receiver.url})
        hook.secret = made["secret"]
        where = (f"http://127.0.0.1:{proxy.port}", tenant.rest.credential, made["cursor"])
        friends = [phone["number"] for phone in phones]
        made_scene = Scene(
            gateway, tenant, redis, session, friends, proxy,
            WebSocketReader(*where), StreamReader(*where), hook,
        )  # fmt: skip
        load = {"phones": [one["phone"] for one in phones], "to": [session.number], "rate": rate}
        load = await tenant.rest.post("/sandbox/load", load)
        runs = (made_scene.send(), made_scene.ws.run(), made_scene.sse.run())
        made_scene.tasks = [asyncio.create_task(one) for one in runs]
        try:
            yield made_scene
            for task in made_scene.tasks:  # none of them ended by itself
                assert task.cancelled() or not task.done(), task.exception()
        finally:
            for task in made_scene.tasks:
                task.cancel()
            await asyncio.gather(*made_scene.tasks, return_exceptions=True)


# ── faults ──


async def _cut_readers(on: Scene) -> None:
    on.proxy.drop()


async def _cut_webhooks(on: Scene) -> None:
    on.hook.receiver.close()


def _kill(role: str) -> Callable[[Scene], Awaitable[None]]:
    async def do(on: Scene) -> None:
        found = on.gateway.children(role)
        if found:
            on.hook.chance.choice(found).kill()

    return do


async def _restart_redis(on: Scene) -> None:
    await on.redis.end(signal.SIGTERM)
    await asyncio.sleep(on.hook.chance.uniform(0, 1))
    await on.redis.start()


FAULTS: dict[str, tuple[Callable[[Scene], Awaitable[None]], float]] = {
    "readers' connections cut": (_cut_readers, 6),
    "webhook connections cut": (_cut_webhooks, 3),
    "HTTP worker killed": (_kill("http"), 2),
    "webhook worker killed": (_kill("webhooks"), 2),
    "Redis restarted": (_restart_redis, 1),
}


# ── a run ──


async def run(
    *, seconds: float, seed: int, rate: float = 20.0, rest: float = 2.0, say: Any = print
) -> dict[str, Any]:
    """Each fault once and then at random, for so many seconds; then the comparison."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="wa-") as folder:
        async with scene(Path(folder), seed, rate) as on:
            start = on.ws.cursor
            struck = await _strike(on, chance, seconds, rest, say)
            await on.tenant.rest.post(f"/sessions/{on.session.session}/stop")
            on.tasks[0].cancel()  # the sender; what it said is in the log
            log = await _settled(on, start)
            return _report(on, log, struck, seconds, seed)


async def _strike(
    on: Scene, chance: random.Random, seconds: float, rest: float, say: Any
) -> Counter[str]:
    struck: Counter[str] = Counter()
    first = list(FAULTS)
    chance.shuffle(first)
    end = time.monotonic() + seconds
    while first or time.monotonic() < end:
        await asyncio.sleep(rest * chance.uniform(0.5, 1.5))
        weights = [weight for _, weight in FAULTS.values()]
        name = first.pop() if first else chance.choices(list(FAULTS), weights)[0]
        await FAULTS[name][0](on)
        struck[name] += 1
        say(f"{name}: {len(on.ws.ids)} / {len(on.sse.ids)} / {len(on.hook.ids)} events so far")
    return struck


async def _settled(on: Scene, start: str) -> list[str]:
    """Wait until nothing more happens and all readers have it, or for `_SETTLE` seconds; the log."""
    log: list[str] = []

    async def everywhere() -> bool:
        nonlocal log
        before, log = log, await on.log(start)
        wanted = len(log)
        there = (on.ws.ids, on.sse.ids, on.hook.ids)
        await asyncio.sleep(1)
        return before == log and all(len(ids) >= wanted for ids in there)

    with contextlib.suppress(AssertionError):  # the comparison says what is missing
        await until(everywhere, _SETTLE, "the readers do not get to the log's end")
    return log


def _report(
    on: Scene, log: list[str], struck: Counter[str], seconds: float, seed: int
) -> dict[str, Any]:
    wrong = [*on.ws.wrong, *on.sse.wrong, *on.hook.wrong]
    wrong += [f"WebSocket: {one}" for one in _differences(log, on.ws.ids)]
    wrong += [f"stream: {one}" for one in _differences(log, on.sse.ids)]
    wrong += [f"webhook: {one}" for one in _differences(log, sorted(on.hook.ids, key=int))]
    wrong += [f"webhook: {chat} out of order" for chat in on.hook.disorder()]
    return {
        "passed": not wrong,
        "seconds": seconds,
        "seed": seed,
        "faults": dict(struck),
        "events": len(log),
        "websocket_connections": on.ws.connections,
        "stream_connections": on.sse.connections,
        "webhook_requests": len(on.hook.receiver.requests),
        "webhook_repeats": on.hook.repeats,
        "wrong": wrong[:50],
    }


def _differences(log: list[str], ids: list[str]) -> list[str]:
    """How a reader's list is not the log's."""
    if ids == log:
        return []
    missing, count = set(log) - set(ids), Counter(ids)
    repeated = [one for one, times in count.items() if times > 1]
    found = [f"missing {one}" for one in sorted(missing)] + [f"twice {one}" for one in repeated]
    found += [f"not in the log: {one}" for one in sorted(set(ids) - set(log))]
    return found or ["out of order"]


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.readers", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=20.0, help="messages per second, inbound")
    parser.add_argument("--json", type=Path, help="write the report there")
    options = parser.parse_args()
    report = asyncio.run(
        run(seconds=options.minutes * 60, seed=options.seed, rate=options.rate, rest=5.0)
    )
    text = orjson.dumps(report, option=orjson.OPT_INDENT_2)
    print(text.decode())
    if options.json:
        options.json.write_bytes(text)
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
