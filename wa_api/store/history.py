"""The phone's history, which comes in parts when a session is linked.

Messages of the past get ids of their own time: whatever is listed by id has them in their place.
They are told to nobody: readers hear of a part as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wa_api.domain.chats import ChatKind, kind_of
from wa_api.domain.ids import TenantId, new_id
from wa_api.domain.leases import Lease
from wa_api.domain.messages import Status
from wa_api.store import chats
from wa_api.store.contacts import Learned, learning
from wa_api.store.db import Each, Sql, Work, database, insert
from wa_api.store.fence import hold
from wa_api.store.owner import INBOUND, inbound_values
from wa_api.store.rows import NewInbound, Owned
from wa_api.store.terms import fold
from wa_api.store.views import to_ms

SOURCE = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChat:
    """A chat as the phone has it; addresses are canonical, times Unix seconds.

    `name` is kept of groups and the like: people have theirs as contacts.
    """

    chat: str
    time: float
    chat_alt: str | None = None
    name: str | None = None
    unread: int = 0
    marked_unread: bool = False
    archived: bool = False
    pinned: bool = False
    muted_until: float | None = None
    disappears_after: int = 0
    disappears_set_at: float | None = None


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message of the past, and how far it got."""

    message: NewInbound
    status: Status


async def record(
    tenant: TenantId,
    lease: Lease,
    *,
    contacts: Sequence[Learned],
    past: Sequence[PastChat],
    messages: Sequence[PastMessage],
) -> int:
    """Keep a part of the history; how many messages were new. Doing it twice does no harm.

    What is known already stays: a message that came live or was sent from here, and what was set
    locally of a chat. Raises Fenced.
    """
    owned = Owned(tenant, lease, None)
    return await database().run(lambda: _record(owned, contacts, past, messages))


def _record(
    owned: Owned[None],
    contacts: Sequence[Learned],
    past: Sequence[PastChat],
    messages: Sequence[PastMessage],
) -> Work[int]:
    yield from hold(owned)
    if contacts:
        yield from learning(owned.tenant, owned.lease.session, contacts)
    if past:
        yield _keep(owned, past)
    fresh = yield from _insert(owned, messages)
    if fresh:
        yield chats.touch(fresh)
    return len(fresh)


def _insert(owned: Owned[None], messages: Sequence[PastMessage]) -> Work[list[str]]:
    ids = sorted({one.message.wa_id for one in messages})
    known = yield Sql(
        "SELECT wa_id FROM messages WHERE session = $1 AND wa_id = ANY($2::text[])",
        (owned.lease.session, ids),
    )
    there = {row["wa_id"] for row in known}
    rows = [_values(owned, one) for one in messages if one.message.wa_id not in there]
    if not rows:
        return []
    added = yield insert("messages", INBOUND, rows, "ON CONFLICT DO NOTHING RETURNING id")
    return sorted(str(row["id"]) for row in added)


def _values(owned: Owned[None], past: PastMessage) -> tuple[object, ...]:
    at = to_ms(past.message.timestamp)
    columns = dict(
        zip(
            INBOUND, inbound_values(Owned(owned.tenant, owned.lease, past.message), at), strict=True
        )
    )
    columns |= {"id": new_id("msg", at), "status": past.status, "source": SOURCE}
    return tuple(columns.values())


_COLUMNS = {
    "tenant": "text",
    "session": "text",
    "chat": "text",
    "chat_alt": "text",
    "kind": "text",
    "name": "text",
    "folded": "text",
    "last_at": "bigint",
    "unread": "int",
    "marked_unread": "int",
    "archived": "int",
    "pinned": "int",
    "muted_until": "bigint",
    "disappears_after": "int",
    "disappears_set_at": "bigint",
}


def _name(one: PastChat) -> tuple[str | None, str | None]:
    if not one.name or kind_of(one.chat) is ChatKind.DIRECT:
        return None, None
    return one.name, fold(one.name)


def _keep(owned: Owned[None], past: Sequence[PastChat]) -> Sql | Each:
    rows = [
        (
            owned.tenant,
            owned.lease.session,
            one.chat,
            one.chat_alt,
            kind_of(one.chat),
            *_name(one),
            to_ms(one.time),
            one.unread,
            int(one.marked_unread),
            int(one.archived),
            int(one.pinned),
            None if one.muted_until is None else to_ms(one.muted_until),
            one.disappears_after or None,
            None if one.disappears_set_at is None else to_ms(one.disappears_set_at),
        )
        for one in sorted({one.chat: one for one in past}.values(), key=lambda one: one.chat)
    ]
    return insert(
        "chats",
        _COLUMNS,
        rows,
        "ON CONFLICT (session, chat) DO UPDATE SET "
        "chat_alt = COALESCE(chats.chat_alt, excluded.chat_alt), "
        "name = COALESCE(excluded.name, chats.name), "
        "folded = COALESCE(excluded.folded, chats.folded), "
        "disappears_after = COALESCE(chats.disappears_after, excluded.disappears_after), "
        "disappears_set_at = COALESCE(chats.disappears_set_at, excluded.disappears_set_at), "
        "unread = CASE WHEN excluded.unread > chats.unread "
        "THEN excluded.unread ELSE chats.unread END",
    )
