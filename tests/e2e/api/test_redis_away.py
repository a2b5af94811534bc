"""Redis goes away and comes back: nothing falls over, and everybody is told."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.e2e.api.conftest import (
    Gateway,
    Process,
    Tenant,
    end,
    environment,
    start_http,
)
from tests.e2e.api.sockets import opened
from tests.support.servers import redis_server

pytestmark = pytest.mark.e2e


@pytest.fixture
def redis() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server for one test alone."""
    with redis_server() as started:
        yield started


@pytest.fixture
def process(gateway: Gateway, redis: tuple[str, subprocess.Popen[bytes]]) -> Iterator[Process]:
    """An HTTP process on that Redis and the common database."""
    env = environment(gateway.directory, redis[0], "t2:", WA_REDIS_TIMEOUT_SECONDS="0.5")
    started = start_http(env)
    yield started
    assert end(started.process) == 0


async def test_readers_are_told_and_requests_get_503(
    gateway: Gateway, process: Process, tenant: Tenant, redis: tuple[str, subprocess.Popen[bytes]]
) -> None:
    """Sockets stay open with a notice; what needs Redis is 503; what does not still works.

    A key that was revoked meanwhile, by a process that could not tell, closes its sockets then.
    """
    headers = tenant.headers
    async with (
        AsyncExitStack() as stack,
        httpx.AsyncClient(base_url=process.url, headers=headers, timeout=20) as client,
        opened(process.ws, tenant.key) as socket,
    ):
        body = {"name": "short", "scopes": ["events:read"]}
        key = (await client.post("/v1/api-keys", json=body)).json()
        revoked = await stack.enter_async_context(opened(process.ws, key["key"]))
        redis[1].send_signal(signal.SIGSTOP)
        assert (await socket.next(types=("notice",)))["notice"] == "bus_unavailable"
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["redis"]) == (503, "unavailable")
        assert (await client.get("/v1/sessions")).status_code == 200
        refused = await client.get("/v1/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.json()["retryable"] is True
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.delete(f"{gateway.url}/v1/api-keys/{key['id']}")).status_code == 204
        redis[1].send_signal(signal.SIGCONT)
        assert (await socket.next(types=("notice",)))["notice"] == "bus_available"
        async with asyncio.timeout(60):
            while (await client.get("/v1/events")).status_code != 200:
                await asyncio.sleep(0.05)
        assert (await client.get("/readyz")).status_code == 200
        assert await revoked.closed() == (4003, "token_revoked")
        await socket.send({"type": "ping", "ref": 1})
        assert (await socket.next(types=("pong",)))["ref"] == 1
