"""One run: a world, traffic, faults on a seeded schedule, and a verdict."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.faults import FAULTS, Stage, Strike, recovered
from tests.chaos.hosts import Sizes, World, world
from tests.chaos.sentinels import Sentinels
from tests.chaos.traffic import Talk, begin
from tests.chaos.verdict import Verdict, collect, judge


@dataclass
class Plan:
    """What to run."""

    minutes: float = 5.0
    seed: int = 1
    faults: list[str] = field(default_factory=list)
    count: int = 0  #: this many faults, in the order of `faults`, instead of a time
    sessions: int = 20
    rate: float = 10.0
    rest: float = 8.0  #: mean seconds between faults
    settle: float = 15.0  #: for everything under way to arrive, at the end
    loss_kills: int = 0  #: at the end: so many kills at 10 and as many at 100 messages a second
    sizes: Sizes = field(default_factory=Sizes)
    keep: Path | None = None


def say(text: str) -> None:
    """Tell who watches."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


async def run(plan: Plan) -> dict[str, Any]:
    """Run it; the report."""
    began = time.monotonic()
    async with world(plan.sizes, plan.keep) as stage_world:
        say(f"both hosts serve ({stage_world.wire.kind}); linking {plan.sessions} sessions")
        talk = await begin(stage_world, plan.sessions)
        try:
            strikes, failures = await _play(plan, stage_world, talk)
            record = await collect(stage_world, talk)
            verdict = judge(record, talk, strikes)
        finally:
            await talk.close()
        verdict.violations += failures
        verdict.figures["not_carried_out"] = sum(bool(strike.skipped) for strike in strikes)
        verdict.figures["not_recovered"] = len(failures)
        return _report(plan, stage_world, strikes, verdict, time.monotonic() - began)


async def _play(plan: Plan, world: World, talk: Talk) -> tuple[list[Strike], list[str]]:
    chance = random.Random(plan.seed)
    stage = Stage(world, talk, chance, plan.sizes.lease)
    strikes: list[Strike] = []
    failures: list[str] = []
    talk.start(plan.rate)
    await talk.load(world, plan.rate, "in")
    await asyncio.sleep(2)
    end = time.monotonic() + plan.minutes * 60
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # no more faults, and the verdict so far
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set() and (
        len(strikes) < plan.count if plan.count else time.monotonic() < end
    ):
        await _strike(_next(plan, world, chance, len(strikes)), stage, strikes, failures)
        await asyncio.sleep(plan.rest * chance.uniform(0.5, 1.5))
    for rate in (10, 100) if plan.loss_kills and not stop.is_set() else ():
        load = await talk.load(world, rate, f"burst {rate}")
        for _ in range(plan.loss_kills):
            await asyncio.sleep(chance.uniform(3, 5))
            await _strike("kill-sessions", stage, strikes, failures)
            strikes[-1].detail += f", {rate} msg/s"
        await talk.unload(world, load)
    say("no more faults; everything under way may arrive")
    await talk.quiet(world)
    await asyncio.sleep(plan.settle)
    return strikes, failures


def _next(plan: Plan, world: World, chance: random.Random, number: int) -> str:
    possible = [name for name in plan.faults or FAULTS if _applies(name, world)]
    if plan.count:
        return possible[number % len(possible)]
    return chance.choices(possible, [FAULTS[name].weight for name in possible])[0]


def _applies(name: str, world: World) -> bool:
    """Some faults need PostgreSQL; those of one Redis, and of one with a replica, differ."""
    if name in ("partition-database", "database-restarted"):
        return world.postgres is not None
    if name == "redis-failed-over":
        return isinstance(world.redis, Sentinels)
    return not (name.startswith("redis-") and isinstance(world.redis, Sentinels))


async def _strike(name: str, stage: Stage, strikes: list[Strike], failures: list[str]) -> None:
    strike = Strike(name, time.monotonic())
    strikes.append(strike)
    try:
        await FAULTS[name].do(stage, strike)
        strike.until = time.monotonic()
        await asyncio.sleep(0.5)
        await recovered(stage)
        strike.recovered = time.monotonic()
        took = f"recovered after {strike.recovered - strike.until:.1f} s"
    except AssertionError as error:
        strike.until = strike.until or time.monotonic()
        failures.append(f"{name}: {error}")
        took = f"NOT RECOVERED: {error}"
    except Exception as error:  # noqa: BLE001 - the run goes on, and says so
        strike.until = strike.until or time.monotonic()
        took = strike.skipped = f"not carried out: {error!r}"
    stage.talk.check()
    say(f"{len(strikes):3} {name:20} {strike.detail:45} {took}")


def _report(
    plan: Plan, world: World, strikes: list[Strike], verdict: Verdict, seconds: float
) -> dict[str, Any]:
    first = strikes[0].at if strikes else 0.0
    kinds = sorted({strike.kind for strike in strikes})
    return {
        "passed": not verdict.violations,
        "seed": plan.seed,
        "seconds": round(seconds),
        "fault_seconds": round(strikes[-1].until - first) if strikes else 0,
        "sessions": plan.sessions,
        "rate": plan.rate,
        "lease_seconds": plan.sizes.lease,
        "wire": world.wire.kind,
        "database": "PostgreSQL" if world.postgres else "SQLite: PostgreSQL is not installed",
        "faults": {kind: sum(s.kind == kind for s in strikes) for kind in kinds},
        "figures": verdict.figures,
        "violations": verdict.violations,
        "strikes": [asdict(strike) for strike in strikes],
    }
