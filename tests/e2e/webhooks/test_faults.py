"""What becomes of events whose endpoint misbehaves: the table of docs/webhooks.md, asserted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from tests.e2e.webhooks.conftest import World
from tests.e2e.webhooks.receivers import Receiver, Request, answer, receiver, until
from wa_api.domain.ids import SessionId
from wa_api.domain.webhooks import CHANNEL
from wa_api.store import webhooks
from wa_api.store.webhook_rows import DISABLED, ENABLED, PAUSED, Waiting, WebhookRow

pytestmark = pytest.mark.e2e

#: What an endpoint does wrong meets the same code whatever the database is.
once = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


async def dead_letter(world: World, webhook: WebhookRow) -> Waiting:
    """Wait for the first dead letter."""
    for _ in range(1000):
        if letters := await webhooks.dead_letters(world.tenant, webhook.id):
            return letters[0]
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was given up")


async def in_state(world: World, webhook: WebhookRow, state: str) -> WebhookRow:
    """Wait until the webhook is in a state."""
    for _ in range(1000):
        if (row := await world.row(webhook)).state == state:
            return row
        await asyncio.sleep(0.02)
    raise AssertionError(f"the webhook did not become {state}")


async def silent(_: Request) -> bytes:
    """Never answer."""
    await asyncio.sleep(60)
    return b""


async def reset(_: Request) -> None:
    """Cut the connection."""


async def broken(_: Request) -> bytes:
    """Fail."""
    return answer(500, body=b"<h1>oops</h1>")


@asynccontextmanager
async def endless() -> AsyncIterator[Receiver]:
    """Answers 500 with a body that never ends."""
    made = Receiver()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            made.requests.append(await made._request(reader, 0))
            writer.write(b"HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    yield made
    server.close()


@once
@pytest.mark.parametrize(
    ("name", "error", "status"),
    [
        ("silent", "timeout", None),
        ("reset", "protocol_error", None),
        ("broken", "http_500", 500),
        ("endless", "http_500", 500),
    ],
)
async def test_a_bad_endpoint_makes_a_dead_letter(
    world: World, name: str, error: str, status: int | None
):
    """After the last retry the event is a dead letter with the reason and the last answer."""
    kinds = {"silent": silent, "reset": reset, "broken": broken}
    bad = endless() if name == "endless" else receiver(kinds[name])  # type: ignore[arg-type]
    async with bad as target:
        webhook = await world.webhook(target.url, timeout=0.4 if name == "silent" else 10.0)
        world.start()
        said = await world.say(1)
        letter = await dead_letter(world, webhook)
        assert letter.cursor == int(said[0])
        assert (letter.error or "").startswith(error)
        assert (letter.status, letter.attempts) == (status, 4)
        assert target.ids == said * 4
        assert [r.headers["x-wa-attempt"] for r in target.requests] == ["1", "2", "3", "4"]
        if name == "broken":
            assert letter.response == "<h1>oops</h1>"
        if name == "endless":
            assert len(letter.response or "") == 2048


@once
@pytest.mark.parametrize("host", ["127.0.0.1:9", "no-such-host.invalid"])
async def test_an_endpoint_that_cannot_be_reached_makes_a_dead_letter(world: World, host: str):
    """A closed port, and a name that does not exist."""
    webhook = await world.webhook(f"http://{host}/hook")
    world.start()
    await world.say(1)
    letter = await dead_letter(world, webhook)
    assert (letter.error or "").startswith("connect_failed")
    assert (letter.status, letter.response, letter.attempts) == (None, None, 4)


async def test_dead_letters_are_redriven(world: World):
    """Redriven, a dead letter is delivered as soon as the endpoint is well."""
    well = False

    async def changing(_: Request) -> bytes:
        return answer(200 if well else 500)

    async with receiver(changing) as target:
        webhook = await world.webhook(target.url)
        world.start()
        said = await world.say(1)
        await dead_letter(world, webhook)
        well, before = True, len(target.requests)
        assert await webhooks.redrive(world.tenant, webhook.id) == 1
        await world.bus.fleet.announce(CHANNEL, SessionId(webhook.id))
        await target.received(before + 1)
        assert target.ids[-1] == said[0]
        for _ in range(500):
            if await webhooks.backlog(world.tenant, webhook.id) == (0, 0):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it is still in the backlog")


@once
@pytest.mark.proves("Webhook retries", "rest")
async def test_retry_after_is_obeyed(world: World):
    """After 429 nothing at all is sent until the time that the endpoint asked for."""

    async def busy(_: Request) -> bytes:
        first = len(target.requests) == 1
        return answer(429, "retry-after: 2") if first else answer(200)

    async with receiver(busy) as target:
        await world.webhook(target.url, concurrency=1)
        world.start()
        said = await world.say(4, chats=4)
        await target.received(5)
        waited = target.requests[1].at - target.requests[0].at
        assert 1.8 < waited < 4
        assert set(target.ids) == set(said)


@once
async def test_a_redirect_is_not_followed(world: World):
    """301 is a failure that says so; the other address gets nothing."""
    async with receiver() as other:

        async def moved(_: Request) -> bytes:
            return answer(301, f"location: {other.url}")

        async with receiver(moved) as target:
            webhook = await world.webhook(target.url)
            world.start()
            await world.say(1)
            letter = await dead_letter(world, webhook)
            assert (letter.error, letter.status) == ("redirect_not_followed", 301)
            assert other.requests == []


async def test_gone_disables_at_once_and_says_so(world: World):
    """410 ends delivery at the first request; an event with the reason is in the log."""

    async def gone(_: Request) -> bytes:
        return answer(410)

    async with receiver(gone) as target:
        webhook = await world.webhook(target.url, concurrency=1)
        world.start()
        said = await world.say(5)
        row = await in_state(world, webhook, DISABLED)
        assert row.reason == "gone"
        assert row.cursor < int(said[0])
        assert target.ids == said[:1]
        assert await told(world) == "webhook.disabled"


async def told(world: World) -> str:
    """The type of the log's next event about a webhook."""
    for _ in range(500):
        for one in await world.bus.log.tail(world.tenant, None, 1000) or []:
            if one.type.startswith("webhook."):
                return one.type
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was told")


async def test_a_long_failing_endpoint_is_paused_and_nothing_is_lost(world: World):
    """It pauses with an event and a reason; after resuming every event arrives."""
    well = False

    async def changing(_: Request) -> bytes:
        return answer(200 if well else 503)

    async with receiver(changing) as target:
        webhook = await world.webhook(target.url)
        world.start(WA_WEBHOOKS_PAUSE_SECONDS="0.5", WA_WEBHOOKS_RETRY_SECONDS="1,1,1,1,1,1,1,1")
        said = await world.say(40, chats=20)
        row = await in_state(world, webhook, PAUSED)
        assert row.reason == "failing"
        assert await told(world) == "webhook.paused"
        assert len(target.requests) < 40
        well = True
        await webhooks.set_state(world.tenant, webhook.id, ENABLED)
        await world.bus.fleet.announce(CHANNEL, SessionId(webhook.id))
        start = len(target.ids)
        await until(lambda: set(said) <= set(target.ids[start:]))


@once
async def test_bad_tls_is_refused(world: World):
    """A certificate of an unknown authority, or for another name, gets no event."""
    ca = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    async with receiver(tls=tls) as target:
        webhook = await world.webhook(target.url)
        world.start()
        await world.say(1)
        letter = await dead_letter(world, webhook)
        assert (letter.error or "").startswith("tls_failed")
        assert target.requests == []


@once
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
async def test_private_addresses_are_refused(world: World, host: str):
    """Unless allowed, neither an address nor a name that leads inside gets a connection."""
    async with receiver() as target:
        webhook = await world.webhook(target.url.replace("127.0.0.1", host))
        world.start(WA_WEBHOOKS_ALLOW_PRIVATE="")
        await world.say(1)
        letter = await dead_letter(world, webhook)
        assert (letter.error or "").startswith("address_refused")
        assert target.connections == 0


async def test_a_dead_endpoint_delays_no_other(world: World):
    """While one endpoint hangs, another gets its events as fast as ever."""
    async with receiver(silent) as dead, receiver() as good:
        await world.webhook(dead.url, timeout=60.0)
        await world.webhook(good.url)
        world.start()
        said = await world.say(300, chats=30)
        await good.received(300)
        assert set(good.ids) == set(said)
