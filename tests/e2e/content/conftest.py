"""One gateway with one linked session, its phone, a friend and a group, for all kinds of content."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.demo.client import Feed, Json

LIMIT = 60


@dataclass
class Stage:
    """The session `mine`, the phone `friend` (with `number` and `lid`), a `group` of both."""

    tenant: Tenant
    feed: Feed
    mine: Linked
    me: Json
    friend: Json
    group: str

    @property
    def path(self) -> str:
        """The session's messages."""
        return f"/sessions/{self.mine.session}/messages"

    async def send(self, type: str, part: Any, to: str | None = None, **more: Any) -> Json:
        """Send over REST and wait until WhatsApp has it; the message."""
        body = {"to": to or self.friend["number"], "type": type, type: part, **more}
        sent: Json = await self.tenant.rest.post(self.path, body, wait=LIMIT)
        assert sent["status"] in ("sent", "delivered", "read"), sent
        return sent

    async def command(self, type: str, part: Any, **more: Any) -> Json:
        """The same over the WebSocket."""
        body = {"to": self.friend["number"], "type": type, type: part, "wait": LIMIT, **more}
        sent: Json = await self.feed.command("message.send", self.mine.session, body)
        return sent

    async def inbox(self, wa_id: str, phone: Json | None = None) -> Json:
        """What the friend's phone decrypted of a message: `message` is the whole of it."""
        page = await self.tenant.rest.get(
            f"/sandbox/phones/{(phone or self.friend)['phone']}/inbox",
            id=wa_id,
            raw="true",
            wait=LIMIT,
        )
        letter: Json = page["items"][0]
        return letter

    async def arrives(self, message: Json, to: str | None = None) -> Json:
        """The friend's phone sends a message (protobuf JSON); the message as received."""
        wa_id = await self.say(to, message=message)
        return await self.received(wa_id)

    async def say(self, to: str | None = None, phone: Json | None = None, **form: Any) -> str:
        """The friend's (or another) phone sends something; WhatsApp's id of it."""
        sender = (phone or self.friend)["phone"]
        body = {"to": to or self.mine.number, **form}
        sent = await self.tenant.rest.post(f"/sandbox/phones/{sender}/send", body)
        return str(sent["id"])

    async def received(self, wa_id: str, type: str = "message.received") -> Json:
        """The event's message."""
        seen = await self.event(type, lambda data: bool(data["message"]["wa_id"] == wa_id))
        message: Json = seen["message"]
        return message

    async def event(self, type: str, accept: Any = lambda _: True) -> Json:
        """The data of the first such event of the session."""
        seen = await self.feed.event(type, self.mine.session, LIMIT, accept)
        data: Json = seen.event["data"]
        return data

    async def get(self, message: str, **query: Any) -> Json:
        """A message as it is now."""
        found: Json = await self.tenant.rest.get(f"{self.path}/{message}", **query)
        return found

    async def until(self, message: str, accept: Any) -> Json:
        """Read a message until it is as expected."""
        async with asyncio.timeout(LIMIT):
            while not accept(found := await self.get(message)):
                await asyncio.sleep(0.05)
        return found


@asynccontextmanager
async def on_stage() -> AsyncIterator[Stage]:
    """A gateway, and all that the tests need in it."""
    async with Gateway.own() as gateway:
        tenant = await gateway.tenant()
        async with tenant.feed() as feed:
            mine = await tenant.link_session(feed)
            friend = await tenant.new_phone("Friend")
            me = await tenant.rest.get(f"/sandbox/phones/{mine.phone}")
            made = await tenant.rest.post(
                f"/sandbox/phones/{mine.phone}/groups",
                {"subject": "All", "members": [friend["phone"]]},
            )
            yield Stage(tenant, feed, mine, me, friend, made["group"])


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stage() -> AsyncIterator[Stage]:
    """Everything that these tests share."""
    async with on_stage() as one:
        yield one
