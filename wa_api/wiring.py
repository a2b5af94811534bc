"""What a process opens: the only place that names adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from wa_api.bus.open import Bus, open_bus
from wa_api.bus.sandbox import SandboxClient
from wa_api.domain.events import Cursor
from wa_api.domain.ids import TenantId
from wa_api.labels import LabelledLog
from wa_api.media.signing import Signer
from wa_api.net.addresses import Rules
from wa_api.services import Services
from wa_api.services.api_keys import ApiKeys
from wa_api.services.asking import Asking
from wa_api.services.audit import Audit
from wa_api.services.auth import Auth, TokenOptions
from wa_api.services.bus import Owners
from wa_api.services.chats import Chats
from wa_api.services.events import Events
from wa_api.services.facts import Facts
from wa_api.services.fleet import FleetView
from wa_api.services.media import Media
from wa_api.services.messages import Messages
from wa_api.services.queue import Queue
from wa_api.services.rates import RateLimits
from wa_api.services.sandbox import Sandbox
from wa_api.services.sessions import Proxies, Sessions
from wa_api.services.tenants import Tenants
from wa_api.services.users import Users
from wa_api.services.webhooks import WebhookOptions, Webhooks
from wa_api.shelf import MediaOptions, open_shelf
from wa_api.store import events as event_rows
from wa_api.store.db import database
from wa_api.store.open import open_store
from wa_api.store.sealing import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an HTTP process needs to know to open its resources; seconds."""

    worker: str
    database_url: str
    database_pool: int = 8
    redis_url: str
    redis_prefix: str = "wa:"
    redis_seconds: float = 2.0
    lease_seconds: float = 6.0
    send_seconds: float = 3600.0
    queue_limit: int = 10_000
    command_seconds: float = 15.0
    networks: tuple[str, ...] = ("whatsapp",)
    private_proxies: tuple[str, ...] = ()
    caller_per_second: float = 0.0
    tenant_per_second: float = 0.0
    sandbox_socket: Path | None = None
    tokens: TokenOptions
    webhooks: WebhookOptions
    media: MediaOptions
    media_secret: str
    media_url_seconds: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Everything that is open, and what use it is put to."""

    bus: Bus
    services: Services
    checks: Mapping[str, Callable[[], Awaitable[None]]]


async def floor(tenant: TenantId) -> Cursor:
    """The newest cursor that the database knows to have been given out."""
    state = await event_rows.log_state(tenant)
    return Cursor(str(max(state.archived, state.floor)))


async def _database_answers() -> None:
    await database().fetch("SELECT 1 AS one")


@asynccontextmanager
async def open_resources(options: Options) -> AsyncIterator[Resources]:
    """Connect to the database and to Redis; closed in reverse order."""
    async with (
        open_store(options.database_url, pool=options.database_pool),
        open_bus(
            options.redis_url,
            options.redis_prefix,
            options.lease_seconds,
            options.worker,
            floor=floor,
            time_limit=options.redis_seconds,
        ) as bus,
        AsyncExitStack() as stack,
    ):
        services = build_services(options, bus)
        if services.sandbox is not None:
            stack.push_async_callback(services.sandbox.close)
        yield Resources(
            bus=bus,
            services=services,
            checks={"redis": bus.ping, "database": _database_answers},
        )


def build_services(options: Options, bus: Bus) -> Services:
    """The use cases over open resources."""
    log = LabelledLog(bus.log)
    auth, events, facts = (
        Auth(options.tokens, bus.fleet),
        Events(bus.log),
        Facts(options.queue_limit, log),
    )
    socket = options.sandbox_socket
    owners = Owners(bus.commands, options.command_seconds)
    proxies = Proxies(Sealer(options.webhooks.sealing_keys), Rules(options.private_proxies))
    signer = Signer(options.media_secret, options.media_url_seconds)
    media = Media(open_shelf(options.media), signer, facts, owners)
    messages = Messages(bus.commands, log, facts, owners, media, options.send_seconds)
    return Services(
        auth=auth,
        tenants=Tenants(auth, bus.fleet, owners),
        users=Users(auth),
        api_keys=ApiKeys(auth),
        sessions=Sessions(bus.fleet, events, facts, owners, options.networks, proxies),
        messages=messages,
        chats=Chats(facts, log, messages),
        media=media,
        asking=Asking(facts, owners),
        queue=Queue(log, facts, owners, media, options.send_seconds, options.queue_limit),
        events=events,
        webhooks=Webhooks(bus.fleet, bus.log, owners, options.webhooks),
        fleet=FleetView(bus.fleet, bus.leases),
        audit=Audit(),
        rates=RateLimits(bus.rates, options.caller_per_second, options.tenant_per_second),
        sandbox=Sandbox(SandboxClient(socket)) if socket is not None else None,
    )
