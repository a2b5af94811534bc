"""Two HTTP workers and two session workers act as one: any socket sees and reaches any session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.support.gateway import Gateway, Linked, Tenant
from tests.support.servers import servers
from wa_api.demo.client import Feed, Seen

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

LIMIT = 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway with two workers of each kind."""
    counts = {"WA_HTTP_WORKERS": "2", "WA_SESSIONS_WORKERS": "2"}
    async with servers() as named, Gateway.own(**counts, **named) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(gateway: Gateway) -> Tenant:
    """A tenant of each test's own."""
    return await gateway.tenant()


@pytest_asyncio.fixture(loop_scope="module")
async def feeds(tenant: Tenant) -> AsyncIterator[list[Feed]]:
    """A WebSocket on each HTTP worker."""
    async with AsyncExitStack() as stack:
        by_worker: dict[str, Feed] = {}
        for _ in range(100):
            opened = await stack.enter_async_context(tenant.feed())
            by_worker.setdefault(opened.hello["worker"], opened)
            if len(by_worker) == 2:
                break
        assert len(by_worker) == 2, "the kernel gave every connection to one worker"
        yield list(by_worker.values())


async def link_until_shared(tenant: Tenant, feed: Feed) -> dict[str, Linked]:
    """Link sessions until both session workers own one; a session of each, by owner."""
    owners: dict[str, Linked] = {}
    for _ in range(8):
        linked = await tenant.link_session(feed)
        owners[(await connected(feed, linked)).event["data"]["worker"]] = linked
        if len(owners) == 2:
            return owners
    raise AssertionError("one session worker takes everything")


async def connected(feed: Feed, linked: Linked) -> Seen:
    """The event that says so."""
    return await feed.event(
        "session.state_changed",
        linked.session,
        LIMIT,
        lambda data: bool(data["state"] == "connected"),
    )


async def status(feed: Feed, session: str, message: str, wanted: str) -> None:
    """Wait for a message's status."""
    await feed.event(
        "message.status_changed",
        session,
        LIMIT,
        lambda data: bool(data["id"] == message and data["status"] == wanted),
    )


@pytest.mark.proves("QR (image, base64, raw)", "websocket")
@pytest.mark.proves("Horizontal scale, failover", "rest", "websocket")
@pytest.mark.proves("Text", "sent", "received", "websocket")
@pytest.mark.proves("WebSocket", "websocket")
@pytest.mark.proves("Event id and order", "websocket")
async def test_every_socket_sees_every_session_in_the_same_order(
    tenant: Tenant, feeds: list[Feed]
) -> None:
    """Whoever owns a session, both HTTP workers' sockets get its QR codes, states and messages,
    and commands reach it through either."""
    owners = await link_until_shared(tenant, feeds[0])
    anna, bruno = owners.values()
    for feed in feeds:
        for sender, receiver in ((anna, bruno), (bruno, anna)):
            body = {"to": receiver.number, "type": "text", "text": {"body": "hello"}}
            reply = await feed.command("message.send", sender.session, body)
            for reader in feeds:
                await status(reader, sender.session, reply["id"], "delivered")
                await reader.event("message.received", receiver.session, LIMIT)
    for feed in feeds:
        for linked in owners.values():
            await feed.event("session.qr_issued", linked.session, LIMIT)
    await same_events(feeds)


async def same_events(feeds: list[Feed]) -> None:
    """Both sockets end with the identical list of events, each once, cursors growing."""
    async with asyncio.timeout(LIMIT):
        while len({len(feed.seen) for feed in feeds}) > 1:
            await asyncio.sleep(0.05)
    lists = [[seen.event for seen in feed.seen] for feed in feeds]
    first = min(int(events[0]["id"]) for events in lists)
    both = [[event for event in events if int(event["id"]) >= first] for events in lists]
    assert both[0] == both[1]
    cursors = [int(event["id"]) for event in both[0]]
    assert cursors == sorted(set(cursors))


@pytest.mark.proves("Typing, recording", "sent", "received", "websocket")
@pytest.mark.proves("Receipts", "sent", "received", "websocket")
async def test_typing_presence_and_read_receipts_travel_both_ways(
    tenant: Tenant, feeds: list[Feed]
) -> None:
    """What a live chat needs arrives at a socket of any worker, and goes out through one."""
    linked = await tenant.link_session(feeds[0])
    other = await tenant.new_phone("Other")
    phone = f"/sandbox/phones/{other['phone']}"
    body = {"to": other["number"], "type": "text", "text": {"body": "are you there?"}}
    sent = await feeds[1].command("message.send", linked.session, body)
    await status(feeds[0], linked.session, sent["id"], "delivered")
    inbox = await tenant.rest.get(f"{phone}/inbox", wait=LIMIT)
    await tenant.rest.post(f"{phone}/read", {"ids": [inbox["items"][0]["id"]]})
    await status(feeds[1], linked.session, sent["id"], "read")

    await until_typing_arrives(tenant, feeds[1], linked, phone)
    typing = {"chat": other["number"], "state": "typing"}
    await feeds[0].command("chat.typing", linked.session, typing)
    await seen_by_phone(tenant, phone, "typing")

    await tenant.rest.post(f"{phone}/send", {"to": linked.number, "text": "yes"})
    got = await feeds[0].event("message.received", linked.session, LIMIT)
    read = {"message_ids": [got.event["data"]["message"]["id"]]}
    await feeds[1].command("message.read", linked.session, read)
    await seen_by_phone(tenant, phone, "receipt")


async def until_typing_arrives(tenant: Tenant, feed: Feed, linked: Linked, phone: str) -> None:
    """WhatsApp tells a device who types once it is seen as online, shortly after it connects."""
    async with asyncio.timeout(LIMIT):
        while not any(seen.event["type"] == "chat.typing_changed" for seen in feed.seen):
            await tenant.rest.post(f"{phone}/typing", {"to": linked.number, "state": "typing"})
            await asyncio.sleep(0.2)


async def seen_by_phone(tenant: Tenant, phone: str, kind: str) -> None:
    """The virtual phone noticed a thing of that kind from the session."""
    async with asyncio.timeout(LIMIT):
        while True:
            page = await tenant.rest.get(f"{phone}/events")
            if any(event["kind"] == kind for event in page["items"]):
                return
            await asyncio.sleep(0.1)
