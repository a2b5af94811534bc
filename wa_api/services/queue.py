"""What waits in a session: sent in batches, looked at, held, taken back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import structlog

from wa_api.bus.ports import Appender
from wa_api.domain.addresses import LID
from wa_api.domain.errors import (
    MessageNotPending,
    SessionNotFound,
    SessionNotLinked,
    WaError,
)
from wa_api.domain.events import Data, MessageAccepted, event
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.messages import MessageView, view
from wa_api.domain.pacing import Pacing, day_of
from wa_api.domain.principals import Principal, Scope
from wa_api.services.bus import Owners
from wa_api.services.facts import Facts
from wa_api.services.media import Media
from wa_api.services.messages import Outgoing, settled
from wa_api.services.views import time_text
from wa_api.store import batches, contacts, messages
from wa_api.store import queue as rows
from wa_api.store.batches import Item, Outcome
from wa_api.store.rows import Accepted, QueueRow, SessionRow

log = structlog.get_logger()

#: Events that are appended, and messages that are named in a command, at once.
_CHUNK = 200
#: How long a session's owner may take to say what its queue is up to.
_LOOK_SECONDS = 2.0


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A waiting message's place: `position` counts from 1; when it or those before it may go, and
    what it waits for.
    """

    position: int
    next_at: str | None = None
    waits_for: str | None = None


class QueueView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session's queue.

    `by_priority`: how many wait, by the priority that they were given (`default`: none).
    `scheduled` ones do not wait yet; both together are at most `limit`. Counts and budgets are of
    the UTC day; a budget that is absent is unbounded. Only while a worker runs the session:
    `next_at` and `waits_for` (`rate`, `chat_gap`, `daily_budget`, `first_contact_rate`,
    `first_contact_budget`, `restricted`, `slowed_down`, `paused`, `offline`), what is left, and `message`.
    """

    waiting: int
    by_priority: dict[str, int]
    scheduled: int
    limit: int
    oldest_at: str | None = None
    paused_at: str | None = None
    restricted_until: str | None = None
    sent_today: int = 0
    first_contacts_today: int = 0
    left_today: int | None = None
    first_contacts_left_today: int | None = None
    next_at: str | None = None
    waits_for: str | None = None
    message: Place | None = None
    pacing: Pacing | None = None


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner says of its queue."""

    left_today: int | None = None
    first_contacts_left_today: int | None = None
    next_at: str | None = None
    waits_for: str | None = None
    message: Place | None = None


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages were taken back."""

    cancelled: int


class Queue:
    """The queues of sessions."""

    def __init__(
        self,
        events: Appender,
        facts: Facts,
        owners: Owners,
        media: Media,
        send_seconds: float,
        most: int,
    ) -> None:
        """At most `most` messages wait in a session, each for `send_seconds` unless it says."""
        self._events, self._facts, self._owners = events, facts, owners
        self._media, self._send_seconds, self._most = media, send_seconds, most

    async def send(
        self,
        who: Principal,
        session: SessionId,
        batch: Sequence[Outgoing | WaError],
        key: str | None,
        request: str,
    ) -> list[MessageView | WaError]:
        """Accept messages; for each, in order, the message or why not.

        Items that were refused before are passed through. With `key`, the same `request` again
        gives the same messages; so does an item with the same `ref`.
        """
        tenant = who.require(Scope.MESSAGES_WRITE)
        facts = await self._facts.get(who, session)
        if not facts.linked:
            raise SessionNotLinked
        items, refused = await self._items(who, session, batch, key, request)
        kept = await batches.accept_batch(tenant, session, [*items.values()], most=self._most)
        fresh = [one.view for one in kept if isinstance(one, Accepted) and one.fresh]
        facts.room -= len(fresh)
        await self._announce(tenant, session, [MessageAccepted(message=one) for one in fresh])
        if fresh:
            await self._tell(tenant, session, "queue.refresh")
        answers = refused | dict(zip(items, map(_answer, kept), strict=True))
        return [answers[n] for n in range(len(batch))]

    async def _items(
        self,
        who: Principal,
        session: SessionId,
        batch: Sequence[Outgoing | WaError],
        key: str | None,
        request: str,
    ) -> tuple[dict[int, Item], dict[int, MessageView | WaError]]:
        """What can be accepted and what is refused, by place; with what is known of files and
        addresses.
        """
        tenant = who.require(Scope.MESSAGES_WRITE)
        given = {n: one for n, one in enumerate(batch) if not isinstance(one, WaError)}
        refused: dict[int, MessageView | WaError] = {
            n: one for n, one in enumerate(batch) if isinstance(one, WaError)
        }
        contents = await self._media.all_checked(who, [one.content for one in given.values()])
        lids = [str(one.to) for one in given.values() if one.to.server == LID]
        phones = await contacts.phones(tenant, session, lids) if lids else {}
        now, items = time.time(), {}
        for (n, one), content in zip(given.items(), contents, strict=True):
            if isinstance(content, WaError):
                refused[n] = content
                continue
            try:
                ready = await settled(tenant, session, replace(one, content=content))
            except WaError as error:
                refused[n] = error
                continue
            new = ready.new(session, now, self._send_seconds)
            new = replace(new, chat=phones.get(new.chat, new.chat))
            if one.ref is not None:
                ref = f"ref:{who.subject}:{session}:{one.ref}"
                items[n] = Item(new, ref, one.fingerprint(session))
            else:
                items[n] = Item(new, f"batch:{key}:{n}" if key else None, request)
        return items, refused

    async def look(
        self, who: Principal, session: SessionId, message: MessageId | None = None
    ) -> QueueView:
        """The queue as it is; with `message`, its place too."""
        tenant, row = await self._own(who, session, Scope.MESSAGES_READ)
        if message is not None:
            await messages.get(tenant, message, session)
        depth, state = await rows.depth(tenant, session), await rows.state(tenant, session)
        said = await self._ask(tenant, session, message) if row.runs else _Look()
        today = state if state.day == day_of(time.time()) else QueueRow()
        return QueueView(
            waiting=depth.waiting,
            by_priority={name or "default": n for name, n in depth.by_priority.items()},
            scheduled=depth.scheduled,
            limit=self._most,
            oldest_at=time_text(depth.oldest),
            paused_at=time_text(state.paused_at),
            restricted_until=time_text(_future(state.restricted_until)),
            sent_today=today.sent,
            first_contacts_today=today.first_contacts,
            pacing=state.policy,
            **msgspec.structs.asdict(said),
        )

    async def pause(self, who: Principal, session: SessionId, paused: bool) -> QueueView:
        """Hold all that waits, or let it go on."""
        tenant, _ = await self._own(who, session, Scope.MESSAGES_WRITE)
        await rows.pause(tenant, session, paused)
        await self._tell(tenant, session, "queue.refresh")
        return await self.look(who, session)

    async def purge(self, who: Principal, session: SessionId, scheduled: bool) -> Purged:
        """Take back all that waits, and with `scheduled` what is for later too."""
        tenant, _ = await self._own(who, session, Scope.MESSAGES_WRITE)
        count = 0
        async for step in self._purged(tenant, session, scheduled):
            await self._announce(tenant, session, [one.data for one in step])
            await self._drop(tenant, session, [one.data.id for one in step])
            count += len(step)
        return Purged(cancelled=count)

    async def _purged(
        self, tenant: TenantId, session: SessionId, scheduled: bool
    ) -> AsyncIterator[Sequence[Any]]:
        """In steps, so that no transaction is long."""
        while step := await rows.purge(tenant, session, with_scheduled=scheduled, limit=_CHUNK):
            yield step

    async def cancel(
        self, who: Principal, session: SessionId, message: MessageId
    ) -> dict[str, Any]:
        """Take a message back; raises MessageNotPending when that is too late."""
        tenant, _ = await self._own(who, session, Scope.MESSAGES_WRITE)
        change = await messages.cancel(tenant, message, session)
        if change is None:
            raise MessageNotPending
        await self._announce(tenant, session, [change.data])
        await self._drop(tenant, session, [message])
        return view(await messages.get(tenant, message, session))

    async def scheduled(
        self, who: Principal, session: SessionId, after: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Messages whose time has not come, in the order of their acceptance."""
        tenant, _ = await self._own(who, session, Scope.MESSAGES_READ)
        found = await rows.scheduled(tenant, session, after=after, limit=limit)
        return [view(one) for one in found]

    async def _own(
        self, who: Principal, session: SessionId, scope: Scope
    ) -> tuple[TenantId, SessionRow]:
        tenant = who.require(scope)
        if not who.may_see(session):
            raise SessionNotFound
        row, _ = await rows.session(tenant, session, 1)
        return tenant, row

    # The rows are the promise: from here on nothing makes a request fail.

    async def _announce(self, tenant: TenantId, session: SessionId, facts: Sequence[Data]) -> None:
        try:
            for some in _chunks(facts):
                await self._events.append([event(tenant, session, fact) for fact in some])
        except WaError as error:
            log.warning("queue.announce_failed", session=session, code=error.code)

    async def _tell(
        self, tenant: TenantId, session: SessionId, name: str, data: dict[str, Any] | None = None
    ) -> None:
        try:
            await self._owners.tell(tenant, session, name, data)
        except WaError as error:
            log.warning("queue.tell_failed", session=session, code=error.code)

    async def _drop(self, tenant: TenantId, session: SessionId, ids: Sequence[str]) -> None:
        for some in _chunks(ids):
            await self._tell(tenant, session, "queue.drop", {"ids": [*some]})

    async def _ask(self, tenant: TenantId, session: SessionId, message: MessageId | None) -> _Look:
        data = {} if message is None else {"message": message}
        try:
            said = await self._owners.ask(
                tenant, session, "queue.look", data, seconds=_LOOK_SECONDS
            )
        except WaError:
            return _Look()
        return msgspec.convert(said, _Look)


def _answer(outcome: Outcome) -> MessageView | WaError:
    return outcome.view if isinstance(outcome, Accepted) else outcome


def _future(at: float | None) -> float | None:
    return at if at is not None and at > time.time() else None


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[n : n + _CHUNK] for n in range(0, len(items), _CHUNK))
