"""Use cases: the caller's rights first, then the rows, then the bus."""

from __future__ import annotations

from dataclasses import dataclass

from wa_api.services.api_keys import ApiKeys
from wa_api.services.asking import Asking
from wa_api.services.audit import Audit
from wa_api.services.auth import Auth
from wa_api.services.chats import Chats
from wa_api.services.events import Events
from wa_api.services.fleet import FleetView
from wa_api.services.media import Media
from wa_api.services.messages import Messages
from wa_api.services.queue import Queue
from wa_api.services.rates import RateLimits
from wa_api.services.sandbox import Sandbox
from wa_api.services.sessions import Sessions
from wa_api.services.tenants import Tenants
from wa_api.services.users import Users
from wa_api.services.webhooks import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All use cases of one process; `sandbox` is None where that network is not allowed."""

    auth: Auth
    tenants: Tenants
    users: Users
    api_keys: ApiKeys
    sessions: Sessions
    messages: Messages
    queue: Queue
    chats: Chats
    media: Media
    asking: Asking
    events: Events
    webhooks: Webhooks
    fleet: FleetView
    audit: Audit
    rates: RateLimits
    sandbox: Sandbox | None = None
