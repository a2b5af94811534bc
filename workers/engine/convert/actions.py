"""What changes another message: reactions, edits, revocations, pins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wa_api.domain.content import Content, Edit, Pin, Reaction, Revoke
from workers.engine.convert.parts import has, part_of, unwrap
from workers.engine.neonize import wa
from workers.engine.port import Target

_PROTOCOL = wa.ProtocolMessage
_PIN = wa.PinInChatMessage


def key_of(target: Target) -> Any:
    """How WhatsApp names a message."""
    key: dict[str, Any] = {
        "remoteJID": str(target.chat),
        "fromMe": target.sender is None,
        "ID": target.wa_id,
    }
    if target.chat.is_shared and target.sender is not None:
        key["participant"] = str(target.sender)
    return key


def to_reaction(reaction: Reaction, target: Target, now: float) -> Any:
    """An emoji, or "" to take it back."""
    return wa.Message(
        reactionMessage={
            "key": key_of(target),
            "text": reaction.emoji,
            "senderTimestampMS": int(now * 1000),
        }
    )


def to_edit(edit: Edit, target: Target, now: float) -> Any:
    """The whole message anew: its text, or what it was with another caption."""
    edited = wa.Message.FromString(target.raw)
    part = part_of(unwrap(edited))
    if part is not None and has(part, "caption"):
        part.caption = edit.body
        edited.ClearField("messageContextInfo")
    else:
        edited = wa.Message(extendedTextMessage={"text": edit.body})
    return wa.Message(
        protocolMessage={
            "key": key_of(target),
            "type": _PROTOCOL.MESSAGE_EDIT,
            "editedMessage": edited,
            "timestampMS": int(now * 1000),
        }
    )


def to_revoke(target: Target) -> Any:
    """Delete for everyone."""
    return wa.Message(protocolMessage={"key": key_of(target), "type": _PROTOCOL.REVOKE})


def to_pin(pin: Pin, target: Target, now: float) -> Any:
    """Pin for everybody in the chat, or unpin."""
    kind = _PIN.PIN_FOR_ALL if pin.seconds else _PIN.UNPIN_FOR_ALL
    return wa.Message(
        pinInChatMessage={
            "key": key_of(target),
            "type": kind,
            "senderTimestampMS": int(now * 1000),
        },
        messageContextInfo={"messageAddOnDurationInSecs": pin.seconds} if pin.seconds else None,
    )


def _reaction(part: Any) -> Reaction:
    return Reaction(message_id=part.key.ID, emoji=part.text)


def _protocol(part: Any) -> Content | None:
    if part.type == _PROTOCOL.REVOKE and part.HasField("key"):
        return Revoke(message_id=part.key.ID)
    if part.type == _PROTOCOL.MESSAGE_EDIT:
        return Edit(message_id=part.key.ID, body=_body_of(part.editedMessage))
    return None


def _body_of(message: Any) -> str:
    message = unwrap(message)
    if message.HasField("conversation"):
        return str(message.conversation)
    part = part_of(message)
    return str(getattr(part, "text", "") or getattr(part, "caption", "") or "")


def read_pin(message: Any) -> Pin:
    """A pin; for how long stands beside it."""
    part, seconds = message.pinInChatMessage, 0
    if part.type == _PIN.PIN_FOR_ALL:
        seconds = message.messageContextInfo.messageAddOnDurationInSecs or 604_800
    return Pin(message_id=part.key.ID, seconds=seconds)


READ: dict[str, Callable[[Any], Content | None]] = {
    "reactionMessage": _reaction,
    "protocolMessage": _protocol,
}
