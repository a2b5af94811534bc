"""What is asked of a session besides sending: checked, done, and answered exactly once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec
import structlog

from wa_api.bus.ports import Inbox
from wa_api.domain.addresses import parse_address
from wa_api.domain.commands import ASKS, IDEMPOTENT, Command
from wa_api.domain.errors import (
    BadRequest,
    CommandTimedOut,
    Fenced,
    InvalidBody,
    NoQr,
    OutcomeUnknown,
    SessionAlreadyLinked,
    WaError,
)
from wa_api.domain.events import SessionPairingCodeIssued
from wa_api.domain.ids import MessageId
from wa_api.domain.refusals import refusal
from wa_api.domain.sessions import Reason, SessionState
from workers.engine.port import CallFailed, Engine, EngineNotReady, SendUncertain
from workers.sessions import views
from workers.sessions.lanes import Lanes
from workers.sessions.records import Change
from workers.sessions.verdicts import Again, Finish
from workers.sessions.voice import Voice

if TYPE_CHECKING:
    from workers.sessions.actor import Actor

log = structlog.get_logger()

WIDTH, BOUND = 4, 100
PAIRING_CODE_SECONDS = 160.0  #: WhatsApp's lifetime of an eight-character code


class MarkRead(msgspec.Struct, frozen=True, kw_only=True):
    """`message.read`: read receipts for messages of one chat (`sender`: whose, in a group)."""

    chat: str
    wa_ids: list[str]
    sender: str | None = None


class ShowTyping(msgspec.Struct, frozen=True, kw_only=True):
    """`chat.typing`."""

    chat: str
    state: Literal["typing", "recording", "paused"]


class ShowPresence(msgspec.Struct, frozen=True, kw_only=True):
    """`presence.set`."""

    online: bool


class LookAtQueue(msgspec.Struct, frozen=True, kw_only=True):
    """`queue.look`; with `message`, its place too."""

    message: str | None = None


class FetchMedia(msgspec.Struct, frozen=True, kw_only=True):
    """`message.fetch_media`."""

    message: str


class AskPairingCode(msgspec.Struct, frozen=True, kw_only=True):
    """`session.pairing_code`."""

    phone: str


S = TypeVar("S", bound=msgspec.Struct)


def _read(command: Command, shape: type[S]) -> S:
    try:
        return msgspec.convert(command.data, shape)
    except msgspec.ValidationError as error:
        raise InvalidBody(str(error)) from None


class Asks:
    """All commands of one session but sends."""

    def __init__(self, actor: Actor, voice: Voice, inbox: Inbox) -> None:
        self._actor, self._voice, self._inbox = actor, voice, inbox
        self._lanes: Lanes[Command] = Lanes(self._work, WIDTH, BOUND)
        self._does: dict[str, Callable[[Command], Awaitable[dict[str, Any] | None]]] = {
            "message.read": self._mark_read,
            "chat.typing": self._typing,
            "presence.set": self._presence,
            "queue.look": self._look,
            "message.fetch_media": self._fetch_media,
            "session.pairing_code": self._pairing_code,
            "session.logout": self._logout,
            "session.stop": self._stop,
            "session.restart": self._restart,
        }

    def __len__(self) -> int:
        return len(self._lanes)

    async def put(self, command: Command) -> None:
        """Take a command over."""
        await self._lanes.put(command.lane or command.name, command)

    async def close(self, seconds: float) -> bool:
        """Let those at work end; the rest stays in the stream."""
        return await self._lanes.close(seconds)

    async def _work(self, command: Command) -> None:
        try:
            async with asyncio.timeout(max(0.0, command.deadline - time.time())):
                data = await self._do(command)
        except Fenced:
            return  # the next owner gets it
        except Exception as error:  # noqa: BLE001 - told to the caller
            await self._voice.refuse(command, _explain(error, command))
            return
        if data is not None:
            await self._voice.answer(command, data)

    async def _do(self, command: Command) -> dict[str, Any] | None:
        does = self._ask if command.name in ASKS else self._does.get(command.name)
        if does is None:
            raise BadRequest(f"There is no command {command.name[:40]!r}.")
        if not IDEMPOTENT.get(command.name, False) and not await self._begin(command):
            raise OutcomeUnknown
        return await does(command)

    async def _begin(self, command: Command) -> bool:
        return await self._inbox.begin(self._actor.owned.lease, command)

    def _engine(self) -> Engine:
        engine = self._actor.engine
        if engine is None:
            raise EngineNotReady
        return engine

    async def _ask(self, command: Command) -> dict[str, Any]:
        asked, chronicle = _read(command, ASKS[command.name]), self._actor.chronicle
        try:
            answer = await self._engine().ask(asked)
        except CallFailed as error:
            await chronicle.overhear_refusal(asked, error.code)
            raise
        await chronicle.overhear(asked, answer)
        return {} if answer is None else msgspec.to_builtins(answer)

    async def _mark_read(self, command: Command) -> dict[str, Any]:
        what = _read(command, MarkRead)
        chat = parse_address(what.chat)
        sender = parse_address(what.sender) if what.sender else chat
        await self._engine().mark_read(chat, sender, what.wa_ids)
        return {}

    async def _typing(self, command: Command) -> dict[str, Any]:
        what = _read(command, ShowTyping)
        await self._engine().typing(parse_address(what.chat), what.state)
        return {}

    async def _presence(self, command: Command) -> dict[str, Any]:
        await self._engine().presence(_read(command, ShowPresence).online)
        return {}

    async def _look(self, command: Command) -> dict[str, Any]:
        message = _read(command, LookAtQueue).message
        return self._actor.sends.look(MessageId(message) if message else None)

    async def _fetch_media(self, command: Command) -> dict[str, Any]:
        message = MessageId(_read(command, FetchMedia).message)
        return await self._actor.files.fetch(self._engine(), message)

    async def _pairing_code(self, command: Command) -> dict[str, Any]:
        phone = parse_address(_read(command, AskPairingCode).phone).user
        if self._actor.linked:
            raise SessionAlreadyLinked
        if not await self._actor.await_pairing(command.deadline):
            raise NoQr("The session is not pairing now.")
        code = await self._engine().pairing_code(phone)
        expires = views.stamp(time.time() + PAIRING_CODE_SECONDS)
        await self._voice.say(SessionPairingCodeIssued(code=code, expires_at=expires))
        return {"code": code, "expires_at": expires}

    async def _logout(self, command: Command) -> dict[str, Any] | None:
        change = Change(SessionState.LOGGED_OUT, Reason.LOGGED_OUT_HERE)
        engine = self._engine()
        if self._actor.linked:
            self._actor.logging_out = True
            try:
                await engine.logout()
            finally:
                self._actor.logging_out = False
        return self._end(Finish(change, forget=True, command=command))

    async def _stop(self, command: Command) -> dict[str, Any] | None:
        change = Change(SessionState.STOPPED, Reason.REQUESTED)
        return self._end(Finish(change, command=command))

    async def _restart(self, command: Command) -> dict[str, Any] | None:
        return self._end(Again(Reason.REQUESTED, command=command))

    def _end(self, verdict: Finish | Again) -> dict[str, Any] | None:
        """None when the verdict answers the command; it is ending anyhow when not."""
        return None if self._actor.judge(verdict) else {}


def _explain(error: Exception, command: Command) -> WaError:
    match error:
        case WaError():
            return error
        case TimeoutError():
            return CommandTimedOut()
        case CallFailed():
            return refusal(error.code, error.detail)
        case SendUncertain():
            return OutcomeUnknown()
        case _:
            log.exception("session.command_broke", command=command.name)
            return WaError()
