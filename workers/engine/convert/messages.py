"""Messages: content and its context to a waE2E.Message and back."""

from __future__ import annotations

import os
import time
from typing import Any, assert_never

from wa_api.domain.addresses import Jid
from wa_api.domain.content import (
    NO_CONTEXT,
    Action,
    Album,
    Contacts,
    Content,
    Context,
    Edit,
    Event,
    File,
    GroupInvite,
    Interactive,
    LiveLocation,
    Location,
    Pin,
    Poll,
    Reaction,
    Revoke,
    Text,
    Undecryptable,
    Unsupported,
    Vote,
    type_of,
)
from workers.engine.convert import actions, interactive, media, places, polls, text
from workers.engine.convert.context import associate, attach, info_of, info_to
from workers.engine.convert.parts import has, kind_of, part_of, unwrap
from workers.engine.neonize import wa
from workers.engine.port import Target, Uploaded

_READ = {
    **text.READ,
    **media.READ,
    **places.READ,
    **polls.READ,
    **interactive.READ,
    **actions.READ,
}


def message_to(
    content: Content,
    context: Context = NO_CONTEXT,
    target: Target | None = None,
    me: Jid | None = None,
    file: Uploaded | None = None,
) -> Any:
    """The waE2E.Message that says `content`, around it `context`.

    `target` is the message that is answered, forwarded or acted upon, or the album, `me` this account, `file`
    what the content carries. Raises ValueError for content that cannot be sent. Votes are made by
    the library instead.
    """
    message = _made(content, context, target, file)
    quoted = None if target is None or context.message_id is None else stripped(target)
    info = info_to(context, target, quoted, me)
    if info is not None:
        attach(_inner(message), info)
    if context.album is not None and target is not None:
        associate(message, target)
    return message


def _made(content: Content, context: Context, target: Target | None, file: Uploaded | None) -> Any:
    if isinstance(content, Action):
        if target is None:
            raise ValueError("The message that it is about is not known.")
        return _action(content, target, time.time())
    if context.forward_of is not None and target is not None and _is_media(target):
        return stripped(target)  # it goes on without being uploaded again
    return _shown(content, file)


def _is_media(target: Target) -> bool:
    return has(part_of(unwrap(wa.Message.FromString(target.raw))), "fileSHA256")


def _action(content: Action, target: Target, now: float) -> Any:
    match content:
        case Reaction():
            return actions.to_reaction(content, target, now)
        case Edit():
            return actions.to_edit(content, target, now)
        case Revoke():
            return actions.to_revoke(target)
        case Pin():
            return actions.to_pin(content, target, now)
        case _:
            raise ValueError(f"Content of the kind {type(content).__name__} is not made here.")


def _shown(content: Content, file: Uploaded | None = None) -> Any:  # noqa: C901 - it dispatches
    match content:
        case File():
            if file is None:
                raise ValueError("The file was not uploaded.")
            return media.to_file(content, file)
        case Album():
            return media.to_album(content)
        case Text():
            return text.to_text(content)
        case Location():
            return places.to_location(content)
        case Contacts():
            return places.to_contacts(content)
        case Event():
            return places.to_event(content, os.urandom(32))
        case Poll():
            return polls.to_poll(content, os.urandom(32))
        case Interactive():
            return interactive.to_interactive(content)
        case GroupInvite():
            return places.to_invite(content)
        case LiveLocation() | Undecryptable() | Unsupported():
            raise ValueError(f"Content of the kind {type_of(content)} cannot be sent.")
        case Reaction() | Edit() | Revoke() | Pin() | Vote():
            raise ValueError(f"Content of the kind {type_of(content)} is about another message.")
        case _:
            assert_never(content)


def _inner(message: Any) -> Any:
    """Where a context goes: in an edit, into the new text."""
    protocol = message.protocolMessage
    return protocol.editedMessage if protocol.HasField("editedMessage") else message


def stripped(target: Target) -> Any:
    """A message as quotes and forwards hold it: without keys and context of its own."""
    if target.raw:
        message = wa.Message.FromString(target.raw)
    elif isinstance(target.content, File):
        return wa.Message(conversation=getattr(target.content, "caption", None) or "")
    else:
        message = _shown(target.content)
    message.ClearField("messageContextInfo")
    message.ClearField("senderKeyDistributionMessage")
    part = part_of(unwrap(message))
    if has(part, "contextInfo"):
        part.ClearField("contextInfo")
    return message


def content_of(message: Any) -> Content | None:
    """What a waE2E.Message shows; None when there is nothing to show."""
    message = unwrap(message)
    kind = kind_of(message)
    if kind is None:
        return None
    if kind == "pinInChatMessage":
        return actions.read_pin(message)
    read = _READ.get(kind)
    return Unsupported(kind=kind) if read is None else read(getattr(message, kind))


def quoted_of(message: Any) -> Content | None:
    """The content that a message quotes."""
    info = info_of(message)
    if info is None or not info.HasField("quotedMessage"):
        return None
    return content_of(info.quotedMessage)
