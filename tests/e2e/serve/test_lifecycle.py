"""`wa-api serve`: it comes up, survives the death of any of its processes, and goes down."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.gateway import Gateway, alive, eventually, modes
from wa_api.demo.process import served

pytestmark = pytest.mark.e2e

#: How each role's process can be told by its command line.
ROLES = {
    "http": ("http",),
    "sessions-whatsapp": ("sessions", "whatsapp"),
    "sessions-sandbox": ("sessions", "sandbox"),
    "webhooks": ("webhooks",),
    "sandbox": ("workers", "sandbox"),
    "redis": ("valkey-server",),
}
#: Workers of both networks.
ALL = {"WA_SESSIONS_NETWORKS": ""}


def one(gateway: Gateway, role: str) -> psutil.Process | None:
    """The process of a role, if there is one now."""
    found = [
        process
        for process in gateway.children(*ROLES[role])
        if role != "sandbox" or "sessions" not in process.cmdline()
    ]
    return found[0] if found else None


async def test_it_comes_up_guarded_and_lets_the_administrator_in_once(place: Path) -> None:
    """One command serves; keys are for their owner only; the printed token works once."""
    async with Gateway.start(place, **ALL) as gateway:
        assert httpx.get(f"{gateway.url}/readyz", timeout=5).status_code == 200
        for role in ROLES:
            assert one(gateway, role) is not None, role
        admin = await gateway.admin()
        assert (await admin.get("/auth/me"))["scopes"] == ["platform:admin"]
        again = httpx.post(
            f"{gateway.url}/v1/auth/token",
            json={"grant_type": "one_time", "token": gateway.served.token},
            timeout=5,
        )
        assert again.status_code == 401
        assert place.joinpath("data").stat().st_mode & 0o777 == 0o700
        secret = {"jwt-secret", "serve.json", "wa-api.sqlite3"}
        kept = modes(place / "data")
        assert {kept[name] for name in secret} == {"0o600"}


async def test_any_process_that_is_killed_is_replaced_within_a_second(place: Path) -> None:
    """SIGKILL of each role in turn: another process is started at once, and it works."""
    async with Gateway.start(place, **ALL) as gateway:
        for role in ROLES:
            victim = one(gateway, role)
            assert victim is not None, role
            victim.kill()
            began = time.monotonic()
            await eventually(
                lambda role=role, pid=victim.pid: (  # type: ignore[misc]
                    (found := one(gateway, role)) is not None and found.pid != pid
                ),
                why=f"{role} was not replaced",
            )
            assert time.monotonic() - began < 1.0, role
        await eventually(lambda: ready(gateway.url), limit=30, why="it did not recover")


def ready(url: str) -> bool:
    """Whether a request is answered, and all that it needs is there."""
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


async def test_no_request_hangs_or_is_refused_while_an_http_worker_is_dead(place: Path) -> None:
    """Connections wait in the queue of the shared socket, and the next worker answers them."""
    async with Gateway.start(place) as gateway:
        victim = one(gateway, "http")
        assert victim is not None
        victim.kill()
        victim.wait(5)
        async with httpx.AsyncClient(timeout=30) as client:
            answers = await asyncio.gather(
                *(client.get(f"{gateway.url}/healthz") for _ in range(20))
            )
        assert [answer.status_code for answer in answers] == [200] * 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_signal_ends_everything_within_five_seconds(place: Path, number: int) -> None:
    """Nothing is left: no process, no ready file, and no traceback in what was printed."""
    async with Gateway.start(place, **ALL) as gateway:
        processes = gateway.processes()
        assert len(processes) >= 7
        began = time.monotonic()
        assert await gateway.served.stop(number, limit=8) == 0
        assert time.monotonic() - began < 5.0
        assert alive(processes) == []
        assert not (place / "data" / "serve.json").exists()
        assert_clean(gateway.served.said())


def assert_clean(output: str) -> None:
    """Nothing that looks like a crash."""
    for word in ("Traceback", "goroutine ", "SIGABRT", "Fatal Python error", "fatal error:"):
        assert word not in output, output[-3000:]


async def test_a_second_ctrl_c_ends_it_at_once(place: Path) -> None:
    """Who is in a hurry does not wait for a stubborn process."""
    async with Gateway.start(place) as gateway:
        processes = gateway.processes()
        stopped = one(gateway, "webhooks")
        assert stopped is not None
        stopped.suspend()  # it cannot react to SIGTERM
        gateway.served.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        assert await gateway.served.stop(signal.SIGINT, limit=5) == 0
        assert time.monotonic() - began < 4
        assert alive(processes) == []


async def test_a_signal_during_the_start_ends_it_too(place: Path) -> None:
    """Ctrl+C before anything is ready is as clean as afterwards."""
    for pause in (0.3, 1.5, 3.0):
        async with served(place, {"WA_HTTP_WORKERS": "1"}, ready=False) as gateway:
            await asyncio.sleep(pause)
            parent = psutil.Process(gateway.process.pid)
            processes = [parent, *parent.children(recursive=True)]
            code = await gateway.stop(signal.SIGINT, limit=8)
            await eventually(lambda left=processes: alive(left) == [])  # type: ignore[misc]
            assert code in (0, 130, -signal.SIGINT), gateway.said()
            assert_clean(gateway.said())


async def test_nothing_outlives_a_killed_supervisor(place: Path) -> None:
    """SIGKILL of the parent: every child ends with it, and the next start works."""
    async with Gateway.start(place, **ALL) as gateway:
        processes = gateway.processes()
        await gateway.served.stop(signal.SIGKILL)
        await eventually(lambda: alive(processes) == [], why="an orphan is left")
    async with Gateway.start(place) as gateway:
        assert ready(gateway.url)


async def test_a_hung_process_is_replaced(place: Path) -> None:
    """SIGSTOP: missed heartbeats give it away."""
    async with Gateway.start(place, WA_SERVE_HUNG_SECONDS="7") as gateway:
        for role in ("http", "sessions-sandbox"):
            victim = one(gateway, role)
            assert victim is not None
            victim.suspend()
        for role in ("http", "sessions-sandbox"):
            await eventually(
                lambda role=role: (  # type: ignore[misc]
                    (found := one(gateway, role)) is not None
                    and found.status() != psutil.STATUS_STOPPED
                ),
                limit=30,
                why=f"{role} was not replaced",
            )
        await eventually(lambda: ready(gateway.url), limit=30)


async def test_a_rolling_restart_replaces_every_process_and_refuses_no_request(
    place: Path,
) -> None:
    """SIGHUP: each role gets a new process, while requests go on being answered."""
    async with Gateway.start(place, **ALL) as gateway:
        rolled = ("http", "sessions-whatsapp", "sessions-sandbox", "webhooks")
        before = {role: process.pid for role in rolled if (process := one(gateway, role))}
        gateway.served.process.send_signal(signal.SIGHUP)
        statuses: list[int] = []

        async def ask() -> None:
            # A new connection for each: a kept one may be closed by the worker that leaves.
            while "serve.rolled" not in gateway.served.said():
                async with httpx.AsyncClient(timeout=10) as client:
                    statuses.append((await client.get(f"{gateway.url}/healthz")).status_code)

        await asyncio.wait_for(ask(), 60)
        after = {role: process.pid for role in rolled if (process := one(gateway, role))}
        assert set(before) == set(after) == set(rolled)
        assert not set(before.values()) & set(after.values())
        assert set(statuses) == {200}
