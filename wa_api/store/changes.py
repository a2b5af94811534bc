"""Messages with what later ones did to them: reactions, edits, votes … are rows with a `target`.

The target is named by WhatsApp's id, so that a change counts whenever its message comes: before
it too. Outbound changes count once they were sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from wa_api.domain.changes import Change, allowed, changed_by, options_of
from wa_api.domain.content import Action, Edit, Pin, Reaction, Revoke, Vote
from wa_api.domain.events import (
    Data,
    MessageEdited,
    MessagePinChanged,
    MessageReactionChanged,
    MessageRevoked,
    PollVoteChanged,
)
from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.messages import MessageView, ReceiptBy
from wa_api.store.db import Row, database
from wa_api.store.terms import readable, words
from wa_api.store.views import MESSAGE_COLUMNS, address, content_in, decode_content, time_text, view

_HAPPENED = "(direction = 'in' OR status IN ('sent', 'delivered', 'read', 'played'))"


async def shown(
    tenant: TenantId, session: SessionId, messages: Sequence[MessageView]
) -> list[MessageView]:
    """The messages (of one session) as they are now."""
    targets = sorted({one.wa_id for one in messages if one.wa_id is not None})
    if not targets:
        return list(messages)
    rows = await database().fetch(
        "SELECT target, content, direction, sender, sender_alt, sender_name, time FROM messages "
        f"WHERE tenant = $1 AND session = $2 AND target = ANY($3::text[]) AND {_HAPPENED} "
        "ORDER BY time, id",
        tenant,
        session,
        targets,
    )
    found: dict[str, list[Change]] = defaultdict(list)
    for row in rows:
        found[row["target"]].append(_change(row))
    return [changed_by(one, found.get(one.wa_id or "", ())) for one in messages]


def _change(row: Row) -> Change:
    sender = row["sender"] if row["direction"] == "in" else None
    return Change(
        action=cast(Action, decode_content(row["content"])),
        sender=address(sender, row["sender_alt"], row["sender_name"]) if sender else None,
        time=time_text(row["time"]),
    )


async def effect(tenant: TenantId, session: SessionId, action: MessageView) -> Data | None:
    """What to tell of a message that changed another one; None when it was not allowed to.

    `action` has happened.
    """
    rows = await database().fetch(
        f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE tenant = $1 AND session = $2 AND target IS NULL "
        "AND wa_id = (SELECT target FROM messages WHERE id = $3 AND tenant = $1) LIMIT 1",
        tenant,
        session,
        action.id,
    )
    target = (await shown(tenant, session, [view(rows[0])]))[0] if rows else None
    content = cast(Action, content_in(action))
    sender = action.sender if action.direction == "in" else None
    if target is not None and not allowed(target, content, sender):
        return None
    if target is not None and isinstance(content, Edit | Revoke):
        await _find_anew(tenant, target)
    return _told(content, action, target)


async def _find_anew(tenant: TenantId, message: MessageView) -> None:
    """Let it be found by what it says now: after an edit, and no more once it is revoked."""
    text = "" if message.revoked else words(readable(message.content))
    await database().fetch(
        "UPDATE messages SET text = $3 WHERE tenant = $1 AND id = $2", tenant, message.id, text
    )


def _told(content: Action, action: MessageView, target: MessageView | None) -> Data:
    about: dict[str, Any] = {
        "id": None if target is None else target.id,
        "wa_id": content.message_id if target is None else target.wa_id,
        "action": action.id,
        "chat": action.chat,
        "sender": action.sender if action.direction == "in" else None,
        "time": action.time,
    }
    match content:
        case Reaction(emoji=emoji):
            return MessageReactionChanged(**about, emoji=emoji)
        case Edit(body=body):
            return MessageEdited(**about, body=body)
        case Revoke():
            return MessageRevoked(**about)
        case Pin(seconds=seconds):
            return MessagePinChanged(**about, seconds=seconds)
        case Vote():
            return _voted(content, about, target)
        case _:
            raise TypeError(f"{type(content).__name__} changes nothing")


def _voted(vote: Vote, about: dict[str, Any], poll: MessageView | None) -> Data:
    if vote.hashes is None or poll is None or poll.type != "poll":
        return PollVoteChanged(**about, failed=vote.hashes is None)
    return PollVoteChanged(**about, options=options_of(poll, vote), votes=poll.votes)


async def with_receipts(tenant: TenantId, message: MessageView) -> MessageView:
    """The message with how far it got with each of several recipients."""
    if message.direction != "out" or message.wa_id is None:
        return message
    rows = await database().fetch(
        "SELECT recipient, recipient_alt, delivered_at, read_at, played_at FROM message_receipts "
        "WHERE tenant = $1 AND session = $2 AND wa_id = $3 ORDER BY recipient",
        tenant,
        message.session,
        message.wa_id,
    )
    return msgspec.structs.replace(message, receipts=[_receipt(row) for row in rows])


def _receipt(row: Row) -> ReceiptBy:
    return ReceiptBy(
        recipient=address(row["recipient"], row["recipient_alt"]),
        delivered_at=_time(row["delivered_at"]),
        read_at=_time(row["read_at"]),
        played_at=_time(row["played_at"]),
    )


def _time(ms: int | None) -> str | None:
    return None if ms is None else time_text(ms)
