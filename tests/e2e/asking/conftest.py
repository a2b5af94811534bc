"""One gateway, one linked session and a few phones for all tests of what can be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest_asyncio

from tests.support.gateway import Gateway, Linked, Tenant
from wa_api.demo.client import Feed, Json, Refused

LIMIT = 60


def address(phone: Json) -> Json:
    """A phone's owner as readers see it."""
    return {"id": phone["jid"], "phone": f"+{phone['number']}", "lid": phone["lid"]}


@dataclass
class World:
    """A session, its phone, two other people's phones, and everything that readers are told."""

    tenant: Tenant
    feed: Feed
    anna: Linked
    bruno: Json
    carla: Json

    def path(self, rest: str) -> str:
        """A path of the session."""
        return f"/sessions/{self.anna.session}{rest}"

    async def get(self, rest: str, **query: object) -> Json:
        """Ask over REST."""
        found: Json = await self.tenant.rest.get(self.path(rest), **query)
        return found

    async def call(self, method: str, rest: str, body: Json | None = None) -> Json:
        """Order over REST."""
        found: Json = await self.tenant.rest.call(method, self.path(rest), body)
        return found

    async def command(self, name: str, /, **data: object) -> Json:
        """Ask over the WebSocket."""
        found: Json = await self.feed.command(name, self.anna.session, data)
        return found

    async def refused(
        self, method: str, rest: str, body: Json | None = None, **query: object
    ) -> str:
        """The code that an order is refused with."""
        try:
            answer = await self.tenant.rest.call(method, self.path(rest), body, **query)
        except Refused as error:
            return str(error.problem["code"])
        raise AssertionError(f"not refused: {answer}")

    async def told(self, type: str, accept: Callable[[Json], bool] = lambda _: True) -> Json:
        """The data of an event of the session, waited for."""
        data: Json = (await self.feed.event(type, self.anna.session, LIMIT, accept)).event["data"]
        return data

    async def phone(self, who: Json, path: str, body: Json | None = None) -> Json:
        """Have a virtual phone do something."""
        done: Json = await self.tenant.rest.post(f"/sandbox/phones/{who['phone']}/{path}", body)
        return done


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def world() -> AsyncIterator[World]:
    """A gateway with a linked session."""
    async with Gateway.own(WA_SESSIONS_CONTACTS_SECONDS="1") as gateway:
        tenant = await gateway.tenant()
        async with tenant.feed() as feed:
            anna = await tenant.link_session(feed)
            bruno, carla = [await tenant.new_phone(name) for name in ("Bruno", "Carla")]
            yield World(tenant, feed, anna, bruno, carla)
