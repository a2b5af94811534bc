"""The WebSocket's protocol, frame by frame."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import httpx
import jwt
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.e2e.api.conftest import SECRET, Gateway, Tenant
from tests.e2e.api.owner import Owner
from tests.e2e.api.sockets import opened

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("query", ["", "?access_token=wrong", "?access_token=wa_a_b"])
async def test_without_a_valid_token_there_is_no_upgrade(gateway: Gateway, query: str) -> None:
    """The handshake is refused with 401 and a problem document."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(gateway.processes[0].ws + query)
    assert refused.value.response.status_code == 401
    assert orjson.loads(refused.value.response.body)["code"] in ("unauthorized", "invalid_token")


async def test_an_ordinary_request_is_told_to_upgrade(client: httpx.AsyncClient) -> None:
    """GET without the WebSocket headers is a clear 4xx."""
    answer = await client.get("/v1/ws")
    assert answer.status_code == 426
    assert answer.json()["code"] == "upgrade_required"


async def test_a_browser_may_bring_its_token_elsewhere(gateway: Gateway, tenant: Tenant) -> None:
    """The token is taken from the query or from a subprotocol, and the other one is chosen."""
    ws = gateway.processes[0].ws
    async with connect(f"{ws}?access_token={tenant.key}") as one:
        assert orjson.loads(await one.recv())["type"] == "hello"
        assert one.subprotocol is None
    offered = ["wa-api.v1", f"bearer.{tenant.key}"]
    async with connect(ws, subprotocols=offered) as two:  # type: ignore[arg-type]
        hello = orjson.loads(await two.recv())
        assert two.subprotocol == "wa-api.v1"
    assert hello["tenant"] == tenant.id
    assert hello["heartbeat"] == 2.0


async def test_events_reach_sockets_of_every_process_in_order(
    gateway: Gateway, tenant: Tenant, owner: Owner
) -> None:
    """Two sockets on two processes get the same events with the same cursors."""
    first, second = gateway.processes
    async with opened(first.ws, tenant.key) as one, opened(second.ws, tenant.key) as two:
        assert one.hello["worker"] != two.hello["worker"]
        sent = [await owner.say_typing() for _ in range(20)]
        got = [[(await s.event("chat.typing_changed"))["id"] for _ in sent] for s in (one, two)]
    assert got == [sent, sent]


@pytest.mark.proves("WebSocket commands, replay from a cursor", "websocket")
async def test_a_client_resumes_without_hole_or_repeat(
    gateway: Gateway, tenant: Tenant, owner: Owner
) -> None:
    """With `after`, what happened meanwhile comes first and then what happens now, once each."""
    ws = gateway.processes[0].ws
    first = await owner.say_typing()
    expected = [await owner.say_typing() for _ in range(700)]
    talking = asyncio.create_task(owner.say_many(300))
    async with opened(ws, tenant.key, f"?after={first}") as socket:
        got = [(await socket.event("chat.typing_changed"))["id"] for _ in range(1000)]
    assert got == expected + await talking


async def test_resume_delivers_again(gateway: Gateway, tenant: Tenant, owner: Owner) -> None:
    """A `resume` frame on an open socket goes back to its cursor."""
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        cursors = [await owner.say_typing() for _ in range(3)]
        for cursor in cursors:
            assert (await socket.event("chat.typing_changed"))["id"] == cursor
        answer = await socket.ask({"type": "resume", "after": cursors[0], "ref": "r"})
        assert answer["ok"] is True
        for cursor in cursors[1:]:
            assert (await socket.event("chat.typing_changed"))["id"] == cursor


async def test_a_cursor_ahead_of_the_log_is_a_gap(
    gateway: Gateway, tenant: Tenant, owner: Owner
) -> None:
    """A cursor of a log that does not exist (any more) is told, and what there is delivered."""
    said = await owner.say_typing()
    ahead = str(1 << 62)
    async with opened(gateway.processes[0].ws, tenant.key, f"?after={ahead}") as socket:
        gap = await socket.next(types=("gap",))
        assert (gap["after"], int(gap["goes_on"]) < int(said)) == (ahead, True)
        for wanted in (said, await owner.say_typing()):
            assert (await socket.event("chat.typing_changed"))["id"] == wanted


async def test_what_is_kept_no_more_is_a_gap(
    gateway: Gateway, tenant: Tenant, owner: Owner
) -> None:
    """Between which cursors is told, what is kept is delivered, and what happens follows."""
    said = await owner.say_many(8)
    await owner.forget(3)
    async with opened(gateway.processes[0].ws, tenant.key, f"?after={said[2]}") as complete:
        got = [(await complete.next())["event"]["id"] for _ in said[3:]]
        assert got == said[3:], "nothing is missing after what was deleted last"
    async with opened(gateway.processes[0].ws, tenant.key, f"?after={said[0]}") as socket:
        gap = await socket.next()
        assert (gap["type"], gap["after"]) == ("gap", said[0])
        assert int(said[2]) <= int(gap["goes_on"]) < int(said[3])
        wanted = [*said[3:], *await owner.say_many(2)]
        assert [(await socket.next())["event"]["id"] for _ in wanted] == wanted


async def test_all_sockets_of_a_process_share_one_subscription(
    gateway: Gateway, tenant: Tenant, stranger: Tenant, owner: Owner
) -> None:
    """Whatever the number of sockets and tenants, Redis sees one more connection for nobody."""

    async def subscribers() -> int:
        listed = await owner.bus.redis.execute("", "CLIENT", "LIST", "TYPE", "pubsub")
        return len(listed.splitlines())

    before = await subscribers()
    async with AsyncExitStack() as stack:
        for n in range(20):
            key = (tenant, stranger)[n % 2].key
            await stack.enter_async_context(opened(gateway.processes[0].ws, key))
        assert await subscribers() == before


@pytest.mark.proves("Event filter", "websocket")
async def test_filters_choose_types_and_sessions(
    gateway: Gateway, tenant: Tenant, owner: Owner
) -> None:
    """Only what was subscribed to comes; a family of types ends in `.*`."""
    url = gateway.processes[0].ws
    async with (
        opened(url, tenant.key, "?types=message.*") as socket,
        opened(url, tenant.key) as everything,
    ):

        async def passed() -> None:
            """Something has happened, and readers of this process were told."""
            cursor = await owner.say_typing()
            while (await everything.event("chat.typing_changed"))["id"] != cursor:
                pass

        await passed()
        answer = await socket.ask({"type": "subscribe", "types": ["chat.*"], "ref": 1})
        assert answer == {"type": "reply", "ref": 1, "ok": True, "data": {}}
        cursor = await owner.say_typing()
        assert (await socket.event("chat.typing_changed"))["id"] == cursor
        await socket.ask({"type": "subscribe", "sessions": ["ses_other"], "ref": 2})
        await passed()
        await socket.ask({"type": "subscribe", "ref": 3})
        cursor = await owner.say_typing()
        assert (await socket.event("chat.typing_changed"))["id"] == cursor


@pytest.mark.proves("Idempotency key", "websocket")
async def test_a_message_is_sent_over_a_socket(
    gateway: Gateway, tenant: Tenant, owner: Owner
) -> None:
    """The reply comes when it is accepted, the events tell the rest, a repeat sends nothing."""
    frame = {
        "type": "command",
        "ref": "send-1",
        "command": "message.send",
        "session": owner.session,
        "data": {"to": "5511999990000", "type": "text", "text": {"body": "hi"}},
    }
    async with opened(gateway.processes[1].ws, tenant.key) as socket:
        reply = await socket.ask(frame)
        assert reply["ok"] is True, reply
        message = reply["data"]
        assert (message["status"], message["text"]) == ("accepted", {"body": "hi"})
        sent = await socket.event("message.status_changed")
        assert (sent["data"]["id"], sent["data"]["status"]) == (message["id"], "sent")
        again = await socket.ask(frame)
        assert again["data"]["id"] == message["id"]
        other = await socket.ask(frame | {"data": frame["data"] | {"to": "5511999990001"}})  # type: ignore[operator]
        assert other["error"]["code"] == "idempotency_key_reused"
    assert owner.sent == [message["id"]]


async def test_a_send_may_wait_for_its_result(
    gateway: Gateway, tenant: Tenant, owner: Owner
) -> None:
    """With `wait` the one reply comes with the result."""
    data = {"to": "5511999990000", "text": {"body": "hi"}, "wait": 5}
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        reply = await socket.ask(
            {
                "type": "command",
                "ref": "w",
                "command": "message.send",
                "session": owner.session,
                "data": data,
            }
        )
    assert reply["data"]["status"] == "sent"
    assert reply["data"]["wa_id"].startswith("WA")


_BAD_FRAMES = [
    ("not json", "malformed_json"),
    ("[]", "invalid_body"),
    ("{}", "invalid_body"),
    ('{"type":"nonsense"}', "invalid_body"),
    ('{"type":"command"}', "invalid_body"),
    ('{"type":"command","command":"message.send","extra":1}', "invalid_body"),
    ('{"type":"subscribe","types":"all"}', "invalid_body"),
    ('{"type":"resume","after":"-1"}', "invalid_body"),
    ('{"type":"resume","after":"x"}', "invalid_body"),
    ('{"type":"resume","after":"9999999999999999999"}', "invalid_body"),
    ('{"type":"auth"}', "invalid_body"),
    ('{"type":"command","command":"a","data":{"b":"\\u0000"}}', "invalid_body"),
]


@pytest.mark.parametrize(("frame", "code"), _BAD_FRAMES)
async def test_a_frame_that_cannot_be_read_is_answered_with_an_error(
    gateway: Gateway, tenant: Tenant, frame: str, code: str
) -> None:
    """An `error` frame says what was wrong, and the socket goes on."""
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        await socket.send(frame)
        answer = await socket.next()
        assert (answer["type"], answer["error"]["code"]) == ("error", code)
        await socket.send({"type": "ping", "ref": "still here"})
        assert await socket.next() == {"type": "pong", "ref": "still here"}


_BAD_COMMANDS = [
    ("unknown", {}, "invalid_body"),
    ("message.send", {}, "invalid_body"),
    ("message.send", {"to": "x", "text": {"body": "hi"}}, "invalid_address"),
    ("message.send", {"to": "5511999990000", "text": {"body": ""}}, "invalid_body"),
    ("message.send", {"to": "5511999990000", "type": "smell"}, "invalid_body"),
    ("chat.typing", {"chat": "5511999990000", "state": "sleeping"}, "invalid_body"),
    ("message.read", {"message_ids": []}, "invalid_body"),
    ("message.read", {"message_ids": ["msg_none"]}, "message_not_found"),
    ("session.pairing_code", {"phone": "12@g.us"}, "invalid_address"),
    ("session.start", {"now": True}, "invalid_body"),
]


@pytest.mark.parametrize(("command", "data", "code"), _BAD_COMMANDS)
async def test_a_command_that_cannot_be_done_gets_its_one_reply(
    gateway: Gateway, tenant: Tenant, owner: Owner, command: str, data: object, code: str
) -> None:
    """The reply has the code that REST would answer with."""
    frame = {"type": "command", "ref": 7, "session": owner.session, "command": command}
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        reply = await socket.ask({**frame, "data": data})
        assert (reply["ok"], reply["error"]["code"]) == (False, code)
        reply = await socket.ask({**frame, "session": "ses_none", "data": data})
        assert reply["ok"] is False


async def test_too_many_broken_frames_close_the_socket(gateway: Gateway, tenant: Tenant) -> None:
    """After some of them the client is taken for broken."""
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        for _ in range(30):
            await socket.send("nonsense")
        assert await socket.closed() == (4009, "protocol_error")


async def test_binary_and_oversized_frames_close_the_socket(
    gateway: Gateway, tenant: Tenant
) -> None:
    """Frames are text, and bounded."""
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        await socket.connection.send(b"\x00\x01")
        assert (await socket.closed())[0] == 1003
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        await socket.send('"' + "x" * 600_000 + '"')
        assert (await socket.closed())[0] == 1009


async def test_a_fragmented_frame_is_put_together(gateway: Gateway, tenant: Tenant) -> None:
    """A frame may come in parts."""
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        await socket.connection.send(['{"type":"pi', 'ng","ref"', ":5}"])
        assert await socket.next() == {"type": "pong", "ref": 5}


async def test_the_server_pings(gateway: Gateway, tenant: Tenant) -> None:
    """A JSON ping comes with every heartbeat, for clients that cannot see protocol pings."""
    async with opened(gateway.processes[0].ws, tenant.key) as socket:
        assert await socket.next(types=("ping",)) == {"type": "ping"}


def _token(tenant: Tenant, seconds: float, **claims: object) -> str:
    now = int(time.time())
    payload = {
        "iss": "wa-api",
        "aud": "wa-api",
        "sub": "usr_test",
        "iat": now,
        "exp": now + seconds,
        "jti": f"tok_{time.monotonic_ns()}",
        "tenant": tenant.id,
        "scope": "events:read messages:write sessions:read",
    }
    return jwt.encode({**payload, **claims}, SECRET, "HS256")


async def test_a_token_that_expires_closes_its_socket(gateway: Gateway, tenant: Tenant) -> None:
    """A notice comes ahead, and the close code says why."""
    async with opened(gateway.processes[0].ws, _token(tenant, 3)) as socket:
        notice = await socket.next(types=("notice",))
        assert notice["notice"] == "token_expires_soon"
        assert await socket.closed() == (4001, "token_expired")


@pytest.mark.proves("JWT, roles, tenants", "websocket")
async def test_a_newer_token_keeps_the_socket_open(
    gateway: Gateway, tenant: Tenant, stranger: Tenant
) -> None:
    """`auth` goes on with another token of the same tenant, and of no other."""
    async with opened(gateway.processes[0].ws, _token(tenant, 3)) as socket:
        refused = await socket.ask({"type": "auth", "token": stranger.key, "ref": "a"})
        assert refused["error"]["code"] == "forbidden"
        refused = await socket.ask({"type": "auth", "token": "nonsense", "ref": "b"})
        assert refused["error"]["code"] == "invalid_token"
        renewed = await socket.ask({"type": "auth", "token": _token(tenant, 600), "ref": "c"})
        assert renewed["ok"] is True
        await asyncio.sleep(3.5)  # past the first token's end
        await socket.send({"type": "ping", "ref": 1})
        assert (await socket.next(types=("pong",)))["ref"] == 1


@pytest.mark.proves("API keys with scopes", "websocket")
async def test_revoking_a_key_closes_its_sockets_everywhere(
    gateway: Gateway, tenant: Tenant, client: httpx.AsyncClient
) -> None:
    """At once, on every process, and the key opens nothing any more."""
    first, second = gateway.processes
    async with opened(first.ws, tenant.key) as one, opened(second.ws, tenant.key) as two:
        started = time.monotonic()
        answer = await client.delete(f"/v1/api-keys/{tenant.key_id}")
        assert answer.status_code == 204, answer.text
        assert await one.closed() == (4003, "token_revoked")
        assert await two.closed() == (4003, "token_revoked")
        assert time.monotonic() - started < 5
    for process in gateway.processes:
        assert (await client.get(f"{process.url}/v1/auth/me")).status_code == 401


async def test_a_tenant_hears_nothing_of_another(
    gateway: Gateway, tenant: Tenant, stranger: Tenant, owner: Owner
) -> None:
    """Neither events nor sessions of another tenant are reachable through a socket."""
    async with (
        opened(gateway.processes[0].ws, tenant.key) as mine,
        opened(gateway.processes[0].ws, stranger.key, f"?session={owner.session}") as theirs,
    ):
        cursor = await owner.say_typing()
        assert (await mine.event("chat.typing_changed"))["id"] == cursor
        for command, data in (
            ("message.send", {"to": "5511999990000", "text": {"body": "hi"}}),
            ("message.read", {"message_ids": ["msg_1"]}),
            ("chat.typing", {"chat": "5511999990000"}),
            ("session.start", {}),
            ("session.stop", {}),
            ("session.pairing_code", {"phone": "5511999990000"}),
        ):
            reply = await theirs.ask(
                {
                    "type": "command",
                    "ref": command,
                    "command": command,
                    "session": owner.session,
                    "data": data,
                }
            )
            assert reply["error"]["code"] == "session_not_found", command
        await theirs.send({"type": "ping", "ref": "nothing came"})
        assert (await theirs.next())["ref"] == "nothing came"
    assert owner.sent == []
