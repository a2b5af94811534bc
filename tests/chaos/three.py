"""The three kinds of readers that stay with the log, each resuming as its documentation says."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from standardwebhooks.webhooks import Webhook
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.e2e.webhooks.receivers import Receiver, Request, answer

_SILENCE = 8.0  #: seconds without anything (heartbeats come every two) after which to come back
_REST = 0.2  #: seconds before coming back


@dataclass
class Reader(ABC):
    """What one reader saw, and what it must not have seen."""

    url: str
    credential: str
    cursor: str
    ids: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    connections: int = 0

    async def run(self) -> None:
        """Read for ever."""
        while True:
            self.connections += 1
            with suppress(TimeoutError, OSError, WebSocketException, httpx.HTTPError):
                await self._read()
            await asyncio.sleep(_REST)

    @abstractmethod
    async def _read(self) -> None:
        """Connect after `cursor` and take what comes, until the connection ends."""

    def _take(self, cursor: str) -> None:
        self.ids.append(cursor)
        self.cursor = cursor

    @property
    def headers(self) -> dict[str, str]:
        """How it says who it is."""
        return {"Authorization": f"Bearer {self.credential}"}


class WebSocketReader(Reader):
    """By `?after=`."""

    async def _read(self) -> None:
        address = f"{self.url.replace('http', 'ws', 1)}/v1/ws?after={self.cursor}"
        opened = connect(
            address, additional_headers=self.headers, proxy=None, open_timeout=5, close_timeout=1
        )
        async with opened as socket:
            while True:
                frame = orjson.loads(await asyncio.wait_for(socket.recv(), _SILENCE))
                if frame["type"] == "event":
                    self._take(frame["event"]["id"])
                elif frame["type"] == "gap":
                    self.wrong.append(f"gap {frame['after']} {frame['goes_on']}")
                    self.cursor = frame["goes_on"]


class StreamReader(Reader):
    """By `Last-Event-ID`, as browsers do."""

    async def _read(self) -> None:
        headers = {**self.headers, "Last-Event-ID": self.cursor}
        timeout = httpx.Timeout(_SILENCE)
        async with (
            httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
            client.stream("GET", f"{self.url}/v1/events/stream", headers=headers) as response,
        ):
            event = {}
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if line:
                    event[name] = value
                elif "data" in event:
                    self._event(event)
                    event = {}

    def _event(self, event: dict[str, str]) -> None:
        # What was cut off in the middle has no empty line after it, and never gets here.
        if event["event"] == "gap":
            self.wrong.append(f"gap before {event['id']}")
            self.cursor = event["id"]
        elif event["event"] != "close":
            self._take(event["id"])


@dataclass
class WebhookReader:
    """An endpoint that verifies, fails now and then, and whose connections can be cut."""

    chance: random.Random
    secret: str = ""
    receiver: Receiver = field(default_factory=Receiver)
    ids: list[str] = field(default_factory=list)
    chats: dict[str, list[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    repeats: int = 0
    _seen: set[str] = field(default_factory=set)

    async def answer(self, request: Request) -> bytes | None:
        """Take it; or fail before or after having taken it."""
        whim = self.chance.random()
        if whim < 0.005:
            return answer(500)
        event = Webhook(self.secret).verify(request.body, request.headers)
        if event["id"] != request.headers["webhook-id"]:
            self.wrong.append(f"{event['id']} came as {request.headers['webhook-id']}")
        self._take(event)
        return None if whim < 0.01 else answer(204)

    def _take(self, event: dict[str, Any]) -> None:
        if event["id"] in self._seen:
            self.repeats += 1
            return
        self._seen.add(event["id"])
        self.ids.append(event["id"])
        data = event["data"]
        chat = data.get("message", {}).get("chat") or data.get("chat")
        if chat:
            self.chats.setdefault(f"{event.get('session')} {chat['id']}", []).append(event["id"])

    def disorder(self) -> list[str]:
        """Chats whose events came out of order."""
        return [chat for chat, ids in self.chats.items() if ids != sorted(ids, key=int)]
