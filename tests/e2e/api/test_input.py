"""Bad input: each with its documented answer, and nothing changed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.e2e.api.conftest import Gateway
from tests.e2e.api.owner import Owner

pytestmark = pytest.mark.e2e

_TO = {"to": "5511999990000"}
_HI = {"text": {"body": "hi"}}


def _item(kind: str, **more: Any) -> dict[str, Any]:
    """A picture or whatever, of an album."""
    return {"type": kind, kind: {"link": "https://example.org/a", **more}}


def _album(*items: dict[str, Any]) -> dict[str, Any]:
    """A message with an album."""
    return {**_TO, "type": "album", "album": {"items": [*items]}}


_LINKED = _item("image")
_UNKNOWN = {"type": "image", "image": {"id": "med_none"}}

BAD_SENDS: list[tuple[str, Any, int, str]] = [
    ("no address", _HI, 422, "invalid_body"),
    ("a wrong address", {"to": "not a number", **_HI}, 422, "invalid_address"),
    ("a short number", {"to": "123", **_HI}, 422, "invalid_address"),
    ("an unknown server", {"to": "5511999990000@example.com", **_HI}, 422, "invalid_address"),
    ("an address of a wrong type", {"to": 5511999990000, **_HI}, 422, "invalid_body"),
    ("no text", _TO, 422, "invalid_body"),
    ("empty text", {**_TO, "text": {"body": ""}}, 422, "invalid_body"),
    ("blank text", {**_TO, "text": {"body": " \n "}}, 422, "invalid_body"),
    ("70 kB of text", {**_TO, "text": {"body": "x" * 70_000}}, 422, "invalid_body"),
    ("text long in bytes", {**_TO, "text": {"body": "é" * 40_000}}, 422, "invalid_body"),
    ("a NUL", {**_TO, "text": {"body": "a\0b"}}, 422, "invalid_body"),
    ("an unknown type", {**_TO, **_HI, "type": "smell"}, 422, "invalid_body"),
    ("an unknown member", {**_TO, **_HI, "urgency": 1}, 422, "invalid_body"),
    ("an unknown priority", {**_TO, **_HI, "priority": "urgent"}, 422, "invalid_body"),
    (
        "a time without a zone",
        {**_TO, **_HI, "send_at": "2030-01-01T00:00:00"},
        422,
        "invalid_body",
    ),
    ("a time long past", {**_TO, **_HI, "send_at": "2020-01-01T00:00:00Z"}, 422, "invalid_body"),
    ("a far future", {**_TO, **_HI, "send_at": "2199-01-01T00:00:00Z"}, 422, "invalid_body"),
    ("text of a wrong type", {**_TO, "text": "hi"}, 422, "invalid_body"),
    ("an empty context", {**_TO, **_HI, "context": {}}, 422, "invalid_body"),
    ("a negative life", {**_TO, **_HI, "expires_in": -1}, 422, "invalid_body"),
    ("an unknown wish", {**_TO, **_HI, "on_unknown": "pray"}, 422, "invalid_body"),
    ("an album of one", _album(_LINKED), 422, "invalid_body"),
    ("an album of 31", _album(*[_LINKED] * 31), 422, "invalid_body"),
    ("a GIF in an album", _album(_LINKED, _item("video", gif=True)), 422, "invalid_body"),
    ("a sound in an album", _album(_LINKED, _item("audio")), 422, "invalid_body"),
    ("an item of another type", _album(_LINKED, {**_LINKED, "type": "video"}), 422, "invalid_body"),
    (
        "an item without a file",
        _album(_LINKED, {"type": "image", "image": {}}),
        422,
        "invalid_body",
    ),
    ("unknown media in an album", _album(_LINKED, _UNKNOWN), 404, "media_not_found"),
    (
        "an album as a status",
        {**_album(_LINKED, _LINKED), "to": "status@broadcast"},
        422,
        "invalid_body",
    ),
    ("a list", [], 422, "invalid_body"),
    ("nothing", None, 422, "invalid_body"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), [pytest.param(b, s, c, id=name) for name, b, s, c in BAD_SENDS]
)
async def test_a_bad_message_is_refused(
    client: httpx.AsyncClient, owner: Owner, body: Any, status: int, code: str
) -> None:
    """A problem document says what is wrong; no message is made."""
    path = f"/v1/sessions/{owner.session}/messages"
    answer = (
        await client.post(path, json=body)
        if body is not None
        else await client.post(path, content=b"null", headers={"Content-Type": "application/json"})
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["retryable"] is False
    assert (await client.get(path)).json()["items"] == []
    assert owner.sent == []


async def test_an_error_names_the_field(client: httpx.AsyncClient, owner: Owner) -> None:
    """`errors` says where, in a form that a program can use."""
    answer = await client.post(
        f"/v1/sessions/{owner.session}/messages", json={**_TO, "text": {"body": 5}}
    )
    assert answer.json()["errors"] == [
        {"field": "text.body", "detail": "Expected `str`, got `int`"}
    ]


RAW: list[tuple[str, bytes, str, int, str]] = [
    ("broken JSON", b'{"to":', "application/json", 400, "malformed_json"),
    ("no UTF-8", b'{"to":"\xff"}', "application/json", 400, "malformed_json"),
    ("a lone surrogate", b'{"to":"\\ud800"}', "application/json", 400, "malformed_json"),
    ("no body", b"", "application/json", 400, "malformed_json"),
    ("deep nesting", b"[" * 100_000, "application/json", 422, "invalid_body"),
    (
        "a form",
        b"to=5511999990000",
        "application/x-www-form-urlencoded",
        415,
        "unsupported_media_type",
    ),
    ("no type", b"{}", "", 415, "unsupported_media_type"),
    ("2 MB", b'"' + b"x" * 2_000_000 + b'"', "application/json", 413, "body_too_large"),
]


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"), [pytest.param(*r[1:], id=r[0]) for r in RAW]
)
async def test_a_body_that_cannot_be_read_is_refused(
    client: httpx.AsyncClient, owner: Owner, content: bytes, kind: str, status: int, code: str
) -> None:
    """Wrong JSON is 400, a wrong type 415, too much 413."""
    answer = await client.post(
        f"/v1/sessions/{owner.session}/messages", content=content, headers={"Content-Type": kind}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_bottomless_body_is_refused(client: httpx.AsyncClient) -> None:
    """Depth exhausts nothing: what is not expected is not read."""
    body = b'{"settings":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    answer = await client.post(
        "/v1/sessions", content=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


QUERIES: list[tuple[str, int, str]] = [
    ("/v1/sessions?limit=0", 400, "invalid_query"),
    ("/v1/sessions?limit=1000", 400, "invalid_query"),
    ("/v1/sessions?limit=x", 400, "invalid_query"),
    ("/v1/sessions?limit=1&limit=2", 400, "invalid_query"),
    ("/v1/sessions?lmit=5", 400, "invalid_query"),
    ("/v1/sessions?state=asleep", 400, "invalid_query"),
    ("/v1/events?after=-1", 400, "invalid_query"),
    ("/v1/events?wait=61", 400, "invalid_query"),
    ("/v1/sessions/a%00b", 400, "bad_request"),
    ("/v1/nothing", 404, "not_found"),
    ("/nothing", 404, "not_found"),
    ("/v1/sessions/ses_none", 404, "session_not_found"),
    ("/v1/sessions/ses_none/messages", 404, "session_not_found"),
    ("/v1/sessions/ses_none/qr", 404, "session_not_found"),
    ("/v1/sessions/ses_none/chats", 404, "session_not_found"),
    ("/v1/sessions/ses_none/chats/5511999990000", 404, "session_not_found"),
    ("/v1/sessions/ses_none/chats?kind=party", 400, "invalid_query"),
    ("/v1/sessions/ses_none/messages/search", 400, "invalid_query"),
    ("/v1/sessions/ses_none/messages/search?q=x&since=yesterday", 400, "invalid_query"),
    ("/v1/sessions/ses_none/messages?around=a&before=b", 400, "bad_request"),
    ("/v1/users/usr_none", 404, "not_found"),
    ("/v1/tenants/ten_none", 404, "tenant_not_found"),
]


@pytest.mark.parametrize(("path", "status", "code"), QUERIES)
async def test_a_wrong_path_or_query_is_refused(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    """Unknown parameters are refused as wrong ones are: a misspelt filter is no filter."""
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_wrong_chat_or_cursor_is_refused(client: httpx.AsyncClient, owner: Owner) -> None:
    """Each with its own code, and nothing changes."""
    path = f"/v1/sessions/{owner.session}"
    for answer, status, code in (
        (await client.get(f"{path}/chats?after=nonsense"), 400, "bad_request"),
        (await client.get(f"{path}/chats/nobody"), 422, "invalid_address"),
        (await client.get(f"{path}/chats/5511999990009"), 404, "chat_not_found"),
        (await client.delete(f"{path}/chats/5511999990009"), 404, "chat_not_found"),
        (await client.patch(f"{path}/chats/5511999990009", json={}), 404, "chat_not_found"),
        (
            await client.patch(f"{path}/chats/5511999990009", json={"muted_until": "soon"}),
            422,
            "invalid_body",
        ),
        (await client.get(f"{path}/contacts/5511999990009"), 404, "contact_not_found"),
        (await client.delete(f"{path}/messages/msg_none"), 404, "message_not_found"),
        (await client.get(f"{path}/messages?around=msg_none"), 404, "message_not_found"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_wrong_method_is_405(client: httpx.AsyncClient) -> None:
    """And says which ones there are."""
    answer = await client.put("/v1/sessions", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "POST"}


async def test_an_unlinked_session_sends_nothing(client: httpx.AsyncClient) -> None:
    """A message to a session without a number is a conflict at once, not a timeout later."""
    session = (await client.post("/v1/sessions", json={})).json()["id"]
    answer = await client.post(f"/v1/sessions/{session}/messages", json={**_TO, **_HI})
    assert (answer.status_code, answer.json()["code"]) == (409, "session_not_linked")
    typing = await client.post(f"/v1/sessions/{session}/typing", json={"chat": "5511999990000"})
    assert typing.json()["code"] == "session_not_linked"


async def test_a_request_id_goes_through(client: httpx.AsyncClient) -> None:
    """A caller's id comes back; a strange one is replaced."""
    for path in ("/v1/sessions", "/v1/nothing"):
        answer = await client.get(path, headers={"X-Request-Id": "abc-1"})
        assert answer.headers["x-request-id"] == "abc-1"
        answer = await client.get(path, headers={"X-Request-Id": "a b"})
        assert answer.headers["x-request-id"].startswith("req_")


async def test_what_is_no_http_is_refused(gateway: Gateway) -> None:
    """Garbage on the port is answered or cut, and the server lives on."""
    import asyncio

    host, port = gateway.url.removeprefix("http://").split(":")
    for garbage in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"x" * 100_000):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(garbage)
        async with asyncio.timeout(60):
            answer = await reader.read(12)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
        writer.close()
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        assert (await client.get("/healthz")).status_code == 200


_GROUP = "groups/120363000000000001@g.us"
BAD_ASKS: list[tuple[str, str, Any, str]] = [
    ("PATCH", "groups/5511999990000", {"name": "x"}, "invalid_address"),
    ("PATCH", _GROUP, {"name": ""}, "invalid_body"),
    ("PATCH", _GROUP, {"name": "x" * 101}, "invalid_body"),
    ("PATCH", _GROUP, {"disappearing": 5}, "invalid_body"),
    ("PATCH", _GROUP, {"subject": "x"}, "invalid_body"),
    (
        "POST",
        "groups",
        {"name": "x", "participants": ["120363000000000001@g.us"]},
        "invalid_address",
    ),
    ("POST", "groups", {"name": "x", "community": True, "community_id": "1@g.us"}, "invalid_body"),
    ("POST", f"{_GROUP}/participants", {"action": "add", "participants": []}, "invalid_body"),
    ("POST", f"{_GROUP}/participants", {"action": "eat", "participants": ["x"]}, "invalid_body"),
    ("PUT", f"{_GROUP}/picture", {"image": "R0lGODlh"}, "invalid_image"),
    ("PUT", f"{_GROUP}/picture", {"image": "no base64!"}, "invalid_body"),
    ("POST", "groups/join", {"link": "https://example.org/abcdefghijkl"}, "invalid_body"),
    ("PATCH", "profile", {"name": "x" * 26}, "invalid_body"),
    ("PATCH", "privacy", {"online": "contacts"}, "invalid_body"),
    ("PUT", "chats/5511999990000/disappearing", {"seconds": 60}, "invalid_body"),
    ("POST", "newsletters", {"name": "x", "image": "AAAA"}, "invalid_image"),
    ("POST", "newsletters/1@g.us/follow", None, "invalid_address"),
    ("POST", "contacts/check", {"numbers": ["1@lid"]}, "invalid_address"),
]


@pytest.mark.parametrize(("method", "path", "body", "code"), BAD_ASKS)
async def test_what_cannot_be_asked_of_whatsapp_is_refused_here(
    client: httpx.AsyncClient, owner: Owner, method: str, path: str, body: Any, code: str
) -> None:
    """422 with a code, and the session's owner hears nothing of it."""
    answer = await client.request(method, f"/v1/sessions/{owner.session}/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert owner.asked == []


async def test_an_unlinked_session_is_asked_nothing(client: httpx.AsyncClient) -> None:
    """There is no number to ask WhatsApp with."""
    session = (await client.post("/v1/sessions", json={})).json()["id"]
    answer = await client.get(f"/v1/sessions/{session}/groups")
    assert (answer.status_code, answer.json()["code"]) == (409, "session_not_linked")
