"""Webhooks: events to an HTTP endpoint."""

from __future__ import annotations

from typing import Any

from wa_api.domain.errors import (
    CommandTimedOut,
    CursorGone,
    QuotaExceeded,
    SessionNotFound,
    WebhookNotEnabled,
    WebhookNotFound,
)
from wa_api.domain.ids import WebhookId
from wa_api.domain.principals import Scope
from wa_api.http.answers import Page, page
from wa_api.http.bodies import ListQuery
from wa_api.http.routes import Resource
from wa_api.http.types import Request, caller, services
from wa_api.http.webhook_bodies import (
    DeadLetterQuery,
    DeliveryQuery,
    DiscardQuery,
    NewWebhook,
    Redrive,
    Replay,
    Rotation,
    WebhookChange,
)
from wa_api.services.webhook_views import (
    Counted,
    DeadLetterView,
    DeliveryView,
    TestView,
    WebhookView,
)

webhooks = Resource("webhooks", "Events to your HTTP endpoints: signed, retried, in order.")

_SCOPE = Scope.TENANT_ADMIN
_ONE = "/webhooks/<webhook:str>"
_FIELDS = ("url", "name", "types", "sessions", "headers", "concurrency", "batch", "timeout")

WebhookPage, DeliveryPage, DeadLetterPage = (
    Page[WebhookView],
    Page[DeliveryView],
    Page[DeadLetterView],
)


def _values(body: NewWebhook | WebhookChange) -> dict[str, Any]:
    values = {name: getattr(body, name) for name in _FIELDS}
    values["ordering"] = body.order
    return {name: value for name, value in values.items() if value is not None}


@webhooks.post(
    "/webhooks",
    scope=_SCOPE,
    body=NewWebhook,
    returns=WebhookView,
    status=201,
    errors=(QuotaExceeded, SessionNotFound),
)
async def create(request: Request, body: NewWebhook) -> WebhookView:
    """Create a webhook.

    It gets the events from now on. The answer's `secret` is shown only now: requests are signed
    with it by the Standard Webhooks specification.
    """
    values = _values(body)
    url = values.pop("url")
    return await services(request).webhooks.create(
        caller(request), url, values, enabled=body.enabled
    )


@webhooks.get("/webhooks", scope=_SCOPE, query=ListQuery, returns=WebhookPage)
async def list_all(request: Request, query: ListQuery) -> Page[WebhookView]:
    """List webhooks."""
    found = await services(request).webhooks.list(caller(request), query.after or "", query.limit)
    return page(found, query.limit)


@webhooks.get(_ONE, scope=_SCOPE, returns=WebhookView, errors=(WebhookNotFound,))
async def get(request: Request, webhook: str) -> WebhookView:
    """Show a webhook: its state, how far it is, what waits and what was given up."""
    return await services(request).webhooks.get(caller(request), WebhookId(webhook))


@webhooks.patch(
    _ONE,
    scope=_SCOPE,
    body=WebhookChange,
    returns=WebhookView,
    errors=(WebhookNotFound, SessionNotFound),
)
async def update(request: Request, webhook: str, body: WebhookChange) -> WebhookView:
    """Change a webhook; what is absent stays."""
    return await services(request).webhooks.update(
        caller(request), WebhookId(webhook), _values(body)
    )


@webhooks.delete(_ONE, scope=_SCOPE, status=204, errors=(WebhookNotFound,))
async def delete(request: Request, webhook: str) -> None:
    """Delete a webhook with its dead letters and its delivery log."""
    await services(request).webhooks.delete(caller(request), WebhookId(webhook))


@webhooks.post(f"{_ONE}/pause", scope=_SCOPE, returns=WebhookView, errors=(WebhookNotFound,))
async def pause(request: Request, webhook: str) -> WebhookView:
    """Pause: nothing is sent, nothing is lost while events are kept."""
    return await services(request).webhooks.pause(caller(request), WebhookId(webhook))


@webhooks.post(f"{_ONE}/resume", scope=_SCOPE, returns=WebhookView, errors=(WebhookNotFound,))
async def resume(request: Request, webhook: str) -> WebhookView:
    """Resume a paused or disabled webhook, from where it stopped."""
    return await services(request).webhooks.resume(caller(request), WebhookId(webhook))


@webhooks.post(
    f"{_ONE}/test",
    scope=_SCOPE,
    returns=TestView,
    errors=(WebhookNotFound, WebhookNotEnabled, CommandTimedOut),
)
async def test(request: Request, webhook: str) -> TestView:
    """Send a `webhook.test` event now, from the worker that delivers, and tell what came of it."""
    return await services(request).webhooks.test(caller(request), WebhookId(webhook))


@webhooks.post(
    f"{_ONE}/rotate-secret",
    scope=_SCOPE,
    body=Rotation,
    returns=WebhookView,
    errors=(WebhookNotFound,),
)
async def rotate_secret(request: Request, webhook: str, body: Rotation) -> WebhookView:
    """Make a new secret, shown only now; for the overlap requests carry both signatures."""
    return await services(request).webhooks.rotate(
        caller(request), WebhookId(webhook), body.overlap_seconds
    )


@webhooks.post(
    f"{_ONE}/replay",
    scope=_SCOPE,
    body=Replay,
    returns=WebhookView,
    errors=(WebhookNotFound, CursorGone),
)
async def replay(request: Request, webhook: str, body: Replay) -> WebhookView:
    """Deliver again everything after a cursor, or from a time on."""
    after = None if body.after is None else int(body.after)
    return await services(request).webhooks.replay(
        caller(request), WebhookId(webhook), after=after, since=body.since
    )


@webhooks.get(
    f"{_ONE}/deliveries",
    scope=_SCOPE,
    query=DeliveryQuery,
    returns=DeliveryPage,
    errors=(WebhookNotFound,),
)
async def deliveries(request: Request, webhook: str, query: DeliveryQuery) -> Page[DeliveryView]:
    """List the requests made, with timings and answers, newest first."""
    found = await services(request).webhooks.deliveries(
        caller(request),
        WebhookId(webhook),
        before=query.before,
        delivered=query.delivered,
        event=query.event,
        limit=query.limit,
    )
    return page(list(found), query.limit)


@webhooks.get(
    f"{_ONE}/dead-letters",
    scope=_SCOPE,
    query=DeadLetterQuery,
    returns=DeadLetterPage,
    errors=(WebhookNotFound,),
)
async def dead_letters(
    request: Request, webhook: str, query: DeadLetterQuery
) -> Page[DeadLetterView]:
    """List events that were given up, with the reason and the endpoint's last answer."""
    found = await services(request).webhooks.dead_letters(
        caller(request), WebhookId(webhook), int(query.after), query.limit
    )
    return page(list(found), query.limit)


@webhooks.delete(
    f"{_ONE}/dead-letters",
    scope=_SCOPE,
    query=DiscardQuery,
    returns=Counted,
    errors=(WebhookNotFound,),
)
async def discard(request: Request, webhook: str, query: DiscardQuery) -> Counted:
    """Forget dead letters: some, or all."""
    events = None if query.events is None else [int(one) for one in query.events.split(",")]
    count = await services(request).webhooks.discard(caller(request), WebhookId(webhook), events)
    return Counted(events=count)


@webhooks.post(
    f"{_ONE}/redrive",
    scope=_SCOPE,
    body=Redrive,
    returns=Counted,
    errors=(WebhookNotFound,),
)
async def redrive(request: Request, webhook: str, body: Redrive) -> Counted:
    """Try dead letters again, as if never tried: some events, those of a time, or all."""
    events = None if body.events is None else [int(one) for one in body.events]
    count = await services(request).webhooks.redrive(
        caller(request), WebhookId(webhook), events=events, since=body.since, until=body.until
    )
    return Counted(events=count)
