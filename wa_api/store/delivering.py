"""What webhook workers ask and write, across tenants. Never used for a caller's request.

Writes name the epoch (and what else must not have changed) that the deliverer holds: an older one changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from wa_api.domain.errors import Fenced
from wa_api.domain.ids import NO_EPOCH, Epoch, WebhookId
from wa_api.domain.leases import Lease
from wa_api.store.db import Each, Row, Sql, Work, database, insert, now_ms
from wa_api.store.views import to_ms
from wa_api.store.webhook_rows import (
    ENABLED,
    DeliveryRow,
    Held,
    Progress,
    Waiting,
    WebhookRow,
    waiting,
    webhook_row,
)

_BACKLOG = {
    "tenant": "text",
    "webhook": "text",
    "cursor": "bigint",
    "lane": "text",
    "session": "text",
    "type": "text",
    "envelope": "bytea",
    "attempts": "int",
    "next_at": "bigint",
    "first_at": "bigint",
    "last_at": "bigint",
    "dead_at": "bigint",
    "error": "text",
    "status": "int",
    "response": "text",
}
_NEWS = ("attempts", "next_at", "first_at", "last_at", "dead_at", "error", "status", "response")
_UPSERT = "ON CONFLICT (webhook, cursor) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _NEWS
)
_LOG = {
    "id": "text",
    "tenant": "text",
    "webhook": "text",
    "event": "text",
    "type": "text",
    "events": "int",
    "attempt": "int",
    "at": "bigint",
    "duration": "int",
    "delivered": "bool",
    "status": "int",
    "error": "text",
    "response": "text",
}


async def enabled(*, after: str = "", limit: int = 1000) -> list[WebhookId]:
    """Webhooks that should have a deliverer."""
    rows = await database().fetch(
        "SELECT id FROM webhooks WHERE state = $1 AND id > $2 ORDER BY id LIMIT $3",
        ENABLED,
        after,
        limit,
    )
    return [row["id"] for row in rows]


async def versions(webhooks: Sequence[WebhookId]) -> Mapping[WebhookId, tuple[str, int, Epoch]]:
    """State, version and epoch of those that still are there."""
    rows = await database().fetch(
        "SELECT id, state, version, epoch FROM webhooks WHERE id = ANY($1::text[])", list(webhooks)
    )
    return {row["id"]: (row["state"], row["version"], Epoch(row["epoch"])) for row in rows}


async def epoch(webhook: WebhookId) -> Epoch:
    """The newest epoch known here: the floor for the next lease."""
    known = await versions([webhook])
    return known[webhook][2] if webhook in known else NO_EPOCH


async def claim(webhook: WebhookId, lease: Lease) -> WebhookRow | None:
    """A new deliverer makes its epoch the newest; None when it is not, or nothing is wanted."""
    rows = await database().fetch(
        "UPDATE webhooks SET epoch = $2, worker = $3 WHERE id = $1 AND state = $4 "
        "AND (epoch < $2 OR (epoch = $2 AND worker = $3)) RETURNING *",
        webhook,
        lease.epoch,
        lease.worker,
        ENABLED,
    )
    return webhook_row(rows[0]) if rows else None


async def save(progress: Sequence[Progress]) -> None:
    """Note how far deliverers got, where they still are the ones and nobody has set the cursor."""
    rows = [
        (
            one.held.webhook,
            one.held.epoch,
            one.held.moves,
            one.cursor,
            None if one.failing_since is None else to_ms(one.failing_since),
        )
        for one in sorted(progress, key=lambda one: one.held.webhook)
    ]
    await database().run(lambda: _save(rows))


def _save(rows: Sequence[tuple[object, ...]]) -> Work[None]:
    yield Each(
        "UPDATE webhooks SET cursor = $4, failing_since = $5 "
        "WHERE id = $1 AND epoch = $2 AND moves = $3",
        rows,
    )


async def put(held: Held, failed: Sequence[Waiting], behind: Sequence[Waiting] = ()) -> None:
    """Keep events for later: those that `failed` as they are now, and those `behind` them
    (unless they are kept already). Raises Fenced.
    """
    await database().run(lambda: _put(held, _rows(held, failed), _rows(held, behind)))


def _put(
    held: Held, failed: list[tuple[object, ...]], behind: list[tuple[object, ...]]
) -> Work[None]:
    rows = yield Sql(
        "SELECT epoch FROM webhooks WHERE id = $1 AND tenant = $2 FOR SHARE",
        (held.webhook, held.tenant),
    )
    if not rows or rows[0]["epoch"] != held.epoch:
        raise Fenced
    if failed:
        yield insert("webhook_backlog", _BACKLOG, failed, _UPSERT)
    if behind:
        yield insert("webhook_backlog", _BACKLOG, behind, "ON CONFLICT DO NOTHING")


def _rows(held: Held, events: Sequence[Waiting]) -> list[tuple[object, ...]]:
    return [
        (
            held.tenant,
            held.webhook,
            one.cursor,
            one.lane,
            one.session,
            one.type,
            one.envelope,
            one.attempts,
            to_ms(one.next_at),
            _ms(one.first_at),
            _ms(one.last_at),
            _ms(one.dead_at),
            one.error,
            one.status,
            one.response,
        )
        for one in events
    ]


def _ms(time: float | None) -> int | None:
    return None if time is None else to_ms(time)


async def pending(held: Held, limit: int) -> list[Waiting]:
    """What waits to be tried again, oldest first, without envelopes."""
    rows = await database().fetch(
        "SELECT cursor, lane, session, type, attempts, next_at, first_at, last_at, dead_at, "
        "error, status, response FROM webhook_backlog "
        "WHERE webhook = $1 AND tenant = $2 AND dead_at IS NULL ORDER BY cursor LIMIT $3",
        held.webhook,
        held.tenant,
        limit,
    )
    return [waiting(row) for row in rows]


async def envelope(held: Held, cursor: int) -> bytes | None:
    """The event that waits; None when it does not any more."""
    rows = await database().fetch(
        "SELECT envelope FROM webhook_backlog WHERE webhook = $1 AND tenant = $2 AND cursor = $3",
        held.webhook,
        held.tenant,
        cursor,
    )
    return bytes(rows[0]["envelope"]) if rows else None


async def delivered(events: Sequence[tuple[WebhookId, int]]) -> None:
    """Forget events that waited and now are delivered."""
    by_webhook: dict[WebhookId, list[int]] = defaultdict(list)
    for webhook, cursor in events:
        by_webhook[webhook].append(cursor)
    await database().run(lambda: _delivered(by_webhook))


def _delivered(by_webhook: Mapping[WebhookId, list[int]]) -> Work[None]:
    for webhook in sorted(by_webhook):
        yield Sql(
            "DELETE FROM webhook_backlog WHERE webhook = $1 AND cursor = ANY($2::bigint[]) "
            "AND dead_at IS NULL",
            (webhook, by_webhook[webhook]),
        )


async def log(rows: Sequence[DeliveryRow]) -> None:
    """Keep what was tried."""
    values = [
        (
            row.id,
            row.tenant,
            row.webhook,
            row.event,
            row.type,
            row.events,
            row.attempt,
            to_ms(row.at),
            row.duration,
            row.delivered,
            row.status,
            row.error,
            row.response,
        )
        for row in rows
    ]
    await database().run(lambda: _log(values))


def _log(values: Sequence[tuple[object, ...]]) -> Work[None]:
    yield insert("webhook_deliveries", _LOG, values, "ON CONFLICT DO NOTHING")


async def stop(held: Held, state: str, reason: str, detail: str | None) -> bool:
    """The deliverer pauses or disables its webhook; False when somebody was faster."""
    rows: Sequence[Row] = await database().fetch(
        "UPDATE webhooks SET state = $5, reason = $6, detail = $7, since = $8, "
        "version = version + 1 WHERE id = $1 AND epoch = $2 AND version = $3 AND state = $4 "
        "RETURNING id",
        held.webhook,
        held.epoch,
        held.version,
        ENABLED,
        state,
        reason,
        detail,
        now_ms(),
    )
    return bool(rows)


async def forget(*, log_before: float, dead_before: float, limit: int = 1000) -> int:
    """One step of removing old log lines and dead letters (Unix seconds); how many went."""
    gone = await database().fetch(
        "DELETE FROM webhook_deliveries WHERE id IN "
        "(SELECT id FROM webhook_deliveries WHERE at < $1 LIMIT $2) RETURNING id",
        to_ms(log_before),
        limit,
    )
    dead = await database().fetch(
        "DELETE FROM webhook_backlog WHERE id IN "
        "(SELECT id FROM webhook_backlog WHERE dead_at < $1 LIMIT $2) RETURNING id",
        to_ms(dead_before),
        limit,
    )
    return len(gone) + len(dead)
