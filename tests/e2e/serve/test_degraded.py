"""What a gateway does while Redis, the database or the disk is away, slow or full."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.chaos.servers import Postgres, Redis, postgres_binaries
from tests.chaos.wires import Proxy
from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.demo.client import Feed, Json

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
LEASE = "3"

needs_postgres = pytest.mark.skipif(
    postgres_binaries() is None, reason="PostgreSQL is not installed"
)


@asynccontextmanager
async def redis_of_its_own(place: Path) -> AsyncIterator[Redis]:
    """A server on TCP that the test may harm."""
    server = Redis(place, "127.0.0.1")
    try:
        await server.start()
        yield server
    finally:
        server.send(signal.SIGCONT)
        await server.end()


@asynccontextmanager
async def postgres_of_its_own(place: Path) -> AsyncIterator[Postgres]:
    """A server on TCP that the test may harm."""
    os.chmod(place, 0o755)  # its user has to get through
    server = Postgres(place, "127.0.0.1")
    try:
        await server.start()
        yield server
    finally:
        await server.end(signal.SIGINT)


@asynccontextmanager
async def slowed(host: str, port: int, delay: float) -> AsyncIterator[Proxy]:
    """A way to that server on which every piece takes so long, each way."""
    proxy = Proxy(host, port, delay)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


class Talk:
    """A linked session, a friend's phone, and what went both ways between them."""

    def __init__(self, tenant: Tenant, events: Feed, linked: Linked, friend: Json) -> None:
        self.tenant, self.events, self.linked, self.friend = tenant, events, linked, friend

    async def hear(self, text: str) -> None:
        """The friend writes."""
        path = f"/sandbox/phones/{self.friend['phone']}/send"
        await self.tenant.rest.post(path, {"to": self.linked.number, "text": text})

    async def heard(self, text: str, limit: float = 60.0) -> None:
        """It is in the feed."""
        await self.events.event(
            "message.received",
            self.linked.session,
            limit,
            lambda data: bool(data["message"].get("text", {}).get("body") == text),
        )

    async def try_to_say(self, text: str) -> httpx.Response:
        """Send by REST; the answer, whatever it is."""
        body = {"to": self.friend["number"], "type": "text", "text": {"body": text}}
        path = f"/sessions/{self.linked.session}/messages"
        return await self.tenant.rest.http.post(path, json=body)

    async def say(self, text: str, limit: float = 60.0) -> None:
        """Send, and wait until it is out."""
        answer = await self.try_to_say(text)
        assert answer.status_code == 202, answer.text
        id = answer.json()["id"]
        await self.events.event(
            "message.status_changed",
            self.linked.session,
            limit,
            lambda data: bool(data["id"] == id and data["status"] == "sent"),
        )

    async def inbox(self) -> list[str]:
        """What the friend's phone got, in order."""
        path = f"/sandbox/phones/{self.friend['phone']}/inbox"
        found = await self.tenant.rest.get(path)
        return [letter["text"] for letter in found["items"] if letter.get("text")]

    def texts(self) -> list[str]:
        """What the feed has brought of the friend's messages, in order."""
        return [
            seen.event["data"]["message"]["text"]["body"]
            for seen in self.events.seen
            if seen.event["type"] == "message.received"
        ]

    def states(self) -> list[str]:
        """The session's states since it was linked."""
        return [
            seen.event["data"]["state"]
            for seen in self.events.seen
            if seen.event["type"] == "session.state_changed"
        ]


@asynccontextmanager
async def talking(place: Path, **settings: str) -> AsyncIterator[Talk]:
    """A gateway with one linked session, a friend, and a feed."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway.start(place, **settings))
        tenant = await gateway.tenant()
        events = await stack.enter_async_context(tenant.feed())
        linked = await tenant.link_session(events)
        yield Talk(tenant, events, linked, await tenant.new_phone("Friend"))


async def test_all_goes_on_after_redis_was_away_for_longer_than_a_lease(place: Path) -> None:
    """The owner lets go, the socket stays, what came meanwhile arrives once, epochs go on."""
    async with (
        redis_of_its_own(place) as redis,
        talking(place, WA_REDIS_URL=redis.url, WA_SESSIONS_LEASE_SECONDS=LEASE) as talk,
    ):
        await talk.say("before")
        await redis.end(signal.SIGKILL)
        await asyncio.sleep(float(LEASE) + 1)
        await talk.hear("meanwhile")
        answer = await talk.try_to_say("meanwhile")
        assert answer.status_code in (202, 503), answer.text
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
        await redis.start()
        await talk.heard("meanwhile")
        await talk.say("after")
        expected = ["before", *(["meanwhile"] if answer.status_code == 202 else []), "after"]
        assert await talk.inbox() == expected
        assert talk.texts() == ["meanwhile"]


async def test_a_redis_with_a_tenth_of_a_second_of_delay_is_only_slow(place: Path) -> None:
    """No lease is lost, nothing reconnects, and messages pass both ways."""
    async with (
        redis_of_its_own(place) as redis,
        slowed(redis.host, redis.port, 0.05) as proxy,
        talking(place, WA_REDIS_URL=f"redis://127.0.0.1:{proxy.port}") as talk,
    ):
        before = len(talk.states())
        for number in range(5):
            await talk.hear(f"in {number}")
            await talk.say(f"out {number}", 60)
        await talk.heard("in 4", 60)
        await asyncio.sleep(7)  # longer than a lease
        assert talk.texts() == [f"in {number}" for number in range(5)]
        assert talk.states()[before:] == []


@needs_postgres
async def test_what_arrives_while_the_database_is_away_waits(place: Path) -> None:
    """Nothing is accepted that is not committed; inbound messages wait and then come in order."""
    async with (
        postgres_of_its_own(place) as postgres,
        talking(place, WA_DATABASE_URL=postgres.url) as talk,
    ):
        await talk.say("before")
        await postgres.end(signal.SIGQUIT)
        for number in range(5):
            await talk.hear(f"in {number}")
        answer = await talk.try_to_say("refused")
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) >= 1
        await asyncio.sleep(3)
        assert talk.texts() == []
        await postgres.start()
        await talk.heard("in 4")
        assert talk.texts() == [f"in {number}" for number in range(5)]
        await talk.say("after")
        assert await talk.inbox() == ["before", "after"]


@needs_postgres
async def test_a_slow_database_only_slows(place: Path) -> None:
    """With a twentieth of a second each way everything still passes, in order."""
    async with (
        postgres_of_its_own(place) as postgres,
        slowed(postgres.host, postgres.port, 0.0) as proxy,
        talking(
            place, WA_DATABASE_URL=f"postgres://postgres@127.0.0.1:{proxy.port}/postgres"
        ) as talk,
    ):
        before = len(talk.states())
        proxy.delay = 0.05  # not while linking: the library writes 812 keys one by one
        for number in range(5):
            await talk.hear(f"in {number}")
            await talk.say(f"out {number}")
        await talk.heard("in 4")
        assert talk.texts() == [f"in {number}" for number in range(5)]
        assert await talk.inbox() == [f"out {number}" for number in range(5)]
        assert talk.states()[before:] == []


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A disk of 48 MiB."""
    disk = place / "data"
    disk.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False, capture_output=True)


async def test_a_full_disk_is_said_and_survived(place: Path, small_disk: Path) -> None:
    """SQLite and the embedded Redis on a full disk: 503, and nothing is lost once there is room."""
    async with talking(place) as talk:
        await talk.say("before")
        filler = small_disk / "filler"
        fill(filler)
        await talk.hear("meanwhile")
        answers = [await talk.try_to_say(f"refused {number} " + "x" * 9000) for number in range(3)]
        assert {answer.status_code for answer in answers} <= {202, 503}
        assert answers[-1].status_code == 503, answers[-1].text
        accepted = sum(answer.status_code == 202 for answer in answers)
        began = time.monotonic()
        filler.unlink()
        await talk.heard("meanwhile", 60)
        await talk.say("after", 60)
        assert time.monotonic() - began < 60
        got = await talk.inbox()
        assert (got[0], got[-1], len(got)) == ("before", "after", accepted + 2)


def fill(file: Path) -> None:
    """Write until nothing more fits."""
    with file.open("wb", buffering=0) as out:
        for size in (1 << 20, 4096):
            try:
                while True:
                    out.write(b"x" * size)
            except OSError:
                continue
