"""What is written on a session is on each of its events, for every kind of reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest
import pytest_asyncio

from tests.e2e.webhooks.receivers import receiver, until
from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.demo.client import Feed, Json, Refused

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

FEATURE = "Session metadata echoed in events"
LIMIT = 20
MINE = {"crm.id": "42", "team": "sales ✓"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway whose webhooks may reach this machine."""
    private = {"WA_WEBHOOKS_ALLOW_PRIVATE": "127.0.0.1", "WA_WEBHOOKS_ALLOW_HTTP": "true"}
    async with Gateway.own(**private) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(gateway: Gateway) -> Tenant:
    """A tenant of each test's own."""
    return await gateway.tenant()


async def send(tenant: Tenant, linked: Linked, to: str, **more: object) -> Json:
    """The session writes."""
    body = {"to": to, "type": "text", "text": {"body": "Hello"}, **more}
    sent: Json = await tenant.rest.post(f"/sessions/{linked.session}/messages", body)
    return sent


def status(message: Json, wanted: str) -> Callable[[Json], bool]:
    """Whether a `message.status_changed` is of this message."""
    return lambda data: bool(data["id"] == message["id"] and data["status"] == wanted)


async def everything(tenant: Tenant) -> list[Json]:
    """All events, page by page."""
    events: list[Json] = []
    after, more = "0", True
    while more:
        page = await tenant.rest.get("/events", after=after, limit=1000)
        events += page["items"]
        after, more = page["next"], page["more"]
    return events


async def first_of_stream(tenant: Tenant) -> Json:
    """The oldest event that server-sent events give."""
    headers = {"Authorization": f"Bearer {tenant.rest.credential}"}
    address = f"{tenant.url}/v1/events/stream?after=0"
    async with (
        httpx.AsyncClient(trust_env=False, timeout=LIMIT) as client,
        client.stream("GET", address, headers=headers) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                first: Json = orjson.loads(line.removeprefix("data: "))
                return first
    raise AssertionError("the stream ended")


@pytest.mark.proves(FEATURE, "rest", "websocket")
async def test_every_event_of_a_session_carries_its_metadata(tenant: Tenant) -> None:
    """Those that its owner tells, and those of the HTTP process and of the scheduler; by
    WebSocket, page, stream and webhook. What is changed is on what follows, without a reconnect.
    """
    async with receiver() as target, tenant.feed() as feed:
        await tenant.rest.post("/webhooks", {"url": target.url})
        mine = await tenant.link_session(feed, metadata=MINE)
        plain = await tenant.link_session(feed)
        shown = await tenant.rest.get(f"/sessions/{mine.session}")
        assert shown["metadata"] == MINE
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        now = await send(tenant, mine, plain.number)
        later = await send(tenant, mine, plain.number, send_at=soon)
        for one in (now, later):
            await feed.event(
                "message.status_changed", mine.session, LIMIT, status(one, "delivered")
            )
        await feed.event("message.status_changed", mine.session, LIMIT, status(later, "queued"))
        answer = await send(tenant, plain, mine.number)
        await feed.event("message.received", mine.session, LIMIT)
        chat = f"/sessions/{mine.session}/chats/{plain.number}"
        await tenant.rest.call("PATCH", chat, {"pinned": True})
        await feed.event(
            "chat.changed", mine.session, LIMIT, lambda d: bool(d["chat"].get("pinned"))
        )

        types = {check(seen.event, mine.session, MINE) for seen in feed.seen}
        assert types >= {
            *("session.qr_issued", "session.state_changed"),
            *("message.accepted", "message.status_changed", "message.received", "chat.changed"),
        }
        paged = {check(event, mine.session, MINE) for event in await everything(tenant)}
        assert paged >= types
        assert check(await first_of_stream(tenant), mine.session, MINE) in types
        await until(lambda: {one.event["type"] for one in target.requests} >= types)
        assert {check(one.event, mine.session, MINE) for one in target.requests} >= types
        assert answer["id"]
        await change(tenant, feed, mine, {"team": "support"})
        await change(tenant, feed, mine, {})


def check(event: Json, session: str, metadata: Json) -> str:
    """That an event has what it should, of this session or another; the type of one of this."""
    mine = event.get("session") == session
    assert event.get("session_metadata") == (metadata if mine else None), event
    return str(event["type"]) if mine else "session.qr_issued"


async def change(tenant: Tenant, feed: Feed, mine: Linked, metadata: Json) -> None:
    """Change it, and write until both sides' events show it."""
    path = f"/sessions/{mine.session}"
    changed = await tenant.rest.call("PATCH", path, {"metadata": metadata})
    assert changed.get("metadata", {}) == metadata
    states = types_of(feed).count("session.state_changed")
    async with asyncio.timeout(LIMIT):
        while True:
            sent = await send(tenant, mine, mine.number)
            told = [
                await feed.event("message.accepted", mine.session, LIMIT, accepted(sent)),
                await feed.event(
                    "message.status_changed", mine.session, LIMIT, status(sent, "sent")
                ),
            ]
            if all(one.event.get("session_metadata", {}) == metadata for one in told):
                break
    assert types_of(feed).count("session.state_changed") == states


def accepted(message: Json) -> Callable[[Json], bool]:
    """Whether a `message.accepted` is of this message."""
    return lambda data: bool(data["message"]["id"] == message["id"])


def types_of(feed: Feed) -> list[str]:
    """The types of all events so far."""
    return [seen.event["type"] for seen in feed.seen]


@pytest.mark.proves(FEATURE, "rest")
async def test_metadata_is_small(tenant: Tenant) -> None:
    """Too many, too long, and what is no text are refused, and change nothing."""
    made = await tenant.rest.post("/sessions", {"network": "sandbox", "metadata": {"a": "b"}})
    path = f"/sessions/{made['id']}"
    for wrong in (
        {f"key{n}": "x" for n in range(11)},
        {"x" * 41: "long name"},
        {"no spaces": "x"},
        {"": "x"},
        {"long": "x" * 201},
        {"number": 1},
        {"nested": {"a": "b"}},
        ["a"],
    ):
        with pytest.raises(Refused) as refused:
            await tenant.rest.call("PATCH", path, {"metadata": wrong})
        assert refused.value.problem["code"] == "invalid_body"
    assert (await tenant.rest.get(path))["metadata"] == {"a": "b"}
    most = {f"key{n}": "x" * 200 for n in range(10)}
    assert (await tenant.rest.call("PATCH", path, {"metadata": most}))["metadata"] == most
