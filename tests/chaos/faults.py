"""What is done to a running world. Each fault says whom it hit and what may be lost by it."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import psutil

from tests.chaos.hosts import World, worker_of
from tests.chaos.sentinels import Sentinels
from tests.chaos.servers import until
from tests.chaos.traffic import Talk
from wa_api.domain.ids import SessionId, WorkerId


@dataclass
class Strike:
    """One fault that was carried out. Times are monotonic."""

    kind: str
    at: float
    until: float = 0.0  #: when it was undone
    recovered: float | None = None  #: when every session was connected again
    victims: list[str] = field(default_factory=list)  #: sessions of the process that was hit
    detail: str = ""
    skipped: str = ""
    cut_off: bool = False  #: the victims' host could not tell the network that it let go
    emptied: bool = False  #: Redis forgot everything: readers may be told again


@dataclass(frozen=True)
class Fault:
    """A kind of fault."""

    do: Callable[[Stage, Strike], Awaitable[None]]
    weight: float = 1.0
    may_lose: bool = False  #: inbound messages of its victims, bounded and counted
    measures: str = ""  #: "takeover" or "handover" of its victims


@dataclass
class Stage:
    """What a fault works on."""

    world: World
    talk: Talk
    random: random.Random
    lease: float

    async def owners(self) -> dict[str, str]:
        """Session to worker, of those that are owned (not held back after Redis lost data)."""
        sessions = [SessionId(line.session) for line in self.talk.lines]
        found = await self.world.bus.leases.owners(sessions)
        held = {str(session): str(lease.worker) for session, lease in found.items()}
        return {session: worker for session, worker in held.items() if worker != "forgotten"}

    async def hit(self, strike: Strike, processes: list[psutil.Process]) -> psutil.Process:
        """Choose a process; for a session worker one that owns something."""
        owners = await self.owners()
        busy = [each for each in processes if worker_of(each) in owners.values()]
        chosen = self.random.choice(busy or processes)
        name = worker_of(chosen)
        strike.victims = [session for session, owner in owners.items() if owner == name]
        strike.detail = f"{name} with {len(strike.victims)} sessions"
        return chosen

    async def all_of(self, strike: Strike, processes: list[psutil.Process]) -> None:
        """Note the sessions of all these."""
        names = {worker_of(each) for each in processes}
        strike.victims = [s for s, owner in (await self.owners()).items() if owner in names]
        strike.detail = f"{len(strike.victims)} sessions"


def _signal(role: str, number: int) -> Callable[[Stage, Strike], Awaitable[None]]:
    async def do(stage: Stage, strike: Strike) -> None:
        process = await stage.hit(strike, stage.world.workers(role))
        strike.at = time.monotonic()
        process.send_signal(number)

    return do


def _stop(role: str) -> Callable[[Stage, Strike], Awaitable[None]]:
    async def do(stage: Stage, strike: Strike) -> None:
        process = await stage.hit(strike, stage.world.workers(role))
        strike.at = time.monotonic()
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(stage.lease + 2.0)
        try:
            process.send_signal(signal.SIGCONT)
        except psutil.NoSuchProcess:
            strike.detail += ", killed while it was stopped"

    return do


async def _drain(stage: Stage, strike: Strike) -> None:
    process = await stage.hit(strike, stage.world.workers("sessions"))
    strike.at = time.monotonic()
    await stage.world.bus.fleet.tell(WorkerId(worker_of(process)), "drain")


async def _move(stage: Stage, strike: Strike) -> None:
    owners = await stage.owners()
    session = stage.random.choice(sorted(owners))
    strike.victims, strike.detail = [session], session
    strike.at = time.monotonic()
    await stage.world.bus.fleet.tell(WorkerId(owners[session]), "move", session)


async def _roll(stage: Stage, strike: Strike) -> None:
    host = stage.random.choice(stage.world.hosts)
    old = {each.pid for role in ("http", "sessions", "webhooks") for each in host.children(role)}
    await stage.all_of(strike, host.children("sessions"))
    strike.detail = f"host {host.name}, {strike.detail}"
    strike.at = time.monotonic()
    host.send(signal.SIGHUP)

    def all_new() -> bool:
        now = [each.pid for role in ("http", "webhooks") for each in host.children(role)]
        now += [each.pid for each in host.children("sessions")]
        return len(now) == len(old) and not old & set(now)

    await until(all_new, 120, "the rolling restart does not end")


async def _host(stage: Stage, strike: Strike) -> None:
    host = stage.world.b
    await stage.all_of(strike, host.children("sessions"))
    strike.at = time.monotonic()
    host.send(signal.SIGKILL)
    await asyncio.sleep(stage.lease + 4.0)
    await host.end(signal.SIGKILL)
    await host.start()


def _partition(*what: str) -> Callable[[Stage, Strike], Awaitable[None]]:
    async def do(stage: Stage, strike: Strike) -> None:
        world = stage.world
        await stage.all_of(strike, world.b.children("sessions"))
        strike.cut_off = not what
        strike.at = time.monotonic()
        world.wire.cut(*what)
        try:
            await asyncio.sleep(stage.lease + stage.random.uniform(1.0, 6.0))
        finally:
            world.wire.heal()

    return do


async def _redis_killed(stage: Stage, strike: Strike) -> None:
    redis = stage.world.redis
    await redis.end(signal.SIGKILL)
    pause = stage.random.choice([0.0, 1.0, 4.0, stage.lease + 3.0])
    strike.detail = f"away for {pause:.0f} s"
    await asyncio.sleep(pause)
    await redis.start()


async def _redis_restarted(stage: Stage, strike: Strike) -> None:
    await stage.world.redis.end(signal.SIGTERM)
    await stage.world.redis.start()


async def _redis_paused(stage: Stage, strike: Strike) -> None:
    redis = stage.world.redis
    pause = stage.random.choice([1.0, 3.0, stage.lease + 3.0])
    strike.detail = f"for {pause:.0f} s"
    redis.send(signal.SIGSTOP)
    await asyncio.sleep(pause)
    redis.send(signal.SIGCONT)


async def _redis_emptied(stage: Stage, strike: Strike) -> None:
    strike.victims = [line.session for line in stage.talk.lines]
    strike.emptied = True
    await stage.world.bus.redis.execute("", "FLUSHALL")


async def _redis_failed_over(stage: Stage, strike: Strike) -> None:
    assert isinstance(stage.world.redis, Sentinels)
    strike.victims = [line.session for line in stage.talk.lines]
    strike.emptied = True  # what was not replicated yet is gone
    await stage.world.redis.fail_over()


async def _database_restarted(stage: Stage, strike: Strike) -> None:
    postgres = stage.world.postgres
    assert postgres is not None
    number = stage.random.choice([signal.SIGINT, signal.SIGQUIT])
    pause = stage.random.choice([0.0, 3.0, 8.0])
    strike.detail = f"{'fast' if number == signal.SIGINT else 'crash'}, away for {pause:.0f} s"
    await postgres.end(number)
    await asyncio.sleep(pause)
    await postgres.start()


async def _sockets_dropped(stage: Stage, strike: Strike) -> None:
    lines = stage.random.sample(stage.talk.lines, max(1, len(stage.talk.lines) // 4))
    strike.victims = [line.session for line in lines]
    strike.detail = f"{len(lines)} sockets"
    for line in lines:
        await stage.world.judge.call(
            "device.break", tenant=stage.talk.tenant, phone=line.phone, how="drop"
        )


FAULTS: dict[str, Fault] = {
    "kill-sessions": Fault(_signal("sessions", signal.SIGKILL), 3, True, "takeover"),
    "stop-sessions": Fault(_stop("sessions"), 2, True, "frozen"),
    "term-sessions": Fault(_signal("sessions", signal.SIGTERM), 2, False, "handover"),
    "drain": Fault(_drain, 1, False, "handover"),
    "move": Fault(_move, 1, False, "handover"),
    "roll": Fault(_roll, 0.5, False, "handover"),
    "kill-http": Fault(_signal("http", signal.SIGKILL), 1.5),
    "stop-http": Fault(_stop("http"), 1),
    "term-http": Fault(_signal("http", signal.SIGTERM), 1),
    "kill-webhooks": Fault(_signal("webhooks", signal.SIGKILL), 0.7),
    "stop-webhooks": Fault(_stop("webhooks"), 0.5),
    "term-webhooks": Fault(_signal("webhooks", signal.SIGTERM), 0.5),
    "host-killed": Fault(_host, 1, True, "host"),
    "partition": Fault(_partition(), 1, True, "host"),
    "partition-redis": Fault(_partition("redis"), 1, False, "host"),
    "partition-database": Fault(_partition("database"), 1),
    "redis-killed": Fault(_redis_killed, 1),
    "redis-restarted": Fault(_redis_restarted, 1),
    "redis-paused": Fault(_redis_paused, 1),
    "redis-emptied": Fault(_redis_emptied, 0.7, True),
    "redis-failed-over": Fault(_redis_failed_over, 2, True),
    "database-restarted": Fault(_database_restarted, 1.5),
    "sockets-dropped": Fault(_sockets_dropped, 1),
}


async def _ready(url: str) -> bool:
    """Whether an HTTP worker there reaches Redis and the database."""
    async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
        return (await client.get(f"{url}/readyz")).status_code == 200


async def recovered(stage: Stage, limit: float = 60.0) -> None:
    """Wait until every session is connected and owned, and all session workers are ready."""
    talk, world = stage.talk, stage.world
    calm = 0

    async def check() -> bool:
        nonlocal calm
        try:
            async with asyncio.timeout(3):
                stats = await world.judge.call("network.stats", tenant=talk.tenant)
                owners = await stage.owners()
                workers = await world.bus.fleet.workers()
                ready = [await _ready(host.url) for host in world.hosts]
        except Exception:  # noqa: BLE001 - whatever is away: not yet
            calm = 0
            return False
        able = {w.worker for w in workers if w.role == "sessions" and w.state == "ready"}
        owned = sum(owner in able for owner in owners.values())
        expected = sum(len(host.children("sessions")) for host in world.hosts)
        well = stats["connected"] == owned == len(talk.lines) and len(able) >= expected >= 2
        well = well and all(ready)
        calm = calm + 1 if well else 0
        return calm >= 4

    await until(check, limit, "not every session is connected again")
