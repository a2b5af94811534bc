"""The library's events as facts of the port: messages, receipts, typing, presence."""

from __future__ import annotations

from typing import Any

from wa_api.domain.addresses import Jid
from wa_api.domain.content import NO_CONTEXT, Content, Context, Undecryptable
from workers.engine.convert.context import context_of
from workers.engine.convert.jids import jid_of
from workers.engine.convert.messages import content_of, quoted_of
from workers.engine.convert.parts import unwrap
from workers.engine.neonize import proto, wa
from workers.engine.port import Inbound, Presence, Receipt, TimerSet, Typing

_RECEIPT_KINDS = {
    proto.Receipt.DELIVERED: "delivered",
    proto.Receipt.READ: "read",
    proto.Receipt.READ_SELF: "read_self",
    proto.Receipt.PLAYED: "played",
}


def inbound_of(event: Any) -> Inbound | None:
    """A message event; None when it only carries keys or housekeeping."""
    content = content_of(event.Message)
    if content is None:
        return None
    context = context_of(event.Message, quoted_of(event.Message))
    return _inbound(event.Info, content, context, event.Message.SerializeToString())


def timer_of(event: Any) -> TimerSet | None:
    """A message event that sets how long messages of a direct chat last; None for any other."""
    message = unwrap(event.Message)
    protocol, source = message.protocolMessage, event.Info.MessageSource
    chat = jid_of(source.Chat)
    if protocol.type != wa.ProtocolMessage.EPHEMERAL_SETTING or chat is None or source.IsGroup:
        return None
    set_at = protocol.ephemeralSettingTimestamp or event.Info.Timestamp / 1000
    return TimerSet(
        chat=chat,
        chat_alt=_other_side(source, jid_of(source.SenderAlt)),
        from_me=source.IsFromMe,
        seconds=protocol.ephemeralExpiration,
        timestamp=float(set_at),
    )


def undecryptable_of(event: Any) -> Inbound | None:
    """A message that could not be read; None when clients show no sign of it (a reaction, …)."""
    if event.DecryptFailMode == proto.UndecryptableMessage.DECRYPT_FAIL_HIDE:
        return None
    reason = "unavailable" if event.IsUnavailable else "keys"
    return _inbound(event.Info, Undecryptable(reason=reason), NO_CONTEXT, b"")


def _inbound(info: Any, content: Content, context: Context, raw: bytes) -> Inbound | None:
    source = info.MessageSource
    chat, sender = jid_of(source.Chat), jid_of(source.Sender)
    if chat is None or sender is None:
        return None
    sender_alt = jid_of(source.SenderAlt)
    return Inbound(
        wa_id=info.ID,
        chat=chat,
        chat_alt=None if source.IsGroup else _other_side(source, sender_alt),
        sender=sender,
        sender_alt=sender_alt,
        from_me=source.IsFromMe,
        push_name=info.Pushname,
        timestamp=info.Timestamp / 1000,
        content=content,
        context=context,
        raw=raw,
    )


def _other_side(source: Any, sender_alt: Jid | None) -> Jid | None:
    """The other identity of a direct chat: the recipient's in our own messages."""
    return jid_of(source.RecipientAlt) if source.IsFromMe else sender_alt


def receipt_of(event: Any) -> Receipt | None:
    """A receipt that says how far messages got; None for retries and the like."""
    kind = _RECEIPT_KINDS.get(event.Type) if event.HasField("Type") else None
    source = event.MessageSource
    chat, sender = jid_of(source.Chat), jid_of(source.Sender)
    if kind is None or chat is None or sender is None:
        return None
    return Receipt(
        wa_ids=tuple(event.MessageIDs),
        chat=chat,
        sender=sender,
        kind=kind,
        timestamp=float(event.Timestamp),
    )


def typing_of(event: Any) -> Typing | None:
    """Somebody types, records or paused."""
    chat, sender = jid_of(event.MessageSource.Chat), jid_of(event.MessageSource.Sender)
    if chat is None or sender is None:
        return None
    state = "paused"
    if event.State == proto.ChatPresence.COMPOSING:
        recording = event.HasField("Media") and event.Media == proto.ChatPresence.AUDIO
        state = "recording" if recording else "typing"
    return Typing(chat, sender, state)


def presence_of(event: Any) -> Presence | None:
    """A contact is online or not; an unknown time of the last visit is None."""
    contact = jid_of(event.From)
    if contact is None:
        return None
    last_seen = float(event.LastSeen) if event.LastSeen > 0 else None
    return Presence(contact, online=not event.Unavailable, last_seen=last_seen)
