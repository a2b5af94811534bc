"""The queue of a session: batches, what waits, what is for later, holding it and taking it back."""

from __future__ import annotations

from typing import Any

from wa_api.domain.errors import (
    MessageNotFound,
    MessageNotPending,
    SessionNotFound,
    SessionNotLinked,
)
from wa_api.domain.ids import MessageId, SessionId
from wa_api.domain.principals import Scope
from wa_api.http.answers import Message, MessagePage
from wa_api.http.asking import Asked, both
from wa_api.http.batch_bodies import BatchAnswer, BatchBody, answer
from wa_api.http.bodies import Body, Id, ListQuery, Query
from wa_api.http.messages import idempotency_key
from wa_api.http.routes import Resource
from wa_api.http.types import Request, caller, services
from wa_api.services.queue import Purged, QueueView

queue = Resource("queue", "What waits to be sent: batches, schedules, pace, pause and purge.")

_READ, _WRITE = Scope.MESSAGES_READ, Scope.MESSAGES_WRITE


class QueueQuery(Query):
    """`message`: tell its place too."""

    message: Id | None = None


class PurgeBody(Body):
    """`scheduled`: also those whose time has not come."""

    scheduled: bool = False


@queue.post(
    "/sessions/<session:str>/messages/batch",
    scope=_WRITE,
    body=BatchBody,
    returns=BatchAnswer,
    status=202,
    errors=(SessionNotFound, SessionNotLinked),
    headers={
        "Idempotency-Key": "The same batch again gives the same messages, for a day.",
    },
    command="message.send_batch",
)
async def send_batch(request: Request, session: str, body: BatchBody) -> BatchAnswer:
    """Send up to 1,000 messages.

    Each is accepted or refused by itself, in one transaction; the answer's items are in order.
    Messages to one chat go out in the order of the batch. An item with a `ref` is known by it: the
    same item again, in any batch, gives the same message, and another one under that `ref` is
    refused.
    """
    results = await services(request).queue.send(
        caller(request),
        SessionId(session),
        body.outgoing(),
        idempotency_key(request),
        body.fingerprint(),
    )
    return answer(results)


@both(
    queue,
    "GET",
    "/queue",
    "queue.get",
    scope=_READ,
    query=QueueQuery,
    returns=QueueView,
    errors=(MessageNotFound,),
)
async def get(asked: Asked, query: QueueQuery) -> Any:
    """Get how many messages wait, for what, and what is left of today's budgets.

    With `message`, that message's place in the queue too.
    """
    message = None if query.message is None else MessageId(query.message)
    return await asked.services.queue.look(asked.who, asked.session, message)


@both(queue, "POST", "/queue/pause", "queue.pause", scope=_WRITE, returns=QueueView)
async def pause(asked: Asked) -> Any:
    """Hold what waits.

    Messages are still accepted, and their deadlines go on. What is under way ends.
    """
    return await asked.services.queue.pause(asked.who, asked.session, True)


@both(queue, "POST", "/queue/resume", "queue.resume", scope=_WRITE, returns=QueueView)
async def resume(asked: Asked) -> Any:
    """Let it go on."""
    return await asked.services.queue.pause(asked.who, asked.session, False)


@both(queue, "POST", "/queue/purge", "queue.purge", scope=_WRITE, body=PurgeBody, returns=Purged)
async def purge(asked: Asked, body: PurgeBody) -> Any:
    """Take back all that waits.

    Each message becomes `cancelled`, with its event.
    """
    return await asked.services.queue.purge(asked.who, asked.session, body.scheduled)


@both(
    queue,
    "GET",
    "/queue/scheduled",
    "queue.scheduled",
    scope=_READ,
    query=ListQuery,
    returns=MessagePage,
)
async def scheduled(asked: Asked, query: ListQuery) -> Any:
    """List messages whose `send_at` has not come, in the order of their acceptance."""
    found = await asked.services.queue.scheduled(asked.who, asked.session, query.after, query.limit)
    return {"items": found, "next": found[-1]["id"] if len(found) >= query.limit else None}


@both(
    queue,
    "POST",
    "/messages/<message:str>/cancel",
    "message.cancel",
    scope=_WRITE,
    returns=Message,
    errors=(MessageNotFound, MessageNotPending),
)
async def cancel(asked: Asked, message: str) -> Any:
    """Take a message back that waits or is scheduled.

    Either it is cancelled and never sent, or it is too late (`message_not_pending`).
    """
    return await asked.services.queue.cancel(asked.who, asked.session, MessageId(message))
