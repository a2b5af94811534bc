"""Sending, and what became of it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec
import structlog

from wa_api.bus.ports import Appender, Commands
from wa_api.domain.addresses import Jid, parse_address
from wa_api.domain.commands import Command
from wa_api.domain.content import NO_CONTEXT, Content, Context, NewAlbum, Sendable
from wa_api.domain.errors import (
    MessageNotFound,
    SessionNotConnected,
    SessionNotLinked,
    WaError,
)
from wa_api.domain.events import MessageAccepted, event
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.messages import CANCELLABLE, MessageView, Status, view
from wa_api.domain.principals import Principal, Scope
from wa_api.domain.sessions import ONLINE
from wa_api.services.albums import unfolded
from wa_api.services.bus import Owners, command
from wa_api.services.facts import Facts
from wa_api.services.media import Media
from wa_api.services.reading import Reading
from wa_api.services.targets import settle
from wa_api.store import batches, changes, contacts
from wa_api.store import messages as rows
from wa_api.store.rows import REPORT, NewMessage

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What a client wants sent; `expires_in` in seconds, `send_at` in Unix seconds; "typing…" is
    shown for `typing_seconds` before.
    """

    to: Jid
    content: Sendable
    context: Context = NO_CONTEXT
    ref: str | None = None
    typing_seconds: float = 0.0
    expires_in: float | None = None
    on_unknown: str = REPORT
    priority: str | None = None
    send_at: float | None = None

    @property
    def size(self) -> int:
        """How many messages it becomes."""
        return 1 + len(self.content.items) if isinstance(self.content, NewAlbum) else 1

    def new(self, session: SessionId, now: float, seconds: float) -> NewMessage:
        """Its row, once it is `settled`: it may wait for `seconds` from when it is due, unless it says so itself. A time
        that has passed is now.
        """
        later = self.send_at if self.send_at is not None and self.send_at > now else None
        return NewMessage(
            session=session,
            chat=str(self.to),
            content=cast(Content, self.content),  # see `settled`
            context=self.context,
            ref=self.ref,
            typing=self.typing_seconds,
            deadline=(later or now) + (self.expires_in or seconds),
            on_unknown=self.on_unknown,
            priority=self.priority,
            send_at=later,
        )

    def fingerprint(self, session: SessionId) -> str:
        """Equal for equal requests: tells a repeat from another request under the same key."""
        parts = (
            *(session, str(self.to), self.content, self.context, self.ref, self.on_unknown),
            *(self.priority, self.send_at),
        )
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


async def settled(tenant: TenantId, session: SessionId, outgoing: Outgoing) -> Outgoing:
    """With references to other messages looked up and checked (see `targets.settle`)."""
    content, context = await settle(
        tenant, session, outgoing.to, outgoing.content, outgoing.context
    )
    return replace(outgoing, content=content, context=context)


class Messages:
    """The messages of sessions."""

    def __init__(
        self,
        commands: Commands,
        events: Appender,
        facts: Facts,
        owners: Owners,
        media: Media,
        send_seconds: float,
    ) -> None:
        """`send_seconds` is how long a message waits for its session unless it says so itself."""
        self._commands, self._events = commands, events
        self._facts, self._owners, self._media = facts, owners, media
        self._send_seconds = send_seconds
        self._reading = Reading(events)

    async def send(
        self,
        who: Principal,
        session: SessionId,
        outgoing: Outgoing,
        *,
        key: str | None = None,
        wait: float = 0.0,
    ) -> tuple[dict[str, Any], bool]:
        """Accept a message; the answer's JSON, and whether its fate is known.

        An album becomes its own message and one for each item, all or none; the answer is the
        album, which names them.

        With `wait` (seconds) it is given that long to be sent. The same `key` and request again
        give the first message; another request under that key raises IdempotencyConflict.
        """
        tenant = who.require(Scope.MESSAGES_WRITE)
        facts = await self._facts.get(who, session)
        if not facts.linked:
            raise SessionNotLinked
        facts.make_room(outgoing.size)
        now = time.time()
        new = await self._prepared(who, session, outgoing, now)
        request = outgoing.fingerprint(session) if key else ""
        messages, fresh = await _accept(tenant, session, new, key, request)
        if fresh:
            messages = await self._hand_over(tenant, messages, new, now, wait)
        return view(messages[0]), _is_known(messages[-1])

    async def _prepared(
        self, who: Principal, session: SessionId, outgoing: Outgoing, now: float
    ) -> list[NewMessage]:
        """The row of a message, of an album those of its items too; what they refer to is checked."""
        tenant = who.require(Scope.MESSAGES_WRITE)
        ready = await settled(tenant, session, outgoing)
        new = ready.new(session, now, self._send_seconds)
        new = replace(new, chat=await contacts.canonical(tenant, session, new.chat))
        if not isinstance(ready.content, NewAlbum):
            return [replace(new, content=await self._media.checked(who, new.content))]
        items = [await self._media.checked(who, item) for item in ready.content.items]
        return unfolded(new, items)

    async def _hand_over(
        self,
        tenant: TenantId,
        messages: list[MessageView],
        new: list[NewMessage],
        at: float,
        wait: float,
    ) -> list[MessageView]:
        """Tell readers and the owner. The rows are the promise: if the bus is away, the owner finds
        them by itself, so from here on nothing makes the request fail. They are in one lane: when
        the last one's fate is known, so is that of the others."""
        session = new[0].session
        *others, last = [
            _order(tenant, message, row, at) for message, row in zip(messages, new, strict=True)
        ]
        try:
            await self._events.append(
                [event(tenant, session, MessageAccepted(message=one)) for one in messages]
            )
            if new[0].send_at is not None:
                return messages
            for order in others:
                await self._commands.send(order)
            if wait <= 0:
                await self._commands.send(last)
                return messages
            async with asyncio.timeout(wait):
                await self._commands.call(last)
        except TimeoutError:
            pass
        except WaError as error:
            log.warning("message.announce_failed", message=messages[0].id, code=error.code)
        if wait <= 0:
            return messages
        return [await rows.get(tenant, MessageId(id)) for id in _ends(messages)]

    async def get(
        self, who: Principal, session: SessionId, message: MessageId, *, raw: bool = False
    ) -> dict[str, Any]:
        """A message with its status history, what became of it, and each recipient's receipts.

        With `raw`, as WhatsApp carries it too (waE2E.Message in base64; null when not kept).
        """
        tenant = who.require(Scope.MESSAGES_READ)
        await self._facts.get(who, session)
        [found] = await changes.shown(tenant, session, [await rows.get(tenant, message, session)])
        shown = view(await changes.with_receipts(tenant, found))
        if raw:
            kept = await rows.proto(tenant, message)
            shown["raw"] = None if kept is None else b64encode(kept).decode()
        return shown

    async def page(
        self,
        who: Principal,
        session: SessionId,
        *,
        chat: str | None,
        before: str | None,
        after: str | None,
        around: str | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Messages, newest first; with `after`, oldest first. Raises MessageNotFound (`around`)."""
        tenant = who.require(Scope.MESSAGES_READ)
        await self._facts.get(who, session)
        if chat is not None:
            chat = await contacts.canonical(tenant, session, str(parse_address(chat)))
        if around is not None:
            found = await rows.around(tenant, session, MessageId(around), chat=chat, limit=limit)
        else:
            found = await rows.list_messages(
                tenant, session, chat=chat, before=before, after=after, limit=limit
            )
        return [view(one) for one in await changes.shown(tenant, session, found)]

    async def mark_read(self, who: Principal, session: SessionId, ids: Sequence[str]) -> None:
        """Send read receipts for messages that arrived (ids of ours); one receipt per sender."""
        tenant = who.require(Scope.MESSAGES_WRITE)
        await self._online(who, session)
        groups: dict[tuple[str, str | None], list[str]] = {}
        newest: dict[str, str] = {}
        for id in dict.fromkeys(ids):
            found = await rows.find(tenant, MessageId(id), session)
            if found is None or found.direction != "in" or found.wa_id is None:
                raise MessageNotFound("There is no such received message.", message=id[:64])
            # Receipts go to the address that the message came from: the LID where there is one.
            author = found.sender if found.sender and "@g.us" in found.chat.id else None
            sender = None if author is None else author.lid or author.id
            chat = found.chat.lid or found.chat.id
            groups.setdefault((chat, sender), []).append(found.wa_id)
            newest[found.chat.id] = max(found.id, newest.get(found.chat.id, ""))
        for (chat, sender), wa_ids in groups.items():
            data = {"chat": chat, "sender": sender, "wa_ids": wa_ids}
            await self._owners.ask(tenant, session, "message.read", data, lane=chat)
        for chat, id in newest.items():
            await self._reading.upto(tenant, session, chat, MessageId(id))

    async def typing(self, who: Principal, session: SessionId, chat: str, state: str) -> None:
        """Show `typing`, `recording` or `paused` in a chat."""
        tenant = who.require(Scope.MESSAGES_WRITE)
        address = parse_address(chat)
        await self._online(who, session)
        data = {"chat": str(address), "state": state}
        await self._owners.ask(tenant, session, "chat.typing", data, lane=str(address))

    async def _online(self, who: Principal, session: SessionId) -> None:
        facts = await self._facts.get(who, session)
        if not facts.linked:
            raise SessionNotLinked
        if facts.state not in ONLINE:
            raise SessionNotConnected


async def _accept(
    tenant: TenantId, session: SessionId, new: list[NewMessage], key: str | None, request: str
) -> tuple[list[MessageView], bool]:
    """Make the rows; of a repeated request only the first one, and False."""
    if len(new) > 1:
        return await batches.accept_together(tenant, session, new, key, request)
    accepted = await rows.accept(tenant, new[0], key, request)
    return [accepted.view], accepted.fresh


def _order(tenant: TenantId, message: MessageView, new: NewMessage, at: float) -> Command:
    """For the session's owner: send it."""
    deadline = new.deadline or 0.0
    data = {
        "id": message.id,
        "to": new.chat,
        "at": at,
        "deadline": deadline,
        "priority": new.priority,
        "typing": new.typing,
    }
    lane = message.chat.id
    return command(tenant, new.session, "message.send", data, deadline=deadline, lane=lane)


def _ends(messages: list[MessageView]) -> list[str]:
    """The first one's id and the last one's."""
    return list(dict.fromkeys((messages[0].id, messages[-1].id)))


def _is_known(message: MessageView) -> bool:
    return message.status not in (*CANCELLABLE, Status.SENDING)
