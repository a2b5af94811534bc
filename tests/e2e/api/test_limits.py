"""What one caller may use of one HTTP process."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.api.conftest import Gateway, Process, Tenant, end, environment, start_http
from tests.e2e.api.sockets import opened

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def process(gateway: Gateway) -> Iterator[Process]:
    """One more process of the gateway, with tight limits."""
    started = start_http(
        environment(
            gateway.directory,
            gateway.redis_url,
            gateway.prefix,
            WA_DATABASE_URL=gateway.database_url,
            WA_HTTP_SOCKETS_PER_CALLER="2",
            WA_HTTP_FRAMES_PER_SECOND="5",
            WA_HTTP_FRAME_BYTES="4096",
        )
    )
    yield started
    assert end(started.process) == 0


async def test_a_caller_has_so_many_connections(
    process: Process, tenant: Tenant, stranger: Tenant
) -> None:
    """Sockets, streams and polls count together; another caller, and a closed one, are no matter."""
    async with httpx.AsyncClient(base_url=process.url, headers=tenant.headers) as client:
        async with opened(process.ws, tenant.key), opened(process.ws, tenant.key):
            async with opened(process.ws, tenant.key) as third:
                assert await third.closed() == (4029, "too_many_sockets")
            for path in ("/v1/events/stream", "/v1/events?wait=5"):
                refused = await client.get(path)
                assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
                assert refused.headers["retry-after"]
            async with opened(process.ws, stranger.key) as other:
                assert other.hello["tenant"] == stranger.id
        assert (await client.get("/v1/events?wait=0.01")).status_code == 200


async def test_a_caller_may_send_so_many_frames(process: Process, tenant: Tenant) -> None:
    """Beyond that they are refused, whichever of its sockets they came by; then it is closed."""
    async with opened(process.ws, tenant.key) as one, opened(process.ws, tenant.key) as two:
        for n in range(10):
            await (one, two)[n % 2].send({"type": "ping", "ref": n})
        for socket in (one, two):
            assert [(await socket.next())["type"] for _ in range(5)] == ["pong"] * 5
        await two.send({"type": "ping", "ref": "more"})
        refused = await two.next()
        assert (refused["type"], refused["ref"]) == ("error", "more")
        assert refused["error"]["code"] == "too_many_requests"
        for _ in range(40):
            await two.send({"type": "ping"})
        assert await two.closed() == (4009, "protocol_error")
        assert one.connection.close_code is None


async def test_a_frame_has_so_many_bytes(process: Process, tenant: Tenant) -> None:
    """A larger one closes the socket with the code that says so."""
    async with opened(process.ws, tenant.key) as socket:
        await socket.send({"type": "ping", "ref": "x" * 100})
        await socket.next(types=("pong",))
        await socket.send({"type": "ping", "ref": "x" * 5000})
        assert (await socket.closed())[0] == 1009
