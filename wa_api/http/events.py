"""The event log over plain HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sanic.response import HTTPResponse

from wa_api.domain.errors import CursorGone, MessageNotFound, SessionNotFound, TooManyRequests
from wa_api.domain.events import cursor_at
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.principals import Scope
from wa_api.http.answers import EventPage, EventTrail
from wa_api.http.bodies import EventQuery, names
from wa_api.http.feed.waiting import until_event
from wa_api.http.routes import Resource
from wa_api.http.types import Request, caller, services
from wa_api.services.events import Entry, Events, Filter, Page

events = Resource("events", "Everything that happened, in order, under one cursor.")

#: Pages without anything wanted that one request looks past.
_MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class _Search:
    """What one request is looking for; `end`: nothing after this cursor (None: no end)."""

    events: Events
    tenant: TenantId
    wants: Filter
    limit: int
    end: int | None

    async def page(self, after: int) -> Page:
        """Look past pages of which nothing is wanted, but not for ever."""
        if self.is_over(after):
            return Page([], after, False)
        for _ in range(_MOST_PAGES):
            page = self._cut(await self.events.page(self.tenant, after, self.limit, self.wants))
            if page.entries or not page.more:
                break
            after = page.upto
        return page

    def is_over(self, cursor: int) -> bool:
        """Whether nothing after the cursor is wanted."""
        return self.end is not None and cursor >= self.end

    def _cut(self, page: Page) -> Page:
        if self.end is None or page.upto < self.end:
            return page
        return Page([one for one in page.entries if one.cursor <= self.end], self.end, False)


@events.get(
    "/events",
    scope=Scope.EVENTS_READ,
    query=EventQuery,
    returns=EventPage,
    errors=(CursorGone, SessionNotFound, TooManyRequests),
)
async def history(request: Request, query: EventQuery) -> HTTPResponse:
    """Read events after a cursor, or of a time.

    With `wait` and nothing there, the answer comes with the next event (long polling). Go on from
    `next`, until `more` is false. After 410, begin anew from its `goes_on`.
    """
    who = caller(request)
    search = _Search(
        events=services(request).events,
        tenant=who.require(Scope.EVENTS_READ),
        wants=Filter.of(who, names(query.session), names(query.types)),
        limit=query.limit,
        end=None if query.until is None else cursor_at(query.until),
    )
    after = int(query.after)
    if query.since is not None:
        after = max(after, await search.events.since(search.tenant, query.since))
    page = await search.page(after)
    deadline = time.monotonic() + query.wait
    while not page.entries and (left := deadline - time.monotonic()) > 0:
        if request.app.ctx.draining or search.is_over(page.upto):
            break
        # At most a second, for an event that came between the look and the wait.
        await until_event(request.app.ctx, who, search.wants, min(left, 1.0))
        page = await search.page(page.upto)
    more = b"true" if page.more else b"false"
    return _json(b'{"items":[%b],"next":"%d","more":%b}' % (_list(page.entries), page.upto, more))


@events.get(
    "/sessions/<session:str>/messages/<message:str>/events",
    scope=Scope.MESSAGES_READ,
    returns=EventTrail,
    errors=(SessionNotFound, MessageNotFound),
)
async def trail(request: Request, session: str, message: str) -> HTTPResponse:
    """Show all events about a message, oldest first, as long as events are kept."""
    who, use = caller(request), services(request)
    await use.messages.get(who, SessionId(session), MessageId(message))
    found = await use.events.trail(who.require(Scope.MESSAGES_READ), MessageId(message))
    return _json(b'{"items":[%b]}' % _list(found))


def _list(entries: list[Entry]) -> bytes:
    return b",".join([entry.envelope for entry in entries])


def _json(body: bytes) -> HTTPResponse:
    return HTTPResponse(body, content_type="application/json")
