"""Messages of one tenant: accepting, listing, and each owner's step towards sent.

One file, because all statements share the columns and the rules of `progress`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

from wa_api.domain.content import Action
from wa_api.domain.errors import (
    Fenced,
    IdempotencyConflict,
    MessageNotFound,
    SessionNotFound,
)
from wa_api.domain.ids import MessageId, SessionId, TenantId, new_id
from wa_api.domain.leases import Lease
from wa_api.domain.messages import CANCELLABLE, MessageView, Status
from wa_api.store import chats, owner
from wa_api.store.db import Row, Sql, Work, database, now_ms
from wa_api.store.fence import hold
from wa_api.store.progress import load
from wa_api.store.queue import WAITING, waiting_in
from wa_api.store.rows import (
    RESEND,
    Accepted,
    Advance,
    Changed,
    NewInbound,
    NewMessage,
    Outgoing,
    Owned,
    TakenOver,
)
from wa_api.store.terms import words_of
from wa_api.store.views import (
    ENDED,
    MESSAGE_COLUMNS,
    TIME_OF,
    changed,
    encode_content,
    encode_context,
    to_ms,
    view,
    waiting,
)

T = TypeVar("T")

#: How long an idempotency key is remembered, in seconds, unless told otherwise.
KEY_SECONDS = 86_400.0
#: No list is longer.
MAX_LIMIT = 200

#: The columns of a new outbound message, with their types.
ACCEPTED = {
    "id": "text",
    "tenant": "text",
    "session": "text",
    "direction": "text",
    "chat": "text",
    "type": "text",
    "content": "text",
    "context": "text",
    "status": "text",
    "time": "bigint",
    "accepted_at": "bigint",
    "deadline": "bigint",
    "on_unknown": "text",
    "ref": "text",
    "source": "text",
    "priority": "text",
    "send_at": "bigint",
    "scheduled_at": "bigint",
    "text": "text",
    "target": "text",
    "typing": "bigint",
}
_NAMES = ", ".join(ACCEPTED)
_UNSET = dict.fromkeys(
    (
        *TIME_OF.values(),
        *(ENDED, "chat_alt", "sender", "sender_alt", "wa_id", "error_code", "error_detail"),
    )
)


def accepted_values(tenant: TenantId, new: NewMessage, now: int) -> tuple[Any, ...]:
    """The row of a new outbound message, by the columns of ACCEPTED."""
    later = new.send_at is not None
    kind, content = encode_content(new.content)
    return (
        new.id or new_id("msg"),
        tenant,
        new.session,
        "out",
        new.chat,
        kind,
        content,
        encode_context(new.context),
        Status.SCHEDULED if later else Status.ACCEPTED,
        now,
        now,
        None if new.deadline is None else to_ms(new.deadline),
        new.on_unknown,
        new.ref,
        new.source,
        new.priority,
        None if new.send_at is None else to_ms(new.send_at),
        now if later else None,
        words_of(new.content),
        new.content.message_id if isinstance(new.content, Action) else None,
        to_ms(new.typing) or None,
    )


def accepted_view(values: tuple[Any, ...]) -> MessageView:
    """Such a row as every reader sees it."""
    return view({**_UNSET, **dict(zip(ACCEPTED, values, strict=True))})


def _insert_accepted(source: str, first: int) -> str:
    """An insert that finds nothing to insert when the session is not this tenant's."""
    marks = ", ".join(f"${i}::{kind}" for i, kind in enumerate(ACCEPTED.values(), first))
    return (
        f"INSERT INTO messages ({_NAMES}) SELECT {marks} FROM {source} "
        f"WHERE s.id = ${first + 2} AND s.tenant = ${first + 1} AND s.deleted_at IS NULL "
        f"RETURNING {chats.TOUCHED}"
    )


def _with_chat(before: str, source: str, first: int) -> str:
    """Such an insert and its chat in one statement, PostgreSQL only."""
    return (
        f"WITH {before}m AS ({_insert_accepted(source, first)}), "
        f"c AS ({chats.touching('m WHERE true')}) SELECT id FROM m"
    )


# A key whose time is over is taken over by the new request.
_KEY = (
    "ON CONFLICT (id) DO UPDATE SET request_hash = excluded.request_hash, "
    "message = excluded.message, expires_at = excluded.expires_at "
    "WHERE idempotency_keys.expires_at < $6 RETURNING id"
)
_INSERT_KEY = (
    "INSERT INTO idempotency_keys (id, tenant, request_hash, message, expires_at) "
    "VALUES ($1, $2, $3, $4, $5) " + _KEY
)
_ONE = _insert_accepted("sessions s", 1)
_KEY_OF_SESSION = (
    "INSERT INTO idempotency_keys (id, tenant, request_hash, message, expires_at) "
    "SELECT $1::text, $2::text, $3::text, $4::text, $5::bigint FROM sessions "
    "WHERE id = $9 AND tenant = $8 AND deleted_at IS NULL " + _KEY
)
_ONE_AT_ONCE = _with_chat("", "sessions s", 1)
_ONE_WITH_KEY = _with_chat(f"k AS ({_KEY_OF_SESSION}), ", "sessions s, k", 7)


def key_values(
    tenant: TenantId,
    key: str,
    request_hash: str,
    message: str,
    now: int,
    seconds: float = KEY_SECONDS,
) -> tuple[Any, ...]:
    """An idempotency key and its first message, for `first_under`."""
    return (digest_of(tenant, key), tenant, request_hash, message, now + to_ms(seconds), now)


def digest_of(tenant: TenantId, key: str) -> str:
    """Under what an idempotency key is kept."""
    return hashlib.blake2b(f"{tenant}\0{key}".encode(), digest_size=16).hexdigest()


async def accept(
    tenant: TenantId,
    new: NewMessage,
    key: str | None = None,
    request_hash: str = "",
    *,
    key_seconds: float = KEY_SECONDS,
) -> Accepted:
    """Keep a message to be sent; when this returns it is committed.

    With an idempotency `key`, the same request again answers with the first message as it is now;
    another request (by `request_hash`) under that key raises IdempotencyConflict. Raises
    SessionNotFound.
    """
    now = now_ms()
    values = accepted_values(tenant, new, now)
    if key is None:
        if database().postgres:
            made = bool(await database().fetch(_ONE_AT_ONCE, *values))
        else:
            made = await database().run(lambda: _accept_one(values))
        if not made:
            raise SessionNotFound
        return Accepted(accepted_view(values), True)
    keyed = key_values(tenant, key, request_hash, values[0], now, key_seconds)
    if database().postgres and await database().fetch(_ONE_WITH_KEY, *keyed, *values):
        return Accepted(accepted_view(values), True)
    first = await database().run(lambda: _accept_keyed(keyed, values))
    return Accepted(first or accepted_view(values), first is None)


def _accept_one(values: tuple[Any, ...]) -> Work[bool]:
    made = yield Sql(_ONE, values)
    if made:
        yield chats.touch([values[0]])
    return bool(made)


def _accept_keyed(keyed: tuple[Any, ...], values: tuple[Any, ...]) -> Work[MessageView | None]:
    first = yield from first_under(keyed)
    if first is None and not (yield from _accept_one(values)):
        raise SessionNotFound
    return first


def first_under(keyed: tuple[Any, ...]) -> Work[MessageView | None]:
    """The first message under this key, or None when this is it; raises IdempotencyConflict."""
    if (yield Sql(_INSERT_KEY, keyed)):
        return None
    digest, tenant, request_hash = keyed[:3]
    kept = yield Sql("SELECT request_hash, message FROM idempotency_keys WHERE id = $1", (digest,))
    if kept and kept[0]["request_hash"] != request_hash:
        raise IdempotencyConflict
    rows = kept and (
        yield Sql(
            f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = $1 AND tenant = $2",
            (kept[0]["message"], tenant),
        )
    )
    if not rows:
        raise SessionNotFound  # the message went with its session
    return view(rows[0])


async def record_inbound(
    tenant: TenantId, lease: Lease, new: Sequence[NewInbound]
) -> list[MessageView]:
    """Make rows of messages that arrived; the views of those that were not there yet."""
    results = await owner.record_inbound([Owned(tenant, lease, one) for one in new])
    return [one for one in _unfenced(results) if one is not None]


async def advance(tenant: TenantId, lease: Lease | None, news: Sequence[Advance]) -> list[Changed]:
    """Record how far messages got (see `owner.advance`); those that changed.

    Without a lease nothing is fenced and each item must name a row: for the tenant's own doing.
    """
    if lease is None:
        return await database().run(lambda: _advance_unfenced(tenant, news))
    results = await owner.advance([Owned(tenant, lease, one) for one in news])
    return [one for one in _unfenced(results) if one is not None]


def _advance_unfenced(tenant: TenantId, news: Sequence[Advance]) -> Work[list[Changed]]:
    progress = yield from load([one.id for one in news if one.id], [])
    results = [progress.apply(tenant, None, one) for one in news if one.id]
    yield from progress.save()
    return [one for one in results if one is not None]


def _unfenced(results: Sequence[T | Fenced]) -> list[T]:
    """The results; raises the first Fenced among them."""
    for one in results:
        if isinstance(one, Fenced):
            raise one
    return [one for one in results if not isinstance(one, Fenced)]


async def begin_sending(
    tenant: TenantId, lease: Lease, ids: Sequence[MessageId]
) -> list[Outgoing | Changed | None]:
    """Mark messages as being sent, one answer each (see `owner.begin_sending`)."""
    return _unfenced(await owner.begin_sending([Owned(tenant, lease, one) for one in ids]))


async def take_over(tenant: TenantId, lease: Lease, limit: int = WAITING) -> TakenOver:
    """A new owner's start: what an earlier owner was sending becomes `unknown`.

    Except what its client wants sent again (`on_unknown`): that waits anew, with the rest of
    what is pending, in order.
    """
    return await database().run(lambda: _take_over(tenant, lease, limit, now_ms()))


def _take_over(tenant: TenantId, lease: Lease, limit: int, now: int) -> Work[TakenOver]:
    yield from hold(Owned(tenant, lease, None))
    yield Sql(
        "UPDATE messages SET status = 'queued' "
        "WHERE session = $1 AND status = 'sending' AND on_unknown = $2",
        (lease.session, RESEND),
    )
    lost = yield Sql(
        "UPDATE messages SET status = 'unknown', unknown_at = $2 "
        "WHERE session = $1 AND status = 'sending' "
        "RETURNING id, tenant, session, chat, chat_alt, wa_id, ref",
        (lease.session, now),
    )
    pending = yield waiting_in(tenant, lease.session, limit)
    unknown = [
        changed(row, Status.UNKNOWN, now, row["wa_id"], None)
        for row in sorted(lost, key=lambda row: str(row["id"]))
    ]
    return TakenOver([waiting(row) for row in pending], unknown)


async def cancel(
    tenant: TenantId, message: MessageId, session: SessionId | None = None
) -> Changed | None:
    """Take a message back that was not handed over yet; None when that is too late."""
    at = now_ms() / 1000
    return await database().run(lambda: _cancel(tenant, message, session, at))


def _cancel(
    tenant: TenantId, message: MessageId, session: SessionId | None, at: float
) -> Work[Changed | None]:
    progress = yield from load([message], [])
    row = progress.find(tenant, session, message)
    if row is None:
        raise MessageNotFound
    if row.status not in CANCELLABLE:
        return None  # the engine may have it, or it has ended
    result = progress.apply(tenant, None, Advance(id=message, status=Status.CANCELLED, time=at))
    yield from progress.save()
    return result


async def find(
    tenant: TenantId, message: MessageId, session: SessionId | None = None
) -> MessageView | None:
    """A message, or None."""
    rows = await database().fetch(
        f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = $1 AND tenant = $2", message, tenant
    )
    if not rows or (session is not None and rows[0]["session"] != session):
        return None
    return view(rows[0])


async def get(
    tenant: TenantId, message: MessageId, session: SessionId | None = None
) -> MessageView:
    """A message; raises MessageNotFound."""
    found = await find(tenant, message, session)
    if found is None:
        raise MessageNotFound
    return found


async def proto(tenant: TenantId, message: MessageId) -> bytes | None:
    """The waE2E.Message of a message, where it was kept."""
    rows = await database().fetch(
        "SELECT proto FROM messages WHERE id = $1 AND tenant = $2", message, tenant
    )
    return bytes(rows[0]["proto"]) if rows and rows[0]["proto"] is not None else None


async def target(tenant: TenantId, session: SessionId, ref: str) -> tuple[MessageView, bytes]:
    """A message by our id, with its waE2E.Message (b"" where it was not kept).

    Raises MessageNotFound.
    """
    message = await get(tenant, MessageId(ref), session)
    return message, await proto(tenant, MessageId(message.id)) or b""


async def by_wa_id(tenant: TenantId, session: SessionId, wa_id: str) -> list[MessageView]:
    """The messages that WhatsApp knows by this id (more than one chat may use it)."""
    rows = await database().fetch(
        f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE session = $1 AND wa_id = $2 AND tenant = $3 LIMIT 20",
        session,
        wa_id,
        tenant,
    )
    return [view(row) for row in rows]


async def list_messages(
    tenant: TenantId,
    session: SessionId,
    *,
    chat: str | None = None,
    before: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[MessageView]:
    """Messages of a session (or of one chat), at most `limit` (and never over MAX_LIMIT).

    Without those that change another one: they are shown there (see `changes`). Newest first, going back from `before`; with `after`, oldest first, going on from there. Both
    are message ids (exclusive) and serve as the next page's cursor.
    """
    conditions = ["tenant = $1", "session = $2", "target IS NULL"]
    args: list[str] = [tenant, session]
    for column, sign, value in (("chat", "=", chat), ("id", "<", before), ("id", ">", after)):
        if value is not None:
            args.append(value)
            conditions.append(f"{column} {sign} ${len(args)}")
    order = "ASC" if after is not None and before is None else "DESC"
    rows: Sequence[Row] = await database().fetch(
        f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE {' AND '.join(conditions)} "
        f"ORDER BY id {order} LIMIT {max(1, min(int(limit), MAX_LIMIT))}",
        *args,
    )
    return [view(row) for row in rows]


async def around(
    tenant: TenantId,
    session: SessionId,
    message: MessageId,
    *,
    chat: str | None = None,
    limit: int = 50,
) -> list[MessageView]:
    """A message amid those before and after it, newest first. Raises MessageNotFound."""
    middle = await get(tenant, message, session)
    if chat is not None and middle.chat.id != chat:
        raise MessageNotFound
    half = max(1, min(int(limit), MAX_LIMIT)) // 2
    newer = await list_messages(tenant, session, chat=chat, after=message, limit=half)
    older = await list_messages(tenant, session, chat=chat, before=message, limit=half)
    return [*reversed(newer[:half]), middle, *older[:half]]
