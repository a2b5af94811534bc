"""One HTTP process: readiness, figures, stopping, losing Redis, slow readers."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.api.conftest import Gateway, Process, Tenant, end, environment, start_http
from tests.e2e.api.owner import Owner
from tests.e2e.api.sockets import opened
from wa_api.domain.events import now

pytestmark = pytest.mark.e2e


@pytest.fixture
def process(gateway: Gateway) -> Iterator[Process]:
    """A process for one test alone."""
    env = environment(
        gateway.directory,
        gateway.redis_url,
        gateway.prefix,
        WA_HTTP_BUFFER_BYTES="65536",
        WA_HTTP_HEARTBEAT_SECONDS="60",  # who does not read does not answer pings either
    )
    started = start_http(env)
    yield started
    if started.process.poll() is None:
        end(started.process)


@pytest.mark.proves("Prometheus", "rest")
@pytest.mark.proves("Health, JSON logs", "rest")
async def test_health_and_figures(client: httpx.AsyncClient, gateway: Gateway) -> None:
    """Both checks need no token; figures go to this machine only, and not through a proxy."""
    assert (await client.get("/healthz")).json()["status"] == "ok"
    ready = (await client.get("/readyz")).json()
    assert ready["checks"] == {"redis": "ok", "database": "ok", "process": "ok"}
    async with httpx.AsyncClient(base_url=gateway.url) as stranger:
        await client.get("/v1/sessions")
        page = (await stranger.get("/metrics")).text
        assert 'wa_http_requests_total{operation="sessions.list_all",status="200"}' in page
        refused = await stranger.get("/metrics", headers={"X-Forwarded-For": "203.0.113.1"})
        assert refused.status_code == 401


async def test_the_fleet_lists_this_process(admin: httpx.AsyncClient, gateway: Gateway) -> None:
    """Platform administrators see who lives, with their process ids."""
    workers = (await admin.get("/v1/fleet")).json()["workers"]
    assert {p.process.pid for p in gateway.processes} <= {w["pid"] for w in workers}
    assert {w["state"] for w in workers} == {"ready"}
    assert min(w["figures"]["rss_bytes"] for w in workers) > 1e7


async def test_the_fleet_shows_who_owns_what(
    admin: httpx.AsyncClient, client: httpx.AsyncClient, owner: Owner
) -> None:
    """Platform administrators see owner, epoch, state and reason of every session."""
    shown = (await admin.get("/v1/fleet/sessions?limit=200")).json()["items"]
    mine = next(one for one in shown if one["id"] == owner.session)
    assert (mine["owner"], mine["epoch"]) == (owner.lease.worker, owner.lease.epoch)
    assert (mine["state"], mine["reason"]) == ("connected", "linked")
    assert mine["since"] <= now()
    assert (await client.get("/v1/fleet/sessions")).status_code == 403


async def test_sigterm_finishes_requests_and_sends_sockets_elsewhere(
    process: Process, tenant: Tenant, owner: Owner, admin: httpx.AsyncClient
) -> None:
    """A request in flight is answered, sockets get 1012, new connections are not taken."""
    slow = asyncio.Event()
    reached = asyncio.Event()
    answer_command = owner.on_command

    async def slowly(command: object) -> None:
        reached.set()
        await slow.wait()
        await answer_command(command)  # type: ignore[arg-type]

    await owner.bus.inbox.detach(owner.session)
    owner.bus.inbox.attach(owner.lease, slowly)
    path = f"/v1/sessions/{owner.session}/messages?wait=5"
    body = {"to": "5511999990000", "text": {"body": "hi"}}
    async with (
        httpx.AsyncClient(base_url=process.url, headers=tenant.headers, timeout=10) as client,
        opened(process.ws, tenant.key) as socket,
    ):
        sending = asyncio.create_task(client.post(path, json=body))
        await asyncio.wait_for(reached.wait(), 10)
        process.process.send_signal(signal.SIGTERM)
        assert await socket.closed() == (1012, "restart")
        slow.set()
        answer = await sending
        assert (answer.status_code, answer.json()["status"]) == (200, "sent")
        with pytest.raises(httpx.TransportError):
            await client.get("/healthz")
    assert await asyncio.to_thread(process.process.wait, 5) == 0
    workers = (await admin.get("/v1/fleet")).json()["workers"]
    assert process.process.pid not in {w["pid"] for w in workers}


async def test_sigterm_does_not_wait_for_clients_that_do_nothing(
    process: Process, tenant: Tenant
) -> None:
    """Idle connections, polls and silent sockets end within the time to drain."""
    headers = tenant.headers
    async with httpx.AsyncClient(base_url=process.url, headers=headers, timeout=70) as client:
        await client.get("/v1/sessions")
        polling = asyncio.create_task(client.get("/v1/events?wait=60"))
        host, port = process.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/auth/token HTTP/1.1\r\nContent-Length: 100\r\n")
        await asyncio.sleep(0.3)
        started = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        assert (await polling).json()["items"] == []
        assert await asyncio.to_thread(process.process.wait, 6) == 0
        assert time.monotonic() - started < 5
        writer.close()


async def test_a_client_that_does_not_read_is_cut_off_and_others_are_not(
    process: Process, tenant: Tenant, owner: Owner
) -> None:
    """What waits for one is bounded; everybody else gets everything, and it can resume."""
    async with opened(process.ws, tenant.key) as healthy:
        host, port = process.url.removeprefix("http://").split(":")
        # The kernel holds little for it, and one burst is less than the process holds for anybody:
        # only who never reads falls behind, however slow the machine.
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.connect((host, int(port)))
        reader, writer = await asyncio.open_connection(sock=small, limit=1024)
        writer.write(
            f"GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {tenant.key}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 101")
        transport = writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]
        closed = 0
        try:
            async with asyncio.timeout(60):
                while not closed:
                    cursors = await owner.say_many(100)
                    for cursor in cursors:
                        assert (await healthy.event("chat.typing_changed"))["id"] == cursor
                    page = httpx.Response(200, content=await _metrics(process)).text
                    closed = page.count('wa_feed_closed_total{code="4008"} 1.0')
        finally:
            transport.abort()


async def _metrics(process: Process) -> bytes:
    async with httpx.AsyncClient(base_url=process.url) as client:
        return (await client.get("/metrics")).content
