"""What is said to readers: addresses and events made of an engine's facts. No I/O."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from wa_api.domain.chats import ChatChanged, ChatDisappearingChanged
from wa_api.domain.events import (
    ChatTyping,
    Data,
    MessageReceipt,
    MessageReceived,
    MessageSynced,
    MessageUndecryptable,
    PresenceChanged,
    rfc3339,
)
from wa_api.domain.messages import Address, MessageView, Status
from wa_api.store.chat_facts import Changed
from wa_api.store.views import address
from workers.engine.port import Presence, Receipt, Typing
from workers.sessions.contacts import Contacts

_RESOLUTION = 1.5  # seconds, with a little for clocks that differ

#: What a receipt says of a message that we sent.
RECEIPTS = {"delivered": Status.DELIVERED, "read": Status.READ, "played": Status.PLAYED}


def stamp(seconds: float) -> str:
    """Unix seconds as RFC 3339."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))


def moment(told: float) -> float:
    """WhatsApp tells whole seconds: what it tells of the present second happened just now."""
    present = time.time()
    return present if 0 <= present - told < _RESOLUTION else told


def arrived(message: MessageView) -> Data:
    """The event of a message that was recorded."""
    if message.type == "undecryptable":
        return MessageUndecryptable(message=message)
    if message.source == "phone":
        return MessageSynced(message=message)
    return MessageReceived(message=message)


def chat_news(change: Changed, by: Address | None) -> list[Data]:
    """The events of a chat of which something else became known."""
    chat, news = change.chat, list[Data]()
    if change.named:
        news.append(ChatChanged(chat=chat))
    if change.timed:
        timed = ChatDisappearingChanged(
            chat=address(chat.id, chat.lid), by=by, disappears_after=chat.disappears_after
        )
        news.append(timed)
    return news


def receipt(fact: Receipt, status: Status, when: float, known: Contacts) -> MessageReceipt:
    """The event of a group's member who got or read messages."""
    return MessageReceipt(
        chat=known.address(fact.chat),
        recipient=known.address(fact.sender),
        status=status,
        wa_ids=list(fact.wa_ids),
        time=stamp(when),
    )


def seen(fact: Typing | Presence, known: Contacts) -> Data:
    """The event of what somebody is seen doing."""
    if isinstance(fact, Typing):
        return typing_changed(fact, known)
    return presence_changed(fact, known)


def typing_changed(fact: Typing, known: Contacts) -> ChatTyping:
    """The event of somebody who types."""
    chat, sender = known.address(fact.chat), known.address(fact.sender)
    return ChatTyping(chat=chat, sender=sender, state=fact.state)


def presence_changed(fact: Presence, known: Contacts) -> PresenceChanged:
    """The event of a contact that came or went."""
    return PresenceChanged(
        contact=known.address(fact.contact),
        online=fact.online,
        last_seen=None if fact.last_seen is None else stamp(fact.last_seen),
    )
