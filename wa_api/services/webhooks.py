"""Webhooks: who is told what, and what became of it. Workers deliver; they hear of each change."""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson

from wa_api import readers
from wa_api.bus.ports import EventLog, Fleet
from wa_api.domain.errors import (
    Forbidden,
    InvalidBody,
    SessionNotFound,
    WebhookNotEnabled,
)
from wa_api.domain.events import BY_TYPE, Data, WebhookPaused, WebhookResumed, event
from wa_api.domain.ids import SessionId, TenantId, WebhookId
from wa_api.domain.principals import Principal, Scope
from wa_api.domain.webhooks import CHANNEL, TEST_COMMAND
from wa_api.services.audit import record
from wa_api.services.bus import Owners
from wa_api.services.webhook_views import (
    DeadLetterView,
    DeliveryView,
    TestView,
    WebhookView,
    dead_letter_view,
    delivery_view,
    webhook_view,
)
from wa_api.store import sessions as session_rows
from wa_api.store import webhooks as rows
from wa_api.store.sealing import Sealer
from wa_api.store.webhook_rows import ENABLED, PAUSED, NewWebhook, WebhookRow

_FAMILIES = {f"{name.partition('.')[0]}.*" for name in BY_TYPE}
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\x20-\x7e]{0,2000}")
_MOST_HEADERS = 20
#: Ours to set, or the connection's.
_RESERVED = {
    *("host", "content-length", "content-type", "transfer-encoding", "connection", "te"),
    *("upgrade", "trailer", "keep-alive", "proxy-connection", "expect", "x-wa-attempt"),
}
_BITS = 20  # of a cursor, below the milliseconds


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Limits, and what seals secrets (see `store.sealing`)."""

    sealing_keys: tuple[str, ...]
    per_tenant: int = 20
    allow_http: bool = False


class Webhooks:
    """Use cases about webhooks. All need `tenant:admin` and a caller who sees all sessions."""

    def __init__(
        self, fleet: Fleet, log: EventLog, owners: Owners, options: WebhookOptions
    ) -> None:
        """`owners` carry out tests: the webhook's deliverer answers as a session's owner does."""
        self._fleet, self._log, self._owners, self._options = fleet, log, owners, options
        self._sealer = Sealer(options.sealing_keys)

    async def create(
        self, who: Principal, url: str, values: Mapping[str, Any], *, enabled: bool
    ) -> WebhookView:
        """A new webhook, from the log's present end on; the answer has its secret."""
        tenant = _tenant(who)
        checked = await self._checked(tenant, {"url": url, **values})
        secret = _new_secret()
        new = NewWebhook(
            **checked,
            secret=self._sealer.seal(secret),
            cursor=int(await self._log.head(tenant)),
            enabled=enabled,
        )
        row = await rows.create(tenant, new, self._options.per_tenant)
        return await self._changed(who, "webhook.created", row, secret)

    async def list(self, who: Principal, after: str, limit: int) -> list[WebhookView]:
        """Webhooks, oldest first."""
        found = await rows.list_webhooks(_tenant(who), after=after, limit=limit)
        return [self._view(row) for row in found]

    async def get(self, who: Principal, webhook: WebhookId) -> WebhookView:
        """One, with how much of it waits and was given up."""
        tenant = _tenant(who)
        row = await rows.get(tenant, webhook)
        return self._view(row, backlog=await rows.backlog(tenant, webhook))

    async def update(
        self, who: Principal, webhook: WebhookId, values: Mapping[str, Any]
    ) -> WebhookView:
        """Change what is given."""
        tenant = _tenant(who)
        row = await rows.update(tenant, webhook, await self._checked(tenant, values))
        return await self._changed(who, "webhook.updated", row, changed=sorted(values))

    async def delete(self, who: Principal, webhook: WebhookId) -> None:
        """Remove it with all that is kept about it."""
        await rows.delete(_tenant(who), webhook)
        await self._announce(webhook)
        await record(who, who.tenant, "webhook.deleted", webhook)

    async def pause(self, who: Principal, webhook: WebhookId) -> WebhookView:
        """Deliver no more for now; it will go on where it stopped."""
        return await self._switch(
            who, webhook, PAUSED, WebhookPaused(webhook=webhook, reason="requested")
        )

    async def resume(self, who: Principal, webhook: WebhookId) -> WebhookView:
        """Deliver again, from where it stopped."""
        return await self._switch(who, webhook, ENABLED, WebhookResumed(webhook=webhook))

    async def _switch(
        self, who: Principal, webhook: WebhookId, state: str, told: Data
    ) -> WebhookView:
        tenant = _tenant(who)
        row, changed = await rows.set_state(tenant, webhook, state)
        if not changed:
            return self._view(row)
        await self._log.append([event(tenant, None, told)])
        return await self._changed(who, told.type, row)

    async def rotate(
        self, who: Principal, webhook: WebhookId, overlap_seconds: float
    ) -> WebhookView:
        """A new secret; both sign for the overlap. The answer has the new one."""
        secret = _new_secret()
        row = await rows.rotate(_tenant(who), webhook, self._sealer.seal(secret), overlap_seconds)
        return await self._changed(who, "webhook.secret_rotated", row, secret)

    async def replay(
        self, who: Principal, webhook: WebhookId, *, after: int | None, since: float | None
    ) -> WebhookView:
        """Deliver again from a cursor, or a time (Unix seconds), on."""
        tenant = _tenant(who)
        await rows.get(tenant, webhook)
        if (after is None) == (since is None):
            raise InvalidBody("Give either `after` (a cursor) or `since` (Unix seconds).")
        start = await self._start(tenant, after, since or 0.0)
        row = await rows.move(tenant, webhook, start)
        return await self._changed(who, "webhook.replayed", row, after=str(start))

    async def _start(self, tenant: TenantId, after: int | None, since: float) -> int:
        if after is not None:
            await readers.page(self._log, tenant, after, 1)  # raises CursorGone
            return after
        if not 0 <= since <= time.time():
            raise InvalidBody("`since` must be Unix seconds, not in the future.")
        return await readers.since(self._log, tenant, since)

    async def test(self, who: Principal, webhook: WebhookId) -> TestView:
        """Have its deliverer send a test event now; what came of it."""
        tenant = _tenant(who)
        row = await rows.get(tenant, webhook)
        if row.state != ENABLED:
            raise WebhookNotEnabled
        seconds = min(row.timeout + 5, 60.0)
        done = await self._owners.ask(tenant, SessionId(webhook), TEST_COMMAND, seconds=seconds)
        return msgspec.convert(done, TestView)

    async def deliveries(
        self,
        who: Principal,
        webhook: WebhookId,
        *,
        before: str | None,
        delivered: bool | None,
        event: str | None,
        limit: int,
    ) -> Sequence[DeliveryView]:
        """Requests made, newest first."""
        tenant = _tenant(who)
        await rows.get(tenant, webhook)
        found = await rows.deliveries(
            tenant, webhook, before=before, delivered=delivered, event=event, limit=limit
        )
        return [delivery_view(row) for row in found]

    async def dead_letters(
        self, who: Principal, webhook: WebhookId, after: int, limit: int
    ) -> Sequence[DeadLetterView]:
        """Events that were given up, oldest first."""
        tenant = _tenant(who)
        await rows.get(tenant, webhook)
        found = await rows.dead_letters(tenant, webhook, after=after, limit=limit)
        return [dead_letter_view(row) for row in found]

    async def redrive(
        self,
        who: Principal,
        webhook: WebhookId,
        *,
        events: Sequence[int] | None,
        since: float | None,
        until: float | None,
    ) -> int:
        """Try dead letters again; how many."""
        tenant = _tenant(who)
        await rows.get(tenant, webhook)
        count = await rows.redrive(tenant, webhook, events=events, since=since, until=until)
        await self._announce(webhook)
        await record(who, tenant, "webhook.redriven", webhook, events=count)
        return count

    async def discard(
        self, who: Principal, webhook: WebhookId, events: Sequence[int] | None
    ) -> int:
        """Forget dead letters; how many."""
        tenant = _tenant(who)
        await rows.get(tenant, webhook)
        count = await rows.discard(tenant, webhook, events=events)
        await record(who, tenant, "webhook.discarded", webhook, events=count)
        return count

    # ── what all of them need ──

    async def _changed(
        self,
        who: Principal,
        action: str,
        row: WebhookRow,
        secret: str | None = None,
        **details: Any,
    ) -> WebhookView:
        await self._announce(row.id)
        await record(who, who.tenant, action, row.id, url=row.url, **details)
        return self._view(row, secret)

    async def _announce(self, webhook: WebhookId) -> None:
        await self._fleet.announce(CHANNEL, SessionId(webhook))

    def _view(
        self,
        row: WebhookRow,
        secret: str | None = None,
        backlog: tuple[int, int] | None = None,
    ) -> WebhookView:
        names = sorted(orjson.loads(self._sealer.open(row.headers))) if row.headers else None
        return webhook_view(row, names, secret, backlog)

    async def _checked(self, tenant: TenantId, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as rows hold them; raises InvalidBody, SessionNotFound. Empty lists mean all."""
        checked = dict(values)
        if "url" in checked:
            _check_url(checked["url"], http=self._options.allow_http)
        if "types" in checked:
            checked["types"] = _types(checked["types"])
        if "sessions" in checked:
            checked["sessions"] = checked["sessions"] or None
            for session in checked["sessions"] or ():
                if await session_rows.find(tenant, SessionId(session)) is None:
                    raise SessionNotFound
        if "headers" in checked:
            headers = _headers(checked["headers"] or {})
            checked["headers"] = (
                self._sealer.seal(orjson.dumps(headers).decode()) if headers else None
            )
        return checked


def _tenant(who: Principal) -> TenantId:
    tenant = who.require(Scope.TENANT_ADMIN)
    if who.sessions is not None:
        raise Forbidden("A key that is limited to sessions cannot manage webhooks.")
    return tenant


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _invalid(field: str, detail: str) -> InvalidBody:
    return InvalidBody(f"`{field}`: {detail}", errors=[{"field": field, "detail": detail}])


def _check_url(url: str, *, http: bool) -> None:
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        raise _invalid("url", "must be ASCII without spaces (write names in Punycode)")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _invalid("url", "is not a URL") from None
    if parts.scheme != "https" and not (http and parts.scheme == "http"):
        raise _invalid("url", "must begin with https://")
    if not parts.hostname or parts.username is not None or parts.fragment:
        raise _invalid("url", "must name a host, and no user or fragment")


def _types(types: Sequence[str] | None) -> Sequence[str] | None:
    for one in types or ():
        if one not in BY_TYPE and one not in _FAMILIES:
            raise _invalid("types", f"there are no events {one[:64]!r}")
    return types or None


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    if len(headers) > _MOST_HEADERS:
        raise _invalid("headers", f"at most {_MOST_HEADERS}")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _invalid("headers", "a name or value has characters that headers cannot have")
        if name.lower() in _RESERVED or name.lower().startswith("webhook-"):
            raise _invalid("headers", f"{name} is not yours to set")
    return {name.lower(): value for name, value in headers.items()}
