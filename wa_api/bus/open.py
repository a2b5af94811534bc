"""Opening the bus: one call per process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from wa_api.bus.client import Node, Redis
from wa_api.bus.cluster import Cluster
from wa_api.bus.commands import RedisCommands
from wa_api.bus.connect import Dialer, Master, dial_plain, find_master, parse_url, tls_context
from wa_api.bus.feed import RedisFeed
from wa_api.bus.fleet import RedisFleet
from wa_api.bus.inbox import RedisInbox
from wa_api.bus.keys import Keys
from wa_api.bus.leases import RedisLeases
from wa_api.bus.log import Floor, RedisEventLog, no_floor
from wa_api.bus.ports import Commands, EventLog, Feed, Fleet, Inbox, Leases, Rates
from wa_api.bus.rates import RedisRates
from wa_api.bus.subscriptions import Subscriptions
from wa_api.bus.tasks import Tasks
from wa_api.domain.ids import new_id


@dataclass(frozen=True, slots=True)
class Bus:
    """Everything that processes share through Redis."""

    leases: Leases
    commands: Commands
    inbox: Inbox
    log: EventLog
    feed: Feed
    fleet: Fleet
    rates: Rates
    redis: Redis

    async def ping(self) -> None:
        """Return when Redis answers; raises Unavailable within the time limit."""
        await self.redis.execute("", "PING")


@asynccontextmanager
async def open_bus(
    url: str,
    prefix: str = "wa:",
    lease_seconds: float = 6.0,
    process_id: str = "",
    *,
    floor: Floor = no_floor,
    time_limit: float = 2.0,
    beat_seconds: float = 2.0,
    most_commands: int = 10_000,
    most_entries: int = 100_000,
) -> AsyncIterator[Bus]:
    """Connect and hand out the adapters of `ports`; reconnects by itself, also at the start.

    `url`: see `connect.parse_url` (raises ValueError). `process_id` names this process's reply
    channel and must be unique (default: made up). `floor` gives the newest cursor that the
    database has for a tenant; without it a Redis that lost its data could hand out cursors again.
    `time_limit`: seconds after which an unanswered command raises Unavailable. `beat_seconds`:
    how often workers beat. `most_commands`: waiting in one session's stream. `most_entries`: of
    one tenant's log in Redis.
    """
    tasks, keys = Tasks(), Keys(prefix)
    try:
        redis = _connect(url, time_limit, tasks)
        subscriptions = Subscriptions(redis, time_limit, tasks)
        log = RedisEventLog(redis, keys, floor, most_entries)
        process = process_id or new_id("prc")
        yield Bus(
            leases=RedisLeases(redis, keys, lease_seconds),
            commands=RedisCommands(redis, subscriptions, keys, process, most_commands, tasks),
            inbox=RedisInbox(redis, subscriptions, keys, tasks),
            log=log,
            feed=RedisFeed(log, subscriptions, keys, tasks),
            fleet=RedisFleet(redis, subscriptions, keys, beat_seconds),
            rates=RedisRates(redis, keys),
            redis=redis,
        )
    finally:
        await tasks.close()


def _connect(url: str, limit: float, tasks: Tasks) -> Redis:
    target = parse_url(url)
    dialer = Dialer(target, limit, tls_context(target))
    if target.kind == "cluster":
        return Cluster(dialer, tasks)
    if target.kind == "plain":
        return Node(dial_plain(dialer), limit, tasks)
    master = Master(dialer, lambda: find_master(dialer))
    tasks.spawn(master.watch())
    return Node(master.dial, limit, tasks)
