"""What callers send about webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from wa_api.http.bodies import CURSOR, Body, CursorText, Id, Limit, Name, Query

Url = Annotated[str, Meta(min_length=1, max_length=2000)]
Types = Annotated[
    list[Annotated[str, Meta(max_length=64)]],
    Meta(max_length=50, description="Names such as `message.received`, or `message.*`; []: all."),
]
SessionIds = Annotated[list[Id], Meta(max_length=500, description="[]: all.")]
Headers = Annotated[
    dict[str, str], Meta(description="Sent with every request; shown by name only; {}: none.")
]
Order = Annotated[
    Literal["chat", "none"],
    Meta(description="`chat`: one after the other in each chat; `none`: all side by side."),
]
Concurrency = Annotated[int, Meta(ge=1, le=50, description="Requests at once.")]
Batch = Annotated[int, Meta(ge=1, le=100, description="Events in one request; 1: no batches.")]
Timeout = Annotated[float, Meta(ge=1, le=30, description="Seconds for a whole request.")]
Seconds = Annotated[float, Meta(ge=0, le=1e11, description="Unix seconds.")]
EventIds = Annotated[list[CursorText], Meta(min_length=1, max_length=1000)]


class NewWebhook(Body):
    """An endpoint; what is absent is the default."""

    url: Url
    name: Name | None = None
    types: Types | None = None
    sessions: SessionIds | None = None
    headers: Headers | None = None
    order: Order = "chat"
    concurrency: Concurrency = 10
    batch: Batch = 1
    timeout: Timeout = 15.0
    enabled: bool = True


class WebhookChange(Body):
    """What is absent stays."""

    url: Url | None = None
    name: Name | None = None
    types: Types | None = None
    sessions: SessionIds | None = None
    headers: Headers | None = None
    order: Order | None = None
    concurrency: Concurrency | None = None
    batch: Batch | None = None
    timeout: Timeout | None = None


class Rotation(Body):
    """For how long (seconds) the old secret signs too; 0: not at all."""

    overlap_seconds: Annotated[float, Meta(ge=0, le=604_800)] = 86_400.0


class Replay(Body):
    """From where to deliver again: just after a cursor, or from a time on."""

    after: CursorText | None = None
    since: Seconds | None = None


class Redrive(Body):
    """Which dead letters: these events, or those given up in a time; nothing: all."""

    events: EventIds | None = None
    since: Seconds | None = None
    until: Seconds | None = None


class DeliveryQuery(Query):
    """Newest first, going back from `before`; perhaps only the good or the bad, or one event's."""

    before: Id | None = None
    delivered: bool | None = None
    event: Annotated[str, Meta(max_length=64)] | None = None
    limit: Limit = 50


class DeadLetterQuery(Query):
    """Oldest first, going on after an event."""

    after: CursorText = "0"
    limit: Limit = 50


class DiscardQuery(Query):
    """Which dead letters: these events (with commas), or all."""

    events: Annotated[str, Meta(max_length=4000, pattern=f"^{CURSOR}(,{CURSOR})*$")] | None = None
