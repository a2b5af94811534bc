"""Sending and reading over REST; the test plays the session's owner."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.e2e.api.owner import Owner
from wa_api.domain.ids import MessageId
from wa_api.store import messages

pytestmark = pytest.mark.e2e

_BODY = {
    "messaging_product": "whatsapp",
    "recipient_type": "individual",
    "to": "+55 11 99999-0000",
    "type": "text",
    "text": {"body": "hi", "preview_url": True},
    "ref": "order-1",
}


async def _until_status(client: httpx.AsyncClient, path: str, status: str) -> dict[str, object]:
    async with asyncio.timeout(60):
        while True:
            message: dict[str, object] = (await client.get(path)).json()
            if message["status"] == status:
                return message
            await asyncio.sleep(0.02)


@pytest.mark.proves("Text", "rest")
@pytest.mark.proves("Cloud-API-shaped messages", "rest")
async def test_a_message_is_accepted_then_sent(client: httpx.AsyncClient, owner: Owner) -> None:
    """202 with an id at once; its history grows until it is sent."""
    path = f"/v1/sessions/{owner.session}/messages"
    accepted = await client.post(path, json=_BODY)
    assert accepted.status_code == 202, accepted.text
    message = accepted.json()
    assert message["status"] == "accepted"
    assert message["text"] == {"body": "hi", "preview_url": True}
    assert message["chat"]["id"] == "5511999990000@s.whatsapp.net"
    assert message["ref"] == "order-1"
    sent = await _until_status(client, f"{path}/{message['id']}", "sent")
    steps = [step["status"] for step in sent["statuses"]]  # type: ignore[attr-defined]
    assert steps == ["accepted", "queued", "sending", "sent"]
    assert owner.sent == [message["id"]]
    listed = (await client.get(path)).json()["items"]
    assert [one["id"] for one in listed] == [message["id"]]
    assert (await client.get(path, params={"chat": "5511999990001"})).json()["items"] == []


@pytest.mark.parametrize("how", ["query", "prefer"])
async def test_a_caller_may_wait_for_the_result(
    client: httpx.AsyncClient, owner: Owner, how: str
) -> None:
    """`?wait=` and `Prefer: wait=` answer 200 with what became of it."""
    answer = await client.post(
        f"/v1/sessions/{owner.session}/messages",
        json=_BODY,
        params={"wait": 5} if how == "query" else {},
        headers={"Prefer": "wait=5"} if how == "prefer" else {},
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "sent")
    assert answer.json()["wa_id"] == "WA1"


async def test_waiting_ends_and_the_message_still_goes_out(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    """If the owner is slow the answer is 202, and the send is not lost."""
    await owner.bus.inbox.detach(owner.session)
    path = f"/v1/sessions/{owner.session}/messages"
    answer = await client.post(path, json=_BODY, params={"wait": 0.3})
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    owner.bus.inbox.attach(owner.lease, owner.on_command)
    await _until_status(client, f"{path}/{answer.json()['id']}", "sent")


@pytest.mark.proves("Idempotency key", "rest")
async def test_a_repeat_under_a_key_is_the_first(client: httpx.AsyncClient, owner: Owner) -> None:
    """Same key and body: one message, also when both come at once; another body is a conflict."""
    path = f"/v1/sessions/{owner.session}/messages"
    headers = {"Idempotency-Key": "k-1"}
    answers = await asyncio.gather(
        *(client.post(path, json=_BODY, headers=headers) for _ in range(5))
    )
    assert {one.status_code for one in answers} <= {200, 202}
    assert len({one.json()["id"] for one in answers}) == 1
    other = await client.post(path, json={**_BODY, "ref": "order-2"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    await _until_status(client, f"{path}/{answers[0].json()['id']}", "sent")
    assert len(owner.sent) == 1
    bad = await client.post(path, json=_BODY, headers={"Idempotency-Key": "a b"})
    assert bad.status_code == 400


@pytest.mark.proves("Receipts", "rest")
async def test_received_messages_are_marked_as_read(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    """The owner is asked to send one receipt for the chat; a sent message cannot be read."""
    first, second = await owner.receive("a", "IN1"), await owner.receive("b", "IN2")
    path = f"/v1/sessions/{owner.session}/messages"
    answer = await client.post(f"{path}/read", json={"message_ids": [first.id, second.id]})
    assert answer.status_code == 204, answer.text
    assert [one.name for one in owner.asked] == ["message.read"]
    assert owner.asked[0].data == {
        "chat": first.chat.id,
        "sender": None,
        "wa_ids": ["IN1", "IN2"],
    }
    mine = (await client.post(path, json=_BODY)).json()["id"]
    answer = await client.post(f"{path}/read", json={"message_ids": [mine]})
    assert (answer.status_code, answer.json()["code"]) == (404, "message_not_found")


@pytest.mark.proves("Typing, recording", "rest")
async def test_typing_reaches_the_owner(client: httpx.AsyncClient, owner: Owner) -> None:
    """The command names the chat in its canonical form."""
    path = f"/v1/sessions/{owner.session}/typing"
    answer = await client.post(path, json={"chat": "5511999990000@c.us", "state": "recording"})
    assert answer.status_code == 204
    assert owner.asked[0].data == {"chat": "5511999990000@s.whatsapp.net", "state": "recording"}


@pytest.mark.proves("Message store", "rest")
async def test_lists_go_both_ways(client: httpx.AsyncClient, owner: Owner) -> None:
    """Back from the newest by `before`, on from the oldest by `after`."""
    made = [(await owner.receive(str(n), f"IN{n}")).id for n in range(5)]
    path = f"/v1/sessions/{owner.session}/messages"
    page = (await client.get(path, params={"limit": 2})).json()
    assert [one["id"] for one in page["items"]] == [made[4], made[3]]
    page = (await client.get(path, params={"limit": 2, "before": page["next"]})).json()
    assert [one["id"] for one in page["items"]] == [made[2], made[1]]
    page = (await client.get(path, params={"limit": 2, "after": made[2]})).json()
    assert [one["id"] for one in page["items"]] == [made[3], made[4]]


async def test_an_accepted_message_has_its_row_before_its_event(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    """Whoever sees `message.accepted` can read the message."""
    sent = (await client.post(f"/v1/sessions/{owner.session}/messages", json=_BODY)).json()
    page = (await client.get("/v1/events", params={"types": "message.accepted"})).json()
    event = page["items"][0]
    assert event["data"]["message"]["id"] == sent["id"]
    assert event["data"]["message"]["text"] == {"body": "hi", "preview_url": True}
    assert (await messages.get(owner.tenant, MessageId(sent["id"]))).id == sent["id"]
