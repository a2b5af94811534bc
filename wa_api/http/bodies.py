"""What callers send: shapes and limits of bodies and query strings."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wa_api.domain.principals import Scope
from wa_api.domain.sessions import Metadata, SessionSettings, SessionState

Name = Annotated[str, Meta(min_length=1, max_length=100, description="A name for people.")]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
AddressText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="Digits with country code, `+E.164`, `…@s.whatsapp.net`, `…@c.us`, `…@lid`, "
        "`…@g.us`, `…@newsletter` or `status@broadcast`.",
    ),
]
Password = Annotated[str, Meta(min_length=12, max_length=200)]
Limit = Annotated[int, Meta(ge=1, le=200)]
EventLimit = Annotated[int, Meta(ge=1, le=1000)]
Wait = Annotated[float, Meta(ge=0, le=60, description="Seconds.")]
#: A cursor fits into 63 bits; those of the next two centuries begin with no 9.
CURSOR = r"[0-8]?[0-9]{1,18}"
CursorText = Annotated[str, Meta(pattern=f"^{CURSOR}$")]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A body: unknown members are refused, since a misspelt option is no option."""


class NoBody(Body):
    """Nothing."""


# ── authentication ──


class PasswordGrant(Body, tag_field="grant_type", tag="password"):
    """Sign in with a user's name and password."""

    username: Annotated[str, Meta(min_length=1, max_length=200)]
    password: Annotated[str, Meta(min_length=1, max_length=200)]


class ApiKeyGrant(Body, tag_field="grant_type", tag="api_key"):
    """Exchange an API key for a token."""

    api_key: Annotated[str, Meta(min_length=1, max_length=200)]


class OneTimeGrant(Body, tag_field="grant_type", tag="one_time"):
    """Use the administrator's first token, which `wa-api serve` prints."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


TokenGrant = PasswordGrant | ApiKeyGrant | OneTimeGrant


class RefreshBody(Body):
    """A refresh token; it can be used once."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=200)]


class RevokeBody(Body):
    """Sign out; with a refresh token that one's chain ends too."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


# ── administration ──


class NewTenant(Body):
    """A tenant; absent limits are the platform's."""

    name: Name
    max_sessions: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    retention_days: Annotated[int, Meta(ge=1, le=3650)] | None = None
    requests_per_second: Annotated[float, Meta(ge=0.1, le=1_000_000)] | None = None


class TenantChange(Body):
    """What is absent stays; 0 lifts a limit."""

    name: Name | None = None
    max_sessions: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    retention_days: Annotated[int, Meta(ge=0, le=3650)] | None = None
    requests_per_second: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None


class NewUser(Body):
    """A user. `tenant` is for platform administrators; `role`: owner, agent, viewer, or admin
    for the platform's own."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^\S+$")]
    password: Password
    role: Annotated[str, Meta(max_length=32)] = "agent"
    tenant: Id | None = None


class UserChange(Body):
    """What is absent stays."""

    password: Password | None = None
    role: Annotated[str, Meta(max_length=32)] | None = None
    disabled: bool | None = None


class NewKey(Body):
    """An API key. `sessions` limits it to some; `expires_at` is in Unix seconds.

    `networks`: the addresses and networks (`203.0.113.7`, `2001:db8::/32`) that it may be used from, itself or by
    a token made from it. `requests_per_second`: its own limit instead of the platform's.
    """

    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=20)]
    sessions: Annotated[list[Id], Meta(min_length=1, max_length=100)] | None = None
    networks: (
        Annotated[
            list[Annotated[str, Meta(min_length=2, max_length=64)]],
            Meta(min_length=1, max_length=100),
        ]
        | None
    ) = None
    requests_per_second: Annotated[float, Meta(ge=0.1, le=1_000_000)] | None = None
    expires_at: Annotated[float, Meta(gt=0, lt=1e11)] | None = None
    tenant: Id | None = None


# ── sessions ──


ProxyUrl = Annotated[
    str,
    Meta(
        max_length=1000,
        description="`http://`, `https://` or `socks5://`, then `user:password@` (percent-encoded) "
        "where the proxy wants it, host and port. It is kept sealed and never shown whole.",
    ),
]


class NewSession(Body):
    """A session. `start` begins pairing at once; `metadata` is shown with each of its events."""

    name: Name | None = None
    network: Annotated[str, Meta(min_length=1, max_length=32)] = "whatsapp"
    settings: SessionSettings | None = None
    metadata: Metadata | None = None
    proxy: ProxyUrl | None = None
    start: bool = False


class SessionChange(Body):
    """What is absent stays; an empty `metadata` or `proxy` removes it. A session that runs
    connects anew through another proxy.
    """

    name: Name | None = None
    settings: SessionSettings | None = None
    metadata: Metadata | None = None
    proxy: ProxyUrl | None = None


class PairingPhone(Body):
    """The phone that will type the code."""

    phone: AddressText


# ── messages ──


class ReadBody(Body):
    """Messages that were read (our ids)."""

    message_ids: Annotated[list[Id], Meta(min_length=1, max_length=100)]


class TypingBody(Body):
    """What to show in a chat."""

    chat: AddressText
    state: Literal["typing", "recording", "paused"] = "typing"


# ── query strings ──


class Query(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A query string: unknown parameters are refused."""


class ListQuery(Query):
    """Where a list goes on and how long a page is."""

    after: Id | None = None
    limit: Limit = 50


class OwnedListQuery(ListQuery):
    """A list of one tenant's; `tenant` is for platform administrators."""

    tenant: Id | None = None


class TenantQuery(Query):
    """`tenant` is for platform administrators."""

    tenant: Id | None = None


class SessionListQuery(ListQuery):
    """Sessions, perhaps only those in one state."""

    state: SessionState | None = None


class MessageListQuery(Query):
    """Newest first, going back from `before`; or oldest first, going on from `after`; or those
    around a message."""

    chat: AddressText | None = None
    before: Id | None = None
    after: Id | None = None
    around: Id | None = None
    limit: Limit = 50


class MessageQuery(Query):
    """`raw`: with the protobuf message."""

    raw: bool = False


class WaitQuery(Query):
    """How long to wait for the result."""

    wait: Wait = 0.0


class QrQuery(WaitQuery):
    """`format` overrules the `Accept` header."""

    format: Literal["json", "png", "svg", "text"] | None = None


_Types = Annotated[
    str,
    Meta(max_length=2000, description="With commas; `message.*` takes a family. Absent: all."),
]
_Sessions = Annotated[str, Meta(max_length=2000, description="Ids with commas. Absent: all.")]
_Since = Annotated[float, Meta(ge=0, le=1e11, description="Unix seconds: then or later.")]
_Until = Annotated[float, Meta(ge=0, le=1e11, description="Unix seconds: before then.")]


class EventQuery(Query):
    """Events after a cursor, of some types, some sessions, a time; all conditions hold."""

    after: CursorText = "0"
    limit: EventLimit = 100
    types: _Types | None = None
    session: _Sessions | None = None
    since: _Since | None = None
    until: _Until | None = None
    wait: Wait = 0.0


class FeedQuery(Query):
    """Where to begin (absent: now), and a filter as in `/events`."""

    after: CursorText | None = None
    types: _Types | None = None
    session: _Sessions | None = None


def names(text: str | None) -> list[str] | None:
    """A list with commas; None for all."""
    return None if text is None else [name for name in text.split(",") if name]
