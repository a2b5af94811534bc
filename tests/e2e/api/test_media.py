"""Files: uploaded as they come, found by id or signed link, in part or whole, and by nobody else."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.e2e.api.conftest import Gateway, Tenant, new_tenant
from tests.e2e.api.owner import Owner
from tests.support.samples import bomb, picture, sample, tone
from wa_api.domain.ids import TenantId
from wa_api.domain.media import Facts
from wa_api.store.media import NewMedia, add

pytestmark = pytest.mark.e2e

PHOTO = picture("JPEG")
MiB = 1 << 20


def left(gateway: Gateway) -> set[str]:
    """Every file in the media folder."""
    folder = gateway.directory / "media"
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


async def upload(client: httpx.AsyncClient, content: bytes = PHOTO, **query: str) -> dict[str, Any]:
    """A file that is taken; the answer."""
    answer = await client.post("/v1/media", content=content, params=query)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_file_is_described_by_its_content(client: httpx.AsyncClient) -> None:
    """Its true type, hash, size, sides and a thumbnail."""
    made = await upload(client, filename="beach.jpg")
    assert made["sha256"] == hashlib.sha256(PHOTO).hexdigest()
    assert (made["mimetype"], made["size"]) == ("image/jpeg", len(PHOTO))
    assert (made["width"], made["height"], made["filename"]) == (120, 90, "beach.jpg")
    assert made["thumbnail"]
    assert (await client.get(f"/v1/media/{made['id']}")).json()["id"] == made["id"]


async def test_a_form_with_a_file_is_taken_too(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """As browsers and `curl -F` send it, with other fields before and after."""
    content = tone(3)
    form = {"file": ("C:\\sounds\\tone.wav", content, "audio/wav")}
    answer = await client.post("/v1/media", data={"note": "x"}, files=form)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["size"], made["mimetype"]) == (len(content), "audio/wav")
    assert (made["filename"], made["seconds"]) == ("tone.wav", 3)
    assert (await client.get(made["url"])).content == content


async def test_the_same_file_is_kept_once_per_tenant(
    gateway: Gateway, client: httpx.AsyncClient, stranger: Tenant
) -> None:
    """The same id again; another tenant gets one of its own, and never learns of the first."""
    before = left(gateway)
    content = picture("PNG", (50, 51))
    first, second = await upload(client, content), await upload(client, content)
    assert first["id"] == second["id"]
    async with httpx.AsyncClient(base_url=gateway.url, headers=stranger.headers) as other:
        theirs = await upload(other, content)
    assert theirs["id"] != first["id"]
    assert theirs["created_at"] >= first["created_at"]
    assert len(left(gateway) - before) == 2
    assert (await client.delete(f"/v1/media/{first['id']}")).status_code == 204
    assert len(left(gateway) - before) == 1
    assert (await client.get(f"/v1/media/{first['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=5-", 206, slice(5, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=0-999999", 206, slice(0, None)),
        ("bytes=0-1,5-6", 200, slice(0, None)),
        ("lines=1-2", 200, slice(0, None)),
    ],
)
async def test_a_part_can_be_asked_for(
    client: httpx.AsyncClient, asked: str, status: int, expected: slice
) -> None:
    """As players do to jump in a video."""
    made = await upload(client)
    answer = await client.get(f"/v1/media/{made['id']}/content", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, PHOTO[expected])
    if status == 206:
        assert answer.headers["content-range"].endswith(f"/{len(PHOTO)}")


async def test_a_part_that_is_not_there_is_refused(client: httpx.AsyncClient) -> None:
    """416."""
    path = f"/v1/media/{(await upload(client))['id']}/content"
    answer = await client.get(path, headers={"Range": f"bytes={len(PHOTO)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")


async def test_what_a_client_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    """304 by its hash; a part only of the very file that was begun."""
    made = await upload(client)
    path, etag = f"/v1/media/{made['id']}/content", f'"{made["sha256"]}"'
    assert (await client.get(path)).headers["etag"] == etag
    again = await client.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get(path, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, PHOTO)


async def test_a_signed_link_needs_no_token(gateway: Gateway, client: httpx.AsyncClient) -> None:
    """On any process; changed in any part, or without its signature, it opens nothing."""
    made = await upload(client)
    link = made["url"]
    said = dict(parse_qsl(urlsplit(link).query))
    async with httpx.AsyncClient(base_url=gateway.other) as anybody:
        answer = await anybody.get(link)
        assert (answer.status_code, answer.content) == (200, PHOTO)
        for change in ({"tenant": "ten_x"}, {"expires": "9999999999"}, {"signature": "A" * 43}):
            path = urlsplit(link).path
            answer = await anybody.get(path, params=said | change)
            assert (answer.status_code, answer.json()["code"]) == (403, "media_link_expired")
        answer = await anybody.get(urlsplit(link).path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_another_tenant_finds_nothing(
    gateway: Gateway, client: httpx.AsyncClient, stranger: Tenant, owner: Owner
) -> None:
    """By id, by content, nor to send it; and removes nothing."""
    made = await upload(client)
    async with httpx.AsyncClient(base_url=gateway.url, headers=stranger.headers) as other:
        for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            answer = await other.request(method, f"/v1/media/{made['id']}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "media_not_found")
    assert (await client.get(f"/v1/media/{made['id']}/content")).content == PHOTO


async def test_a_key_for_some_sessions_does_not_see_the_files_of_others(
    gateway: Gateway, client: httpx.AsyncClient, tenant: Tenant, owner: Owner
) -> None:
    """Files that came with a session's messages are that session's."""
    new = NewMedia(
        sha256="0" * 64, size=1, mimetype="image/png", facts=Facts(), session=owner.session
    )
    row = await add(TenantId(tenant.id), new)
    other = (await client.post("/v1/sessions", json={})).json()["id"]
    body = {"name": "narrow", "scopes": ["messages:read"], "sessions": [other]}
    key = (await client.post("/v1/api-keys", json=body)).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as narrow:
        assert (await narrow.get(f"/v1/media/{row.id}")).status_code == 404
    assert (await client.get(f"/v1/media/{row.id}")).status_code == 200


@pytest.mark.parametrize(
    ("content", "inline"),
    [(PHOTO, True), (b"<html><script>alert(1)</script></html>", False)],
    ids=["picture", "page"],
)
async def test_a_strangers_file_does_not_act_as_our_page(
    client: httpx.AsyncClient, content: bytes, inline: bool
) -> None:
    """Only pictures, videos and sounds are shown; the rest is downloaded, and nothing runs."""
    made = await upload(client, content)
    headers = (await client.get(f"/v1/media/{made['id']}/content")).headers
    assert headers["content-disposition"].startswith("inline" if inline else "attachment")
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]


BAD: dict[str, tuple[bytes, dict[str, str], str, int, str]] = {
    "wrong type": (b"just text", {}, "image/png", 415, "media_type_refused"),
    "not for that kind": (PHOTO, {"kind": "audio"}, "", 415, "media_type_refused"),
    "cut off picture": (PHOTO[:-300], {}, "", 422, "media_damaged"),
    "cut off video": (sample("clip.mp4")[:-200], {}, "", 422, "media_damaged"),
    "decompression bomb": (bomb(), {}, "", 422, "media_too_complex"),
    "too large for its kind": (PHOTO + bytes(17 * MiB), {"kind": "image"}, "", 413, "media_too_large"),
    "empty": (b"", {}, "", 400, "bad_request"),
    "no form at all": (b"x", {}, "multipart/form-data", 400, "bad_request"),
    "form without file": (b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--b--\r\n", {}, "multipart/form-data; boundary=b", 400, "bad_request"),
    "form that ends early": (b'--b\r\ncontent-disposition: form-data; name=a; filename="x"\r\n\r\n1', {}, "multipart/form-data; boundary=b", 400, "bad_request"),
    "unknown kind": (PHOTO, {"kind": "film"}, "", 400, "invalid_query"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
async def test_bad_files_are_refused_and_leave_nothing_behind(
    gateway: Gateway, client: httpx.AsyncClient, case: str
) -> None:
    """Each with its documented error; not even a draft stays."""
    content, query, kind, status, code = BAD[case]
    before = left(gateway)
    headers = {"Content-Type": kind} if kind else {}
    answer = await client.post("/v1/media", content=content, params=query, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert left(gateway) == before


@pytest.mark.parametrize("announced", [True, False])
async def test_200_megabytes_are_refused_and_leave_nothing_behind(
    gateway: Gateway, client: httpx.AsyncClient, announced: bool
) -> None:
    """Whether the length is announced, or just does not end; the client gets the answer."""
    before = left(gateway)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(MiB)

    headers = {"Content-Length": str(200 * MiB)} if announced else {}
    answer = await client.post("/v1/media", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "media_too_large")
    assert left(gateway) == before
    assert (await client.get("/v1/auth/me")).status_code == 200


async def test_an_upload_that_breaks_off_leaves_nothing_behind(
    gateway: Gateway, client: httpx.AsyncClient, tenant: Tenant
) -> None:
    """The client goes away in the middle."""
    before = left(gateway)

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(MiB)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await client.post("/v1/media", content=broken(), headers={"Content-Length": str(9 * MiB)})
    for _ in range(100):
        if left(gateway) == before:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(left(gateway) - before)


@pytest.mark.parametrize(
    ("kind", "part", "status", "code"),
    [
        ("image", {}, 422, "invalid_body"),
        ("image", {"id": "med_1", "link": "https://example.org/a.jpg"}, 422, "invalid_body"),
        ("image", {"id": "med_none"}, 404, "media_not_found"),
        ("image", {"link": "ftp://example.org/a.jpg"}, 422, "invalid_body"),
        ("image", {"link": "https://user:pw@example.org/a.jpg"}, 422, "link_refused"),
        ("image", {"id": "med_1", "caption": "x" * 4097}, 422, "invalid_body"),
        ("video", {"id": "med_1", "note": True, "caption": "x"}, 422, "invalid_body"),
        ("audio", {"id": "PHOTO"}, 415, "media_type_refused"),
        ("sticker", {"id": "PHOTO", "caption": "x"}, 422, "invalid_body"),
    ],
)
async def test_what_cannot_be_sent_is_refused_at_once(
    client: httpx.AsyncClient, owner: Owner, kind: str, part: dict[str, Any], status: int, code: str
) -> None:
    """Nothing is accepted, and nobody is asked."""
    if part.get("id") == "PHOTO":
        part = part | {"id": (await upload(client))["id"]}
    path = f"/v1/sessions/{owner.session}/messages"
    answer = await client.post(path, json={"to": "5511999990000", "type": kind, kind: part})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert (await client.get(path)).json()["items"] == []


async def test_a_key_that_may_only_read_uploads_nothing(gateway: Gateway, admin_token: str) -> None:
    """403, and nothing is kept."""
    reader = new_tenant(gateway, admin_token, ["messages:read"])
    before = left(gateway)
    async with httpx.AsyncClient(base_url=gateway.url, headers=reader.headers) as client:
        answer = await client.post("/v1/media", content=PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert left(gateway) == before
