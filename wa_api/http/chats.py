"""Chats and contacts, and searching in messages: each a route and a WebSocket command."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from wa_api.domain.chats import ChatKind, ChatView, ContactView
from wa_api.domain.errors import (
    BadRequest,
    ChatNotFound,
    CommandTimedOut,
    ContactNotFound,
    InvalidAddress,
    MessageNotFound,
    SessionNotConnected,
    SessionNotFound,
)
from wa_api.domain.ids import MessageId
from wa_api.domain.principals import Scope
from wa_api.http.answers import Message, Page
from wa_api.http.asking import Asked, both
from wa_api.http.bodies import AddressText, Body, Limit, Query
from wa_api.http.routes import Resource
from wa_api.store import search
from wa_api.store.chats import Change, Filter

chats = Resource("chats", "The list of chats, who is in them, and searching; local to the gateway.")

_READ, _WRITE = Scope.MESSAGES_READ, Scope.MESSAGES_WRITE
_CHAT = "/chats/<chat:str>"
_ERRORS = (SessionNotFound, InvalidAddress, ChatNotFound)
PageCursor = Annotated[str, Meta(min_length=1, max_length=300)]
NamePart = Annotated[str, Meta(min_length=1, max_length=100)]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with a time zone.")]


class ChatListQuery(Query):
    """Which chats. Status posts are listed only with `kind=status`. `name`: a part of a name or
    number, accents and capitals aside. `after` is `next` of the page before."""

    unread: bool | None = None
    archived: bool | None = None
    kind: ChatKind | None = None
    name: NamePart | None = None
    after: PageCursor | None = None
    limit: Limit = 50


class ChatChange(Body):
    """What is absent stays. `unread: false` marks as read without telling WhatsApp.

    `muted_until: null` unmutes.
    """

    archived: bool | None = None
    pinned: bool | None = None
    unread: bool | None = None
    muted_until: Moment | UnsetType | None = UNSET

    def wish(self) -> Change:
        """For the store."""
        until = self.muted_until
        if isinstance(until, datetime):
            muted: float | None = max(0.0, until.timestamp())
        else:
            muted = None if until is UNSET else 0.0
        return Change(
            archived=self.archived, pinned=self.pinned, unread=self.unread, muted_until=muted
        )


class ChatReadBody(Body):
    """`receipts`: the writers see that their messages were read; needs a connected session."""

    receipts: bool = True


class SearchQuery(Query):
    """`q`: words, all of which a message holds; the last may be the beginning of one. `from` is
    who wrote, `type` the kind of content; `since` and `until` WhatsApp's time of the message."""

    q: Annotated[str, Meta(min_length=1, max_length=200)]
    chat: AddressText | None = None
    sender: AddressText | None = msgspec.field(default=None, name="from")
    type: Annotated[str, Meta(max_length=32)] | None = None
    since: Moment | None = None
    until: Moment | None = None
    before: PageCursor | None = None
    limit: Limit = 50


class ContactListQuery(Query):
    """`name`: a part of a name or number; `after` is `next` of the page before."""

    name: NamePart | None = None
    after: PageCursor | None = None
    limit: Limit = 50


class Chat(ChatView, frozen=True, kw_only=True, omit_defaults=True):
    """A chat, with its last message as in `/messages`."""

    last_message: Message | None = None  # type: ignore[assignment]  # documented in full


class FoundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message, a part of its text, and where in that part words were found: (start, end)."""

    message: Message
    snippet: str
    at: list[tuple[int, int]]


ChatPage: TypeAlias = Page[Chat]
FoundPage: TypeAlias = Page[FoundMessage]
ContactPage: TypeAlias = Page[ContactView]


def _page(items: list[Any], after: str | None) -> dict[str, Any]:
    return {"items": items, "next": after}


@both(
    chats,
    "GET",
    "/chats",
    "chat.list",
    scope=_READ,
    query=ChatListQuery,
    returns=ChatPage,
    basic=(SessionNotFound, BadRequest),
)
async def list_all(asked: Asked, query: ChatListQuery) -> Any:
    """List chats, pinned ones first, then by their last message.

    Paging is stable while messages come in: a chat that moves up meanwhile is not repeated.
    """
    given = Filter(unread=query.unread, archived=query.archived, kind=query.kind, name=query.name)
    found = await asked.services.chats.page(
        asked.who, asked.session, given, query.after, query.limit
    )
    return _page(*found)


@both(chats, "GET", _CHAT, "chat.get", scope=_READ, returns=Chat, basic=_ERRORS)
async def get(asked: Asked, chat: str) -> Any:
    """Get a chat, by its phone number, LID or group address."""
    return await asked.services.chats.get(asked.who, asked.session, chat)


@both(
    chats,
    "PATCH",
    _CHAT,
    "chat.update",
    scope=_WRITE,
    body=ChatChange,
    returns=Chat,
    basic=_ERRORS,
)
async def update(asked: Asked, chat: str, body: ChatChange) -> Any:
    """Archive, pin, mute or mark a chat, in this gateway alone: the phone does not learn of it."""
    return await asked.services.chats.change(asked.who, asked.session, chat, body.wish())


@both(
    chats,
    "POST",
    f"{_CHAT}/read",
    "chat.read",
    scope=_WRITE,
    body=ChatReadBody,
    status=204,
    basic=(*_ERRORS, SessionNotConnected, CommandTimedOut),
)
async def read(asked: Asked, chat: str, body: ChatReadBody) -> None:
    """Mark a chat as read, with receipts for its unread messages (at most 200) or without."""
    await asked.services.chats.read(asked.who, asked.session, chat, body.receipts)


@both(chats, "DELETE", _CHAT, "chat.delete", scope=_WRITE, status=204, basic=_ERRORS)
async def delete(asked: Asked, chat: str) -> None:
    """Delete a chat and all its messages, in this gateway alone ("for me").

    Messages that are still to be sent are kept and sent.
    """
    await asked.services.chats.delete(asked.who, asked.session, chat)


@both(
    chats,
    "DELETE",
    "/messages/<message:str>",
    "message.delete",
    scope=_WRITE,
    status=204,
    basic=(SessionNotFound, MessageNotFound),
)
async def delete_message(asked: Asked, message: str) -> None:
    """Delete a message in this gateway alone ("for me"), unless it is still to be sent."""
    await asked.services.chats.delete_message(asked.who, asked.session, MessageId(message))


@both(
    chats,
    "GET",
    "/messages/search",
    "message.search",
    scope=_READ,
    query=SearchQuery,
    returns=FoundPage,
    basic=(SessionNotFound, InvalidAddress),
)
async def find(asked: Asked, query: SearchQuery) -> Any:
    """Search messages by words, newest first.

    Capitals and accents do not matter. `next` goes on as `before`.
    """
    given = search.Filter(
        chat=query.chat,
        sender=query.sender,
        type=query.type,
        since=None if query.since is None else query.since.timestamp(),
        until=None if query.until is None else query.until.timestamp(),
    )
    found = await asked.services.chats.search(
        asked.who, asked.session, query.q, given, query.before, query.limit
    )
    return _page(*found)


@both(
    chats,
    "GET",
    "/contacts",
    "contact.list",
    scope=_READ,
    query=ContactListQuery,
    returns=ContactPage,
    basic=(SessionNotFound,),
)
async def list_contacts(asked: Asked, query: ContactListQuery) -> Any:
    """List whom the session knows from messages and from the phone's history, by address."""
    found = await asked.services.chats.contacts(
        asked.who, asked.session, query.name, query.after, query.limit
    )
    return _page(found, found[-1].id if len(found) >= query.limit else None)


@both(
    chats,
    "GET",
    "/contacts/<contact:str>",
    "contact.get",
    scope=_READ,
    returns=ContactView,
    basic=(SessionNotFound, InvalidAddress, ContactNotFound),
)
async def get_contact(asked: Asked, contact: str) -> Any:
    """Get somebody whom the session knows, by phone number or LID."""
    return await asked.services.chats.contact(asked.who, asked.session, contact)
