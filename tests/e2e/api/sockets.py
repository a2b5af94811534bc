"""A WebSocket client for tests: every wait has a limit, every frame is checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.api import documented

SECONDS = 10.0


class Socket:
    """An open socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.hello: dict[str, Any] = {}

    async def send(self, frame: Any) -> None:
        """Send a frame; a str goes as it is."""
        await self.connection.send(
            frame if isinstance(frame, str) else orjson.dumps(frame).decode()
        )

    async def next(self, *, types: tuple[str, ...] = ()) -> dict[str, Any]:
        """The next frame (of these types; pings never count)."""
        async with asyncio.timeout(SECONDS):
            while True:
                frame: dict[str, Any] = orjson.loads(await self.connection.recv())
                documented.check(frame)
                if frame["type"] == "ping" and "ping" not in types:
                    continue
                if not types or frame["type"] in types:
                    return frame

    async def ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Send a frame with a ref and return its reply."""
        await self.send(frame)
        while True:
            answer = await self.next(types=("reply", "error"))
            if answer.get("ref") == frame.get("ref"):
                return answer

    async def event(self, type: str) -> dict[str, Any]:
        """The next event of a type."""
        while True:
            frame = await self.next(types=("event",))
            event: dict[str, Any] = frame["event"]
            if event["type"] == type:
                return event

    async def closed(self) -> tuple[int, str]:
        """Read on until the server closes: code and reason."""
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def opened(url: str, key: str, query: str = "", **options: Any) -> AsyncIterator[Socket]:
    """Connect with a bearer token and read the hello."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with connect(url + query, additional_headers=headers, **options) as connection:
        socket = Socket(connection)
        socket.hello = await socket.next(types=("hello",))
        yield socket
