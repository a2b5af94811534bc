"""Sessions under the supervisor: the demo, deaths of owners, operators' orders, stops in pairing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.serve.test_lifecycle import assert_clean
from tests.support.gateway import Gateway, Linked, Tenant, alive, eventually
from wa_api.bus.embedded import socket_path
from wa_api.bus.open import open_bus
from wa_api.demo.client import Feed, Rest
from wa_api.domain.ids import SessionId

pytestmark = pytest.mark.e2e


Servers = dict[str, str]


def wa_api(place: Path, servers: Servers, *arguments: str) -> str:
    """Run a command against the gateway of that data directory; its output."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("WA_")}
    done = subprocess.run(
        [sys.executable, "-m", "wa_api", *arguments],
        env={**env, **servers, "WA_DATA_DIR": str(place / "data"), "WA_LOG_LEVEL": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def owner(place: Path, servers: Servers, session: str) -> str:
    """Which worker holds the session's lease; "" when none."""
    url = servers.get("WA_REDIS_URL") or f"unix://{socket_path(place / 'data' / 'redis')}"
    async with open_bus(url, servers.get("WA_REDIS_PREFIX", "wa:")) as bus:
        lease = (await bus.leases.owners([SessionId(session)])).get(SessionId(session))
        return str(lease.worker) if lease else ""


async def owner_process(gateway: Gateway, name: str) -> psutil.Process:
    """The process of a session worker."""
    for process in gateway.children("sessions", "sandbox"):
        if process.environ().get("WA_WORKER_ID") == name:
            return process
    raise AssertionError("nobody runs it")


async def connected_elsewhere(events: Feed, linked: Linked, old: str, limit: float) -> float:
    """Wait until another worker says that it has connected the session; when it did."""
    seen = await events.event(
        "session.state_changed",
        linked.session,
        limit,
        lambda data: bool(data["state"] == "connected" and data["worker"] != old),
    )
    return seen.at


async def talks(tenant: Tenant, linked: Linked) -> None:
    """A message goes out through the session."""
    other = await tenant.new_phone("Other")
    body = {"to": other["number"], "type": "text", "text": {"body": "still here"}}
    sent = await tenant.rest.post(f"/sessions/{linked.session}/messages", body, wait=20)
    assert sent["status"] in ("sent", "delivered", "read"), sent


def test_the_demo_succeeds(place: Path) -> None:
    """`wa-api demo`: two numbers linked by QR talk both ways, and the exit code says so."""
    done = subprocess.run(
        [sys.executable, "-m", "wa_api", "demo"],
        env={**os.environ, "TMPDIR": str(place)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("QR seen", "linked", "accepted", "on the wire", "received", "read"):
        assert word in done.stdout
    assert "▄" in done.stdout
    assert list(place.iterdir()) == []


@pytest.mark.proves("Horizontal scale, failover", "rest")
async def test_sessions_of_a_killed_worker_go_on_elsewhere_at_once(
    place: Path, servers: Servers
) -> None:
    """The supervisor frees a dead child's leases: nobody waits for them to expire."""
    async with Gateway.start(place, **servers, WA_SESSIONS_WORKERS="2") as gateway:
        tenant = await gateway.tenant()
        async with tenant.feed() as events:
            linked = await tenant.link_session(events)
            old = await owner(place, servers, linked.session)
            victim = await owner_process(gateway, old)
            victim.kill()
            killed = time.monotonic()
            moved = await connected_elsewhere(events, linked, old, 60)
            assert moved - killed < 4.0  # below the lease time of six seconds
            await talks(tenant, linked)


async def test_an_operator_sees_moves_and_drains(place: Path, servers: Servers) -> None:
    """`status` shows the owner; `move` and `drain` change it, and the session goes on."""
    async with Gateway.start(place, **servers, WA_SESSIONS_WORKERS="2") as gateway:
        tenant = await gateway.tenant()
        async with tenant.feed() as events:
            linked = await tenant.link_session(events)
            first = await owner(place, servers, linked.session)
            shown = await asyncio.to_thread(wa_api, place, servers, "status")
            line = next(line for line in shown.splitlines() if linked.session in line)
            assert first in line
            assert "connected" in line
            await asyncio.to_thread(wa_api, place, servers, "move", linked.session)
            await connected_elsewhere(events, linked, first, 60)
            second = await owner(place, servers, linked.session)
            assert second
            assert second != first
            drained = await owner_process(gateway, second)
            await asyncio.to_thread(wa_api, place, servers, "drain", second)
            await connected_elsewhere(events, linked, second, 60)
            await eventually(lambda: alive([drained]) == [])
            await talks(tenant, linked)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_it_stops_cleanly_in_the_middle_of_a_pairing(
    place: Path, servers: Servers, number: int
) -> None:
    """While a QR is shown and another session is connected: five seconds, no lease, no trace."""
    async with Gateway.start(place, **servers) as gateway:
        tenant = await gateway.tenant()
        async with tenant.feed() as events:
            await tenant.link_session(events)
            body = {"network": "sandbox", "start": True}
            session = (await tenant.rest.post("/sessions", body))["id"]
            await events.event("session.qr_issued", session, 60)
            processes = gateway.processes()
            began = time.monotonic()
            assert await gateway.served.stop(number, limit=8) == 0
            assert time.monotonic() - began < 5.0
        assert alive(processes) == []
        assert_clean(gateway.served.said())
    log = gateway.served.output.read_text()
    assert "serve.killed" not in log, log[-3000:]
    assert "serve.freed" not in log, "a worker left a lease behind"


@pytest.mark.proves("Restore at boot")
async def test_a_linked_session_connects_again_after_a_restart(
    place: Path, servers: Servers
) -> None:
    """Stop everything, start it again in the same place: the session is back without a scan."""
    async with Gateway.start(place, **servers) as gateway:
        tenant = await gateway.tenant()
        credential = tenant.rest.credential
        async with tenant.feed() as events:
            linked = await tenant.link_session(events)
    async with Gateway.start(place, **servers) as gateway:
        rest = Rest(gateway.url, credential)
        try:
            async with asyncio.timeout(60):
                while (await rest.get(f"/sessions/{linked.session}"))["state"] != "connected":
                    await asyncio.sleep(0.1)
            again = Tenant(tenant.id, rest, gateway.url)
            await talks(again, linked)
        finally:
            await rest.close()
