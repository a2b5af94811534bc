"""Why the server closes a socket, and what the client should do: the one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Close:
    """A close code (RFC 6455, 7.4), its reason, and what the client does next."""

    code: int
    reason: str
    then: str


NORMAL = Close(1000, "normal", "Nothing: the client asked for it.")
NOT_TEXT = Close(1003, "text_only", "Do not reconnect: frames must be JSON text.")
TOO_BIG = Close(1009, "frame_too_large", "Do not reconnect with the same frame.")
INTERNAL = Close(1011, "internal_error", "Reconnect after a few seconds, with `after`.")
RESTART = Close(1012, "restart", "Reconnect at once, with `after`; another process answers.")
TRY_LATER = Close(1013, "try_later", "Reconnect after some seconds: this process is full.")
EXPIRED = Close(4001, "token_expired", "Reconnect with a new token, with `after`.")
REVOKED = Close(4003, "token_revoked", "Do not reconnect: sign in again.")
SILENT = Close(4006, "no_heartbeat", "Reconnect, with `after`: no pong came in time.")
TOO_SLOW = Close(4008, "too_slow", "Reconnect, with `after`: more waited than may wait.")
PROTOCOL = Close(4009, "protocol_error", "Do not reconnect: too many or broken frames.")
TOO_MANY = Close(4029, "too_many_sockets", "Do not reconnect before another of yours has closed.")

TABLE = (
    NORMAL,
    NOT_TEXT,
    TOO_BIG,
    INTERNAL,
    RESTART,
    TRY_LATER,
    EXPIRED,
    REVOKED,
    SILENT,
    TOO_SLOW,
    PROTOCOL,
    TOO_MANY,
)
