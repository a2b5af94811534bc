"""Chats and contacts of sessions, and searching in them. All of it is local: the phone is not told,
except of what was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wa_api.bus.ports import Appender
from wa_api.domain.addresses import parse_address
from wa_api.domain.chats import ChatDeleted, ChatView, ContactView, MessageDeleted
from wa_api.domain.errors import ChatNotFound, MessageNotFound
from wa_api.domain.events import event
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.domain.messages import view
from wa_api.domain.principals import Principal, Scope
from wa_api.services.facts import Facts
from wa_api.services.messages import Messages
from wa_api.services.reading import Reading
from wa_api.store import chats as rows
from wa_api.store import contacts, search
from wa_api.store.chats import Change, Filter
from wa_api.store.views import address


class Chats:
    """What a chat front end shows besides the messages themselves."""

    def __init__(self, facts: Facts, events: Appender, messages: Messages) -> None:
        self._facts, self._events, self._messages = facts, events, messages
        self._reading = Reading(events)

    async def page(
        self, who: Principal, session: SessionId, given: Filter, after: str | None, limit: int
    ) -> tuple[list[ChatView], str | None]:
        """Chats in the order of the list, and where to go on."""
        tenant = await self._mine(who, session, Scope.MESSAGES_READ)
        return await rows.list_chats(tenant, session, given, after=after, limit=limit)

    async def get(self, who: Principal, session: SessionId, chat: str) -> ChatView:
        """One chat, by any of its addresses."""
        tenant = await self._mine(who, session, Scope.MESSAGES_READ)
        return await rows.get(tenant, session, await _canonical(tenant, session, chat))

    async def change(self, who: Principal, session: SessionId, chat: str, wish: Change) -> ChatView:
        """Set what is local to this gateway, and tell readers; the chat as it is then."""
        tenant = await self._mine(who, session, Scope.MESSAGES_WRITE)
        place = await _canonical(tenant, session, chat)
        if wish.unread is False:
            await rows.read(tenant, session, place)
        changed = await rows.change(tenant, session, place, wish)
        await self._reading.tell(tenant, changed)
        return changed

    async def read(self, who: Principal, session: SessionId, chat: str, receipts: bool) -> None:
        """Mark all of a chat as read; with `receipts`, WhatsApp is told first (while connected)."""
        tenant = await self._mine(who, session, Scope.MESSAGES_WRITE)
        place = await _canonical(tenant, session, chat)
        unread = await rows.unread(tenant, session, place) if receipts else []
        if unread:
            await self._messages.mark_read(who, session, unread)
        await self._reading.upto(tenant, session, place)

    async def delete(self, who: Principal, session: SessionId, chat: str) -> None:
        """Delete a chat and its messages here; raises ChatNotFound."""
        tenant = await self._mine(who, session, Scope.MESSAGES_WRITE)
        place = await _canonical(tenant, session, chat)
        if not await rows.delete_chat(tenant, session, place):
            raise ChatNotFound
        await self._say(tenant, session, ChatDeleted(chat=address(place)))

    async def delete_message(self, who: Principal, session: SessionId, message: MessageId) -> None:
        """Delete a message here; one that is still to be sent is not there for this."""
        tenant = await self._mine(who, session, Scope.MESSAGES_WRITE)
        chat = await rows.delete_message(tenant, session, message)
        if chat is None:
            raise MessageNotFound
        await self._say(tenant, session, MessageDeleted(id=message, chat=address(chat)))

    async def search(
        self,
        who: Principal,
        session: SessionId,
        asked: str,
        given: search.Filter,
        before: str | None,
        limit: int,
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Messages that hold all words, newest first, and where to go on."""
        tenant = await self._mine(who, session, Scope.MESSAGES_READ)
        found, after = await search.search(
            tenant,
            session,
            asked,
            replace(
                given,
                chat=await _canonical(tenant, session, given.chat),
                sender=await _canonical(tenant, session, given.sender),
            ),
            before=before,
            limit=limit,
        )
        return [
            {"message": view(one.message), "snippet": one.snippet, "at": one.at} for one in found
        ], after

    async def contacts(
        self, who: Principal, session: SessionId, name: str | None, after: str | None, limit: int
    ) -> list[ContactView]:
        """Whom the session knows, by address."""
        tenant = await self._mine(who, session, Scope.MESSAGES_READ)
        return await contacts.list_contacts(tenant, session, name=name, after=after, limit=limit)

    async def contact(self, who: Principal, session: SessionId, contact: str) -> ContactView:
        """Somebody, by any of his addresses."""
        tenant = await self._mine(who, session, Scope.MESSAGES_READ)
        return await contacts.get(tenant, session, await _canonical(tenant, session, contact))

    async def _mine(self, who: Principal, session: SessionId, scope: Scope) -> TenantId:
        tenant = who.require(scope)
        await self._facts.get(who, session)
        return tenant

    async def _say(
        self, tenant: TenantId, session: SessionId, said: ChatDeleted | MessageDeleted
    ) -> None:
        await self._events.append([event(tenant, session, said)])


async def _canonical(tenant: TenantId, session: SessionId, text: str | None) -> Any:
    """The address that things are kept under; None stays None. Raises InvalidAddress."""
    if text is None:
        return None
    return await contacts.canonical(tenant, session, str(parse_address(text)))
