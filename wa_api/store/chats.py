"""The chats of a session: kept in the transaction of every message, read as a list.

A front end's list is one index walk: `chats_list` holds the order (pinned first, then newest),
and a page goes on after the place of its last chat, so that what moves meanwhile repeats nothing.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from wa_api.domain.chats import ChatKind, ChatView
from wa_api.domain.errors import BadRequest, ChatNotFound
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import view as message_json
from wa_api.store.contacts import containing
from wa_api.store.db import Row, Sql, Work, database
from wa_api.store.fence import hold
from wa_api.store.rows import Owned
from wa_api.store.views import MESSAGE_COLUMNS, address, time_text, to_ms, view

MAX_LIMIT = 200
#: Messages that are deleted in one transaction.
STEP = 2000

_KIND = (
    "CASE WHEN chat LIKE '%@g.us' THEN 'group' WHEN chat LIKE '%@newsletter' THEN 'newsletter' "
    "WHEN chat = 'status@broadcast' THEN 'status' WHEN chat LIKE '%@broadcast' THEN 'broadcast' "
    "ELSE 'direct' END"
)
_TOUCH = (
    "INSERT INTO chats (tenant, session, chat, chat_alt, kind, last_message, last_at, unread, "
    "marked_unread, archived, pinned) "
    f"SELECT tenant, session, chat, MAX(chat_alt), {_KIND}, MAX(id), "
    "MAX(COALESCE(send_at, accepted_at)), "
    "COUNT(*) FILTER (WHERE direction = 'in' AND source <> 'history'), 0, 0, 0 "
    "FROM {source} AND status <> 'scheduled' AND target IS NULL "
    "GROUP BY tenant, session, chat ORDER BY session, chat "
    "ON CONFLICT (session, chat) DO UPDATE SET "
    "chat_alt = COALESCE(chats.chat_alt, excluded.chat_alt), "
    "last_message = CASE WHEN excluded.last_at >= chats.last_at OR chats.last_message IS NULL "
    "THEN excluded.last_message ELSE chats.last_message END, "
    "last_at = CASE WHEN excluded.last_at >= chats.last_at "
    "THEN excluded.last_at ELSE chats.last_at END, "
    "unread = chats.unread + excluded.unread"
)
#: What `touching` needs to know of the rows.
TOUCHED = (
    "tenant, session, chat, chat_alt, id, accepted_at, send_at, status, direction, source, target"
)
_SHOWN = "messages WHERE id = ANY($1::text[])"


def touching(source: str) -> str:
    """The statement that brings chats up to date with new messages.

    `source` is a FROM clause, with a condition, over rows that have the columns `TOUCHED`.
    """
    return _TOUCH.format(source=source)


def touch(messages: Sequence[object]) -> Sql:
    """Bring the chats of these messages, which were inserted just now, up to date."""
    return Sql(touching(_SHOWN), (list(messages),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which chats; None does not matter. Status posts are left out unless `kind` asks for them.

    `name` is a part of a name or number.
    """

    unread: bool | None = None
    archived: bool | None = None
    kind: ChatKind | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a user sets; None leaves it. `muted_until` in Unix seconds, 0 unmutes."""

    archived: bool | None = None
    pinned: bool | None = None
    unread: bool | None = None
    muted_until: float | None = None


_COLUMNS = (
    "c.chat, c.session, c.chat_alt, c.kind, c.last_message, c.last_at, c.unread, c.marked_unread, "
    "c.archived, c.pinned, c.muted_until, c.disappears_after, k.lid, "
    "CASE WHEN c.kind <> 'direct' THEN c.name ELSE COALESCE(NULLIF(k.name, ''), "
    "NULLIF(k.business_name, ''), NULLIF(k.push_name, '')) END AS name"
)
_FROM = (
    f"SELECT {_COLUMNS} FROM chats c LEFT JOIN contacts k "
    "ON k.session = c.session AND k.contact = c.chat"
)


async def list_chats(
    tenant: TenantId,
    session: SessionId,
    given: Filter,
    *,
    after: str | None = None,
    limit: int = 50,
) -> tuple[list[ChatView], str | None]:
    """Chats, pinned ones first, then by their last message; and where to go on (None: the end).

    Raises BadRequest for an `after` that this did not give.
    """
    args: list[Any] = [tenant, session]
    where = ["c.tenant = $1", "c.session = $2", *_conditions(given, args)]
    if after is not None:
        place = _place(after)
        marks = ", ".join(f"${len(args) + n}" for n in (1, 2, 3))
        args += place
        where.append(f"(c.pinned, c.last_at, c.chat) < ({marks})")
    rows = await database().fetch(
        f"{_FROM} WHERE {' AND '.join(where)} "
        "ORDER BY c.pinned DESC, c.last_at DESC, c.chat DESC "
        f"LIMIT {max(1, min(int(limit), MAX_LIMIT))}",
        *args,
    )
    return await _views(tenant, rows), _cursor(rows[-1]) if len(rows) >= limit else None


def _conditions(given: Filter, args: list[Any]) -> list[str]:
    found = []
    if given.unread is not None:
        either = "(c.unread > 0 OR c.marked_unread = 1)"
        found.append(either if given.unread else f"NOT {either}")
    if given.archived is not None:
        found.append(f"c.archived = {int(given.archived)}")
    args.append(given.kind or ChatKind.STATUS)
    found.append(f"c.kind {'=' if given.kind else '<>'} ${len(args)}")
    if given.name:
        args.append(containing(given.name))
        like = f"LIKE ${len(args)} ESCAPE '\\'"
        found.append(
            f"(c.chat {like} OR (c.kind <> 'direct' AND c.folded {like}) OR c.chat IN (SELECT contact FROM contacts "
            f"WHERE session = $2 AND tenant = $1 AND folded {like}))"
        )
    return found


def _cursor(row: Row) -> str:
    place = orjson.dumps([row["pinned"], row["last_at"], row["chat"]])
    return urlsafe_b64encode(place).decode().rstrip("=")


def _place(cursor: str) -> list[Any]:
    try:
        pinned, last_at, chat = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(chat, str) and 0 <= int(pinned) <= 1 and 0 <= int(last_at) < 1 << 63:
            return [int(pinned), int(last_at), chat]
    except (ValueError, TypeError):
        pass
    raise BadRequest("`after` must be the `next` of an earlier page.")


async def _views(tenant: TenantId, rows: Sequence[Row]) -> list[ChatView]:
    ids = [row["last_message"] for row in rows if row["last_message"]]
    found = await database().fetch(
        f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = ANY($1::text[]) AND tenant = $2",
        ids,
        tenant,
    )
    messages = {row["id"]: row for row in found}
    return [_view(row, messages.get(row["last_message"])) for row in rows]


def _view(row: Row, message: Row | None) -> ChatView:
    who = address(row["chat"], row["chat_alt"] or row["lid"])
    return ChatView(
        id=who.id,
        session=row["session"],
        kind=ChatKind(row["kind"]),
        phone=who.phone,
        lid=who.lid,
        name=row["name"] or None,
        unread=row["unread"],
        marked_unread=bool(row["marked_unread"]),
        archived=bool(row["archived"]),
        pinned=bool(row["pinned"]),
        muted_until=None if row["muted_until"] is None else time_text(row["muted_until"]),
        disappears_after=row["disappears_after"] or 0,
        time=time_text(row["last_at"]),
        last_message=None if message is None else message_json(view(message)),
    )


async def get(tenant: TenantId, session: SessionId, chat: str) -> ChatView:
    """A chat by its canonical address; raises ChatNotFound."""
    rows = await database().fetch(
        f"{_FROM} WHERE c.session = $1 AND c.chat = $2 AND c.tenant = $3", session, chat, tenant
    )
    if not rows:
        raise ChatNotFound
    return (await _views(tenant, rows))[0]


async def change(tenant: TenantId, session: SessionId, chat: str, wish: Change) -> ChatView:
    """Set what a user wishes; raises ChatNotFound. Marking as read is `read`."""
    muted = None if wish.muted_until is None else to_ms(wish.muted_until)
    rows = await database().fetch(
        "UPDATE chats SET archived = COALESCE($4, archived), pinned = COALESCE($5, pinned), "
        "marked_unread = COALESCE($6, marked_unread), "
        "muted_until = NULLIF(COALESCE($7, muted_until), 0) "
        "WHERE session = $1 AND chat = $2 AND tenant = $3 RETURNING id",
        session,
        chat,
        tenant,
        *(None if flag is None else int(flag) for flag in (wish.archived, wish.pinned)),
        1 if wish.unread else None,
        muted,
    )
    if not rows:
        raise ChatNotFound
    return await get(tenant, session, chat)


async def read(
    tenant: TenantId, session: SessionId, chat: str, upto: MessageId | None = None
) -> bool:
    """The chat was read up to a message (None: all of it); whether that is news."""
    return await database().run(lambda: reading(tenant, session, chat, upto))


def reading(tenant: TenantId, session: SessionId, chat: str, upto: MessageId | None) -> Work[bool]:
    """`read`, inside a transaction."""
    rows = yield Sql(
        "SELECT id, unread, marked_unread FROM chats "
        "WHERE session = $1 AND chat = $2 AND tenant = $3 FOR UPDATE",
        (session, chat, tenant),
    )
    if not rows or not (rows[0]["unread"] or rows[0]["marked_unread"]):
        return False
    # Counted after the chat is locked: a message that comes now waits, and counts itself then.
    left = 0 if upto is None else (yield from _newer(session, chat, upto, rows[0]["unread"]))
    if left >= rows[0]["unread"] and not rows[0]["marked_unread"]:
        return False
    yield Sql(
        "UPDATE chats SET unread = $2, marked_unread = 0 WHERE id = $1", (rows[0]["id"], left)
    )
    return True


async def read_elsewhere(tenant: TenantId, lease: Lease, wa_ids: Sequence[str]) -> list[ChatView]:
    """Messages were read on another device; the chats of which that is news. Raises Fenced."""
    chats = await database().run(lambda: _read_elsewhere(tenant, lease, list(wa_ids)))
    return [await get(tenant, lease.session, chat) for chat in chats]


def _read_elsewhere(tenant: TenantId, lease: Lease, wa_ids: list[str]) -> Work[list[str]]:
    yield from hold(Owned(tenant, lease, None))
    found = yield Sql(
        "SELECT chat, MAX(id) AS id FROM messages WHERE session = $1 AND wa_id = ANY($2::text[]) "
        "AND tenant = $3 AND direction = 'in' GROUP BY chat ORDER BY chat",
        (lease.session, wa_ids, tenant),
    )
    news: list[str] = []
    for row in found:
        changed = yield from reading(tenant, lease.session, row["chat"], row["id"])
        news += [row["chat"]] if changed else []
    return news


def _newer(session: SessionId, chat: str, upto: MessageId, most: int) -> Work[int]:
    rows = yield Sql(
        "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM messages WHERE session = $1 "
        "AND chat = $2 AND id > $3 AND direction = 'in' AND target IS NULL LIMIT $4) AS newer",
        (session, chat, upto, most),
    )
    return int(rows[0]["n"])


async def unread(
    tenant: TenantId, session: SessionId, chat: str, limit: int = MAX_LIMIT
) -> list[MessageId]:
    """The unread messages of a chat, newest first."""
    rows = await database().fetch(
        "SELECT id FROM messages WHERE session = $1 AND chat = $2 AND tenant = $3 "
        "AND direction = 'in' AND target IS NULL ORDER BY id DESC LIMIT COALESCE((SELECT CASE WHEN unread > $4::int "
        "THEN $4::int ELSE unread END FROM chats WHERE session = $1 AND chat = $2), 0)",
        session,
        chat,
        tenant,
        limit,
    )
    return [MessageId(row["id"]) for row in rows]


# Deleting for oneself: not what is still to be sent.

_DELETABLE = "status NOT IN ('scheduled', 'accepted', 'queued', 'sending')"


async def delete_message(tenant: TenantId, session: SessionId, message: MessageId) -> str | None:
    """Remove a message here; the chat it was in. None when it is still to be sent or not there."""
    return await database().run(lambda: _delete_message(tenant, session, message))


def _delete_message(tenant: TenantId, session: SessionId, message: MessageId) -> Work[str | None]:
    rows = yield Sql(
        f"DELETE FROM messages WHERE id = $1 AND session = $2 AND tenant = $3 AND {_DELETABLE} "
        "RETURNING chat",
        (message, session, tenant),
    )
    if not rows:
        return None
    chat = str(rows[0]["chat"])
    yield from _settle(session, chat)
    return chat


def _settle(session: SessionId, chat: str) -> Work[None]:
    """The chat's last message is the last one that is left; its place in the list stays."""
    yield Sql(
        "UPDATE chats SET last_message = (SELECT MAX(m.id) FROM messages m "
        "WHERE m.session = chats.session AND m.chat = chats.chat AND m.target IS NULL) "
        "WHERE session = $1 AND chat = $2",
        (session, chat),
    )


async def delete_chat(tenant: TenantId, session: SessionId, chat: str) -> bool:
    """Remove a chat and its messages here; whether there was something.

    The chat goes first, then its messages in steps of one transaction each: if this does not
    come to its end, doing it again does. Messages that are still to be sent stay.
    """
    place = (session, chat, tenant)
    found, newest = await database().run(lambda: _unlist(place))
    while newest is not None:
        rows = await database().fetch(
            "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE session = $1 "
            f"AND chat = $2 AND tenant = $3 AND id <= $4 AND {_DELETABLE} ORDER BY id LIMIT {STEP}) "
            "RETURNING 1 AS one",
            *place,
            newest,
        )
        if len(rows) < STEP:
            break
    return found or newest is not None


def _unlist(place: tuple[SessionId, str, TenantId]) -> Work[tuple[bool, str | None]]:
    """Whether there was a chat, and its newest message: what comes later is a new chat."""
    where = "WHERE session = $1 AND chat = $2 AND tenant = $3"
    gone = yield Sql(f"DELETE FROM chats {where} RETURNING id", place)
    newest = yield Sql(f"SELECT MAX(id) AS id FROM messages {where}", place)
    return bool(gone), newest[0]["id"]
