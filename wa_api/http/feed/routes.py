"""The routes of the feed: WebSocket and server-sent events."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from wa_api.domain.errors import BadRequest, TooManyRequests
from wa_api.domain.principals import Scope
from wa_api.http.bodies import CURSOR, FeedQuery, names
from wa_api.http.feed.client import Client
from wa_api.http.feed.closes import Close
from wa_api.http.feed.link import upgrade
from wa_api.http.feed.stream import Stream
from wa_api.http.feed.waiting import refused
from wa_api.http.problems import request_id
from wa_api.http.routes import Resource
from wa_api.http.types import Request, address_of, caller
from wa_api.services.events import Filter

feed = Resource("feed", "Staying connected: events as they happen, and commands.")


async def _head(request: Request, query: FeedQuery) -> int:
    if query.after is not None:
        return int(query.after)
    events = request.app.ctx.services.events
    return await events.head(caller(request).require(Scope.EVENTS_READ))


def _wants(request: Request, query: FeedQuery) -> Filter:
    return Filter.of(caller(request), names(query.session), names(query.types))


@feed.get("/ws", scope=Scope.EVENTS_READ, query=FeedQuery, status=101, websocket=True)
async def socket(request: Request, query: FeedQuery) -> None:
    """Open a WebSocket.

    Frames and close codes are described in docs/websocket.md and /asyncapi.json. Browsers pass the token as
    `?access_token=` or as the subprotocol `bearer.<token>` beside `wa-api.v1`.
    """
    context = request.app.ctx
    wants, address = _wants(request, query), address_of(request)
    client = Client(context, request.ctx.verified, wants, address)
    await context.hub.join(client.tenant, client.follower)
    try:
        after = await _head(request, query)
        link = await upgrade(
            request,
            client.on_text,
            max_frame=context.options.frame_bytes,
            buffer_bytes=context.options.buffer_bytes,
        )
        link.write(client.hello(after))
        client.attach(link, context.hub.admit(client))
        context.metrics.readers.labels("websocket").inc()
        context.tasks.start(client.follower.catch_up(after), "feed.catch_up")
        # Sanic cancels the handler when the connection is gone, which is how most end.
        with suppress(asyncio.CancelledError):
            await link.gone
        context.metrics.readers.labels("websocket").dec()
    finally:
        context.hub.dismiss(client)
        context.tasks.start(context.hub.leave(client.tenant, client.follower), "feed.leave")


@feed.get(
    "/events/stream",
    scope=Scope.EVENTS_READ,
    query=FeedQuery,
    produces=("text/event-stream",),
    errors=(TooManyRequests,),
)
async def stream(request: Request, query: FeedQuery) -> None:
    """Follow events as server-sent events.

    Goes on from `Last-Event-ID` or `after`. An event `gap` tells what is not kept any more. The last event of a stream that the server ends is
    `close`, with a code of the WebSocket's table.
    """
    context = request.app.ctx
    if (last := request.headers.get("last-event-id")) is not None:
        if not re.fullmatch(CURSOR, last):
            raise BadRequest("`Last-Event-ID` must be a cursor.")
        query.after = last
    reader = Stream(context, request.ctx.verified, _wants(request, query))
    await context.hub.join(reader.tenant, reader.follower)
    try:
        after = await _head(request, query)
        if isinstance(admitted := context.hub.admit(reader), Close):
            raise refused(admitted)
        context.tasks.start(reader.follower.catch_up(after), "feed.catch_up")
        await _pump(request, reader)
    finally:
        context.hub.dismiss(reader)
        context.tasks.start(context.hub.leave(reader.tenant, reader.follower), "feed.leave")


async def _pump(request: Request, reader: Stream) -> None:
    context = request.app.ctx
    response = await request.respond(
        content_type="text/event-stream",
        headers={
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Request-Id": request_id(request),
        },
    )
    context.metrics.readers.labels("sse").inc()
    try:
        await response.send(b": hello\nretry: 1000\n\n")  # milliseconds until a browser comes back
        while reader.closed_with is None:
            await response.send(await reader.next())
        await response.send(reader.last_words())
        await response.eof()
    finally:
        context.metrics.readers.labels("sse").dec()
