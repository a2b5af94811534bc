"""A whole gateway, a linked session and a friend's phone, shared by the tests of this folder."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest_asyncio

from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.demo.client import Feed

LIMIT = 60
Json = dict[str, Any]


@dataclass(slots=True)
class Stage:
    """A session `anna` and her friend's phone, which is linked to nothing."""

    gateway: Gateway
    tenant: Tenant
    feed: Feed
    anna: Linked
    friend: Json
    client: httpx.AsyncClient

    async def upload(self, content: bytes, mimetype: str = "", **query: str) -> httpx.Response:
        """Upload a file."""
        headers = {"Content-Type": mimetype} if mimetype else {}
        return await self.client.post("/v1/media", content=content, params=query, headers=headers)

    async def media(self, content: bytes) -> str:
        """Upload a file; its id."""
        answer = await self.upload(content)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def send(self, kind: str, **part: Any) -> Json:
        """Send to the friend and wait for the outcome; the message."""
        body = {"to": self.friend["number"], "type": kind, kind: part}
        path = f"/v1/sessions/{self.anna.session}/messages"
        answer = await self.client.post(path, json=body, params={"wait": 50})
        assert answer.status_code in (200, 202), answer.text
        found: Json = answer.json()
        return found

    @property
    def inbox(self) -> str:
        """The path of what the friend's phone got."""
        return f"/v1/sandbox/phones/{self.friend['phone']}/inbox"

    async def letter(self, message: Json) -> Json:
        """What the friend's phone decrypted of a message: its content."""
        assert message["status"] in ("sent", "delivered", "read"), message
        query = {"id": message["wa_id"], "raw": True, "wait": 10}
        (letter,) = (await self.client.get(self.inbox, params=query)).json()["items"]
        content: Json = letter["message"]
        return content

    async def delivered(self, message: Json) -> tuple[Json, Json]:
        """Its content, and its file."""
        content = await self.letter(message)
        return content, (await self.client.get(f"{self.inbox}/{message['wa_id']}/media")).json()

    async def phone_sends(
        self, kind: str, content: bytes, to: str | None = None, **more: Any
    ) -> Json:
        """The friend's phone sends a file to the session (or elsewhere); the message as it came."""
        data = {"kind": kind, "data": b64encode(content).decode(), **more}
        path = f"/v1/sandbox/phones/{self.friend['phone']}/send"
        answer = await self.client.post(path, json={"to": to or self.anna.number, "media": data})
        assert answer.status_code == 200, answer.text
        wa_id = answer.json()["id"]
        seen = await self.feed.event(
            "message.received",
            self.anna.session,
            LIMIT,
            lambda data: bool(data["message"]["wa_id"] == wa_id),
        )
        found: Json = seen.event["data"]["message"]
        return found

    async def stored(self, message: Json) -> Json:
        """The event that a message's file was fetched."""
        seen = await self.feed.event(
            "message.media_stored",
            self.anna.session,
            LIMIT,
            lambda data: bool(data["id"] == message["id"]),
        )
        found: Json = seen.event["data"]
        return found

    async def message(self, message: Json) -> Json:
        """A message as it is now."""
        path = f"/v1/sessions/{self.anna.session}/messages/{message['id']}"
        found: Json = (await self.client.get(path)).json()
        return found

    def left(self) -> list[str]:
        """Every file in the media folder."""
        folder = self.gateway.served.data / "media"
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def sha256(content: bytes) -> str:
    """In hex."""
    return hashlib.sha256(content).hexdigest()


def unbase(text: str) -> bytes:
    """Bytes of a protobuf field in JSON."""
    return b64decode(text)


@asynccontextmanager
async def on_stage(**settings: str) -> AsyncIterator[Stage]:
    """A gateway with these settings, and all that the tests need in it."""
    async with Gateway.own(**settings) as gateway:
        tenant = await gateway.tenant()
        headers = {"Authorization": f"Bearer {tenant.rest.credential}"}
        async with (
            tenant.feed() as feed,
            httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=60) as client,
        ):
            anna = await tenant.link_session(feed)
            friend = await tenant.new_phone("Bruno")
            yield Stage(gateway, tenant, feed, anna, friend, client)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stage() -> AsyncIterator[Stage]:
    """Everything fetched on arrival, but videos and documents; links may lead to this machine."""
    settings = {"WA_MEDIA_ALLOW_PRIVATE": "localhost", "WA_MEDIA_FETCH_SECONDS": "8"}
    async with on_stage(**settings) as one:
        yield one
