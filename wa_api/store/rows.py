"""What goes into the store and what comes out of it.

Times in these shapes are Unix seconds; columns hold milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from wa_api.domain.content import NO_CONTEXT, Content, Context
from wa_api.domain.events import MessageStatusChanged
from wa_api.domain.ids import Epoch, KeyId, MessageId, SessionId, TenantId, UserId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import MessageView, Problem, Status
from wa_api.domain.pacing import Pacing
from wa_api.domain.principals import Scope
from wa_api.domain.sessions import TERMINAL, Desired, SessionState

T = TypeVar("T")

#: What to do with a message that may have gone out: say so, or send it (perhaps) twice.
REPORT, RESEND = "report", "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session: what is wanted of it, and what its owner last reported."""

    id: SessionId
    tenant: TenantId
    name: str | None
    network: str
    desired: Desired
    state: SessionState
    reason: str
    detail: str | None
    since: float
    until: float | None
    jid: str | None
    lid: str | None
    push_name: str | None
    epoch: Epoch
    worker: str | None
    settings: dict[str, Any]
    metadata: dict[str, str]
    proxy: str | None
    proxy_shown: str | None
    created_at: float
    deleted_at: float | None
    attempts: int = 0

    @property
    def runs(self) -> bool:
        """Whether it has an owner, as far as its last report says."""
        return self.state is not SessionState.STOPPED and self.state not in TERMINAL

    @property
    def linked(self) -> bool:
        """Whether there is a device."""
        return self.jid is not None


@dataclass(frozen=True, slots=True)
class StateChange:
    """A session before and after a report of its owner (`previous == row.state`: no change)."""

    previous: SessionState
    row: SessionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message that a client wants sent. `chat` is a canonical address; "typing…" is shown for
    `typing` seconds before. `id` is given where others refer to it already.
    """

    session: SessionId
    chat: str
    content: Content
    context: Context = NO_CONTEXT
    ref: str | None = None
    deadline: float | None = None
    on_unknown: str = REPORT
    priority: str | None = None
    send_at: float | None = None
    source: str = "api"
    typing: float = 0.0
    id: MessageId | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """`fresh` is False when the idempotency key was used before: `view` is the first's."""

    view: MessageView
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInbound:
    """A message that arrived, or (`from_me`) that another device of the account sent.

    Addresses are canonical; `timestamp` is WhatsApp's; `proto` is the waE2E.Message, if kept.
    """

    wa_id: str
    chat: str
    sender: str
    from_me: bool
    timestamp: float
    content: Content
    chat_alt: str | None = None
    sender_alt: str | None = None
    sender_name: str | None = None
    context: Context = NO_CONTEXT
    proto: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReceipt:
    """One of several recipients got, read or played a message of ours (its `wa_id`)."""

    wa_id: str
    recipient: str
    recipient_alt: str | None
    status: Status
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """News about an outbound message: its row `id`, or for receipts only its `wa_id`.

    With both, `wa_id` is recorded, and what went out: `proto` (waE2E.Message) and, when it
    changes another message, WhatsApp's id of that one (`target`). `context` replaces the message's.
    """

    status: Status
    time: float
    id: MessageId | None = None
    wa_id: str | None = None
    error: Problem | None = None
    proto: bytes | None = None
    target: str | None = None
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A message got further: what to tell the tenant's readers."""

    tenant: TenantId
    session: SessionId
    data: MessageStatusChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to be handed to the engine.

    `timed`: its context says when it disappears because its chat says so, and is to be recorded.
    """

    id: MessageId
    tenant: TenantId
    session: SessionId
    chat: str
    content: Content
    context: Context = NO_CONTEXT
    ref: str | None = None
    deadline: float | None = None
    on_unknown: str = REPORT
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits to be sent, without its content. `at` is since when (Unix seconds),
    `typing` for how many seconds "typing…" is shown before.
    """

    id: MessageId
    chat: str
    at: float
    deadline: float | None = None
    priority: str | None = None
    typing: float = 0.0


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """What the rows tell of a chat: whether it was written with before, and when it last wrote."""

    met: bool
    heard: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """What is kept of a session's queue, and the policy in its settings.

    `sent` and `first_contacts` are of the UTC `day`. `linked_at`: since when the number is paced.
    """

    policy: Pacing | None = None
    paused_at: float | None = None
    linked_at: float | None = None
    day: int = 0
    sent: int = 0
    first_contacts: int = 0
    restricted_until: float | None = None
    restrictions: int = 0


@dataclass(frozen=True, slots=True)
class Owned(Generic[T]):
    """Something that the owner of one session writes; batches mix sessions and tenants."""

    tenant: TenantId
    lease: Lease
    item: T


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What a new owner finds: what to send, in order, and what may have gone out already."""

    pending: list[Waiting]
    unknown: list[Changed]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRow:
    """A tenant; None means the platform's default."""

    id: TenantId
    name: str
    max_sessions: int | None
    retention_days: int | None
    requests_per_second: float | None
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """A user without the password; `tenant` is None for the platform's own."""

    id: UserId
    tenant: TenantId | None
    name: str
    role: str
    created_at: float
    disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """An API key without its secret; `sessions` None means all of the tenant's, `networks` None
    from anywhere, `requests_per_second` None as the platform has it.
    """

    id: KeyId
    tenant: TenantId | None
    name: str
    scopes: frozenset[Scope]
    sessions: frozenset[str] | None
    networks: tuple[str, ...] | None
    requests_per_second: float | None
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class LogState:
    """What the database knows of a tenant's log.

    `archived`: all entries up to it are rows. `floor`: no new cursor may be at or below it.
    `generation`: the live log's when it was last archived ("" before the first time).
    `forgotten`: the newest entry that was deleted because it was old (0: none).
    """

    archived: int
    generation: str
    floor: int
    forgotten: int
