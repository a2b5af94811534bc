"""Messages: send, list, get, read, typing."""

from __future__ import annotations

import re
from typing import Any

from wa_api.domain.errors import (
    BadRequest,
    CommandTimedOut,
    IdempotencyConflict,
    InvalidAddress,
    MessageNotFound,
    QueueFull,
    SessionNotConnected,
    SessionNotFound,
    SessionNotLinked,
)
from wa_api.domain.ids import MessageId, SessionId
from wa_api.domain.principals import Scope
from wa_api.http.answers import Message, MessagePage
from wa_api.http.asking import Asked, both
from wa_api.http.bodies import MessageListQuery, MessageQuery, ReadBody, TypingBody, WaitQuery
from wa_api.http.message_bodies import SendBody
from wa_api.http.routes import Answer, Resource
from wa_api.http.types import Request, caller, services

messages = Resource("messages", "Sending and reading messages.")

_ALL = "/sessions/<session:str>/messages"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_PREFER = re.compile(r"(?:^|[,;\s])wait=(\d{1,3})(?:$|[,;\s])")


def idempotency_key(request: Request) -> str | None:
    """The request's `Idempotency-Key`, as the store knows it; raises BadRequest."""
    key: str | None = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise BadRequest("`Idempotency-Key` must be 1 to 255 visible ASCII characters.")
    return f"key:{key}"


def _wait(request: Request, query: WaitQuery) -> float:
    preferred: str | None = request.headers.get("prefer")
    if preferred is None or query.wait:
        return query.wait
    found = _PREFER.search(preferred)
    return min(float(found[1]), 60.0) if found else 0.0


@messages.post(
    _ALL,
    scope=Scope.MESSAGES_WRITE,
    body=SendBody,
    query=WaitQuery,
    returns=Message,
    status=202,
    errors=(
        SessionNotFound,
        SessionNotLinked,
        IdempotencyConflict,
        InvalidAddress,
        MessageNotFound,
        QueueFull,
    ),
    headers={
        "Idempotency-Key": "Repeats with the same key give the first answer, for a day.",
        "Prefer": "`wait=10` is the same as `?wait=10`.",
    },
)
async def send(request: Request, session: str, body: SendBody, query: WaitQuery) -> Answer:
    """Send a message.

    202: it is kept and will be sent; its way shows in `message.status_changed` events. With
    `wait` (or `Prefer: wait=`) the answer is 200 with the result when that is known in time.
    """
    message, known = await services(request).messages.send(
        caller(request),
        SessionId(session),
        body.outgoing(),
        key=idempotency_key(request),
        wait=_wait(request, query),
    )
    return Answer(message, 200 if known else 202)


@both(
    messages,
    "GET",
    "/messages",
    "message.list",
    scope=Scope.MESSAGES_READ,
    query=MessageListQuery,
    returns=MessagePage,
    basic=(SessionNotFound, InvalidAddress, MessageNotFound, BadRequest),
)
async def list_all(asked: Asked, query: MessageListQuery) -> Any:
    """List messages, newest first.

    `next` is for `before`; with `after`, the list runs the other way and `next` is for `after`.
    With `around`, that message stands in the middle of the page.
    """
    if query.around is not None and (query.before or query.after):
        raise BadRequest("`around` takes neither `before` nor `after` beside it.")
    found = await asked.services.messages.page(
        asked.who,
        asked.session,
        chat=query.chat,
        before=query.before,
        after=query.after,
        around=query.around,
        limit=query.limit,
    )
    full = len(found) >= query.limit or (query.around is not None and len(found) > 1)
    return {"items": found, "next": found[-1]["id"] if full else None}


@both(
    messages,
    "GET",
    "/messages/<message:str>",
    "message.get",
    scope=Scope.MESSAGES_READ,
    query=MessageQuery,
    returns=Message,
    basic=(SessionNotFound, MessageNotFound),
)
async def get(asked: Asked, message: str, query: MessageQuery) -> Any:
    """Get a message with its status history and what became of it.

    With `raw=true`, `raw` is the message as WhatsApp carries it (protobuf `waE2E.Message` in
    base64).
    """
    return await asked.services.messages.get(
        asked.who, asked.session, MessageId(message), raw=query.raw
    )


@messages.post(
    f"{_ALL}/read",
    scope=Scope.MESSAGES_WRITE,
    body=ReadBody,
    status=204,
    errors=(SessionNotFound, MessageNotFound, SessionNotConnected, CommandTimedOut),
)
async def read(request: Request, session: str, body: ReadBody) -> None:
    """Send read receipts for received messages."""
    await services(request).messages.mark_read(
        caller(request), SessionId(session), body.message_ids
    )


@messages.post(
    "/sessions/<session:str>/typing",
    scope=Scope.MESSAGES_WRITE,
    body=TypingBody,
    status=204,
    errors=(SessionNotFound, SessionNotConnected, CommandTimedOut),
)
async def typing(request: Request, session: str, body: TypingBody) -> None:
    """Show in a chat that somebody types, records, or has paused."""
    await services(request).messages.typing(
        caller(request), SessionId(session), body.chat, body.state
    )
