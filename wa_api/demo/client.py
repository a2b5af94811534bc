"""A client of the public surface: REST through httpx, the feed through websockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect

Json = dict[str, Any]


class Refused(Exception):
    """The gateway answered with a problem document."""

    def __init__(self, status: int, problem: Json) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status, self.problem = status, problem


class Rest:
    """Calls with one credential. Every answer is JSON."""

    def __init__(self, url: str, credential: str = "") -> None:
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        self.url, self.credential = url, credential
        self.http = httpx.AsyncClient(
            base_url=f"{url}/v1", headers=headers, timeout=70, trust_env=False
        )

    async def call(self, method: str, path: str, body: Json | None = None, **query: Any) -> Any:
        """The answer's body; raises Refused."""
        content = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        answer = await self.http.request(
            method, path, content=content, params=query, headers=headers
        )
        found = orjson.loads(answer.content) if answer.content else None
        if answer.status_code >= 400:
            raise Refused(answer.status_code, found or {})
        return found

    async def get(self, path: str, **query: Any) -> Any:
        """GET."""
        return await self.call("GET", path, None, **query)

    async def post(self, path: str, body: Json | None = None, **query: Any) -> Any:
        """POST."""
        return await self.call("POST", path, body or {}, **query)

    async def close(self) -> None:
        """Give the connections back."""
        await self.http.aclose()


@dataclass(frozen=True, slots=True)
class Seen:
    """An event and the moment (monotonic seconds) at which it came."""

    event: Json
    at: float


class Missing(Exception):
    """Something that should have come did not, in time."""


@dataclass
class Feed:
    """All that a WebSocket has delivered so far, and a way to wait for more."""

    socket: ClientConnection
    hello: Json = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    _replies: dict[str, asyncio.Future[Json]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def _read(self) -> None:
        async for text in self.socket:
            frame = orjson.loads(text)
            if frame["type"] == "event":
                self.seen.append(Seen(frame["event"], time.monotonic()))
                self._news.set()
            elif frame["type"] == "reply" and frame["ref"] in self._replies:
                self._replies.pop(frame["ref"]).set_result(frame)
            elif frame["type"] == "ping":
                await self.socket.send('{"type":"pong"}')

    async def event(
        self, type: str, session: str, limit: float, accept: Callable[[Json], bool] = lambda _: True
    ) -> Seen:
        """The first such event, from the beginning on, whose data is accepted; raises Missing."""
        looked = 0
        try:
            async with asyncio.timeout(limit):
                while True:
                    self._news.clear()
                    for seen in self.seen[looked:]:
                        event = seen.event
                        same = event["type"] == type and event.get("session") == session
                        if same and accept(event["data"]):
                            return seen
                    looked = len(self.seen)
                    await self._news.wait()
        except TimeoutError:
            raise Missing(f"{type} of {session} did not come within {limit:.0f} s") from None

    async def command(self, name: str, session: str, data: Json, limit: float = 70.0) -> Any:
        """Send a command and return its reply's data; raises Refused or Missing."""
        ref = uuid4().hex  # also the idempotency key of a send: never the same twice
        answer = self._replies[ref] = asyncio.get_running_loop().create_future()
        frame = {"type": "command", "ref": ref, "command": name, "session": session, "data": data}
        await self.socket.send(orjson.dumps(frame).decode())
        try:
            reply = await asyncio.wait_for(answer, limit)
        except TimeoutError:
            raise Missing(f"no reply to {name} within {limit:.0f} s") from None
        if not reply["ok"]:
            raise Refused(0, reply["error"])
        return reply["data"]


@asynccontextmanager
async def feed(url: str, credential: str, query: str = "") -> AsyncIterator[Feed]:
    """Connect, wait for `hello`, and collect events until the block ends."""
    address = url.replace("http", "ws", 1) + f"/v1/ws{query}"
    headers = {"Authorization": f"Bearer {credential}"}
    async with connect(address, additional_headers=headers, proxy=None) as socket:
        opened = Feed(socket)
        async with asyncio.timeout(10):
            opened.hello = orjson.loads(await socket.recv())
        reader = asyncio.create_task(opened._read())  # noqa: SLF001 - its own function
        try:
            yield opened
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


async def sign_in(url: str, one_time: str) -> Rest:
    """The first administrator."""
    stranger = Rest(url)
    try:
        grant = {"grant_type": "one_time", "token": one_time}
        issued = await stranger.post("/auth/token", grant)
    finally:
        await stranger.close()
    return Rest(url, issued["access_token"])


async def new_tenant(admin: Rest, name: str) -> tuple[str, Rest]:
    """A tenant's id, and a client with all its rights."""
    tenant = await admin.post("/tenants", {"name": name})
    scopes = [
        "tenant:admin",
        *(f"{what}:{do}" for what in ("sessions", "messages") for do in ("read", "write")),
        "events:read",
        "sandbox",
    ]
    key = await admin.post("/api-keys", {"name": "demo", "scopes": scopes, "tenant": tenant["id"]})
    return tenant["id"], Rest(admin.url, key["key"])
