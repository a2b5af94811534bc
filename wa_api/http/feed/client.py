"""One WebSocket client: its frames in, its events out, its time limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import structlog

from wa_api.domain.errors import Forbidden, TooManyRequests, WaError
from wa_api.domain.ids import TenantId
from wa_api.domain.principals import Scope
from wa_api.http.feed import frames
from wa_api.http.feed.allowances import Allowance
from wa_api.http.feed.closes import EXPIRED, PROTOCOL, SILENT, TOO_SLOW, Close
from wa_api.http.feed.commands import COMMANDS, execute
from wa_api.http.feed.follower import Follower
from wa_api.http.feed.frames import (
    AuthFrame,
    ClientFrame,
    CommandFrame,
    Gap,
    Hello,
    Notice,
    PingFrame,
    PongFrame,
    Ref,
    ResumeFrame,
    SubscribeFrame,
)
from wa_api.http.feed.hub import Item
from wa_api.http.feed.link import Link
from wa_api.http.types import Context
from wa_api.services.auth import Verified
from wa_api.services.events import Filter

log = structlog.get_logger()

#: Commands of one socket that may be under way at once.
IN_FLIGHT = 64
#: Frames that could not be read, or came too fast, before the socket is closed.
BROKEN = 20
#: Seconds before its end that a client is told of its token's expiry.
NOTICE_SECONDS = 60.0


class Client:
    """Implements the hub's `Reader` (through its follower), `Member`, and the follower's output."""

    __slots__ = (
        "_address",
        "_allowance",
        "_broken",
        "_context",
        "_in_flight",
        "_link",
        "_pinged",
        "_verified",
        "_warned",
        "follower",
        "subject",
        "tenant",
    )

    def __init__(
        self, context: Context, verified: Verified, wants: Filter, address: str = ""
    ) -> None:
        """`address`: where the connection comes from."""
        self._context, self._address = context, address
        self._verified = verified
        self.tenant: TenantId = verified.principal.require(Scope.EVENTS_READ)
        self.follower = Follower(context.services.events, self.tenant, wants, self)
        self._link: Link | None = None
        #: Who is connected: for good, whatever token comes later.
        self.subject = verified.principal.subject
        self._allowance: Allowance | None = None
        self._in_flight = 0
        self._broken = 0
        self._warned = False
        self._pinged = 0.0

    # ── the connection ──

    def attach(self, link: Link, admitted: Allowance | Close) -> None:
        """The handshake is done: the client is in, or told why not."""
        self._link = link
        self._pinged = link.heard
        if isinstance(admitted, Close):
            self.close(admitted)
        else:
            self._allowance = admitted

    @property
    def link(self) -> Link:
        """The open connection."""
        if self._link is None:
            raise RuntimeError("not connected yet")
        return self._link

    @property
    def open(self) -> bool:
        """See `follower.Output`."""
        return self.link.open

    @property
    def ids(self) -> frozenset[str]:
        """See `hub.Member`."""
        return self._verified.ids

    def hello(self, cursor: int) -> bytes:
        """The first frame."""
        who = self._verified.principal
        return frames.encode(
            Hello(
                cursor=str(cursor),
                worker=self._context.worker,
                tenant=self.tenant,
                heartbeat=self._context.options.heartbeat_seconds,
                expires_at=who.expires_at,
            )
        )

    def close(self, close: Close) -> None:
        """See `hub.Member`."""
        if self._link is not None and self._link.open:
            self._context.metrics.closed.labels(str(close.code)).inc()
            self._link.close(close)

    def notice(self, frame: bytes) -> None:
        """See `hub.Member`."""
        self._write(frame)

    def tick(self, now: float) -> None:
        """See `hub.Member`."""
        self._mind_expiry()
        heartbeat = self._context.options.heartbeat_seconds
        if now - self.link.heard > 2.5 * heartbeat:
            self.close(SILENT)
        elif now - self._pinged >= heartbeat:
            self._pinged = now
            self.link.ping()
            self._write(frames.PING)

    def _mind_expiry(self) -> None:
        expires = self._verified.principal.expires_at
        left = expires - time.time() if expires is not None else NOTICE_SECONDS
        if left <= 0:
            self.close(EXPIRED)
        elif left < NOTICE_SECONDS and not self._warned:
            self._warned = True
            self._write(frames.encode(Notice("token_expires_soon", expires_at=expires)))

    # ── events out ──

    def deliver(self, items: list[Item]) -> None:
        """See `follower.Output`."""
        alone = len(items) == 1
        self._write(items[0].frame if alone else b"".join([item.frame for item in items]))

    def _write(self, data: bytes) -> None:
        if not self.link.write(data):
            self.close(TOO_SLOW)

    async def drained(self) -> None:
        """See `follower.Output`. A client that takes nothing for long is silent, and is closed."""
        most = self._context.options.buffer_bytes // 4
        while self.link.open and self.link.waiting > most:  # noqa: ASYNC110 - a transport tells nobody
            await asyncio.sleep(0.02)

    def gap(self, after: int, goes_on: int) -> None:
        """See `follower.Output`."""
        self._context.metrics.gaps.labels("websocket").inc()
        self._write(frames.encode(Gap(str(after), str(goes_on))))

    def missed(self, after: int) -> None:
        """See `follower.Output`."""
        self._start(self.follower.catch_up(after), "catch_up")

    # ── frames in ──

    def on_text(self, text: bytes) -> None:
        """A frame from the client."""
        try:
            if self._allowance is None or not self._allowance.frames.take():
                raise TooManyRequests("Too many frames; slow down.")
            frame = frames.decode_frame(text)
        except WaError as error:
            self._refuse_unread(text, error)
        else:
            self._dispatch(frame)

    def _refuse_unread(self, text: bytes, error: WaError) -> None:
        self._broken += 1
        self._write(frames.failure(frames.ref_of(text), error))
        if self._broken > BROKEN:
            self.close(PROTOCOL)

    def _dispatch(self, frame: ClientFrame) -> None:
        match frame:
            case CommandFrame():
                self._command(frame)
            case SubscribeFrame():
                self.follower.wants = Filter.of(
                    self._verified.principal, frame.sessions, frame.types
                )
                self._write(frames.reply(frame.ref, {}))
            case ResumeFrame():
                self._start(self._resume(frame), "resume")
            case AuthFrame():
                self._start(self._renew(frame), "auth")
            case PingFrame():
                self._write(frames.encode(PongFrame(frame.ref)))

    def _command(self, frame: CommandFrame) -> None:
        if self._in_flight >= IN_FLIGHT:
            self._write(
                frames.refusal(frame.ref, TooManyRequests("Too many commands are under way."))
            )
            return
        self._in_flight += 1
        self._start(self._execute(frame), frame.command)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._context.tasks.start(work, f"feed.{name}")

    async def _execute(self, frame: CommandFrame) -> None:
        name = frame.command if frame.command in COMMANDS else "unknown"
        outcome = "ok"
        try:
            await self._context.services.rates.admit(self._verified)
            data = await execute(self._context.services, self._verified.principal, frame)
            answer = frames.reply(frame.ref, data)
        except WaError as error:
            outcome = error.code
            answer = frames.refusal(frame.ref, error)
        except Exception:
            log.exception("feed.command_failed", command=name)
            outcome = "internal_error"
            answer = frames.refusal(frame.ref, WaError("Something went wrong here."))
        finally:
            self._in_flight -= 1
        self._context.metrics.commands.labels(name, outcome).inc()
        self._write(answer)

    async def _resume(self, frame: ResumeFrame) -> None:
        self._write(frames.reply(frame.ref, {}))
        await self.follower.catch_up(int(frame.after))

    async def _renew(self, frame: AuthFrame) -> None:
        self._write(await self._renewed(frame.token, frame.ref))

    async def _renewed(self, token: str, ref: Ref) -> bytes:
        try:
            verified = await self._context.services.auth.verify(token)
            verified.terms.check(self._address)
            if verified.principal.require(Scope.EVENTS_READ) != self.tenant:
                raise Forbidden("That token is another tenant's.")
        except WaError as error:
            return frames.refusal(ref, error)
        self._verified, self._warned = verified, False
        self.follower.wants = self.follower.wants.limited(verified.principal)
        return frames.reply(ref, {"expires_at": verified.principal.expires_at})
