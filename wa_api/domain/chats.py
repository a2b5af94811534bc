"""Chats and contacts as every reader sees them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from wa_api.domain.addresses import BROADCAST, GROUP, NEWSLETTER
from wa_api.domain.data import Data
from wa_api.domain.messages import Address


class ChatKind(StrEnum):
    """What a chat is, as its address tells."""

    DIRECT = "direct"
    GROUP = "group"
    STATUS = "status"  #: what contacts post for a day; in the list only when it is asked for
    BROADCAST = "broadcast"  #: a broadcast list of the phone
    NEWSLETTER = "newsletter"


def kind_of(chat: str) -> ChatKind:
    """The kind of a chat by its canonical address."""
    user, _, server = chat.partition("@")
    if server == BROADCAST:
        return ChatKind.STATUS if user == "status" else ChatKind.BROADCAST
    return {GROUP: ChatKind.GROUP, NEWSLETTER: ChatKind.NEWSLETTER}.get(server, ChatKind.DIRECT)


class ChatView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A chat of a session. `id` is its canonical address: a phone number's where it is known.

    `unread` counts received messages since the chat was read here or on the phone;
    `marked_unread` is set by hand. `archived`, `pinned` and `muted_until` are this gateway's own:
    the phone does not learn of them. Messages disappear `disappears_after` seconds after they were
    read, absent where they stay. `last_message` is a message as in `/messages`, absent in an
    empty chat; `time` its arrival, by which the list is sorted.
    """

    id: str
    session: str
    kind: ChatKind
    phone: str | None = None
    lid: str | None = None
    name: str | None = None
    unread: int = 0
    marked_unread: bool = False
    archived: bool = False
    pinned: bool = False
    muted_until: str | None = None
    disappears_after: int = 0
    time: str
    last_message: dict[str, Any] | None = None


class ContactView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody whom a session knows, under one identity however he was met.

    `name` is the phone's address book's, `push_name` what he calls himself, `business_name` what
    WhatsApp verified. `about` and the picture are as WhatsApp told them last, at `about_at` and
    `picture_at`; absent with a time: there was none, or it is hidden. `picture_changed`: there is
    a new one that was not looked up yet. `picture_url` works for some days.
    """

    id: str
    session: str
    phone: str | None = None
    lid: str | None = None
    name: str | None = None
    push_name: str | None = None
    business_name: str | None = None
    about: str | None = None
    picture_id: str | None = None
    picture_url: str | None = None
    picture_changed: bool = False
    about_at: str | None = None
    picture_at: str | None = None


class MessageDeleted(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A message was deleted in this gateway ("for me"); at WhatsApp it is as before."""

    type: ClassVar[str] = "message.deleted"
    id: str
    chat: Address


class ChatChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A chat was read, marked, archived, pinned, muted or named: all of it but its last message.

    A group that was joined is a chat from then on. New messages change a chat without this event: theirs says all that is to be known.
    """

    type: ClassVar[str] = "chat.changed"
    chat: ChatView


class ChatDisappearingChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Messages of a chat disappear so many seconds after they were read from now on; absent: they
    stay. `by` is who chose that, absent for this account.

    What is sent into the chat follows it, where a message says nothing itself.
    """

    type: ClassVar[str] = "chat.disappearing_changed"
    chat: Address
    by: Address | None = None
    disappears_after: int = 0


class ChatDeleted(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A chat was deleted in this gateway, with all messages that it held."""

    type: ClassVar[str] = "chat.deleted"
    chat: Address


class ContactChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody became known, or changed. A chat that was listed under `lid` is now under `id`."""

    type: ClassVar[str] = "contact.changed"
    contact: ContactView


class HistoryProgress(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A part of the phone's history is in the store: read chats and messages anew.

    `kind` is WhatsApp's word for the part (`initial_bootstrap`, `recent`, `full`, `push_name` …),
    `progress` the phone's own figure (100: all of it), absent where it gives none.
    """

    type: ClassVar[str] = "session.history_progress"
    kind: str
    chunk: int
    progress: int | None = None
    chats: int = 0
    messages: int = 0
    contacts: int = 0


class ContactsChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """The phone's address book changed so many `contacts` at once that they are not told one by
    one: read chats and contacts anew.
    """

    type: ClassVar[str] = "session.contacts_changed"
    contacts: int


EVENTS: tuple[type[Data], ...] = (
    MessageDeleted,
    ChatChanged,
    ChatDisappearingChanged,
    ChatDeleted,
    ContactChanged,
    HistoryProgress,
    ContactsChanged,
)
