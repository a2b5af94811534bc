"""What owners of sessions write, in batches that mix sessions and tenants.

Every item carries its tenant and lease, and is checked against the session's row in the same
transaction: items of a session that somebody newer owns answer Fenced, the others are committed.
Results are in the order of the items. Meant for `Batcher`; for one session of one tenant there
are the functions of `messages`.
"""

from __future__ import annotations

from collections.abc import Sequence

from wa_api.domain.content import Action, Undecryptable, type_of
from wa_api.domain.errors import Fenced
from wa_api.domain.ids import MessageId, SessionId, TenantId, new_id
from wa_api.domain.messages import PENDING, MessageView, Status
from wa_api.store import chats, single
from wa_api.store.contacts import Change, Learned, learning
from wa_api.store.db import Sql, Work, database, insert, now_ms
from wa_api.store.fence import held
from wa_api.store.progress import EXPIRED, Progress, load
from wa_api.store.rows import Advance, Changed, NewInbound, Outgoing, Owned
from wa_api.store.terms import words_of
from wa_api.store.views import (
    ENDED,
    TIME_OF,
    encode_content,
    encode_context,
    outgoing,
    to_ms,
    view,
)

#: Columns of a message that did not come from a client, and their types.
INBOUND = {
    "id": "text",
    "tenant": "text",
    "session": "text",
    "direction": "text",
    "chat": "text",
    "chat_alt": "text",
    "sender": "text",
    "sender_alt": "text",
    "sender_name": "text",
    "wa_id": "text",
    "type": "text",
    "content": "text",
    "context": "text",
    "status": "text",
    "time": "bigint",
    "accepted_at": "bigint",
    "sent_at": "bigint",
    "source": "text",
    "proto": "bytea",
    "text": "text",
    "target": "text",
}
#: Lengths of the columns that senders fill as they please.
_NAME, _WA_ID, _JID = 255, 128, 128


def _clean(text: str | None, limit: int) -> str | None:
    return text.replace("\0", "")[:limit] if text else None


def inbound_values(owned: Owned[NewInbound], now: int) -> tuple[object, ...]:
    """The columns of `INBOUND`."""
    new, outbound = owned.item, owned.item.from_me
    kind, content = encode_content(new.content)
    time = to_ms(new.timestamp)
    return (
        new_id("msg"),
        owned.tenant,
        owned.lease.session,
        "out" if outbound else "in",
        _clean(new.chat, _JID),
        _clean(new.chat_alt, _JID),
        _clean(new.sender, _JID),
        _clean(new.sender_alt, _JID),
        _clean(new.sender_name, _NAME),
        _clean(new.wa_id, _WA_ID),
        kind,
        content,
        encode_context(new.context),
        Status.SENT if outbound else Status.RECEIVED,
        time,
        now,
        time if outbound else None,
        "phone" if outbound else "contact",
        new.proto,
        words_of(new.content),
        new.content.message_id[:_WA_ID] if isinstance(new.content, Action) else None,
    )


_UNREAD = type_of(Undecryptable(reason=""))
_SAME = ("session", "wa_id", "chat", "sender")
_FILLED = ("type", "content", "context", "proto", "target")
_FILL_IN = (
    f"UPDATE messages SET {', '.join(f'{name} = ${n}' for n, name in enumerate(_FILLED, 5))} "
    f"WHERE {' AND '.join(f'{name} = ${n}' for n, name in enumerate(_SAME, 1))} "
    f"AND type = '{_UNREAD}' RETURNING id"
)

#: Columns of a message that such a row does not have.
_UNSET = dict.fromkeys(
    (*TIME_OF.values(), ENDED, "error_code", "error_detail", "ref", "priority", "send_at")
)


def _record(
    items: Sequence[Owned[NewInbound]], values: list[tuple[object, ...]]
) -> Work[list[bool | None]]:
    """True: new; False: there already; None: fenced."""
    mine = yield from held(items)
    rows = [row for row, good in zip(values, mine, strict=True) if good]
    fresh: set[object] = set()
    if rows:
        added = yield insert("messages", INBOUND, rows, "ON CONFLICT DO NOTHING RETURNING id")
        fresh = {row["id"] for row in added}
    if fresh:
        yield chats.touch(sorted(map(str, fresh)))
    return [row[0] in fresh if good else None for row, good in zip(values, mine, strict=True)]


async def record_inbound(
    items: Sequence[Owned[NewInbound]],
) -> list[MessageView | Fenced | None]:
    """Make rows of messages that arrived; None for those that are rows already.

    The same message is known by session, WhatsApp id, chat and sender. One that takes the place
    of its undecryptable self is news, under that one's id.
    """
    if not items:
        return []
    now = now_ms()
    values = [inbound_values(owned, now) for owned in items]
    outcomes = await single.record(items, INBOUND, values) if database().postgres else None
    if outcomes is None:
        outcomes = await database().run(lambda: _record(items, values))
    again = [n for n, fresh in enumerate(outcomes) if fresh is False]
    if again:
        await database().run(lambda: _decrypt(items, values, outcomes, again))
    return [
        Fenced() if fresh is None else _inbound_view(row) if fresh else None
        for fresh, row in zip(outcomes, values, strict=True)
    ]


def _decrypt(
    items: Sequence[Owned[NewInbound]],
    values: list[tuple[object, ...]],
    outcomes: list[bool | None],
    again: list[int],
) -> Work[None]:
    """Fill in what arrived after it could not be read at first; `values` get the row's id."""
    mine = yield from held([items[n] for n in again])
    for n, good in zip(again, mine, strict=True):
        row = dict(zip(INBOUND, values[n], strict=True))
        if not good or row["type"] == _UNREAD:
            continue
        found = yield Sql(_FILL_IN, (*(row[key] for key in _SAME), *(row[key] for key in _FILLED)))
        if found:
            outcomes[n], values[n] = True, (found[0]["id"], *values[n][1:])


def _inbound_view(values: tuple[object, ...]) -> MessageView:
    return view({**_UNSET, **dict(zip(INBOUND, values, strict=True))})


async def learn(items: Sequence[Owned[Learned]]) -> list[Change | Fenced | None]:
    """Record what became known of contacts; None where that was no news."""
    if not items:
        return []
    return await database().run(lambda: _learn(items))


def _learn(items: Sequence[Owned[Learned]]) -> Work[list[Change | Fenced | None]]:
    mine = yield from held(items)
    results: list[Change | Fenced | None] = [None if good else Fenced() for good in mine]
    of: dict[tuple[TenantId, SessionId], list[int]] = {}
    for n, owned in enumerate(items):
        if mine[n]:
            of.setdefault((owned.tenant, owned.lease.session), []).append(n)
    for (tenant, session), places in sorted(of.items()):
        news = [items[n].item for n in places]
        changes = yield from learning(tenant, session, news)
        for n, change in zip(places, changes, strict=True):
            results[n] = change
    return results


async def advance(items: Sequence[Owned[Advance]]) -> list[Changed | Fenced | None]:
    """Record how far outbound messages got; None where that was no news.

    A status only moves forward (`domain.messages.advances`). Without a row id, the WhatsApp id
    finds the message within the session.
    """
    if not items:
        return []
    done = await single.advance(items) if database().postgres else None
    return done if done is not None else await database().run(lambda: _advance(items))


def _advance(items: Sequence[Owned[Advance]]) -> Work[list[Changed | Fenced | None]]:
    mine = yield from held(items)
    good = [owned for owned, ok in zip(items, mine, strict=True) if ok]
    progress = yield from load(
        [owned.item.id for owned in good if owned.item.id],
        [
            (owned.lease.session, owned.item.wa_id)
            for owned in good
            if owned.item.wa_id and not owned.item.id
        ],
    )
    results: list[Changed | Fenced | None] = [
        progress.apply(owned.tenant, owned.lease.session, owned.item) if ok else Fenced()
        for owned, ok in zip(items, mine, strict=True)
    ]
    yield from progress.save()
    return results


async def begin_sending(
    items: Sequence[Owned[MessageId]],
) -> list[Outgoing | Changed | Fenced | None]:
    """Mark pending messages as being sent, just before they are handed to the engine.

    Outgoing: send it now. Changed: its deadline had passed, it is expired now. None: somebody
    sent, cancelled or expired it before.
    """
    if not items:
        return []
    now = now_ms()
    begun: dict[int, Outgoing | Changed | Fenced | None] = {}
    if database().postgres:
        begun.update(await single.begin(items, now))
    rest = [n for n in range(len(items)) if n not in begun]
    if rest:
        others = [items[n] for n in rest]
        results = await database().run(lambda: _begin(others, now))
        begun.update(zip(rest, results, strict=True))
    return [begun[n] for n in range(len(items))]


def _begin(
    items: Sequence[Owned[MessageId]], now: int
) -> Work[list[Outgoing | Changed | Fenced | None]]:
    mine = yield from held(items)
    good = [owned.item for owned, ok in zip(items, mine, strict=True) if ok]
    progress = yield from load(good, [])
    results: list[Outgoing | Changed | Fenced | None] = [
        _begin_one(progress, owned, now) if ok else Fenced()
        for owned, ok in zip(items, mine, strict=True)
    ]
    yield from progress.save()
    return results


def _begin_one(progress: Progress, owned: Owned[MessageId], now: int) -> Outgoing | Changed | None:
    row = progress.find(owned.tenant, owned.lease.session, owned.item)
    if row is None or row.status not in PENDING:
        return None
    at = now / 1000
    deadline = row.was["deadline"]
    if deadline is not None and deadline < now:
        news = Advance(id=owned.item, status=Status.EXPIRED, time=at, error=EXPIRED)
        return progress.apply(owned.tenant, owned.lease.session, news)
    if row.status is Status.ACCEPTED:
        row.move(Status.QUEUED, now)
    row.move(Status.SENDING, now)
    return outgoing(row.was)
