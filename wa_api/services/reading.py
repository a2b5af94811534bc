"""What became of a chat, told to its readers."""

from __future__ import annotations

import msgspec

from wa_api.bus.ports import Appender
from wa_api.domain.chats import ChatChanged, ChatView
from wa_api.domain.events import event
from wa_api.domain.ids import MessageId, SessionId, TenantId
from wa_api.store import chats as rows


class Reading:
    """Marks chats as read, and says so."""

    def __init__(self, events: Appender) -> None:
        self._events = events

    async def upto(
        self, tenant: TenantId, session: SessionId, chat: str, message: MessageId | None = None
    ) -> None:
        """The chat was read up to a message; None: all of it."""
        if await rows.read(tenant, session, chat, message):
            await self.tell(tenant, await rows.get(tenant, session, chat))

    async def tell(self, tenant: TenantId, chat: ChatView) -> None:
        """Append `chat.changed`. Its last message is no news: it had an event of its own."""
        said = ChatChanged(chat=msgspec.structs.replace(chat, last_message=None))
        await self._events.append([event(tenant, chat.session, said)])
