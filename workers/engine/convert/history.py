"""The phone's history as facts of the port, in slices that are small enough to be one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from wa_api.domain.addresses import GROUP, LID, Jid
from workers.engine.convert.context import context_of
from workers.engine.convert.messages import content_of
from workers.engine.port import History, Inbound, Past

T = TypeVar("T")

#: Messages of one slice, and names or pairs of one.
SLICE = 200
#: WebMessageInfo's status of a message that this account sent.
_STATUSES = {2: "sent", 3: "delivered", 4: "read", 5: "played"}
_MUTED_FOR_EVER = 4_102_444_800  # 2100: the phone's own value is not a time


def history_of(event: Any, me: Jid) -> Iterator[History]:
    """A history event in slices; `me` is this account. The last one says so."""
    part = event.Data
    bare = History(
        kind=part.HistorySyncType.Name(part.syncType).lower(),
        chunk=part.chunkOrder,
        progress=part.progress if part.HasField("progress") else None,
        last=False,
    )
    names = [(jid, each.pushname) for each in part.pushnames if (jid := _jid(each.ID))]
    pairs = [
        (phone, lid)
        for each in part.phoneNumberToLidMappings
        if (phone := _jid(each.pnJID)) and (lid := _jid(each.lidJID))
    ]
    for some in _slices(pairs):
        yield replace(bare, pairs=some)
    for some_names in _slices(names):
        yield replace(bare, names=some_names)
    for past in _gathered(_pasts(part.conversations, me)):
        yield replace(bare, chats=past)
    yield replace(bare, last=True)


def _slices(items: Sequence[T], size: int = SLICE) -> Iterator[tuple[T, ...]]:
    rest = iter(items)
    while some := tuple(islice(rest, size)):
        yield some


def _gathered(pasts: Iterator[Past]) -> Iterator[tuple[Past, ...]]:
    """Chats together until there are enough messages for a slice."""
    some: list[Past] = []
    for past in pasts:
        some.append(past)
        if sum(1 + len(each.messages) for each in some) >= SLICE:
            yield tuple(some)
            some = []
    if some:
        yield tuple(some)


def _pasts(conversations: Any, me: Jid) -> Iterator[Past]:
    """Chats, a long one in several pieces."""
    for chat in conversations:
        jid = _jid(chat.ID)
        if jid is None:
            continue
        other = _jid(chat.pnJID if jid.server == LID else chat.lidJID)
        bare = Past(
            chat=jid,
            chat_alt=other,
            name=chat.name or chat.displayName,
            time=float(chat.conversationTimestamp or chat.lastMsgTimestamp),
            unread=chat.unreadCount,
            marked_unread=chat.markedAsUnread,
            archived=chat.archived,
            pinned=chat.pinned > 0,
            muted_until=float(min(chat.muteEndTime, _MUTED_FOR_EVER)) or None,
            disappears_after=chat.ephemeralExpiration,
            disappears_set_at=float(chat.ephemeralSettingTimestamp) or None,
        )
        messages = list(_messages(chat, bare, me))
        for some in _slices(messages) if messages else ((),):
            inbound = tuple(message for message, _ in some)
            yield replace(bare, messages=inbound, statuses=tuple(status for _, status in some))


def _messages(chat: Any, past: Past, me: Jid) -> Iterator[tuple[Inbound, str]]:
    """Messages in their order. Those of one second, which may come in different parts, keep it by
    milliseconds taken from the phone's own numbering."""
    for each in sorted(chat.messages, key=lambda e: (e.message.messageTimestamp, e.msgOrderID)):
        info = each.message
        time = info.messageTimestamp + each.msgOrderID % 1000 / 1000
        message = _message(info, past, me, time)
        if message is not None:
            yield message, _STATUSES.get(info.status, "") if message.from_me else ""


def _message(info: Any, past: Past, me: Jid, time: float) -> Inbound | None:
    content = content_of(info.message)
    if content is None or not info.key.ID:
        return None
    from_me = info.key.fromMe
    author = _jid(info.participant or info.key.participant)
    sender = me if from_me else author or past.chat
    alone = past.chat.server == GROUP or from_me
    return Inbound(
        wa_id=info.key.ID,
        chat=past.chat,
        chat_alt=past.chat_alt,
        sender=sender,
        sender_alt=None if alone else past.chat_alt,
        from_me=from_me,
        push_name=info.pushName,
        timestamp=time,
        content=content,
        context=context_of(info.message),
        raw=info.message.SerializeToString(),
    )


def _jid(text: str) -> Jid | None:
    """An address without its device part; None for what is none."""
    user, at, server = text.partition("@")
    return Jid(user.partition(":")[0], server) if at and user else None
