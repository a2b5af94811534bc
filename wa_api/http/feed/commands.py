"""What can be asked over a WebSocket: the same use cases as over REST, by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from wa_api.domain.errors import Forbidden, InvalidBody
from wa_api.domain.ids import MessageId, SessionId
from wa_api.domain.principals import Principal, Scope
from wa_api.http.asking import COMMANDED
from wa_api.http.batch_bodies import BatchBody, answer
from wa_api.http.bodies import Body, Id, NoBody, PairingPhone, ReadBody, TypingBody
from wa_api.http.decoding import decode_json
from wa_api.http.feed.frames import CommandFrame
from wa_api.http.message_bodies import SendBody
from wa_api.services import Services


@dataclass(frozen=True, slots=True)
class _Asked:
    services: Services
    who: Principal
    session: SessionId
    ref: str | None


class MessageBody(Body):
    """A message (our id)."""

    message_id: Id


class WsSendBody(SendBody, forbid_unknown_fields=True):
    """A message; with `wait` the reply comes when WhatsApp answered, or after so many seconds."""

    wait: float = 0.0


async def _send(asked: _Asked, body: WsSendBody) -> Any:
    """Send a message; the reply comes when it is accepted, with `wait` when WhatsApp answered."""
    # Refs are a client's own: two principals of a tenant may well use the same.
    key = f"ref:{asked.who.subject}:{asked.session}:{asked.ref}" if asked.ref else None
    message, _ = await asked.services.messages.send(
        asked.who, asked.session, body.outgoing(), key=key, wait=min(max(body.wait, 0.0), 60.0)
    )
    return message


async def _send_batch(asked: _Asked, body: BatchBody) -> Any:
    """Send many messages at once; each is accepted or refused by itself."""
    key = f"ref:{asked.who.subject}:{asked.session}:{asked.ref}" if asked.ref else None
    results = await asked.services.queue.send(
        asked.who, asked.session, body.outgoing(), key, body.fingerprint()
    )
    return answer(results)


async def _read(asked: _Asked, body: ReadBody) -> Any:
    """Mark received messages as read."""
    await asked.services.messages.mark_read(asked.who, asked.session, body.message_ids)
    return {}


async def _typing(asked: _Asked, body: TypingBody) -> Any:
    """Show in a chat that somebody types, records, or has paused."""
    await asked.services.messages.typing(asked.who, asked.session, body.chat, body.state)
    return {}


async def _media(asked: _Asked, body: MessageBody) -> Any:
    """Get a message's file, fetched from WhatsApp first where it is not here yet."""
    return await asked.services.media.of_message(
        asked.who, asked.session, MessageId(body.message_id)
    )


async def _start(asked: _Asked, _: NoBody) -> Any:
    """Connect the session, or begin pairing."""
    return await asked.services.sessions.start(asked.who, asked.session)


async def _stop(asked: _Asked, _: NoBody) -> Any:
    """Disconnect the session; it stays linked."""
    return await asked.services.sessions.stop(asked.who, asked.session)


async def _pairing_code(asked: _Asked, body: PairingPhone) -> Any:
    """Get a code to type on the phone instead of scanning."""
    return await asked.services.sessions.pairing_code(asked.who, asked.session, body.phone)


@dataclass(frozen=True, slots=True)
class Kind:
    """One command: who may ask, the shape of its `data`, and what is done (`about`: in words)."""

    about: str
    scope: Scope
    body: type[msgspec.Struct]
    decoder: msgspec.json.Decoder[Any]
    run: Callable[[_Asked, Any], Awaitable[Any]]


def _kind(
    scope: Scope, body: type[msgspec.Struct], run: Callable[[_Asked, Any], Awaitable[Any]]
) -> Kind:
    about = (run.__doc__ or "").partition("\n")[0]
    return Kind(about, scope, body, msgspec.json.Decoder(body), run)


COMMANDS: dict[str, Kind] = {
    "message.send": _kind(Scope.MESSAGES_WRITE, WsSendBody, _send),
    "message.send_batch": _kind(Scope.MESSAGES_WRITE, BatchBody, _send_batch),
    "message.media": _kind(Scope.MESSAGES_READ, MessageBody, _media),
    "message.read": _kind(Scope.MESSAGES_WRITE, ReadBody, _read),
    "chat.typing": _kind(Scope.MESSAGES_WRITE, TypingBody, _typing),
    "session.start": _kind(Scope.SESSIONS_WRITE, NoBody, _start),
    "session.stop": _kind(Scope.SESSIONS_WRITE, NoBody, _stop),
    "session.pairing_code": _kind(Scope.SESSIONS_WRITE, PairingPhone, _pairing_code),
}


async def execute(services: Services, who: Principal, frame: CommandFrame) -> Any:
    """Carry out a command and return the reply's data; raises WaError."""
    kind = COMMANDS.get(frame.command) or _commanded(frame.command)
    if kind is None:
        raise InvalidBody("There is no such command.", errors=_at("command", "unknown"))
    if not frame.session:
        raise InvalidBody("`session` is missing.", errors=_at("session", "missing"))
    if kind.scope not in who.scopes:
        raise Forbidden(f"This needs the scope `{kind.scope}`.", scope=str(kind.scope))
    data = b"{}" if frame.data is UNSET else bytes(frame.data)
    body = decode_json(data, kind.decoder)
    ref = None if frame.ref is None else str(frame.ref)
    return await kind.run(_Asked(services, who, SessionId(frame.session), ref), body)


def every_command() -> dict[str, Kind]:
    """By name, the routes that are commands too included (those declared so far)."""
    for name in COMMANDED:
        _commanded(name)
    return COMMANDS


def _commanded(name: str) -> Kind | None:
    """A route that is a command too."""
    route = COMMANDED.get(name)
    if route is None:
        return None

    async def run(asked: _Asked, body: Any) -> Any:
        done = await route.run(asked.services, asked.who, asked.session, body)
        return {} if done is None else done

    run.__doc__ = route.shape.__doc__
    return COMMANDS.setdefault(name, _kind(route.scope, route.shape, run))


def _at(field: str, detail: str) -> list[dict[str, str]]:
    return [{"field": field, "detail": detail}]
