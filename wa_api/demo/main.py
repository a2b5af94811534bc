"""The demonstration: link two numbers, let them talk, and time every step."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import typer

from wa_api.demo.client import Feed, Json, Missing, Refused, Rest, Seen, feed, new_tenant, sign_in
from wa_api.demo.process import NotReady, Served, served

#: What counts as late: seconds for a step of pairing, and for a step of a message.
PAIRING, MESSAGE = 20.0, 10.0

_SETTINGS = {"WA_SESSIONS_WORKERS": "2", "WA_HTTP_WORKERS": "2", "WA_LOG_LEVEL": "warning"}


@dataclass(frozen=True, slots=True)
class Person:
    """A virtual phone and the session that is linked to it."""

    name: str
    phone: str
    number: str
    session: str


class Demo:
    """One tenant's view of a gateway: REST and one WebSocket."""

    def __init__(self, rest: Rest, events: Feed) -> None:
        self._rest, self._events = rest, events

    async def link(self, name: str, *, draw: bool) -> Person:
        """Create a session and a phone, and scan the session's QR code with the phone."""
        phone = await self._rest.post("/sandbox/phones", {"name": name})
        session = (await self._rest.post("/sessions", {"name": name, "network": "sandbox"}))["id"]
        began = time.monotonic()
        await self._rest.post(f"/sessions/{session}/start")
        shown = await self._events.event("session.qr_issued", session, PAIRING)
        if draw:
            await self._draw(session)
        scanned = time.monotonic()
        body = {"qr": self._newest_qr(session)}
        await self._rest.post(f"/sandbox/phones/{phone['phone']}/scan", body)
        linked = await self._state(session, "connected")
        where = linked.event["data"].get("worker", "?")
        typer.echo(
            f"  {name} is linked: QR seen after {_ms(began, shown.at)}, "
            f"linked {_ms(scanned, linked.at)} after the scan, by {where[:16]}…"
        )
        return Person(name, phone["phone"], phone["number"], session)

    async def _draw(self, session: str) -> None:
        """One QR code, as a phone would see it."""
        answer = await self._rest.http.get(f"/sessions/{session}/qr", params={"format": "text"})
        typer.echo("\n" + answer.text)

    def _newest_qr(self, session: str) -> str:
        codes = [
            seen.event["data"]["qr"]
            for seen in self._events.seen
            if seen.event["type"] == "session.qr_issued" and seen.event["session"] == session
        ]
        return str(codes[-1])

    async def _state(self, session: str, state: str) -> Seen:
        return await self._events.event(
            "session.state_changed", session, PAIRING, lambda data: bool(data["state"] == state)
        )

    async def by_rest(self, sender: Person, to: Person, text: str) -> None:
        """Send over REST; the receiver reads it over REST."""
        began = time.monotonic()
        body = {"to": to.number, "type": "text", "text": {"body": text}}
        accepted = await self._rest.post(f"/sessions/{sender.session}/messages", body)
        received = await self._follow(sender, to, text, accepted["id"], began, "REST")
        await self._rest.post(
            f"/sessions/{to.session}/messages/read", {"message_ids": [received["id"]]}
        )
        await self._read(sender, accepted["id"], began)

    async def by_websocket(self, sender: Person, to: Person, text: str) -> None:
        """Send over the WebSocket; the receiver reads it over the WebSocket."""
        began = time.monotonic()
        body = {"to": to.number, "type": "text", "text": {"body": text}}
        accepted = await self._events.command("message.send", sender.session, body)
        received = await self._follow(sender, to, text, accepted["id"], began, "WebSocket")
        await self._events.command("message.read", to.session, {"message_ids": [received["id"]]})
        await self._read(sender, accepted["id"], began)

    async def _follow(
        self, sender: Person, to: Person, text: str, message: str, began: float, way: str
    ) -> Json:
        """Until the receiver has it; returns the receiver's message."""
        accepted = time.monotonic()
        sent = await self._status(sender, message, "sent")
        received = await self._events.event(
            "message.received",
            to.session,
            MESSAGE,
            lambda data: bool(data["message"].get("text", {}).get("body") == text),
        )
        typer.echo(
            f"  {sender.name} → {to.name} by {way}: accepted {_ms(began, accepted)}, "
            f"on the wire {_ms(began, sent.at)}, received {_ms(began, received.at)}",
            nl=False,
        )
        found: Json = received.event["data"]["message"]
        return found

    async def _read(self, sender: Person, message: str, began: float) -> None:
        read = await self._status(sender, message, "read")
        typer.echo(f", read {_ms(began, read.at)}")

    async def _status(self, of: Person, message: str, status: str) -> Seen:
        return await self._events.event(
            "message.status_changed",
            of.session,
            MESSAGE,
            lambda data: bool(data["id"] == message and data["status"] == status),
        )


def _ms(began: float, ended: float) -> str:
    return f"{(ended - began) * 1000:.0f} ms"


@asynccontextmanager
async def _tenant(gateway: Served) -> AsyncIterator[Demo]:
    async with AsyncExitStack() as stack:
        admin = await sign_in(gateway.url, gateway.token)
        stack.push_async_callback(admin.close)
        _, rest = await new_tenant(admin, "Demo")
        stack.push_async_callback(rest.close)
        yield Demo(rest, await stack.enter_async_context(feed(gateway.url, rest.credential)))


async def _show(gateway: Served) -> None:
    async with _tenant(gateway) as demo:
        typer.echo("Two virtual phones scan the QR codes of two sessions:")
        anna = await demo.link("Anna", draw=True)
        bruno = await demo.link("Bruno", draw=False)
        typer.echo("They talk, end-to-end encrypted:")
        await demo.by_rest(anna, bruno, "Hello Bruno, this came by REST.")
        await demo.by_websocket(bruno, anna, "Hello Anna, this came by WebSocket.")


async def run() -> int:
    """Show it; the exit code: 0 when nothing was missing or late."""
    typer.echo("Starting a gateway of its own on a free port, with its data in a temporary place …")
    with tempfile.TemporaryDirectory(prefix="wa-api-demo-") as directory:
        began = time.monotonic()
        try:
            async with served(Path(directory), _SETTINGS) as gateway:
                typer.echo(f"It serves at {gateway.url} after {time.monotonic() - began:.1f} s.")
                return await _judged(gateway)
        except NotReady as error:
            typer.echo(f"\nThe gateway did not come up: {error}", err=True)
            return 1


async def _judged(gateway: Served) -> int:
    try:
        await _show(gateway)
    except (TimeoutError, Missing, Refused, httpx.HTTPError, OSError) as error:
        typer.echo(f"\nThe demo failed: {error!r}", err=True)
        typer.echo("\n".join(gateway.said().splitlines()[-40:]), err=True)
        return 1
    typer.echo("Everything arrived in time. `wa-api serve` (make run) starts the same for real.")
    return 0
