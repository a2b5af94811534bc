"""ContextInfo: what surrounds a message's content."""

from __future__ import annotations

from typing import Any

import msgspec

from wa_api.domain.addresses import Jid
from wa_api.domain.content import NO_CONTEXT, Content, Context
from workers.engine.convert.actions import key_of
from workers.engine.convert.parts import has, part_of, unwrap
from workers.engine.neonize import wa
from workers.engine.port import Target

#: From this score on, clients show "forwarded many times".
FREQUENTLY = 5

_ALBUM = wa.MessageAssociation.MEDIA_ALBUM


def info_to(context: Context, target: Target | None, quoted: Any, me: Jid | None) -> Any:
    """The wa.ContextInfo of a message to send; None for an empty one.

    `quoted` is the target's message when it is answered; `me` is this account, whose own messages
    may be quoted.
    """
    info = wa.ContextInfo()
    if quoted is not None and target is not None:
        author = target.sender or me
        info.stanzaID = target.wa_id
        if author is not None:
            info.participant = str(author)
        info.quotedMessage.CopyFrom(quoted)
    info.mentionedJID.extend(context.mentions)
    if context.mention_all:
        info.nonJIDMentions = 1
    if context.forwarding_score:
        info.isForwarded, info.forwardingScore = True, context.forwarding_score
    if context.disappears_after:
        info.expiration = context.disappears_after
    if context.disappears_set_at:
        info.ephemeralSettingTimestamp = context.disappears_set_at
    return info if info.ListFields() else None


def attach(message: Any, info: Any) -> None:
    """Put a ContextInfo into a message's content; a plain text becomes an extended one."""
    if message.HasField("conversation"):
        body = message.conversation
        message.ClearField("conversation")
        message.extendedTextMessage.text = body
    part = part_of(unwrap(message))
    if part is not None and has(part, "contextInfo"):
        part.contextInfo.MergeFrom(info)


def associate(message: Any, album: Target) -> None:
    """Make a message part of an album."""
    association = {"associationType": _ALBUM, "parentMessageKey": key_of(album)}
    message.messageContextInfo.MergeFrom(wa.MessageContextInfo(messageAssociation=association))


def _album_of(message: Any) -> str | None:
    """WhatsApp's id of the album that a message belongs to."""
    association = message.messageContextInfo.messageAssociation
    if association.associationType != _ALBUM:
        return None
    return association.parentMessageKey.ID or None


def info_of(message: Any) -> Any:
    """The ContextInfo of a message; None when it has none."""
    info = getattr(part_of(unwrap(message)), "contextInfo", None)
    return info if info is not None and info.ListFields() else None


def context_of(message: Any, quoted: Content | None = None) -> Context:
    """What surrounds a message that arrived; `quoted` is the content that it quotes."""
    info, album = info_of(message), _album_of(message)
    if info is None:
        return NO_CONTEXT if album is None else Context(album=album)
    return Context(
        album=album,
        message_id=info.stanzaID or None,
        sender=(info.participant or None) if info.stanzaID else None,
        quoted=None if quoted is None else msgspec.to_builtins(quoted),
        mentions=tuple(info.mentionedJID),
        mention_all=info.nonJIDMentions > 0,
        forwarding_score=info.forwardingScore or int(info.isForwarded),
        disappears_after=info.expiration,
        disappears_set_at=info.ephemeralSettingTimestamp if info.expiration else 0,
    )
