"""When a master dies: its replica takes over, and the bus follows without being told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from redis.crc import key_slot

from tests.contract.bus import servers
from tests.contract.bus.servers import ask, eventually
from tests.contract.bus.test_commands import Owner, command
from tests.contract.bus.test_feed import Reader
from tests.contract.bus.test_log import made
from wa_api.bus.open import Bus, open_bus
from wa_api.bus.ports import Lease
from wa_api.domain.errors import CommandTimedOut, Unavailable
from wa_api.domain.ids import new_id

LIMIT = 0.5


@pytest.fixture
def sentinels(tmp_path: Path):
    """A master that may be killed."""
    with servers.sentinels(tmp_path) as running:
        yield running


@pytest.fixture
def cluster(tmp_path: Path):
    """A Cluster whose masters may be killed."""
    with servers.cluster(tmp_path) as running:
        yield running


async def replicated(server: servers.Server) -> bool:
    """Whether the replica has everything (replication is asynchronous)."""
    return await ask(server.url, "WAIT", 1, 1000) == 1


async def works(bus: Bus, other: Bus, lease: Lease, tenant: str, reader: Reader) -> bool:
    """Whether appending, following and commanding all work again."""
    try:
        (cursor,) = await bus.log.append(made(tenant, "again"), lease)
        await eventually(lambda: cursor in reader.cursors, limit=2)
        await other.commands.call(command(lease.session, within=1.0))
    except (TimeoutError, Unavailable, CommandTimedOut):
        return False
    return True


async def goes_on(url: str, tenant: str, session: str, kill) -> None:
    """Everything works, the master dies, everything works again, and nothing was lost."""
    reader = Reader()
    async with (
        open_bus(url, lease_seconds=120, time_limit=LIMIT) as bus,
        open_bus(url, lease_seconds=120, time_limit=LIMIT) as other,
    ):
        lease = await bus.leases.acquire(session, new_id("wrk"))
        Owner(bus, lease)
        await other.feed.follow(tenant, reader.on_event, reader.on_gap)
        assert await works(bus, other, lease, tenant, reader)
        await kill(bus)
        await eventually(lambda: works(bus, other, lease, tenant, reader), limit=30)
        assert await other.leases.owners([session]) == {session: lease}
        assert len(reader.cursors) == len(set(reader.cursors))
        assert [int(cursor) for cursor in reader.cursors] == sorted(map(int, reader.cursors))
        rows = await bus.log.tail(tenant, None, 1000)
        assert [row.cursor for row in rows] == reader.cursors
        assert reader.gaps == []


async def test_the_bus_follows_the_sentinels(sentinels, tenant, session):
    """The promoted replica is found by asking them."""
    url, (master, _) = sentinels

    async def kill(_: Bus) -> None:
        await eventually(lambda: replicated(master))
        master.kill()

    await goes_on(url, tenant, session, kill)


async def test_a_demoted_master_is_left(sentinels, tenant, session):
    """A master that answers READONLY after a failover by hand is not written to."""
    url, (master, _) = sentinels
    watcher = "redis://" + url.removeprefix("redis+sentinel://").split(",")[0]

    async def kill(_: Bus) -> None:
        await eventually(lambda: replicated(master))
        await ask(watcher, "SENTINEL", "FAILOVER", "main")

        async def demoted() -> bool:
            try:
                return (await ask(master.url, "ROLE"))[0] == b"slave"
            except Unavailable:  # a master that is demoted cuts its clients off
                return False

        await eventually(demoted, limit=30)

    await goes_on(url, tenant, session, kill)


async def test_the_bus_follows_the_cluster(cluster, tenant, session):
    """The master of the tenant's log dies; its replica answers for the slots."""
    url, nodes = cluster

    async def kill(bus: Bus) -> None:
        port = bus.redis._slots[key_slot(tenant.encode())][1]
        (victim,) = [node for node in nodes if node.port == port]
        await eventually(lambda: replicated(victim))
        victim.kill()

    await goes_on(url, tenant, session, kill)


async def test_slots_that_move_are_followed(cluster, tenant):
    """MOVED and ASK, while a log is being written to."""
    url, nodes = cluster
    slot = key_slot(tenant.encode())
    reader = Reader()
    async with open_bus(url, time_limit=2.0) as bus:
        await bus.feed.follow(tenant, reader.on_event, reader.on_gap)
        appended = await bus.log.append(made(tenant, "before"))
        source = next(node for node in nodes if node.port == bus.redis._slots[slot][1])
        target = next(node for node in nodes[:3] if node is not source)
        moving = asyncio.create_task(move(slot, source, target))
        while not moving.done():
            with suppress(Unavailable):  # TRYAGAIN, while a tenant's keys are on both sides
                appended += await bus.log.append(made(tenant, "during"))
        await moving
        appended += await bus.log.append(made(tenant, "after"))
        assert bus.redis._slots[slot][1] == target.port
        await eventually(lambda: reader.cursors and reader.cursors[-1] == appended[-1])
        assert reader.cursors == appended


async def move(slot: int, source: servers.Server, target: servers.Server) -> None:
    """Move one slot with its keys, as an operator's tool does."""
    ids = {node: (await ask(node.url, "CLUSTER", "MYID")).decode() for node in (source, target)}
    await ask(target.url, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    await ask(source.url, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    await asyncio.sleep(0)
    keys = await ask(source.url, "CLUSTER", "GETKEYSINSLOT", slot, 100)
    assert keys
    await ask(source.url, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for node in (target, source):
        await ask(node.url, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])


async def test_no_sentinel_is_an_error_in_time():
    """As with any Redis that is away."""
    dead = f"redis+sentinel://127.0.0.1:{servers.free_port()}/main"
    async with open_bus(dead, time_limit=LIMIT) as bus:
        with pytest.raises(Unavailable):
            await bus.ping()


async def test_no_cluster_is_an_error_in_time():
    """As with any Redis that is away."""
    dead = f"redis+cluster://127.0.0.1:{servers.free_port()}"
    async with open_bus(dead, time_limit=LIMIT) as bus:
        with pytest.raises(Unavailable):
            await bus.leases.owners(["ses_1"])
