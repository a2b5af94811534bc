"""Steady, numbered traffic both ways, and one reader of the event log that never gives up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.chaos.hosts import World
from wa_api.demo.client import new_tenant, sign_in

SILENCE = 6.0  #: three heartbeats: the server is gone
ATTEMPT = 8.0  #: seconds that one HTTP request may take
PATIENCE = 90.0  #: seconds for which a client repeats a send that was not accepted


@dataclass(frozen=True)
class Line:
    """A linked session, and a phone that it talks with."""

    session: str
    number: str
    phone: str  #: the phone that the session is linked to
    friend: str
    friend_number: str


@dataclass
class Sent:
    """A message that was given to REST."""

    number: int
    line: Line
    at: float
    id: str = ""
    tries: int = 0


@dataclass
class Received:
    """A `message.received` event."""

    session: str
    chat: str
    text: str
    wa_id: str
    at: float


@dataclass
class Reader:
    """A WebSocket that resumes by cursor at whichever process answers."""

    world: World
    credential: str
    cursor: str = ""
    received: list[Received] = field(default_factory=list)
    closes: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    states: list[tuple[float, str, str, str]] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    gone: list[float] = field(default_factory=list)
    qrs: dict[str, str] = field(default_factory=dict)
    online: set[str] = field(default_factory=set)
    events: int = 0

    async def run(self) -> None:
        """Read for ever."""
        turn = 0
        while True:
            host = self.world.hosts[turn % len(self.world.hosts)]
            turn += 1
            try:
                await self._read(host.url)
            except (TimeoutError, OSError, WebSocketException) as error:
                self._note(error)
                await asyncio.sleep(0.05 if turn % 4 else 0.5)

    def _note(self, error: Exception) -> None:
        frame = getattr(error, "rcvd", None)
        code = f"{frame.code} {frame.reason}" if frame is not None else type(error).__name__
        self.closes[code] += 1

    async def _read(self, url: str) -> None:
        query = f"?after={self.cursor}" if self.cursor else ""
        address = f"{url.replace('http', 'ws', 1)}/v1/ws{query}"
        headers = {"Authorization": f"Bearer {self.credential}"}
        opened = connect(
            address, additional_headers=headers, proxy=None, open_timeout=5, close_timeout=1
        )
        async with opened as socket:
            while True:
                frame = orjson.loads(await asyncio.wait_for(socket.recv(), SILENCE))
                if frame["type"] == "event":
                    self._take(frame["event"])
                elif frame["type"] == "ping":
                    await socket.send('{"type":"pong"}')
                elif frame["type"] == "hello":
                    self.cursor = self.cursor or frame["cursor"]
                elif frame["type"] == "gap":
                    self.gone.append(time.monotonic())
                    self.cursor = frame["goes_on"]
                elif frame["type"] == "notice":
                    self.notices[str(frame["notice"])] += 1

    def _take(self, event: dict[str, Any]) -> None:
        self.events += 1
        if self.cursor and int(event["id"]) <= int(self.cursor):
            self.out_of_order.append(f"{event['id']} after {self.cursor}")
        self.cursor = event["id"]
        now, session, data = time.monotonic(), event.get("session") or "", event["data"]
        match event["type"]:
            case "message.received":
                message = data["message"]
                text = message.get("text", {}).get("body", "")
                chat = str(message["chat"]["id"])
                self.received.append(Received(session, chat, text, message["wa_id"], now))
            case "session.state_changed":
                self.states.append((now, session, data["state"], data["reason"]))
                (self.online.add if data["state"] == "connected" else self.online.discard)(session)
            case "session.qr_issued":
                self.qrs[session] = data["qr"]


@dataclass
class Sender:
    """Sends by REST at a rate; repeats under the same key until it is accepted, as clients do."""

    world: World
    credential: str
    lines: list[Line]
    sent: list[Sent] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, rate: float) -> None:
        """Send until cancelled; then wait for what is under way with `finish`."""
        headers = {"Authorization": f"Bearer {self.credential}"}
        limits = httpx.Limits(max_connections=300, max_keepalive_connections=50)
        timeout = httpx.Timeout(ATTEMPT, connect=2.0)
        self._http = httpx.AsyncClient(
            headers=headers, limits=limits, timeout=timeout, trust_env=False
        )
        due = time.monotonic()
        while True:
            number = len(self.sent) + 1
            one = Sent(number, self.lines[number % len(self.lines)], time.monotonic())
            self.sent.append(one)
            task = asyncio.create_task(self._send(one))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            due = max(due + 1 / rate, time.monotonic() - 1.0)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def finish(self) -> None:
        """Wait for all sends to be accepted or given up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE + ATTEMPT)
        await self._http.aclose()

    async def _send(self, one: Sent) -> None:
        text = {"body": f"out {one.number}"}
        body = {"to": one.line.friend_number, "type": "text", "text": text}
        content = orjson.dumps(body)
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"out-{one.number}"}
        while time.monotonic() < one.at + PATIENCE:
            host = self.world.hosts[(one.number + one.tries) % len(self.world.hosts)]
            one.tries += 1
            try:
                answer = await self._http.post(
                    f"{host.url}/v1/sessions/{one.line.session}/messages",
                    content=content,
                    headers=headers,
                )
            except httpx.HTTPError as error:
                self.answers[type(error).__name__] += 1
                await asyncio.sleep(0.2)
                continue
            self.answers[str(answer.status_code)] += 1
            if answer.status_code in (200, 202):  # 200: a repeat of one that is out already
                one.id = answer.json()["id"]
                return
            retry = answer.headers.get("Retry-After")
            if answer.status_code != 503 or retry is None:
                self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
            if answer.status_code < 500:
                return
            await asyncio.sleep(min(float(retry or 1), 1.0))
        self.answers["given up"] += 1


@dataclass
class Talk:
    """A tenant, its linked sessions, and the traffic over them."""

    tenant: str
    credential: str
    lines: list[Line]
    reader: Reader
    sender: Sender
    loads: list[str] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, rate: float) -> None:
        """Begin to send by REST."""
        self._tasks.append(asyncio.create_task(self.sender.run(rate), name="sender"))

    async def load(self, world: World, rate: float, name: str, **more: Any) -> str:
        """Phones write to the sessions, `rate` messages per second in all."""
        made = await world.judge.call(
            "load.start",
            tenant=self.tenant,
            phones=[line.friend for line in self.lines],
            to=[line.number for line in self.lines],
            rate=rate,
            text=name,
            pairs=True,
            **more,
        )
        self.loads.append(made["load"])
        return str(made["load"])

    async def unload(self, world: World, load: str) -> None:
        """End it."""
        await world.judge.call("load.stop", tenant=self.tenant, load=load)

    async def quiet(self, world: World) -> None:
        """End all traffic but the reader."""
        for load in self.loads:
            await self.unload(world, load)
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks[1:], return_exceptions=True)
        await self.sender.finish()

    async def close(self) -> None:
        """End the reader too."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raise what a task of ours died of."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise RuntimeError(f"{task.get_name()} died") from task.exception()


async def begin(world: World, sessions: int) -> Talk:
    """A tenant with linked sessions and a reader."""
    # Each host that starts without an administrator prints a token; only the newest works.
    admin = await sign_in(world.a.url, world.b.token or world.a.token)
    tenant, rest = await new_tenant(admin, "Chaos")
    reader = Reader(world, rest.credential)
    reading = asyncio.create_task(reader.run(), name="reader")
    gate = asyncio.Semaphore(6)

    async def link() -> Line:
        async with gate:
            phone, friend = [
                await world.judge.call("phone.create", tenant=tenant, name=n) for n in ("P", "F")
            ]
            made = await rest.post("/sessions", {"network": "sandbox", "start": True})
            session = made["id"]
            end = time.monotonic() + 60
            while session not in reader.qrs and time.monotonic() < end:
                await asyncio.sleep(0.02)
            qr = reader.qrs[session]
            await world.judge.call("phone.scan", tenant=tenant, phone=phone["phone"], qr=qr)
            while session not in reader.online and time.monotonic() < end:
                await asyncio.sleep(0.02)
            assert session in reader.online, f"{session} was not linked"
            number = phone["number"]
            return Line(session, number, phone["phone"], friend["phone"], friend["number"])

    try:
        await asyncio.sleep(0.5)
        lines = list(await asyncio.gather(*(link() for _ in range(sessions))))
    except BaseException:
        reading.cancel()
        raise
    finally:
        await rest.close()
        await admin.close()
    talk = Talk(tenant, rest.credential, lines, reader, Sender(world, rest.credential, lines))
    talk._tasks.append(reading)
    return talk
