"""An actor and everything around it, for unit tests."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tests.unit.sessions.fakes import (
    FRIEND,
    MEDIA,
    Factory,
    Inbox,
    Log,
    Records,
    owned,
    until,
    wanted,
)
from wa_api.domain.commands import Command
from wa_api.domain.content import Text
from wa_api.domain.sessions import Reason
from wa_api.store.sealing import Sealer
from workers.engine import port
from workers.sessions.actor import Actor, Means
from workers.sessions.voice import Debts

INBOUND = port.Inbound(
    wa_id="A1",
    chat=FRIEND,
    chat_alt=None,
    sender=FRIEND,
    sender_alt=None,
    from_me=False,
    push_name="Friend",
    timestamp=1.0,
    content=Text(body="hi"),
)
ONLINE = port.Online(FRIEND, None, "Me")


def command(name: str, **data: object) -> Command:
    """A command that is good for ten seconds."""
    lane = str(data.get("to", ""))
    return Command(
        id=f"cmd_{name}_{len(data)}",
        tenant="ten_1",
        session="ses_1",
        name=name,
        data=data,
        deadline=time.time() + 10,
        lane=lane,
        reply_to="a caller",
    )


@dataclass
class Stage:
    """An actor and everything around it."""

    records: Records = field(default_factory=Records)
    log: Log = field(default_factory=Log)
    inbox: Inbox = field(default_factory=Inbox)
    factory: Factory = field(default_factory=Factory)
    debts: Debts = field(default_factory=Debts)
    restriction_seconds: float = 60.0
    actor: Actor | None = None
    task: asyncio.Task[None] | None = None

    async def begin(self, linked: bool = True, sealer: Sealer | None = None) -> Actor:
        """Run the actor until its engine is started."""
        means = Means(
            self.records,
            self.log,
            self.inbox,
            self.factory,
            self.debts,
            MEDIA,
            self.restriction_seconds,
            sealer,
        )
        jid = str(FRIEND) if linked else None
        self.actor = Actor(wanted(jid=jid), owned(), means)
        self.task = asyncio.create_task(self.actor.run(Reason.REQUESTED))
        await until(lambda: self.factory.engines and self.factory.engine.started)
        return self.actor

    async def online(self) -> Actor:
        """Run it until it is connected."""
        actor = await self.begin()
        await self.factory.engine.emit(ONLINE)
        return actor

    def told(self) -> list[str]:
        """Ids of the messages that readers were told of, in order."""
        return [data.message.id for data in self.log.said("message.received")]

    def states(self) -> list[str]:
        """What readers were told."""
        return [data.state for data in self.log.said("session.state_changed")]

    async def ended(self) -> None:
        """Wait for the end of its run."""
        assert self.task is not None
        await asyncio.wait_for(self.task, 5)
