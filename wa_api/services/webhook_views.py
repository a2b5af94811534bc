"""What webhooks look like to callers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from wa_api.domain.events import rfc3339
from wa_api.store.webhook_rows import DeliveryRow, Waiting, WebhookRow


class WebhookView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook. `types` and `sessions` absent: all. Of custom headers only the names are shown.

    `state` is enabled, paused or disabled, `reason` why (since `since`); `failing_since` is the
    first failure after the last success. `cursor`: everything up to it was delivered or waits in
    the backlog. `secret` is shown once, when it is made. `waiting` and `dead_letters` are counted
    only where one webhook is asked for.
    """

    id: str
    name: str | None = None
    url: str
    types: list[str] | None = None
    sessions: list[str] | None = None
    headers: list[str] | None = None
    order: str
    concurrency: int
    batch: int
    timeout: float
    state: str
    reason: str
    detail: str | None = None
    since: str
    failing_since: str | None = None
    cursor: str
    created_at: str
    secret: str | None = None
    waiting: int | None = None
    dead_letters: int | None = None


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request. `event` is its `webhook-id`; `response` the beginning of the last answer."""

    id: str
    event: str
    type: str
    events: int
    attempt: int
    time: str
    duration_ms: int
    delivered: bool
    status: int | None = None
    error: str | None = None
    response: str | None = None


class DeadLetterView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that was given up, why, and the endpoint's last answer. `id` is the event's."""

    id: str
    type: str
    session: str | None = None
    attempts: int
    first_at: str | None = None
    last_at: str | None = None
    dead_at: str | None = None
    error: str | None = None
    status: int | None = None
    response: str | None = None
    event: dict[str, Any]


class TestView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a test event."""

    __test__ = False

    event: str
    delivered: bool
    duration_ms: int
    status: int | None = None
    error: str | None = None
    response: str | None = None


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How many events that was done to."""

    events: int


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(datetime.fromtimestamp(seconds, UTC))


def webhook_view(
    row: WebhookRow,
    headers: list[str] | None,
    secret: str | None = None,
    backlog: tuple[int, int] | None = None,
) -> WebhookView:
    """A webhook as callers see it."""
    return WebhookView(
        id=row.id,
        name=row.name,
        url=row.url,
        types=row.types,
        sessions=row.sessions,
        headers=headers,
        order=row.ordering,
        concurrency=row.concurrency,
        batch=row.batch,
        timeout=row.timeout,
        state=row.state,
        reason=row.reason,
        detail=row.detail,
        since=_time(row.since) or "",
        failing_since=_time(row.failing_since),
        cursor=str(row.cursor),
        created_at=_time(row.created_at) or "",
        secret=secret,
        waiting=backlog[0] if backlog else None,
        dead_letters=backlog[1] if backlog else None,
    )


def delivery_view(row: DeliveryRow) -> DeliveryView:
    """A request as callers see it."""
    return DeliveryView(
        id=row.id,
        event=row.event,
        type=row.type,
        events=row.events,
        attempt=row.attempt,
        time=_time(row.at) or "",
        duration_ms=row.duration,
        delivered=row.delivered,
        status=row.status,
        error=row.error,
        response=row.response,
    )


def dead_letter_view(row: Waiting) -> DeadLetterView:
    """A dead letter as callers see it."""
    return DeadLetterView(
        id=str(row.cursor),
        type=row.type,
        session=row.session,
        attempts=row.attempts,
        first_at=_time(row.first_at),
        last_at=_time(row.last_at),
        dead_at=_time(row.dead_at),
        error=row.error,
        status=row.status,
        response=row.response,
        event=orjson.loads(row.envelope),
    )
