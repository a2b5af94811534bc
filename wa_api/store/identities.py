"""Two addresses, one person: what was kept under a LID moves to the phone number's address."""

from __future__ import annotations

from wa_api.domain.ids import SessionId
from wa_api.store.db import Row, Sql, Work

# The same message may have come under both names of its chat.
_REPEATED = (
    "DELETE FROM messages WHERE session = $1 AND chat = $2 AND EXISTS (SELECT 1 FROM messages o "
    "WHERE o.session = $1 AND o.chat = $3 AND o.wa_id = messages.wa_id "
    "AND o.direction = messages.direction)"
)
_MOVE = (
    "UPDATE messages SET chat = $3, chat_alt = $2, "
    "sender_alt = CASE WHEN sender = $2 THEN $2 ELSE sender_alt END, "
    "sender = CASE WHEN sender = $2 THEN $3 ELSE sender END "
    "WHERE session = $1 AND chat = $2"
)
_CHATS = (
    "SELECT * FROM chats WHERE session = $1 AND chat = ANY($2::text[]) ORDER BY chat FOR UPDATE"
)


def merge(session: SessionId, lid: str, phone: str) -> Work[None]:
    """Make the chats of both addresses one, with all their messages. Doing it twice does no harm."""
    found = yield Sql(_CHATS, (session, [lid, phone]))
    chats = {row["chat"]: row for row in found}
    yield Sql(_REPEATED, (session, lid, phone))
    yield Sql(_MOVE, (session, lid, phone))
    other, kept = chats.get(lid), chats.get(phone)
    if other is None:
        return
    if kept is None:
        yield Sql(
            "UPDATE chats SET chat = $2, chat_alt = $3 WHERE id = $1", (other["id"], phone, lid)
        )
        return
    yield Sql("DELETE FROM chats WHERE id = $1", (other["id"],))
    yield _joined(kept, other, lid)


def _joined(kept: Row, other: Row, lid: str) -> Sql:
    newer = other if other["last_at"] > kept["last_at"] else kept
    set_at = "disappears_set_at"
    timed = other if (other[set_at] or 0) > (kept[set_at] or 0) else kept
    return Sql(
        "UPDATE chats SET chat_alt = $2, unread = $3, last_message = $4, last_at = $5, "
        "pinned = $6, name = $7, disappears_after = $8, disappears_set_at = $9 WHERE id = $1",
        (
            kept["id"],
            lid,
            kept["unread"] + other["unread"],
            newer["last_message"],
            newer["last_at"],
            max(kept["pinned"], other["pinned"]),
            kept["name"] or other["name"],
            timed["disappears_after"],
            timed[set_at],
        ),
    )
