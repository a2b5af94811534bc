"""The test as a session's owner: what a session worker does, without WhatsApp."""

from __future__ import annotations

import time
from typing import Any

from wa_api.bus.open import Bus
from wa_api.domain.commands import Command, Reply
from wa_api.domain.content import Text
from wa_api.domain.events import ChatTyping, event
from wa_api.domain.ids import Epoch, MessageId, SessionId, TenantId, WorkerId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import Address, MessageView, Status
from wa_api.domain.sessions import Desired, Reason, SessionState
from wa_api.store import events, fleet, messages, sessions
from wa_api.store.events import Archived
from wa_api.store.rows import Advance, NewInbound


class Owner:
    """Holds the lease of one linked session and answers its commands."""

    def __init__(self, bus: Bus, tenant: TenantId, session: SessionId, lease: Lease) -> None:
        self.bus, self.tenant, self.session, self.lease = bus, tenant, session, lease
        self.sent: list[str] = []
        self.asked: list[Command] = []

    async def say_typing(self) -> str:
        """Append an event; its cursor."""
        return (await self.say_many(1))[0]

    async def say_many(self, count: int) -> list[str]:
        """Append so many events, one by one."""
        who = Address(id="5511999990000@s.whatsapp.net")
        said = event(self.tenant, self.session, ChatTyping(chat=who, sender=who, state="typing"))
        return [(await self.bus.log.append([said]))[0] for _ in range(count)]

    async def archive(self) -> None:
        """Copy the log into the database and let Redis forget it, as the archiver does later."""
        live = await self.bus.log.tail(self.tenant, None, 1000) or []
        rows = [Archived(one.cursor, one.session, one.type, one.tail) for one in live]
        await events.archive(self.tenant, rows[-1].cursor, rows)
        assert await self.bus.log.trim(self.tenant, rows[-1].cursor, 0.0, 0)

    async def forget(self, count: int) -> None:
        """Archive, and delete the oldest events, as housekeeping does with old ones."""
        await self.archive()
        assert await events.retain(self.tenant, time.time() + 60, limit=count) == count

    async def receive(self, text: str, wa_id: str = "WAIN1") -> MessageView:
        """A message arrives."""
        chat = "5511999990000@s.whatsapp.net"
        new = NewInbound(
            wa_id=wa_id,
            chat=chat,
            sender=chat,
            from_me=False,
            timestamp=time.time(),
            content=Text(body=text),
        )
        return (await messages.record_inbound(self.tenant, self.lease, [new]))[0]

    async def on_command(self, command: Command) -> None:
        """Do what is asked at once."""
        self.asked.append(command)
        data: dict[str, Any] = {}
        if command.name == "message.send":
            await self._send(MessageId(command.data["id"]))
        elif command.name == "session.pairing_code":
            data = {"code": "ABCD1234", "expires_at": "2030-01-01T00:00:00.000Z"}
        await self.bus.inbox.finish(self.lease, command, Reply(id=command.id, data=data))

    async def _send(self, message: MessageId) -> None:
        self.sent.append(message)
        await messages.begin_sending(self.tenant, self.lease, [message])
        done = Advance(
            id=message, status=Status.SENT, time=time.time(), wa_id=f"WA{len(self.sent)}"
        )
        for one in await messages.advance(self.tenant, self.lease, [done]):
            await self.bus.log.append([event(self.tenant, self.session, one.data)], self.lease)


async def own(bus: Bus, tenant: TenantId, session: SessionId, *, linked: bool = True) -> Owner:
    """Become the owner of a session and link it."""
    await sessions.set_desired(tenant, session, Desired.RUNNING)
    lease = await bus.leases.acquire(session, WorkerId("wrk_test"), Epoch(0))
    assert lease is not None
    await bus.log.raise_fence(tenant, lease)
    assert await fleet.claim(session, lease) is not None
    await sessions.set_state(tenant, lease, SessionState.STARTING, Reason.REQUESTED)
    if linked:
        await sessions.set_state(
            tenant,
            lease,
            SessionState.CONNECTED,
            Reason.LINKED,
            jid="5511888880000@s.whatsapp.net",
        )
    else:
        await sessions.set_state(tenant, lease, SessionState.PAIRING, Reason.NOT_LINKED)
    owner = Owner(bus, tenant, session, lease)
    bus.inbox.attach(lease, owner.on_command)
    return owner
