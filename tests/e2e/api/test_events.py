"""The event log over plain HTTP: history, long polling, server-sent events."""

from __future__ import annotations

import asyncio
import time

import httpx
import orjson
import pytest

from tests.e2e.api.conftest import Gateway, Tenant
from tests.e2e.api.owner import Owner
from wa_api.domain.events import Event, SessionStateChanged, WebhookResumed, event

pytestmark = pytest.mark.e2e


async def test_history_is_paged_by_cursor(client: httpx.AsyncClient, owner: Owner) -> None:
    """Following `next` gives every event once, in order, and then nothing."""
    cursors = await owner.say_many(25)
    seen: list[str] = []
    after = "0"
    for _ in range(4):
        page = (await client.get("/v1/events", params={"after": after, "limit": 10})).json()
        seen += [event["id"] for event in page["items"]]
        after = page["next"]
    assert seen == cursors
    assert after == cursors[-1]
    event = page["items"] or (await client.get("/v1/events")).json()["items"][0]
    assert set(event) == {"id", "type", "tenant", "session", "time", "data"}


async def test_a_poll_waits_for_the_next_event(client: httpx.AsyncClient, owner: Owner) -> None:
    """It is answered as soon as something comes, and with nothing when nothing does."""
    query = {"types": "chat.*", "wait": 10}
    polling = asyncio.create_task(client.get("/v1/events", params=query))
    await asyncio.sleep(0.3)  # so that it does wait
    assert not polling.done()
    cursor = await owner.say_typing()
    started = time.monotonic()
    page = (await polling).json()
    assert time.monotonic() - started < 5
    assert [event["id"] for event in page["items"]] == [cursor]
    query = {"after": page["next"], "wait": 0.2}  # type: ignore[dict-item]
    assert (await client.get("/v1/events", params=query)).json() == {
        "items": [],
        "next": page["next"],
        "more": False,
    }


@pytest.mark.parametrize("archived", [False, True], ids=["live", "archived"])
async def test_history_by_type_session_and_time(
    client: httpx.AsyncClient, owner: Owner, archived: bool
) -> None:
    """All conditions hold, in the live tail as in the archive; every page says where to go on."""
    before = await owner.say_many(3)
    await asyncio.sleep(0.02)
    between = (int(await owner.say_typing()) >> 20) / 1000
    sent = await owner.bus.log.append(
        [event(owner.tenant, owner.session, WebhookResumed(webhook="wh_1")), *_states(owner, 2)]
    )
    if archived:
        await owner.archive()

    async def found(**query: object) -> list[str]:
        ids: list[str] = []
        page = {"next": "0", "more": True}
        while page["more"]:
            given = {"limit": 2, **query, "after": page["next"]}
            page = (await client.get("/v1/events", params=given)).json()
            ids += [one["id"] for one in page["items"]]
        return ids

    everything = await found()
    assert everything == sorted(everything, key=int)
    assert len(everything) == 7
    assert await found(types="session.state_changed") == sent[1:]
    assert await found(types="session.*,webhook.resumed") == sent
    assert await found(session="ses_other", types="session.*") == sent[2:]
    assert await found(until=between) == before
    assert await found(since=between) == everything[3:]
    assert await found(since=between, until=between) == []
    assert await found(since=0) == everything
    assert await found(since=between, types="chat.*") == everything[3:4]


def _states(owner: Owner, count: int) -> list[Event]:
    sessions = [owner.session, "ses_other"]
    said = SessionStateChanged(state="connected", reason="linked")
    return [event(owner.tenant, sessions[n % 2], said) for n in range(count)]


async def test_a_cursor_that_is_gone_is_410_and_says_where_to_go_on(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    """What was deleted is not silently skipped; from `goes_on` everything that is kept follows."""
    said = await owner.say_many(5)
    await owner.forget(3)
    gone = await client.get("/v1/events", params={"after": said[0]})
    assert (gone.status_code, gone.json()["code"]) == (410, "cursor_gone")
    rest = await client.get("/v1/events", params={"after": gone.json()["goes_on"]})
    assert [one["id"] for one in rest.json()["items"]] == said[3:]
    kept = await client.get("/v1/events", params={"after": said[2]})
    assert [one["id"] for one in kept.json()["items"]] == said[3:]
    everything = await client.get("/v1/events")
    assert [one["id"] for one in everything.json()["items"]] == said[3:]


async def test_a_message_has_its_trail_of_events(client: httpx.AsyncClient, owner: Owner) -> None:
    """All that was said of one message and nothing else, archived or not."""
    path = f"/v1/sessions/{owner.session}/messages"
    body = {"to": "5511999990000", "text": {"body": "hi"}}
    one, other = [(await client.post(f"{path}?wait=5", json=body)).json() for _ in range(2)]
    await owner.say_typing()

    async def told(message: str) -> list[str]:
        trail = (await client.get(f"{path}/{message}/events")).json()["items"]
        about = [each["data"].get("id") or each["data"]["message"]["id"] for each in trail]
        assert set(about) == {message}
        return [each["type"] for each in trail]

    way = ["message.accepted", "message.status_changed"]
    assert await told(one["id"]) == way
    await owner.archive()
    assert await told(one["id"]) == way
    assert await told(other["id"]) == way
    assert (await client.get(f"{path}/msg_none/events")).status_code == 404


async def _read(response: httpx.Response, count: int) -> list[dict[str, str]]:
    events: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    async with asyncio.timeout(60):
        async for line in response.aiter_lines():
            if not line and fields:
                events.append(fields)
                fields = {}
            elif line and not line.startswith((":", "retry")):
                name, _, value = line.partition(": ")
                fields[name] = value
            if len(events) == count:
                break
    return events


@pytest.mark.proves("Server-sent events", "rest")
async def test_a_stream_goes_on_from_the_last_event(
    client: httpx.AsyncClient, owner: Owner
) -> None:
    """`Last-Event-ID` brings what was missed first."""
    first, *missed = await owner.say_many(3)
    headers = {"Last-Event-ID": first}
    async with client.stream("GET", "/v1/events/stream", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = await _read(response, 2)
    assert [event["id"] for event in events] == missed
    assert events[0]["event"] == "chat.typing_changed"
    assert orjson.loads(events[0]["data"])["id"] == missed[0]
    async with client.stream("GET", "/v1/events/stream?types=chat.*") as response:
        cursor = await owner.say_typing()
        assert [event["id"] for event in await _read(response, 1)] == [cursor]


async def test_a_stream_tells_a_gap(client: httpx.AsyncClient, owner: Owner) -> None:
    """As an event whose id a browser comes back with."""
    said = await owner.say_many(5)
    await owner.forget(3)
    async with client.stream("GET", f"/v1/events/stream?after={said[0]}") as response:
        gap, *rest = await _read(response, 3)
    told = orjson.loads(gap["data"])
    assert (gap["event"], gap["id"], told["after"]) == ("gap", told["goes_on"], said[0])
    assert [one["id"] for one in rest] == said[3:]


async def test_a_stream_ends_with_the_reason(
    gateway: Gateway, client: httpx.AsyncClient, tenant: Tenant
) -> None:
    """A revoked key's stream says so in its last event."""
    async with client.stream("GET", f"{gateway.other}/v1/events/stream") as response:
        assert (await client.delete(f"/v1/api-keys/{tenant.key_id}")).status_code == 204
        (event,) = await _read(response, 1)
    assert event["event"] == "close"
    assert orjson.loads(event["data"]) == {"code": 4003, "reason": "token_revoked"}


@pytest.mark.parametrize("last", ["x", "-1", "1" * 20, "9" * 19, "\uff19"])
async def test_a_wrong_last_event_id_is_refused(client: httpx.AsyncClient, last: str) -> None:
    """It must be a cursor."""
    answer = await client.get("/v1/events/stream", headers={"Last-Event-ID": last.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "query",
    [
        {"after": "9" * 19},
        {"after": "-1"},
        {"since": "yesterday"},
        {"since": "nan"},
        {"until": "1e12"},
        {"until": "-1"},
        {"types": "x" * 2001},
    ],
    ids=str,
)
async def test_a_wrong_search_is_refused(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    """A cursor that cannot be, and times that are none."""
    answer = await client.get("/v1/events", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")


async def test_the_ends_of_time_are_no_error(client: httpx.AsyncClient, owner: Owner) -> None:
    """The smallest and largest values give an answer."""
    [said] = await owner.say_many(1)
    for query, found in (
        ({"since": "0", "until": "100000000000"}, [said]),
        ({"since": "100000000000"}, []),
        ({"until": "0"}, []),
        ({"types": ""}, []),
        ({"session": "", "types": "chat.*"}, []),
    ):
        answer = await client.get("/v1/events", params=query)
        assert [one["id"] for one in answer.json()["items"]] == found, query
    gone = await client.get("/v1/events", params={"after": "8" + "9" * 18})
    assert (gone.status_code, int(gone.json()["goes_on"]) < int(said)) == (410, True)
