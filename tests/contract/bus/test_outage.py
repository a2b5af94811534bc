"""When Redis is away: a clear error within the time limit, and afterwards all goes on by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.contract.bus.servers import eventually
from tests.contract.bus.test_commands import Owner, command
from tests.contract.bus.test_feed import Reader
from tests.contract.bus.test_log import made
from wa_api.bus.embedded import run_embedded
from wa_api.bus.open import open_bus
from wa_api.bus.ports import Renewal
from wa_api.domain.errors import Unavailable, WaError

LIMIT = 0.4


async def answers(bus) -> bool:
    """Whether Redis is back."""
    try:
        await bus.ping()
    except Unavailable:
        return False
    return True


async def test_an_absent_redis_is_said_in_time(tmp_path: Path):
    """Also at the start: the bus opens, and each use fails by itself."""
    async with open_bus(f"unix://{tmp_path}/nothing.sock", time_limit=LIMIT) as bus:
        since = time.monotonic()
        for use in (
            bus.ping(),
            bus.leases.acquire("ses_1", "wrk_1"),
            bus.commands.send(command("ses_1")),
            bus.log.append(made("ten_1", "a")),
            bus.log.head("ten_1"),
            bus.feed.follow("ten_1", Reader().on_event),
            bus.fleet.workers(),
        ):
            with pytest.raises(Unavailable):
                await use
        assert time.monotonic() - since < 7 * LIMIT * 2


async def test_all_goes_on_after_a_killed_redis_came_back(tmp_path: Path, session, tenant, alice):
    """kill -9 and a new start: leases, log, commands, feeds and subscriptions as before."""
    reader = Reader()
    async with (
        run_embedded(tmp_path) as server,
        open_bus(server.url, lease_seconds=60, time_limit=LIMIT) as bus,
        open_bus(server.url, lease_seconds=60, time_limit=LIMIT) as other,
    ):
        lease = await bus.leases.acquire(session, alice)
        owner = Owner(bus, lease)
        await other.feed.follow(tenant, reader.on_event, reader.on_gap)
        appended = await bus.log.append(made(tenant, "a"), lease)
        before = await bus.log.generation(tenant)
        await other.commands.call(command(session))
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        with pytest.raises(Unavailable):
            await bus.log.append(made(tenant, "lost"), lease)
        with pytest.raises(Unavailable):
            await bus.leases.renew([lease])
        waiting = asyncio.create_task(_insist(other, session))
        async with again(tmp_path):
            await eventually(lambda: answers(bus))
            assert await bus.leases.renew([lease]) == {session: Renewal.RENEWED}
            appended += await bus.log.append(made(tenant, "b"), lease)
            assert (await waiting).data == {"by": alice}
            await eventually(lambda: len(reader.events) == 2)
            assert reader.cursors == appended
            assert reader.gaps == []
            assert await bus.log.generation(tenant) == before
            await bus.inbox.detach(session)
            assert len(owner.got) == 2


def again(directory: Path):
    """Another server on the same data, as the supervisor starts it; the lock is still ours."""
    (directory / "redis.lock").unlink()
    return run_embedded(directory)


async def _insist(bus, session):
    while True:
        try:
            return await bus.commands.call(command(session))
        except Unavailable:
            await asyncio.sleep(0.02)


async def test_a_redis_that_hangs_is_said_in_time(tmp_path: Path, tenant):
    """A stopped server holds nobody up for longer than the limit, and is used again later."""
    async with run_embedded(tmp_path) as server, open_bus(server.url, time_limit=LIMIT) as bus:
        reader = Reader()
        await bus.feed.follow(tenant, reader.on_event)
        server.process.send_signal(signal.SIGSTOP)
        try:
            since = time.monotonic()
            uses = [bus.log.append(made(tenant, n)) for n in range(50)]
            results = await asyncio.gather(*uses, return_exceptions=True)
            assert all(isinstance(result, Unavailable) for result in results)
            assert time.monotonic() - since < 4 * LIMIT
        finally:
            server.process.send_signal(signal.SIGCONT)
        await eventually(lambda: answers(bus))
        (last,) = await bus.log.append(made(tenant, "after"))
        await eventually(lambda: reader.cursors and reader.cursors[-1] == last)
        assert len(set(reader.cursors)) == len(reader.cursors)


async def test_a_cancelled_call_ends_at_once_and_disturbs_nobody(tmp_path: Path, tenant):
    """No cancellation is lost, and the answers of others still find their askers."""
    async with run_embedded(tmp_path) as server, open_bus(server.url) as bus:
        await bus.ping()
        for n in range(200):
            doomed = asyncio.create_task(bus.log.append(made(tenant, "doomed")))
            kept = asyncio.create_task(bus.log.append(made(tenant, "kept")))
            for _ in range(n % 4):
                await asyncio.sleep(0)
            doomed.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doomed
            (cursor,) = await kept
            assert (await bus.log.head(tenant)) == cursor


async def test_a_cancelled_caller_is_gone(tmp_path: Path, session):
    """A call that waits for a reply can be cancelled too."""
    async with run_embedded(tmp_path) as server, open_bus(server.url) as bus:
        waiting = asyncio.create_task(bus.commands.call(command(session)))
        await eventually(lambda: bus.commands._calls)
        await bus.ping()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not bus.commands._calls


async def test_too_many_commands_in_flight_are_refused(tmp_path: Path, monkeypatch):
    """A bound, not memory without end."""
    monkeypatch.setattr("wa_api.bus.wire.MAX_IN_FLIGHT", 10)
    async with run_embedded(tmp_path) as server, open_bus(server.url) as bus:
        await bus.ping()
        results = await asyncio.gather(*(bus.ping() for _ in range(20)), return_exceptions=True)
        refused = [result for result in results if isinstance(result, WaError)]
        assert len(refused) == 10
        await bus.ping()


async def test_a_restarted_redis_without_data_is_like_a_new_one(tmp_path: Path, tenant, session):
    """Readers are told, cursors go on above the floor, and work goes on."""
    reader = Reader()
    async with run_embedded(tmp_path) as server, open_bus(server.url, time_limit=LIMIT) as bus:
        await bus.feed.follow(tenant, reader.on_event, reader.on_gap)
        await bus.log.append(made(tenant, "a"))
        await eventually(lambda: reader.events)
        await bus.redis.execute("", "FLUSHALL")
        await bus.redis.execute("", "SCRIPT", "FLUSH")
        await bus.log.append(made(tenant, "b"))
        await eventually(lambda: len(reader.events) == 2)
        assert len(reader.gaps) == 1
