"""What a message holds, as far as the network and its phones must know."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from workers.sandbox import protos
from workers.sandbox.errors import BadRequest
from workers.sandbox.wire import Jid

_NOT_CONTENT = {"messageContextInfo", "senderKeyDistributionMessage"}
_WRAPPERS = (
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
)
_MEDIA = {
    "imageMessage",
    "videoMessage",
    "audioMessage",
    "documentMessage",
    "stickerMessage",
    "ptvMessage",
    "contactMessage",
    "contactsArrayMessage",
    "locationMessage",
}


def text(body: str) -> Any:
    """A text message."""
    return protos.e2e.Message(conversation=body)


def parse(fields: dict[str, Any]) -> Any:
    """A message from the JSON form of WhatsApp's Message; raises BadRequest."""
    try:
        return ParseDict(fields, protos.e2e.Message())
    except Exception as error:
        raise BadRequest(f"that is not a message: {error}") from error


def render(raw: bytes) -> dict[str, Any]:
    """The JSON form of a message."""
    return dict(MessageToDict(protos.e2e.Message.FromString(raw)))


def unwrap(message: Any) -> Any:
    """The message inside of wrappers such as view-once."""
    for wrapper in _WRAPPERS:
        if message.HasField(wrapper):
            return unwrap(getattr(message, wrapper).message)
    return message


def type_of(message: Any) -> str | None:
    """The name of the field that holds the content; None for a bare key distribution."""
    for descriptor, _ in unwrap(message).ListFields():
        if descriptor.name not in _NOT_CONTENT:
            return str(descriptor.name)
    return None


def text_of(message: Any) -> str | None:
    """The text or caption, when there is one."""
    inner = unwrap(message)
    if inner.HasField("conversation"):
        return str(inner.conversation)
    kind = type_of(inner)
    if kind is None or kind == "conversation":
        return None
    part = getattr(inner, kind)
    for name in ("text", "caption"):
        value = getattr(part, name, None)
        if isinstance(value, str) and value:
            return value
    return None


def stanza_type(message: Any) -> str:
    """The `type` attribute of the stanza that carries a message."""
    kind = type_of(message)
    if kind == "reactionMessage":
        return "reaction"
    if kind in ("pollCreationMessage", "pollCreationMessageV3", "pollUpdateMessage"):
        return "poll"
    return "media" if kind in _MEDIA else "text"


def device_sent(to: Jid, plaintext: bytes) -> bytes:
    """The copy of a sent message for one's own other devices."""
    message = protos.e2e.Message.FromString(plaintext)
    wrapped = protos.e2e.Message()
    wrapped.deviceSentMessage.destinationJID = str(to)
    wrapped.deviceSentMessage.message.CopyFrom(message)
    if message.HasField("messageContextInfo"):
        wrapped.messageContextInfo.CopyFrom(message.messageContextInfo)
    return bytes(wrapped.SerializeToString())
