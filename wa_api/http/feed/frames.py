"""The JSON frames of a WebSocket, both ways."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from wa_api.domain.errors import WaError
from wa_api.http.answers import EventEnvelope
from wa_api.http.bodies import CursorText
from wa_api.http.decoding import decode_json
from wa_api.http.feed.link import text_frame
from wa_api.http.problems import of_error

Ref = Annotated[str, Meta(min_length=1, max_length=128)] | int | None
Name = Annotated[str, Meta(max_length=64)]
Names = Annotated[list[Name], Meta(max_length=1000)]
Problem = Annotated[
    dict[str, Any],
    Meta(
        description="A problem document (RFC 9457), as REST answers, without `request_id`.",
        extra_json_schema={"required": ["type", "title", "status", "detail", "code", "retryable"]},
    ),
]
#: What a client does about a gap.
AFTER_GAP = (
    "Events between `after` and `goes_on` are gone. Read the present state by REST; "
    "this connection goes on after `goes_on`."
)

# ── from the client ──


class CommandFrame(msgspec.Struct, tag="command", forbid_unknown_fields=True):
    """Ask something of a session; answered by exactly one reply with the same `ref`."""

    command: Name
    ref: Ref = None
    session: Name = ""
    data: msgspec.Raw | UnsetType = UNSET


class SubscribeFrame(msgspec.Struct, tag="subscribe", forbid_unknown_fields=True):
    """Replace the filter; a missing list means all. Types may end in `.*`."""

    ref: Ref = None
    sessions: Names | None = None
    types: Names | None = None


class AuthFrame(msgspec.Struct, tag="auth", forbid_unknown_fields=True):
    """Go on with a newer token of the same tenant."""

    token: Annotated[str, Meta(max_length=8192)]
    ref: Ref = None


class ResumeFrame(msgspec.Struct, tag="resume", forbid_unknown_fields=True):
    """Deliver again everything after a cursor."""

    after: CursorText
    ref: Ref = None


class PingFrame(msgspec.Struct, tag="ping"):
    """Are you there? Answered by `pong`."""

    ref: Ref = None


class PongFrame(msgspec.Struct, tag="pong"):
    """Answer to a `ping`, with its `ref`."""

    ref: Ref = None


ClientFrame = CommandFrame | SubscribeFrame | AuthFrame | ResumeFrame | PingFrame | PongFrame


# ── from the server ──


class Hello(msgspec.Struct, tag="hello"):
    """The first frame. What comes next follows `cursor`; `heartbeat` is in seconds, `expires_at`
    (of the token) in Unix seconds."""

    cursor: CursorText
    worker: str
    tenant: str
    heartbeat: float
    expires_at: float | None


class EventFrame(msgspec.Struct, tag="event"):
    """Something happened; `event.id` is its cursor."""

    event: EventEnvelope


class Reply(msgspec.Struct, tag="reply", omit_defaults=True):
    """The one answer to a `command`, `subscribe`, `resume` or `auth`: `data`, or `error`."""

    ref: Ref
    ok: bool
    data: Any | UnsetType = UNSET
    error: Problem | UnsetType = UNSET


class Failure(msgspec.Struct, tag="error"):
    """A frame could not be read, or came too fast; `ref` where it could be told."""

    ref: Ref
    error: Problem


class Notice(msgspec.Struct, tag="notice", omit_defaults=True):
    """Something about the server or this connection. `expires_at`: the token's, Unix seconds."""

    notice: Literal["token_expires_soon", "bus_unavailable", "bus_available"]
    expires_at: float | UnsetType | None = UNSET


class Gap(msgspec.Struct, tag="gap"):
    """Events were lost to this reader, for they are kept no more or Redis lost them."""

    after: CursorText
    goes_on: CursorText
    detail: str = AFTER_GAP


ServerFrame = Hello | EventFrame | Reply | Failure | Notice | Gap | PingFrame | PongFrame


class _Marked(msgspec.Struct):
    ref: Ref = None


_client: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)
_marked = msgspec.json.Decoder(_Marked)

PING = text_frame(b'{"type":"ping"}')


def decode_frame(text: bytes) -> ClientFrame:
    """Read a client's frame; raises MalformedJson or InvalidBody."""
    return decode_json(text, _client)


def ref_of(text: bytes) -> Ref:
    """The `ref` of a frame that could not be read, so that its error can be matched."""
    try:
        return _marked.decode(text).ref
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def encode(frame: ServerFrame) -> bytes:
    """The complete WebSocket frame of a server's message."""
    return text_frame(msgspec.json.encode(frame))


def reply(ref: Ref, data: Any) -> bytes:
    """The one answer to a frame that was carried out."""
    return encode(Reply(ref, ok=True, data=data))


def refusal(ref: Ref, error: WaError) -> bytes:
    """The one answer to a frame that was not."""
    return encode(Reply(ref, ok=False, error=of_error(error)))


def failure(ref: Ref, error: WaError) -> bytes:
    """A frame was not even looked at."""
    return encode(Failure(ref, of_error(error)))
