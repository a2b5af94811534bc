"""What WhatsApp tells of a chat besides its messages: a group's name, how long messages last."""

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
from wa_api.store.views import to_ms

_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What became known of a chat, by its canonical address; None is no news.

    `listed`: from now on the chat is in the list, even if it holds no message. Messages
    disappear `disappears_after` seconds after they were read (0: never), as was set at
    `disappears_set_at` (Unix seconds): an older setting than the known one is no news.
    """

    chat: str
    name: str | None = None
    listed: bool = False
    disappears_after: int | None = None
    disappears_set_at: float | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A chat after news: whether it is listed or named anew, and whether messages last otherwise."""

    chat: ChatView
    named: bool
    timed: bool


async def note(tenant: TenantId, lease: Lease, news: Sequence[Noted]) -> list[Changed]:
    """Record what became known of chats; those that changed by it. Raises Fenced.

    A chat that is not listed stays so, unless the news say otherwise.
    """
    found = await database().run(lambda: _note(tenant, lease, list(news)))
    return [
        Changed(await get(tenant, lease.session, chat), named, timed)
        for chat, (named, timed) in found.items()
    ]


def _note(tenant: TenantId, lease: Lease, news: list[Noted]) -> Work[dict[str, tuple[bool, bool]]]:
    yield from hold(Owned(tenant, lease, None))
    changed: dict[str, tuple[bool, bool]] = {}
    for one in sorted(news, key=lambda each: each.chat):
        place = (lease.session, one.chat, tenant)
        listed = bool((yield _list(tenant, lease.session, one))) if one.listed else False
        named = bool((yield _name(place, one.name))) if one.name and not listed else False
        timed = listed and bool(one.disappears_after)
        if one.disappears_after is not None and not listed:
            timed = bool((yield _time(place, one)))
        if listed or named or timed:
            before = changed.get(one.chat, (False, False))
            changed[one.chat] = (listed or named or before[0], timed or before[1])
    return changed


def _list(tenant: TenantId, session: SessionId, one: Noted) -> Sql:
    name = _cut(one.name)
    return Sql(
        "INSERT INTO chats (tenant, session, chat, kind, name, folded, last_at, "
        "disappears_after, disappears_set_at, unread, marked_unread, archived, pinned) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, 0) "
        "ON CONFLICT (session, chat) DO NOTHING RETURNING chat",
        (
            *(tenant, session, one.chat, kind_of(one.chat)),
            *(name, fold(name) if name else None, now_ms()),
            *(one.disappears_after, _ms(one.disappears_set_at)),
        ),
    )


def _name(place: tuple[str, str, str], name: str) -> Sql:
    kept = _cut(name)
    return Sql(
        "UPDATE chats SET name = $4, folded = $5 WHERE session = $1 AND chat = $2 "
        "AND tenant = $3 AND COALESCE(name, '') <> $4 RETURNING chat",
        (*place, kept, fold(kept or "")),
    )


def _time(place: tuple[str, str, str], one: Noted) -> Sql:
    return Sql(
        "UPDATE chats SET disappears_after = $4, "
        "disappears_set_at = COALESCE($5, disappears_set_at) "
        "WHERE session = $1 AND chat = $2 AND tenant = $3 AND COALESCE(disappears_after, 0) <> $4 "
        "AND COALESCE(disappears_set_at, 0) <= COALESCE($5, disappears_set_at, 0) RETURNING chat",
        (*place, one.disappears_after, _ms(one.disappears_set_at)),
    )


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else to_ms(seconds)


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
