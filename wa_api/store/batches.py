"""Accepting many messages at once: one transaction, a few statements, an answer for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wa_api.domain.errors import IdempotencyConflict, QueueFull
from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.messages import MessageView
from wa_api.store.chats import touch
from wa_api.store.db import Row, Sql, Work, database, insert, now_ms
from wa_api.store.messages import (
    ACCEPTED,
    KEY_SECONDS,
    accepted_values,
    accepted_view,
    digest_of,
    first_under,
    key_values,
)
from wa_api.store.queue import WAITING, hold_session
from wa_api.store.rows import Accepted, NewMessage
from wa_api.store.views import MESSAGE_COLUMNS, to_ms, view

_KEYS = {
    "id": "text",
    "tenant": "text",
    "request_hash": "text",
    "message": "text",
    "expires_at": "bigint",
}

#: What became of one item.
Outcome = Accepted | IdempotencyConflict | QueueFull


@dataclass(frozen=True, slots=True)
class Item:
    """A message to be accepted, under an idempotency key of its own or none."""

    new: NewMessage
    key: str | None = None
    request_hash: str = ""


async def accept_batch(
    tenant: TenantId, session: SessionId, items: Sequence[Item], *, most: int = WAITING
) -> list[Outcome]:
    """Keep messages of one session to be sent; the outcome of each, in order.

    A key that was used before, in this batch too, gives its first message, or IdempotencyConflict
    when that was another request. At most `most` wait in the session: what is over is QueueFull.
    Raises SessionNotFound.
    """
    if not items:
        return []
    now = now_ms()
    return await database().run(lambda: _accept(tenant, session, items, most, now))


async def accept_together(
    tenant: TenantId,
    session: SessionId,
    new: Sequence[NewMessage],
    key: str | None,
    request_hash: str,
) -> tuple[list[MessageView], bool]:
    """Keep messages of one session that belong together, all of them or none.

    The key is the first one's: when it was used before, that message alone, and False. Raises
    SessionNotFound or IdempotencyConflict.
    """
    now = now_ms()
    values = [accepted_values(tenant, one, now) for one in new]
    keyed = key_values(tenant, key, request_hash, values[0][0], now) if key else None
    first = await database().run(lambda: _accept_together(tenant, session, keyed, values))
    return ([accepted_view(one) for one in values], True) if first is None else ([first], False)


def _accept_together(
    tenant: TenantId,
    session: SessionId,
    keyed: tuple[Any, ...] | None,
    values: Sequence[tuple[Any, ...]],
) -> Work[MessageView | None]:
    """The first message under the key, if this is not it."""
    yield from hold_session(tenant, session, 1)
    first = (yield from first_under(keyed)) if keyed else None
    if first is None:
        yield insert("messages", ACCEPTED, values)
        yield touch([one[0] for one in values])
    return first


def _accept(
    tenant: TenantId, session: SessionId, items: Sequence[Item], most: int, now: int
) -> Work[list[Outcome]]:
    waiting = yield from hold_session(tenant, session, most)
    values = [accepted_values(tenant, item.new, now) for item in items]
    digests = [digest_of(tenant, item.key) if item.key else None for item in items]
    fresh = yield from _take_keys(tenant, items, values, digests, now)
    room = max(0, most - waiting)
    placed = [n for n, mine in enumerate(fresh) if mine]
    if len(placed) > room:
        over = [digests[n] for n in placed[room:] if digests[n]]
        yield Sql("DELETE FROM idempotency_keys WHERE id = ANY($1::text[])", (over,))
    if placed[:room]:
        yield insert("messages", ACCEPTED, [values[n] for n in placed[:room]])
        yield touch([values[n][0] for n in placed[:room]])
    earlier = yield from _earlier(
        tenant, sorted({d for n, d in enumerate(digests) if d and not fresh[n]})
    )
    outcomes: list[Outcome] = []
    for n, item in enumerate(items):
        digest = digests[n]
        if not fresh[n] and digest is not None:
            outcomes.append(_repeated(item, earlier.get(digest)))
        elif n in placed[:room]:
            outcomes.append(Accepted(accepted_view(values[n]), True))
        else:
            outcomes.append(QueueFull())
    return outcomes


def _take_keys(
    tenant: TenantId,
    items: Sequence[Item],
    values: Sequence[tuple[Any, ...]],
    digests: Sequence[str | None],
    now: int,
) -> Work[list[bool]]:
    """Whether each item's message is to be made: it has no key, or is the first under its key.

    In the order of the keys, so that two batches cannot wait for each other.
    """
    first: dict[str, int] = {}
    for n, digest in enumerate(digests):
        if digest is not None:
            first.setdefault(digest, n)
    rows = [
        (digest, tenant, items[n].request_hash, values[n][0], now + to_ms(KEY_SECONDS))
        for digest, n in sorted(first.items())
    ]
    taken: set[str] = set()
    if rows:
        # A key whose time is over is taken over by the new request.
        added = yield insert(
            "idempotency_keys",
            _KEYS,
            rows,
            "ON CONFLICT (id) DO UPDATE SET request_hash = excluded.request_hash, "
            "message = excluded.message, expires_at = excluded.expires_at "
            f"WHERE idempotency_keys.expires_at < {now} RETURNING id",
        )
        taken = {row["id"] for row in added}
    return [d is None or (d in taken and first[d] == n) for n, d in enumerate(digests)]


@dataclass(frozen=True, slots=True)
class _Earlier:
    request_hash: str
    view: MessageView | None


def _earlier(tenant: TenantId, digests: list[str]) -> Work[dict[str, _Earlier]]:
    """What was accepted under these keys."""
    if not digests:
        return {}
    keys = yield Sql(
        "SELECT id, request_hash, message FROM idempotency_keys WHERE id = ANY($1::text[])",
        (digests,),
    )
    rows = yield Sql(
        f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = ANY($1::text[]) AND tenant = $2",
        ([row["message"] for row in keys], tenant),
    )
    messages: dict[str, Row] = {row["id"]: row for row in rows}
    return {
        row["id"]: _Earlier(
            row["request_hash"],
            view(messages[row["message"]]) if row["message"] in messages else None,
        )
        for row in keys
    }


def _repeated(item: Item, earlier: _Earlier | None) -> Outcome:
    if earlier is None:  # refused as well, a moment ago
        return QueueFull()
    if earlier.request_hash != item.request_hash or earlier.view is None:
        return IdempotencyConflict()
    return Accepted(earlier.view, False)
