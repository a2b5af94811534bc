"""Batches, schedules and the queue over REST and WebSocket; the test plays the session's owner."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.api.conftest import Gateway, Tenant
from tests.e2e.api.owner import Owner
from tests.e2e.api.sockets import opened
from wa_api.domain.ids import MessageId
from wa_api.domain.messages import Status
from wa_api.store import contacts, fleet, messages
from wa_api.store import queue as rows

pytestmark = pytest.mark.e2e

TO = "5511999990000"
_PICTURE = {"type": "image", "image": {"link": "https://example.org/a.jpg"}}


def text(body: str, **more: object) -> dict[str, Any]:
    """A message."""
    return {"to": TO, "text": {"body": body}, **more}


def in_an_hour() -> str:
    """RFC 3339."""
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def events(client: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    """Data of the events of a type, oldest first."""
    found = (await client.get("/v1/events", params={"types": kind, "limit": 1000})).json()
    return [one["data"] for one in found["items"]]


async def test_an_album_waits_as_one_message_for_each_item(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    """All for the same time; only its own message has the caller's ref."""
    path = f"/v1/sessions/{owner.session}/messages"
    album = {"to": TO, "type": "album", "ref": "trip", "send_at": in_an_hour()}
    body = album | {"album": {"items": [_PICTURE] * 30}}
    answer = await client.post(path, json=body, params={"wait": 1})
    assert answer.status_code == 202, answer.text
    made = answer.json()
    waiting = (
        await client.get(f"/v1/sessions/{owner.session}/queue/scheduled", params={"limit": 100})
    ).json()["items"]
    assert [one["id"] for one in waiting] == [made["id"], *made["album"]["items"]]
    assert {one["send_at"] for one in waiting} == {made["send_at"]}
    assert [one.get("ref") for one in waiting] == ["trip", *[None] * 30]
    told = {one["message"]["id"] for one in await events(client, "message.accepted")}
    assert told >= {one["id"] for one in waiting}


@pytest.mark.proves("Bulk, queue, pacing", "rest")
async def test_a_batch_answers_for_each_item(client: httpx.AsyncClient, owner: Owner) -> None:
    """In order: an id, or the problem of that item; the owner hears of all at once."""
    path = f"/v1/sessions/{owner.session}/messages"
    batch = [
        text("1", ref="one"),
        {"to": "nobody", "text": {"body": "x"}},
        text("3"),
        text("4", typo=1),
        "five",
        text(" "),
        {"to": TO, "type": "album", "album": {"items": [_PICTURE, _PICTURE]}},
    ]
    answer = await client.post(f"{path}/batch", json={"messages": batch})
    assert answer.status_code == 202, answer.text
    items = answer.json()["items"]
    assert answer.json()["accepted"] == 2
    codes = [one.get("error", {}).get("code") for one in items]
    assert codes == [None, "invalid_address", None, *["invalid_body"] * 4]
    assert items[3]["error"]["errors"] == [
        {"field": "", "detail": "Object contains unknown field `typo`"}
    ]
    assert (items[0]["ref"], items[0]["status"]) == ("one", "accepted")
    waiting = await rows.list_waiting(owner.tenant, owner.session)
    assert [one.id for one in waiting] == [items[0]["id"], items[2]["id"]]
    accepted = await events(client, "message.accepted")
    assert [one["message"]["text"]["body"] for one in accepted] == ["1", "3"]
    async with asyncio.timeout(60):
        while [one.name for one in owner.asked] != ["queue.refresh"]:
            await asyncio.sleep(0.02)


async def test_a_repeated_batch_gives_the_same_ids(client: httpx.AsyncClient, owner: Owner) -> None:
    """By the key of the batch, or by the refs of its items; another batch is refused."""
    path = f"/v1/sessions/{owner.session}/messages/batch"
    plain = {"messages": [text("1"), text("2")]}
    key = {"Idempotency-Key": "batch-1"}
    first = (await client.post(path, json=plain, headers=key)).json()
    assert (await client.post(path, json=plain, headers=key)).json() == first
    other = (await client.post(path, json={"messages": [text("3")]}, headers=key)).json()
    assert other["items"][0]["error"]["code"] == "idempotency_key_reused"
    marked = {"messages": [text("1", ref="a"), text("2", ref="b")]}
    once = (await client.post(path, json=marked)).json()["items"]
    more = {"messages": [text("0", ref="z"), text("1", ref="a"), text("other", ref="b")]}
    again = (await client.post(path, json=more)).json()["items"]
    assert again[1]["id"] == once[0]["id"]
    assert again[2]["error"]["code"] == "idempotency_key_reused"
    assert len(await rows.list_waiting(owner.tenant, owner.session)) == 5


async def test_a_batch_knows_people_by_their_number(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    """A LID whose number is known is the same chat as that number."""
    lid = "123456789012@lid"
    news = [contacts.Learned(contact=f"{TO}@s.whatsapp.net", lid=lid)]
    await contacts.learn(owner.tenant, owner.session, news)
    batch = {"messages": [text("number"), text("lid") | {"to": lid}]}
    path = f"/v1/sessions/{owner.session}/messages/batch"
    assert (await client.post(path, json=batch)).json()["accepted"] == 2
    waiting = await rows.list_waiting(owner.tenant, owner.session)
    assert {one.chat for one in waiting} == {f"{TO}@s.whatsapp.net"}


async def test_a_batch_has_bounds(client: httpx.AsyncClient, owner: Owner) -> None:
    """None, more than 1,000, or no list: nothing is accepted."""
    path = f"/v1/sessions/{owner.session}/messages/batch"
    for wrong in ({"messages": []}, {"messages": [text("x")] * 1001}, {"messages": "x"}, []):
        answer = await client.post(path, json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert await rows.list_waiting(owner.tenant, owner.session) == []


async def test_a_thousand_at_once(client: httpx.AsyncClient, owner: Owner) -> None:
    """The largest batch, each with an id of its own."""
    batch = {"messages": [text(str(n), priority="campaign") for n in range(1000)]}
    path = f"/v1/sessions/{owner.session}"
    answer = (await client.post(f"{path}/messages/batch", json=batch)).json()
    assert len({one["id"] for one in answer["items"]}) == 1000
    queue = (await client.get(f"{path}/queue")).json()
    assert (queue["waiting"], queue["by_priority"]) == (1000, {"campaign": 1000})
    assert queue["limit"] == 10_000
    purged = await client.post(f"{path}/queue/purge", json={})
    assert purged.json() == {"cancelled": 1000}
    changes = await events(client, "message.status_changed")
    assert [one["status"] for one in changes] == ["cancelled"] * 1000


@pytest.mark.proves("Bulk, queue, pacing", "websocket")
@pytest.mark.proves("Scheduled sends", "websocket")
async def test_the_same_over_a_socket(
    gateway: Gateway, tenant: Tenant, client: httpx.AsyncClient, owner: Owner
) -> None:
    """Batch, look, pause, schedule, list, cancel and purge are commands with the same bodies."""

    async def ask(command: str, ref: str = "r", **data: Any) -> dict[str, Any]:
        frame = {"type": "command", "command": command, "session": owner.session}
        answer: dict[str, Any] = await socket.ask({**frame, "ref": ref, "data": data})
        assert answer["ok"], answer
        return answer["data"]

    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        batch = [text("1"), text("2", send_at=in_an_hour())]
        sent = await ask("message.send_batch", "b1", messages=batch)
        assert await ask("message.send_batch", "b1", messages=batch) == sent
        assert [one["status"] for one in sent["items"]] == ["accepted", "scheduled"]
        first, later = (one["id"] for one in sent["items"])
        assert (await ask("queue.pause"))["paused_at"]
        assert (await ask("queue.get", message=first))["waiting"] == 1
        assert [one["id"] for one in (await ask("queue.scheduled"))["items"]] == [later]
        assert (await ask("message.cancel", message=later))["status"] == "cancelled"
        assert "paused_at" not in await ask("queue.resume")
        assert await ask("queue.purge") == {"cancelled": 1}


@pytest.mark.proves("Scheduled sends", "rest")
async def test_a_scheduled_message_is_listed_and_sent_when_it_is_due(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    """Its owner hears nothing of it before."""
    path = f"/v1/sessions/{owner.session}/messages"
    answer = await client.post(path, json=text("later", send_at=in_an_hour()), params={"wait": 1})
    assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
    assert answer.json()["send_at"].endswith("Z")
    listed = (await client.get(f"/v1/sessions/{owner.session}/queue/scheduled")).json()
    assert [one["id"] for one in listed["items"]] == [answer.json()["id"]]
    assert owner.asked == []
    assert await fleet.fall_due() == []


async def test_a_time_that_has_passed_is_now(client: httpx.AsyncClient, owner: Owner) -> None:
    """So that the repeat of a scheduled request gets the first answer, not an error."""
    past = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    body = text("now", send_at=past)
    answer = await client.post(
        f"/v1/sessions/{owner.session}/messages", json=body, params={"wait": 5}
    )
    assert answer.json()["status"] == "sent"


async def test_a_message_is_taken_back_until_it_is_handed_over(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    """Then it is too late, and stays so."""
    await owner.bus.inbox.detach(owner.session)
    path = f"/v1/sessions/{owner.session}/messages"
    message = (await client.post(path, json=text("oops"))).json()["id"]
    cancelled = await client.post(f"{path}/{message}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert (await events(client, "message.status_changed"))[-1]["status"] == "cancelled"
    second = await client.post(f"{path}/{message}/cancel")
    assert (second.status_code, second.json()["code"]) == (409, "message_not_pending")
    sent = (await client.post(path, json=text("gone"))).json()["id"]
    await messages.begin_sending(owner.tenant, owner.lease, [MessageId(sent)])
    late = await client.post(f"{path}/{sent}/cancel")
    assert late.json()["code"] == "message_not_pending"
    assert (await messages.get(owner.tenant, MessageId(sent))).status is Status.SENDING
    missing = await client.post(f"{path}/msg_0/cancel")
    assert (missing.status_code, missing.json()["code"]) == (404, "message_not_found")


async def test_a_policy_is_checked_and_shown(client: httpx.AsyncClient, owner: Owner) -> None:
    """What is set is in force at once; what makes no sense is refused."""
    path = f"/v1/sessions/{owner.session}"
    wrong = await client.patch(path, json={"settings": {"pacing": {"per_minute": -1}}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_body")
    good = {"pacing": {"per_minute": 6, "per_day": None}}
    changed = await client.patch(path, json={"settings": good})
    assert changed.json()["settings"]["pacing"] == good["pacing"]
    assert (await client.get(f"{path}/queue")).json()["pacing"] == good["pacing"]
    assert "queue.refresh" in [one.name for one in owner.asked]
    assert (await client.patch(path, json={"settings": {"pacing": "off"}})).status_code == 200
    assert "pacing" not in (await client.get(f"{path}/queue")).json()
