"""What a session can be, and which change may follow which: a table, not flags."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from wa_api.domain.chats import ChatKind
from wa_api.domain.pacing import Pacing


class SessionState(StrEnum):
    """The actual state of a session, as its owner last reported it."""

    STOPPED = "stopped"  #: not wanted, or not started yet
    STARTING = "starting"  #: owned; the engine is being started
    PAIRING = "pairing"  #: waits for a scan or a pairing code
    CONNECTED = "connected"  #: linked and online
    RECONNECTING = "reconnecting"  #: linked; the connection was lost and is being restored
    RESTRICTED = "restricted"  #: online, but WhatsApp refuses messages to new contacts (463)
    LOGGED_OUT = "logged_out"  #: the link was removed, here or on the phone; pair again
    REPLACED = "replaced"  #: another connection of the same device took over; start again by hand
    BANNED = "banned"  #: WhatsApp banned the account, for a time or for good
    OUTDATED = "outdated"  #: WhatsApp refuses this client version; upgrade the gateway
    PASSKEY_REQUIRED = "passkey_required"  #: the account demands a passkey, which we cannot give
    FAILED = "failed"  #: could not be started or paired; the reason says why


_S = SessionState
_ENDS = {_S.LOGGED_OUT, _S.REPLACED, _S.BANNED, _S.OUTDATED, _S.PASSKEY_REQUIRED, _S.FAILED}

#: From each state to those that may follow. Every state may be entered anew as `starting`
#: (a new owner) and left to `stopped`.
ALLOWED: dict[SessionState, set[SessionState]] = {
    _S.STOPPED: {_S.STARTING},
    _S.STARTING: {_S.PAIRING, _S.CONNECTED, _S.RESTRICTED, _S.RECONNECTING, _S.STOPPED, _S.STARTING}
    | _ENDS,
    _S.PAIRING: {_S.CONNECTED, _S.STARTING, _S.STOPPED} | _ENDS,
    _S.CONNECTED: {_S.RECONNECTING, _S.RESTRICTED, _S.STARTING, _S.STOPPED} | _ENDS,
    _S.RECONNECTING: {_S.CONNECTED, _S.RESTRICTED, _S.STARTING, _S.STOPPED} | _ENDS,
    _S.RESTRICTED: {_S.CONNECTED, _S.RECONNECTING, _S.STARTING, _S.STOPPED} | _ENDS,
} | {end: {_S.STARTING, _S.STOPPED} for end in _ENDS}

#: States in which messages can be handed to WhatsApp.
ONLINE = {_S.CONNECTED, _S.RESTRICTED}

#: States that end a run: the owner lets go, and only a start by the user begins another.
TERMINAL = _ENDS


def may_follow(before: SessionState, after: SessionState) -> bool:
    """Whether `after` is a legal next state; a state never follows itself except `starting`."""
    return after in ALLOWED[before]


class Reason(StrEnum):
    """Why a session is in its state. Shown to users; names are part of the API."""

    REQUESTED = "requested"  #: a user asked for it
    LINKED = "linked"  #: pairing succeeded
    NOT_LINKED = "not_linked"  #: no device yet: pairing begins
    RESTORED = "restored"  #: connected from its stored device
    OWNER_CHANGED = "owner_changed"  #: another worker takes over
    CONNECTION_LOST = "connection_lost"
    QR_TIMED_OUT = "qr_timed_out"  #: all QR codes were shown and none was scanned
    PAIRING_REFUSED = "pairing_refused"
    LOGGED_OUT_ON_PHONE = "logged_out_on_phone"
    LOGGED_OUT_HERE = "logged_out_here"
    STREAM_REPLACED = "stream_replaced"
    TEMPORARY_BAN = "temporary_ban"
    PERMANENT_BAN = "permanent_ban"
    CLIENT_OUTDATED = "client_outdated"
    REACHOUT_TIMELOCK = "reachout_timelock"  #: error 463: no messages to new contacts
    RESTRICTION_ENDED = "restriction_ended"  #: new contacts may be tried again
    PASSKEY_REQUIRED = "passkey_required"
    SERVICE_UNAVAILABLE = "service_unavailable"
    PROXY_FAILED = "proxy_failed"  #: the session's proxy does not lead to WhatsApp; it tries again
    CRASHED_REPEATEDLY = "crashed_repeatedly"  #: quarantined: it took its workers down
    ENGINE_ERROR = "engine_error"


class Desired(StrEnum):
    """Whether a session should run: the user's wish, kept in the database."""

    RUNNING = "running"
    STOPPED = "stopped"


#: What a user writes on a session; every event of the session carries it, so it is small.
Metadata = Annotated[
    dict[
        Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,40}$")],
        Annotated[str, msgspec.Meta(max_length=200)],
    ],
    msgspec.Meta(
        max_length=10,
        description="At most 10 names of 1 to 40 letters, digits, `_`, `.` or `-`, each with a "
        "text of at most 200 characters.",
    ),
]


class MediaPolicy(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Which files are fetched from WhatsApp as soon as they arrive; the rest when asked for."""

    kinds: list[Literal["image", "video", "audio", "document", "sticker"]] = []
    max_bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)] = 16 << 20


class Ignore(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Chats of which a session keeps and tells nothing: of some `kinds`, and single `chats` by
    their addresses (a phone number stands for its LID too).
    """

    kinds: Annotated[list[ChatKind], msgspec.Meta(max_length=5)] = []
    chats: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=64)]],
        msgspec.Meta(max_length=1000),
    ] = []


class SessionSettings(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """How a session behaves.

    `show_online`: be seen as online while connected. WhatsApp tells only such a device who is
    typing or online; in return the phone stops ringing for messages that arrive meanwhile.
    A change takes effect when it connects the next time; changes of all the others at once.

    `reject_calls`: reject every call that rings.

    `pacing`: how fast it sends, or `off`. Absent: careful defaults, and no pace on the sandbox.

    `media`: which files are fetched as they arrive. Absent: as the gateway is set.

    `ignore`: chats that it keeps and tells nothing of.
    """

    show_online: bool = True
    reject_calls: bool = False
    pacing: Pacing | Literal["off"] | None = None
    media: MediaPolicy | None = None
    ignore: Ignore | None = None
