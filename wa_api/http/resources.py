"""All resources of the API, in the order of the documentation."""

from __future__ import annotations

from wa_api.http.api_keys import api_keys
from wa_api.http.audit import audit
from wa_api.http.auth import auth
from wa_api.http.chats import chats
from wa_api.http.console_files import console
from wa_api.http.directory import directory
from wa_api.http.docs import docs
from wa_api.http.events import events
from wa_api.http.feed.routes import feed
from wa_api.http.fleet import fleet
from wa_api.http.groups import groups
from wa_api.http.media import media
from wa_api.http.messages import messages
from wa_api.http.newsletters import newsletters
from wa_api.http.ops import ops
from wa_api.http.profile import profile
from wa_api.http.queue import queue
from wa_api.http.routes import Resource
from wa_api.http.sandbox import sandbox
from wa_api.http.sessions import sessions
from wa_api.http.tenants import tenants
from wa_api.http.types import HttpOptions
from wa_api.http.users import users
from wa_api.http.webhooks import webhooks


def resources_for(options: HttpOptions) -> list[Resource]:
    """What this process serves."""
    main = [auth, tenants, users, api_keys, sessions, messages, media, queue, chats, events, feed]
    main += [webhooks, directory, groups, newsletters, profile, fleet, audit]
    return [*main, *([sandbox] if options.sandbox else []), ops, docs, console]
