"""Says what happened in one session: events into the tenant's log, replies to those who asked."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import structlog

from wa_api.bus.ports import EventLog, Inbox, Once
from wa_api.domain.commands import Command, Reply
from wa_api.domain.errors import Fenced, Unavailable, WaError
from wa_api.domain.events import Data, MessageStatusChanged, event
from wa_api.domain.ids import MessageId, new_id
from wa_api.domain.messages import Problem
from workers.sessions.insist import Lost, insist
from workers.sessions.records import Owned

log = structlog.get_logger()


class Debts:
    """Things that must still be said, whoever owns the session by now."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def owe(self, step: Coroutine[Any, Any, None], room: int = 0) -> None:
        """Run `step` to its end even if the caller is cancelled; the caller waits for it when
        more than `room` steps are owed.
        """
        task = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._paid)
        if len(self._tasks) > room:
            await asyncio.shield(task)

    def _paid(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("session.debt_broke", exc_info=error)

    async def settle(self, seconds: float) -> bool:
        """Wait until all is said; False if not in time."""
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=seconds)
        return not self._tasks


class Voice:
    """One session's events and replies."""

    def __init__(
        self,
        owned: Owned,
        events: EventLog,
        inbox: Inbox,
        debts: Debts,
        lost: Lost,
        metadata: dict[str, str] | None = None,
    ) -> None:
        """`lost` ends what waits when the lease is gone; `metadata` is the session's."""
        self.metadata = metadata
        self._owned, self._events, self._inbox = owned, events, inbox
        self._debts, self._lost = debts, lost
        self._arrivals = f"{owned.session}/in"
        self._testifying = asyncio.Lock()

    async def say(self, *facts: Data) -> None:
        """Append, as the owner; raises Fenced when it is somebody else."""
        batch = self._wrap(facts)
        await insist(lambda: self._events.append(batch, self._owned.lease), self._lost)

    async def mention(self, fact: Data) -> None:
        """Append what is worth nothing later (typing, presence): one try."""
        try:
            await self._events.append(self._wrap((fact,)), self._owned.lease)
        except (Unavailable, Fenced) as error:
            log.debug("session.mention_dropped", session=self._owned.session, error=str(error))

    async def tell(self, facts: Sequence[Data], last: str, after: MessageId | None) -> None:
        """Say once what messages that came mean, up to the message `last`; raises Behind when the
        last that was said is not `after`, Fenced, and (perhaps it was said) Unavailable. See
        `Arrivals`.
        """
        once = Once(self._arrivals, last, after or "")
        await self._events.append(self._wrap(facts), self._owned.lease, once)

    async def told(self) -> MessageId | None:
        """The last message of this session that readers were told of; None when Redis does not
        know. Raises Unavailable.
        """
        found = await self._events.mark(self._owned.tenant, self._arrivals)
        return None if found is None else MessageId(found)

    async def testify(self, *changes: MessageStatusChanged, room: int = 0) -> None:
        """Append, once, what is true whoever owns the session, and what nobody else will say:
        our write made the change. Goes on even if the caller is cancelled; when the lease is lost
        the caller is not kept waiting (Fenced), since its engine must stop. `room`: see `Debts`.
        """
        mark = f"{changes[-1].id}:{changes[-1].status}"
        await self._lost.guard(lambda: self._debts.owe(self._attest(changes, mark), room), 0.0)

    async def report(self, *facts: Data, room: int = 0) -> None:
        """Append, once and in order, what WhatsApp told and will not tell again; as `testify`."""
        mark = new_id("nws")
        await self._lost.guard(lambda: self._debts.owe(self._attest(facts, mark), room), 0.0)

    async def answer(self, command: Command, data: dict[str, Any] | None = None) -> None:
        """The one reply: it worked."""
        await self._finish(command, Reply(id=command.id, data=data or {}))

    async def refuse(self, command: Command, error: WaError) -> None:
        """The one reply: it did not."""
        problem = Problem(code=error.code, detail=error.detail)
        await self._finish(command, Reply(id=command.id, error=problem, retryable=error.retryable))

    async def _attest(self, facts: Sequence[Data], mark: str) -> None:
        batch = self._wrap(facts)
        async with self._testifying:  # a slot remembers one append
            once = Once(f"{self._owned.session}/out", mark)
            try:
                lease = self._owned.lease
                await insist(lambda: self._events.append(batch, lease, once), self._lost)
            except Fenced:
                await insist(lambda: self._events.append(batch, None, once))

    async def _finish(self, command: Command, reply: Reply) -> None:
        try:
            await insist(lambda: self._inbox.finish(self._owned.lease, command, reply), self._lost)
        except Fenced:
            log.info("session.reply_dropped", session=self._owned.session, command=command.name)

    def _wrap(self, facts: Sequence[Data]) -> list[Any]:
        owned, metadata = self._owned, self.metadata
        return [event(owned.tenant, owned.session, fact, metadata) for fact in facts]
