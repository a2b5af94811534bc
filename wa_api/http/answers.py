"""What is answered where no use case has a shape of its own."""

from __future__ import annotations

from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from wa_api.domain.content import (
    Album,
    Audio,
    Context,
    Document,
    Edit,
    Event,
    GroupInvite,
    Image,
    LiveLocation,
    Location,
    Pin,
    Poll,
    Reaction,
    Revoke,
    Sticker,
    Text,
    Undecryptable,
    Unsupported,
    Video,
    Vote,
)
from wa_api.domain.messages import (
    Address,
    EditStep,
    Pinned,
    PollOption,
    Problem,
    ReactionBy,
    ReceiptBy,
    Revoked,
    Status,
    StatusStep,
)
from wa_api.domain.pacing import Priority
from wa_api.services.views import KeyView, SessionView, TenantView, UserView

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A page of a list; `next` goes on, null at the end."""

    items: list[T]
    next: str | None


SessionPage: TypeAlias = Page[SessionView]
TenantPage: TypeAlias = Page[TenantView]
UserPage: TypeAlias = Page[UserView]
KeyPage: TypeAlias = Page[KeyView]


def page(items: list[Any], limit: int) -> Page[Any]:
    """A page of things with ids, of which `limit` were asked for."""
    return Page(items=items, next=items[-1].id if len(items) >= limit else None)


class TokenAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An access token; `expires_in` in seconds. API keys get no refresh token."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: str | None = None


class Me(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The caller. Without `tenant`: the platform. `sessions` absent: all of the tenant's."""

    subject: str
    scopes: list[str]
    tenant: str | None = None
    sessions: list[str] | None = None
    expires_at: float | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message. Its content stands under the name that `type` says; `statuses` is its history.

    Where it is read back: `reactions` that stand, `edits` (what it said before), `revoked`,
    `pinned`, a poll's `votes`, and `receipts` of several recipients.
    """

    id: str
    session: str
    direction: str
    chat: Address
    sender: Address | None = msgspec.field(default=None, name="from")
    type: str
    text: Text | None = None
    location: Location | None = None
    live_location: LiveLocation | None = None
    contacts: list[dict[str, Any]] | None = None
    poll: Poll | None = None
    event: Event | None = None
    interactive: dict[str, Any] | None = None
    group_invite: GroupInvite | None = None
    undecryptable: Undecryptable | None = None
    unsupported: Unsupported | None = None
    reaction: Reaction | None = None
    edit: Edit | None = None
    revoke: Revoke | None = None
    pin: Pin | None = None
    vote: Vote | None = None
    image: Image | None = None
    video: Video | None = None
    audio: Audio | None = None
    document: Document | None = None
    sticker: Sticker | None = None
    album: Album | None = None
    time: str
    status: Status
    wa_id: str | None = None
    statuses: list[StatusStep] = []
    context: Context | None = None
    error: Problem | None = None
    ref: str | None = None
    priority: Priority | None = None
    send_at: str | None = None
    source: str = "api"
    reactions: list[ReactionBy] = []
    edited_at: str | None = None
    edits: list[EditStep] = []
    revoked: Revoked | None = None
    pinned: Pinned | None = None
    votes: list[PollOption] = []
    receipts: list[ReceiptBy] = []
    raw: str | None = None


MessagePage: TypeAlias = Page[Message]


class EventEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """A fact; `data` depends on `type`. `session_metadata` is what was written on the session."""

    id: str
    type: str
    tenant: str
    time: str
    data: dict[str, Any]
    session: str | None = None
    session_metadata: dict[str, str] = {}


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events, oldest first; `next` is the cursor to go on from, also when there are none.

    With a filter a page may be empty though `more` is true: only so much is looked through at once.
    """

    items: list[EventEnvelope]
    next: str
    more: bool


class EventTrail(msgspec.Struct, frozen=True, kw_only=True):
    """The events about one thing, oldest first."""

    items: list[EventEnvelope]


class PairingCode(msgspec.Struct, frozen=True, kw_only=True):
    """Eight characters to type on the phone."""

    code: str
    expires_at: str


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How this process is."""

    status: str
    worker: str
    checks: dict[str, str] | None = None


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong (RFC 9457). Branch on `code`; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    request_id: str
    errors: list[dict[str, str]] = []
