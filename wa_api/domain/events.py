"""Facts in the past tense, as every reader gets them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, NewType

import msgspec

from wa_api.domain import chats, directory, groups, newsletters, profile
from wa_api.domain.data import Data as Data  # noqa: PLC0414 - said to be exported
from wa_api.domain.messages import Address, MessageView, PollOption, Problem, Status, view

#: A place in a tenant's log: a decimal string that only grows. Opaque to clients; as an integer
#: it is `milliseconds << 20 | counter` of the log entry (see `cursor_of`).
Cursor = NewType("Cursor", str)

_COUNTER_BITS = 20


def cursor_of(entry: str) -> Cursor:
    """The cursor of a log entry id `milliseconds-counter` (a Redis stream id)."""
    ms, _, counter = entry.partition("-")
    return Cursor(str(int(ms) << _COUNTER_BITS | int(counter or 0)))


def entry_of(cursor: Cursor) -> str:
    """The log entry id of a cursor; raises ValueError when it is none."""
    value = int(cursor)
    if not 0 <= value < 1 << 63:
        raise ValueError("not a cursor")
    return f"{value >> _COUNTER_BITS}-{value & (1 << _COUNTER_BITS) - 1}"


def cursor_at(time: float) -> int:
    """The last cursor before a time (Unix seconds): what follows it happened then or later."""
    return max(0, (round(time * 1000) << _COUNTER_BITS) - 1)


class SessionStateChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A session entered a state."""

    type: ClassVar[str] = "session.state_changed"
    state: str
    reason: str
    previous: str | None = None
    detail: str | None = None
    worker: str | None = None
    epoch: int | None = None
    jid: str | None = None
    lid: str | None = None
    until: str | None = None  #: RFC 3339: when a restriction or temporary ban ends


class SessionQrIssued(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A QR code to scan; it replaces the one before. `number` counts from 1 in one pairing."""

    type: ClassVar[str] = "session.qr_issued"
    qr: str
    number: int
    expires_at: str


class SessionPairingCodeIssued(Data, frozen=True, kw_only=True, omit_defaults=True):
    """An eight-character code to type on the phone."""

    type: ClassVar[str] = "session.pairing_code_issued"
    code: str
    expires_at: str


class MessageAccepted(Data, frozen=True, kw_only=True, omit_defaults=True):
    """An outbound message was accepted from a client and has an id."""

    type: ClassVar[str] = "message.accepted"
    message: MessageView


class MessageReceived(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A chat message arrived from WhatsApp."""

    type: ClassVar[str] = "message.received"
    message: MessageView


class MessageSynced(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A message that this account sent from another device (the phone, or another client)."""

    type: ClassVar[str] = "message.synced"
    message: MessageView


class MessageStatusChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """An outbound message got further, or failed."""

    type: ClassVar[str] = "message.status_changed"
    id: str
    chat: Address
    status: Status
    time: str
    wa_id: str | None = None
    ref: str | None = None
    error: Problem | None = None


class MessageMediaStored(Data, frozen=True, kw_only=True, omit_defaults=True):
    """The file of a message was fetched from WhatsApp: `media` is its id."""

    type: ClassVar[str] = "message.media_stored"
    id: str
    chat: Address
    media: str
    mimetype: str
    sha256: str
    size: int


class MessageMediaFailed(Data, frozen=True, kw_only=True, omit_defaults=True):
    """The file of a message could not be fetched. Asking for it tries again."""

    type: ClassVar[str] = "message.media_failed"
    id: str
    chat: Address
    error: Problem


class MessageReceipt(Data, frozen=True, kw_only=True, omit_defaults=True):
    """One member of a group got, read or played messages of ours (`wa_ids`: WhatsApp's ids).

    The message's own status is that of the furthest member: see `message.status_changed`.
    """

    type: ClassVar[str] = "message.receipt"
    chat: Address
    recipient: Address
    status: Status
    wa_ids: list[str]
    time: str


class _Change(Data, frozen=True, kw_only=True, omit_defaults=True):
    """What all changes to a message say: `id` is the changed message's (absent when it is not
    stored), `action` that of the message which changed it; without `from` this account did it.
    """

    id: str | None = None
    wa_id: str
    action: str
    chat: Address
    sender: Address | None = msgspec.field(default=None, name="from")
    time: str


class MessageReactionChanged(_Change, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody reacted to a message, or (`emoji` "") took the reaction back."""

    type: ClassVar[str] = "message.reaction_changed"
    emoji: str


class MessageEdited(_Change, frozen=True, kw_only=True, omit_defaults=True):
    """The author changed a message's text or caption."""

    type: ClassVar[str] = "message.edited"
    body: str


class MessageRevoked(_Change, frozen=True, kw_only=True, omit_defaults=True):
    """A message was deleted for everyone."""

    type: ClassVar[str] = "message.revoked"


class MessagePinChanged(_Change, frozen=True, kw_only=True, omit_defaults=True):
    """A message was pinned for so many `seconds`, or (0) unpinned."""

    type: ClassVar[str] = "message.pin_changed"
    seconds: int


class PollVoteChanged(_Change, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody voted: `options` is their whole choice now, `votes` the poll's result.

    Both are absent when the poll is not stored, or the vote could not be decrypted (`failed`).
    """

    type: ClassVar[str] = "poll.vote_changed"
    options: list[str] | None = None
    votes: list[PollOption] = msgspec.field(default_factory=list)
    failed: bool = False


class MessageUndecryptable(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A message arrived that cannot be read; if it arrives after all, `message.received` follows
    with the same id.
    """

    type: ClassVar[str] = "message.undecryptable"
    message: MessageView


class ChatTyping(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody started or stopped typing or recording."""

    type: ClassVar[str] = "chat.typing_changed"
    chat: Address
    sender: Address = msgspec.field(name="from")
    state: str  # "typing", "recording" or "paused"


class PresenceChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A contact came online or went offline."""

    type: ClassVar[str] = "contact.presence_changed"
    contact: Address
    online: bool
    last_seen: str | None = None


class LogGap(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Redis lost events of this tenant before they were archived: read the present state anew.

    None is missing up to `after` (a cursor).
    """

    type: ClassVar[str] = "log.gap"
    after: str


class WebhookPaused(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook is delivered to no more until it is resumed: `reason` is `failing` (for days) or
    `requested`. Events stay in the log; it goes on where it stopped.
    """

    type: ClassVar[str] = "webhook.paused"
    webhook: str
    reason: str
    detail: str | None = None
    failing_since: str | None = None


class WebhookResumed(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook is delivered to again."""

    type: ClassVar[str] = "webhook.resumed"
    webhook: str


class WebhookDisabled(Data, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint said that it is gone (410): nothing is delivered until it is resumed."""

    type: ClassVar[str] = "webhook.disabled"
    webhook: str
    reason: str
    detail: str | None = None


class WebhookGap(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Events of a webhook are gone, because it stood still for longer than events are kept.

    Those after `after` up to `until` (cursors) were not delivered and will not be.
    """

    type: ClassVar[str] = "webhook.gap"
    webhook: str
    after: str
    until: str


EVENTS: tuple[type[Data], ...] = (
    SessionStateChanged,
    SessionQrIssued,
    SessionPairingCodeIssued,
    MessageAccepted,
    MessageReceived,
    MessageSynced,
    MessageStatusChanged,
    MessageMediaStored,
    MessageMediaFailed,
    MessageReceipt,
    MessageReactionChanged,
    MessageEdited,
    MessageRevoked,
    MessagePinChanged,
    PollVoteChanged,
    MessageUndecryptable,
    ChatTyping,
    PresenceChanged,
    LogGap,
    WebhookPaused,
    WebhookResumed,
    WebhookDisabled,
    WebhookGap,
    *chats.EVENTS,
    *directory.EVENTS,
    *groups.EVENTS,
    *newsletters.EVENTS,
    *profile.EVENTS,
)
BY_TYPE: dict[str, type[Data]] = {cls.type: cls for cls in EVENTS}


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event before it has a cursor. `session` is None for facts about the tenant itself;
    `session_metadata` is what its user wrote on the session, if anything.
    """

    type: str
    tenant: str
    session: str | None = None
    session_metadata: dict[str, str] | None = None
    time: str
    data: Any


_encoder = msgspec.json.Encoder()


def event(
    tenant: str, session: str | None, data: Data, metadata: dict[str, str] | None = None
) -> Event:
    """Wrap data into an event of now; `metadata` is the session's, where it is known."""
    return Event(
        type=data.type,
        tenant=tenant,
        session=session,
        session_metadata=metadata or None,
        time=now(),
        data=data,
    )


_WITH_MESSAGE = MessageAccepted | MessageReceived | MessageSynced | MessageUndecryptable


def encode_tail(of: Event) -> bytes:
    """The envelope's JSON without its first member: `"type":…}`.

    It is encoded once, where the event happens; whoever reads it only puts the cursor in front.
    """
    if isinstance(of.data, _WITH_MESSAGE):
        of = msgspec.structs.replace(of, data={"message": view(of.data.message)})
    return _encoder.encode(of)[1:]


def with_cursor(cursor: Cursor, tail: bytes) -> bytes:
    """The envelope's JSON as every reader gets it."""
    return b'{"id":"' + cursor.encode() + b'",' + tail


class _Message(msgspec.Struct):
    id: str | None = None


class _Subject(msgspec.Struct):
    id: str | None = None
    message: _Message | None = None


class _Tail(msgspec.Struct):
    data: _Subject


_read_tail = msgspec.json.Decoder(_Tail).decode


def subject_of(type: str, tail: bytes) -> str | None:
    """Our id of the message that an event is about: `data.message.id` or `data.id` of the
    `message.*` family; None for every other event."""
    if not type.startswith("message."):
        return None
    try:
        data = _read_tail(b"{" + tail).data
    except msgspec.MsgspecError:
        return None
    return data.message.id if data.message else data.id


def now() -> str:
    """The present time, RFC 3339 in UTC with milliseconds."""
    return rfc3339(datetime.now(UTC))


def rfc3339(time: datetime) -> str:
    """RFC 3339, UTC, milliseconds, with `Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
