"""The queue end to end: REST, real workers, the real engine, virtual phones."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.demo.client import Feed, Json

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]

LIMIT = 60.0
#: Paced, and nothing else.
PACE = {
    "per_minute": 1200,
    "burst": 1,
    "jitter": 0,
    "chat_gap": 0,
    "per_day": None,
    "first_contacts_per_day": None,
    "first_contacts_per_minute": None,
    "warm_up": None,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway whose restrictions last four seconds."""
    quick = {"WA_SESSIONS_RESTRICTION_SECONDS": "4", "WA_SESSIONS_LEASE_SECONDS": "2"}
    async with Gateway.own(**quick) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(gateway: Gateway) -> Tenant:
    """A tenant with a client."""
    return await gateway.tenant()


def text(to: str, body: str, **more: Any) -> Json:
    """A message."""
    return {"to": to, "text": {"body": body}, **more}


async def inbox(tenant: Tenant, phone: Json, count: int) -> list[str]:
    """The texts that a phone got; waits for as many."""
    async with asyncio.timeout(LIMIT):
        while True:
            found = await tenant.rest.get(f"/sandbox/phones/{phone['phone']}/inbox")
            if len(found["items"]) >= count:
                return [one["text"] for one in found["items"]]
            await asyncio.sleep(0.1)


async def changed(
    feed: Feed, session: str, kind: str, wanted: Callable[[Json], bool], after: int = 0
) -> dict[str, Any]:
    """Data of the first such event after so many."""
    async with asyncio.timeout(LIMIT):
        while True:
            for seen in feed.seen[after:]:
                event = seen.event
                same = event["type"] == kind and event.get("session") == session
                if same and wanted(event["data"]):
                    found: dict[str, Any] = event["data"]
                    return found
            await asyncio.sleep(0.05)


async def state(feed: Feed, linked: Linked, name: str, after: int = 0) -> dict[str, Any]:
    """Wait for a state."""
    kind = "session.state_changed"
    return await changed(
        feed, linked.session, kind, lambda data: bool(data["state"] == name), after
    )


async def status(feed: Feed, linked: Linked, message: str, name: str) -> dict[str, Any]:
    """Wait for a message's status."""
    return await changed(
        feed,
        linked.session,
        "message.status_changed",
        lambda data: bool(data["id"] == message and data["status"] == name),
    )


async def kill_owner(gateway: Gateway) -> None:
    """Its supervisor starts another."""
    for worker in gateway.children("sessions"):
        worker.send_signal(signal.SIGKILL)


async def set_pacing(tenant: Tenant, linked: Linked, pacing: Any) -> None:
    """Change the session's policy."""
    settings = {"settings": {"pacing": pacing}}
    await tenant.rest.call("PATCH", f"/sessions/{linked.session}", settings)


@pytest.mark.proves("Bulk, queue, pacing", "sent")
async def test_a_batch_arrives_in_order_at_the_policys_rate(tenant: Tenant):
    """Twenty a second to three phones, a reply before the campaign, and nobody who is not there."""
    async with tenant.feed() as feed:
        anna = await tenant.link_session(feed)
    phones = [await tenant.new_phone(f"P{n}") for n in range(3)]
    friend = await tenant.new_phone("Friend")
    await set_pacing(tenant, anna, PACE)
    batch = [text(phones[n % 3]["number"], f"campaign {n}", priority="campaign") for n in range(60)]
    batch.append(text("99999999999999", "nobody"))
    path = f"/sessions/{anna.session}"
    begin = time.monotonic()
    items = (await tenant.rest.post(f"{path}/messages/batch", {"messages": batch}))["items"]
    urgent = await tenant.rest.post(
        f"{path}/messages", text(friend["number"], "urgent", priority="reply"), wait=30
    )
    assert urgent["status"] in ("sent", "delivered")
    queue = await tenant.rest.get(f"{path}/queue", message=items[59]["id"])
    for n, phone in enumerate(phones):
        expected = [f"campaign {k}" for k in range(n, 60, 3)]
        assert await inbox(tenant, phone, len(expected)) == expected
    took = time.monotonic() - begin
    assert took >= 60 / 20  # a rate is an upper bound
    assert queue["message"]["position"] > 1
    nobody = await tenant.rest.get(f"{path}/messages/{items[60]['id']}")
    assert nobody["error"]["code"] == "recipient_not_on_whatsapp"
    after = await tenant.rest.get(f"{path}/queue")
    assert (after["waiting"], after["sent_today"], after["first_contacts_today"]) == (0, 61, 4)


@pytest.mark.proves("Scheduled sends", "sent")
async def test_a_scheduled_message_survives_its_owners_death(gateway: Gateway, tenant: Tenant):
    """It arrives once, at its time; a paused queue holds it, a cancelled one never goes."""
    async with tenant.feed() as feed:
        anna = await tenant.link_session(feed)
        bert = await tenant.new_phone("Bert")
        path = f"/sessions/{anna.session}/messages"
        due = time.time() + 4
        at = datetime.fromtimestamp(due, UTC).isoformat()
        later = await tenant.rest.post(path, text(bert["number"], "later", send_at=at))
        never = await tenant.rest.post(path, text(bert["number"], "never", send_at=at))
        assert later["status"] == "scheduled"
        await tenant.rest.post(f"{path}/{never['id']}/cancel")
        await kill_owner(gateway)
        await status(feed, anna, later["id"], "sent")
        assert time.time() >= due
        assert await inbox(tenant, bert, 1) == ["later"]
        steps = (await tenant.rest.get(f"{path}/{later['id']}"))["statuses"]
        names = [step["status"] for step in steps]
        assert names[:5] == ["accepted", "scheduled", "queued", "sending", "sent"]
        await tenant.rest.post(f"/sessions/{anna.session}/queue/pause")
        held = await tenant.rest.post(path, text(bert["number"], "held"), wait=1)
        assert held["status"] == "accepted"
        told = len(feed.seen)
        await kill_owner(gateway)
        await state(feed, anna, "connected", told)
        place = await tenant.rest.get(f"/sessions/{anna.session}/queue", message=held["id"])
        assert place["waits_for"] in ("paused", "offline")
        await tenant.rest.post(f"/sessions/{anna.session}/queue/resume")
        await status(feed, anna, held["id"], "sent")
        assert await inbox(tenant, bert, 2) == ["later", "held"]


async def test_a_refusal_for_speed_holds_the_session_and_loses_nothing(tenant: Tenant):
    """The queue says what it waits for; then all go by themselves, in order."""
    async with tenant.feed() as feed:
        anna, bert = await tenant.link_session(feed), await tenant.new_phone("Bert")
        how = {"how": "restricted", "code": 429, "ms": 3000}
        await tenant.rest.post(f"/sandbox/phones/{anna.phone}/break", how)
        path = f"/sessions/{anna.session}"
        sent = [
            await tenant.rest.post(f"{path}/messages", text(bert["number"], body))
            for body in ("one", "two")
        ]
        async with asyncio.timeout(LIMIT):
            while (await tenant.rest.get(f"{path}/queue")).get("waits_for") != "slowed_down":
                await asyncio.sleep(0.02)
        for message in sent:
            await status(feed, anna, message["id"], "sent")
        assert await inbox(tenant, bert, 2) == ["one", "two"]


@pytest.mark.proves("Account restriction state (463)", "rest", "websocket")
async def test_a_restriction_holds_strangers_and_lets_replies_through(
    gateway: Gateway, tenant: Tenant
):
    """Through its owner's death, until it is over; then the held message goes by itself."""
    async with tenant.feed() as feed:
        anna = await tenant.link_session(feed)
        friend, stranger = await tenant.new_phone("Friend"), await tenant.new_phone("Stranger")
        await tenant.rest.post(
            f"/sandbox/phones/{friend['phone']}/send", {"to": anna.number, "text": "hello"}
        )
        await feed.event("message.received", anna.session, LIMIT)
        path = f"/sessions/{anna.session}"
        await tenant.rest.post(f"/sandbox/phones/{anna.phone}/break", {"how": "restricted"})
        cold = await tenant.rest.post(f"{path}/messages", text(stranger["number"], "cold"))
        restricted = await state(feed, anna, "restricted")
        assert restricted["reason"] == "reachout_timelock"
        assert restricted["until"]
        short = await tenant.rest.post(
            f"{path}/messages", text(stranger["number"], "too late", expires_in=1)
        )
        reply = await tenant.rest.post(f"{path}/messages", text(friend["number"], "hi"), wait=20)
        assert reply["status"] in ("sent", "delivered")
        held = await tenant.rest.get(f"{path}/queue", message=cold["id"])
        assert held["message"]["waits_for"] == "restricted"
        assert held["restricted_until"]
        assert (await tenant.rest.get(path))["state"] == "restricted"
        await status(feed, anna, short["id"], "expired")
        told = len(feed.seen)
        await kill_owner(gateway)
        await state(feed, anna, "starting", told)
        await tenant.rest.post(f"/sandbox/phones/{anna.phone}/break", {"how": "heal"})
        await status(feed, anna, cold["id"], "sent")
        await state(feed, anna, "connected", told)
        assert await inbox(tenant, stranger, 1) == ["cold"]


async def test_a_temporary_ban_ends_by_itself(tenant: Tenant):
    """What waited goes out; what could not wait as long is expired."""
    async with tenant.feed() as feed:
        anna = await tenant.link_session(feed)
        bert = await tenant.new_phone("Bert")
        told = len(feed.seen)
        ban = {"how": "banned", "ms": 3000}
        await tenant.rest.post(f"/sandbox/phones/{anna.phone}/break", ban)
        banned = await state(feed, anna, "banned", told)
        assert (banned["reason"], bool(banned["until"])) == ("temporary_ban", True)
        path = f"/sessions/{anna.session}/messages"
        short = await tenant.rest.post(path, text(bert["number"], "short", expires_in=1))
        waits = await tenant.rest.post(path, text(bert["number"], "patient"))
        await status(feed, anna, short["id"], "expired")
        await status(feed, anna, waits["id"], "sent")
        assert await inbox(tenant, bert, 1) == ["patient"]
