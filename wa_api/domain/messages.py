"""How far a message got, and how every reader sees it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec


class Status(StrEnum):
    """How far an outbound message got (inbound: `received`)."""

    RECEIVED = "received"  #: inbound
    ACCEPTED = "accepted"  #: its row is committed; the caller has its id
    SCHEDULED = "scheduled"  #: waits for its `send_at`
    QUEUED = "queued"  #: its time has come, or the session's owner took it
    SENDING = "sending"  #: handed to the engine; if the owner dies now it becomes `unknown`
    SENT = "sent"  #: acknowledged by WhatsApp's server
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"  #: refused; the error says why. It did not go out
    EXPIRED = "expired"  #: its deadline passed before it could be handed over. It did not go out
    CANCELLED = "cancelled"  #: taken back before it was handed over
    UNKNOWN = "unknown"  #: the owner died between hand-over and record: it may have gone out


#: Order of progress: a status is only ever replaced by one further right, so that late or
#: repeated receipts change nothing.
PROGRESS = [
    Status.ACCEPTED,
    Status.SCHEDULED,
    Status.QUEUED,
    Status.SENDING,
    Status.UNKNOWN,  # a late receipt resolves an unknown outcome
    Status.SENT,
    Status.DELIVERED,
    Status.READ,
    Status.PLAYED,
]

#: Nothing follows these.
FINAL = {Status.FAILED, Status.EXPIRED, Status.CANCELLED}

#: Statuses of messages that wait to be sent: WhatsApp cannot have seen them.
PENDING = {Status.ACCEPTED, Status.QUEUED}

#: Those that can be taken back.
CANCELLABLE = {*PENDING, Status.SCHEDULED}


def advances(before: Status, after: Status) -> bool:
    """Whether `after` is news about a message that is at `before`."""
    if before in FINAL or before is Status.RECEIVED:
        return False
    if after in FINAL:
        return before in {*CANCELLABLE, Status.SENDING}
    return PROGRESS.index(after) > PROGRESS.index(before)


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who or where: one canonical `id`, and phone number and LID where known."""

    id: str
    phone: str | None = None
    lid: str | None = None
    name: str | None = None


class StatusStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a message's status history; `time` is RFC 3339, UTC."""

    status: Status
    time: str
    reason: str | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why something did not work: a stable code and a sentence."""

    code: str
    detail: str


class ReactionBy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reaction that stands; without `from` it is this account's."""

    emoji: str
    sender: Address | None = msgspec.field(default=None, name="from")
    time: str


class EditStep(msgspec.Struct, frozen=True, kw_only=True):
    """What a message said before an edit, and since when."""

    body: str
    time: str


class Revoked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message was deleted for everyone; without `from` by this account."""

    sender: Address | None = msgspec.field(default=None, name="from")
    time: str


class Pinned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message is pinned in its chat; without `from` by this account."""

    sender: Address | None = msgspec.field(default=None, name="from")
    time: str
    until: str


class PollOption(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often an option of a poll was chosen, and by whom; `mine`: also by this account."""

    option: str
    count: int
    voters: list[Address] = msgspec.field(default_factory=list)
    mine: bool = False


class ReceiptBy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a message got with one of several recipients; RFC 3339."""

    recipient: Address
    delivered_at: str | None = None
    read_at: str | None = None
    played_at: str | None = None


class MessageView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message as every reader sees it: REST, WebSocket, webhooks and the console.

    `id` is the gateway's; `wa_id` WhatsApp's (absent until sent). In JSON (see `view`) `content`
    stands under the name that `type` says, as in the Cloud API. What other messages did to this
    one (from `reactions` on) is filled in where it is read back, `receipts` (of several
    recipients) where it is read by its id.
    """

    id: str
    session: str
    direction: str  # "in" or "out"
    chat: Address
    sender: Address | None = msgspec.field(default=None, name="from")
    type: str
    content: dict[str, Any]
    time: str
    status: Status
    wa_id: str | None = None
    statuses: list[StatusStep] = msgspec.field(default_factory=list)
    context: dict[str, Any] | None = None
    error: Problem | None = None
    ref: str | None = None
    priority: str | None = None  # as given; absent: a reply where the chat wrote recently
    send_at: str | None = None
    #: "api", "phone" (another device of the account), "contact", or "history" (of the phone)
    source: str = "api"
    reactions: list[ReactionBy] = msgspec.field(default_factory=list)
    edited_at: str | None = None
    edits: list[EditStep] = msgspec.field(default_factory=list)
    revoked: Revoked | None = None
    pinned: Pinned | None = None
    votes: list[PollOption] = msgspec.field(default_factory=list)
    receipts: list[ReceiptBy] = msgspec.field(default_factory=list)


def view(message: MessageView) -> dict[str, Any]:
    """The JSON of a message: its content stands under its type's name, as in the Cloud API."""
    shown: dict[str, Any] = msgspec.to_builtins(message)
    content = shown.pop("content")
    content.pop("type", None)
    shown[message.type] = _CLOUD[message.type](content) if message.type in _CLOUD else content
    return shown


#: Kinds whose member in the Cloud API is not their struct.
_CLOUD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "contacts": lambda content: content["contacts"],
    "interactive": lambda content: {"type": content["kind"], **content["data"]},
}
