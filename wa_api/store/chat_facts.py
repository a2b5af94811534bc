"""What WhatsApp tells of a chat besides its messages: its name, for now of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wa_api.domain.chats import ChatView, kind_of
from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.leases import Lease
from wa_api.store.chats import get
from wa_api.store.db import Sql, Work, database, now_ms
from wa_api.store.fence import hold
from wa_api.store.rows import Owned
from wa_api.store.terms import fold

_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What became known of a chat, by its canonical address; None is no news.

    `listed`: from now on the chat is in the list, even if it holds no message.
    """

    chat: str
    name: str | None = None
    listed: bool = False


async def note(tenant: TenantId, lease: Lease, news: Sequence[Noted]) -> list[ChatView]:
    """Record what became known of chats; those that changed by it. Raises Fenced.

    A chat that is not listed stays so, unless the news say otherwise.
    """
    chats = await database().run(lambda: _note(tenant, lease, list(news)))
    return [await get(tenant, lease.session, chat) for chat in chats]


def _note(tenant: TenantId, lease: Lease, news: list[Noted]) -> Work[list[str]]:
    yield from hold(Owned(tenant, lease, None))
    changed: dict[str, None] = {}
    for one in sorted(news, key=lambda each: each.chat):
        rows = (yield _list(tenant, lease.session, one)) if one.listed else []
        rows = rows or ((yield _change(tenant, lease.session, one)) if one.name else [])
        changed |= dict.fromkeys(str(row["chat"]) for row in rows)
    return list(changed)


def _list(tenant: TenantId, session: SessionId, one: Noted) -> Sql:
    name = _cut(one.name)
    return Sql(
        "INSERT INTO chats (tenant, session, chat, kind, name, folded, last_at, unread, "
        "marked_unread, archived, pinned) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, 0) "
        "ON CONFLICT (session, chat) DO NOTHING RETURNING chat",
        (tenant, session, one.chat, kind_of(one.chat), name, fold(name or "") or None, now_ms()),
    )


def _change(tenant: TenantId, session: SessionId, one: Noted) -> Sql:
    name = _cut(one.name)
    return Sql(
        "UPDATE chats SET name = $4, folded = $5 WHERE session = $1 AND chat = $2 "
        "AND tenant = $3 AND COALESCE(name, '') <> $4 RETURNING chat",
        (session, one.chat, tenant, name, fold(name or "")),
    )


def _cut(name: str | None) -> str | None:
    return name.replace("\0", "")[:_NAME_LENGTH] if name else None


async def unnamed(tenant: TenantId, session: SessionId, limit: int) -> list[str]:
    """Groups in the list whose name is not known, those with the newest messages first."""
    rows = await database().fetch(
        "SELECT chat FROM chats WHERE session = $1 AND tenant = $2 AND kind = 'group' "
        "AND name IS NULL ORDER BY last_at DESC LIMIT $3",
        session,
        tenant,
        limit,
    )
    return [str(row["chat"]) for row in rows]


async def is_unnamed(tenant: TenantId, session: SessionId, chat: str) -> bool:
    """Whether a chat is in the list without a name."""
    rows = await database().fetch(
        "SELECT 1 AS one FROM chats WHERE session = $1 AND chat = $2 AND tenant = $3 "
        "AND name IS NULL",
        session,
        chat,
        tenant,
    )
    return bool(rows)
