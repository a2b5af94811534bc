"""What goes into the store about webhooks and what comes out. Times are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from wa_api.domain.ids import Epoch, TenantId, WebhookId
from wa_api.store.db import Row
from wa_api.store.views import seconds

#: States: delivered to; not for now; not since the endpoint said that it is gone.
ENABLED, PAUSED, DISABLED = "enabled", "paused", "disabled"
#: Orderings: events of one chat one after the other, or all side by side.
BY_CHAT, UNORDERED = "chat", "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRow:
    """A webhook. `headers` (JSON), `secret` and `old_secret` are sealed; `timeout` in seconds."""

    id: WebhookId
    tenant: TenantId
    name: str | None
    url: str
    types: list[str] | None
    sessions: list[str] | None
    headers: str | None
    secret: str
    old_secret: str | None
    old_secret_until: float | None
    ordering: str
    concurrency: int
    batch: int
    timeout: float
    state: str
    reason: str
    detail: str | None
    since: float
    failing_since: float | None
    cursor: int
    version: int
    moves: int
    epoch: Epoch
    worker: str | None
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """What a tenant says of a webhook."""

    url: str
    secret: str
    cursor: int
    name: str | None = None
    types: list[str] | None = None
    sessions: list[str] | None = None
    headers: str | None = None
    ordering: str = BY_CHAT
    concurrency: int = 10
    batch: int = 1
    timeout: float = 15.0
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """A webhook as one deliverer holds it: what its writes are checked against."""

    tenant: TenantId
    webhook: WebhookId
    epoch: Epoch
    version: int
    moves: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a deliverer got."""

    held: Held
    cursor: int
    failing_since: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An event that could not be delivered at once. `envelope` is empty where not asked for."""

    cursor: int
    lane: str
    session: str | None
    type: str
    envelope: bytes = b""
    attempts: int = 0
    next_at: float = 0.0
    first_at: float | None = None
    last_at: float | None = None
    dead_at: float | None = None
    error: str | None = None
    status: int | None = None
    response: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One request: `event` is its `webhook-id`, `duration` in milliseconds."""

    id: str
    tenant: TenantId
    webhook: WebhookId
    event: str
    type: str
    events: int
    attempt: int
    at: float
    duration: int
    delivered: bool
    status: int | None
    error: str | None
    response: str | None


def webhook_row(row: Row) -> WebhookRow:
    """A row of `webhooks`."""
    return WebhookRow(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        url=row["url"],
        types=row["types"] and orjson.loads(row["types"]),
        sessions=row["sessions"] and orjson.loads(row["sessions"]),
        headers=row["headers"],
        secret=row["secret"],
        old_secret=row["old_secret"],
        old_secret_until=seconds(row["old_secret_until"]),
        ordering=row["ordering"],
        concurrency=row["concurrency"],
        batch=row["batch"],
        timeout=row["timeout"] / 1000,
        state=row["state"],
        reason=row["reason"],
        detail=row["detail"],
        since=row["since"] / 1000,
        failing_since=seconds(row["failing_since"]),
        cursor=row["cursor"],
        version=row["version"],
        moves=row["moves"],
        epoch=Epoch(row["epoch"]),
        worker=row["worker"],
        created_at=row["created_at"] / 1000,
    )


def waiting(row: Row, envelope: bytes = b"") -> Waiting:
    """A row of `webhook_backlog`."""
    return Waiting(
        cursor=row["cursor"],
        lane=row["lane"],
        session=row["session"],
        type=row["type"],
        envelope=envelope,
        attempts=row["attempts"],
        next_at=row["next_at"] / 1000,
        first_at=seconds(row["first_at"]),
        last_at=seconds(row["last_at"]),
        dead_at=seconds(row["dead_at"]),
        error=row["error"],
        status=row["status"],
        response=row["response"],
    )


def delivery_row(row: Row) -> DeliveryRow:
    """A row of `webhook_deliveries`."""
    return DeliveryRow(
        id=row["id"],
        tenant=row["tenant"],
        webhook=row["webhook"],
        event=row["event"],
        type=row["type"],
        events=row["events"],
        attempt=row["attempt"],
        at=row["at"] / 1000,
        duration=row["duration"],
        delivered=bool(row["delivered"]),
        status=row["status"],
        error=row["error"],
        response=row["response"],
    )
