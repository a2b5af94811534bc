"""Sending: from a committed row to WhatsApp's acknowledgement, once, with every outcome told.

The row is the truth, the command in the stream only the quick way to hear of it. `begin_sending`
is committed before the engine gets the message: a message that is found in `sending` later may
have gone out, and becomes `unknown`. What waits is ordered and paced by `Queue`; here is what
starts its turns; what became of them is written and told by `Outcomes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

import structlog

from wa_api.domain.addresses import parse_address
from wa_api.domain.commands import Command
from wa_api.domain.content import Action, target_of
from wa_api.domain.errors import Fenced, WaError
from wa_api.domain.events import MessageStatusChanged
from wa_api.domain.ids import MessageId
from wa_api.domain.messages import Status
from wa_api.domain.pacing import Priority, day_of
from wa_api.store.rows import Advance, Outgoing, QueueRow, Waiting
from workers.engine.port import (
    CallFailed,
    Engine,
    EngineNotReady,
    SendFailed,
    SendUncertain,
    Target,
)
from workers.sessions import views
from workers.sessions.attachments import Attachments
from workers.sessions.insist import Lost, insist
from workers.sessions.outcomes import EXPIRED, NOBODY, RETRIED, UNCERTAIN, End, Outcomes, failed
from workers.sessions.outlook import outlook
from workers.sessions.pace_queue import Job, Queue
from workers.sessions.pacer import NEVER, Pacer
from workers.sessions.records import Owned, Records
from workers.sessions.restriction import next_restriction
from workers.sessions.strangers import is_nobody
from workers.sessions.voice import Voice

log = structlog.get_logger()

WIDTH = 4  #: chats of one session that are sent to at once
SECONDS = 90.0  #: after which a send without any answer counts as uncertain
AGAIN = 0.2  #: pause before a send that did not go out is tried again, seconds
STRANGERS = 500  #: chats that are looked up at once
LONGEST = 3600.0  #: a timer is set for, seconds


class Sends:
    """All sends of one session."""

    def __init__(
        self,
        owned: Owned,
        records: Records,
        voice: Voice,
        files: Attachments,
        lost: Lost,
        on_restricted: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_restricted` is called when WhatsApp refuses a first contact (463)."""
        self._owned, self._records, self._voice = owned, records, voice
        self._files, self._on_restricted = files, on_restricted
        self._queue = Queue(Pacer(QueueRow(), time.time()))
        self._working: dict[MessageId, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._engine: Engine | None = None
        self._outcomes = Outcomes(owned, records, voice, lost)
        self._lost, self._closing = lost, False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._looking_up = False

    def __len__(self) -> int:
        return len(self._queue) + len(self._working)

    def online(self, engine: Engine) -> None:
        """Messages can be handed over from now on."""
        self._engine = engine
        self._pump()

    def offline(self) -> None:
        """Hold what waits until the session is online again, or until its deadline."""
        self._engine = None

    @property
    def restricted_until(self) -> float | None:
        """Until when first contacts are held (Unix seconds), if they are."""
        until = self._queue.pacer.state.restricted_until
        return until if until is not None and until > time.time() else None

    async def begin(self) -> None:
        """Start with what is kept of the queue; called again when a number was linked."""
        state = await insist(lambda: self._records.queue(self._owned), self._lost)
        self._queue.pacer.begin(state, time.time())
        self._queue.refile(time.time())

    async def change(self, command: Command) -> None:
        """A user took messages back, or changed the policy, a pause, or the rows."""
        if command.name == "queue.drop":
            await self._drop([MessageId(str(one)) for one in command.data.get("ids", ())])
        else:
            await self._refresh()
        await self._voice.answer(command)

    async def _drop(self, messages: Iterable[MessageId]) -> None:
        jobs = [self._queue.drop(message, time.time()) for message in messages]
        for job in jobs:
            if job is not None and job.commands:
                await self._outcomes.reply(job)

    async def _refresh(self) -> None:
        state = await insist(lambda: self._records.queue(self._owned), self._lost)
        self._queue.pacer.adopt(state, time.time())
        self._queue.refile(time.time())
        await self.reconcile()

    async def restrict(self, seconds: float) -> float | None:
        """Hold first contacts for `seconds` (longer when it is not the first time); until when,
        or None when they are held already.
        """
        pacer, now = self._queue.pacer, time.time()
        if self.restricted_until is not None:
            return None
        until, times = next_restriction(pacer.state, now, seconds)
        pacer.restrict(until, times)
        self._queue.refile(now)
        await insist(lambda: self._records.restrict(self._owned, until, times), self._lost)
        return until

    def lift(self) -> None:
        """First contacts may be tried again."""
        self._pump()

    def hear(self, chat: str) -> None:
        """A chat wrote: what waits for it are replies."""
        self._queue.hear(chat, time.time())
        self._pump()

    def look(self, message: MessageId | None) -> dict[str, Any]:
        """What the queue is up to, as JSON; with a message, its place too."""
        return outlook(self._queue, len(self), self._engine is not None, message)

    async def order(self, command: Command) -> None:
        """Take a `message.send` command over."""
        data = command.data
        message = MessageId(str(data["id"]))
        job = self._queue.find(message) or self._working.get(message)
        if job is None:
            chat = command.lane or str(data.get("to", ""))
            at = float(data.get("at") or time.time())
            deadline = float(data.get("deadline") or command.deadline)
            typing = float(data.get("typing") or 0.0)
            priority = _priority(data.get("priority"))
            job = Job(message, chat, at, deadline, priority, [command], typing=typing)
            self._put(job)
            self._pump()
        else:
            job.commands.append(command)
        if message in self._queue and not command.reply_to:
            # Nobody waits, and the row is there: the stream must not fill up behind it.
            job.commands.remove(command)
            await self._voice.answer(command, {"id": message})

    def offer(self, messages: Sequence[Waiting]) -> None:
        """Send rows that wait, unless they are in hand already."""
        for row in messages:
            if row.id not in self._queue and row.id not in self._working:
                deadline = NEVER if row.deadline is None else row.deadline
                priority = _priority(row.priority)
                self._put(Job(row.id, row.chat, row.at, deadline, priority, typing=row.typing))
        self._pump()

    async def reconcile(self) -> None:
        """Look at all rows that wait: take those that are not in hand, drop those that are over."""
        owned, before = self._owned, self._queue.ids()
        rows = await insist(lambda: self._records.waiting(owned), self._lost)
        self.offer(rows)
        await self._drop(before - {row.id for row in rows})

    async def receipt(self, step: Advance) -> MessageStatusChanged | None:
        """Record a receipt; one that overtakes the record of its own send is kept for it."""
        return await self._outcomes.receipt(step, early=bool(self._working))

    def lose(self) -> None:
        """The lease is gone: begin nothing more."""
        self._lost.set()
        self.offline()

    async def close(self, seconds: float) -> bool:
        """Let what is being sent end; the rest stays in its rows for the next owner."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._tasks and seconds > 0:
            await asyncio.wait([*self._tasks], timeout=seconds)
        left = [*self._tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return not left

    # Turns.

    def _put(self, job: Job) -> None:
        self._queue.put(job, time.time())

    def _pump(self) -> None:
        """Begin what may begin now, and see to it that this is called when more may."""
        if self._closing or self._lost:
            return
        now = time.time()
        if over := self._queue.expired(now):
            self._start(self._expire(over))
        while self._engine is not None and len(self._working) < WIDTH:
            job = self._queue.next(now)
            if job is None:
                break
            self._working[job.id] = job
            self._start(self._work(job))
        if not self._looking_up and self._queue.strangers():
            self._looking_up = True
            self._start(self._look_up())
        self._arm(now)

    def _arm(self, now: float) -> None:
        ready = self._engine is not None and len(self._working) < WIDTH
        at = min(self._queue.wakes(now, ready), now + LONGEST)
        if at >= self._timer_at or not self._queue:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, NEVER
        self._pump()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"send {self._owned.session}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, job: Job) -> None:
        end = End.AGAIN
        try:
            end = await self._send(job)
        except Fenced:
            self.lose()
            log.info("message.send_left_to_next_owner", message=job.id)
        except Exception:
            log.exception("message.send_broke", message=job.id, session=self._owned.session)
            end = End.STAYED
        finally:
            del self._working[job.id]
            self._end(job, end)
            self._pump()

    def _end(self, job: Job, end: End) -> None:
        now = time.time()
        if end is End.SLOW:
            self._queue.pacer.slow_down(now)
        if end in (End.AGAIN, End.COLD, End.SLOW):
            self._queue.again(job, now, AGAIN, cold=end is End.COLD)
        else:
            self._queue.done(job, now, went=end is End.WENT)

    async def _look_up(self) -> None:
        """Who of those to be written to is known?"""
        try:
            chats = self._queue.strangers()[:STRANGERS]
            known = await insist(
                lambda: self._records.acquaintances(self._owned, chats), self._lost
            )
            self._queue.learn(known, time.time())
        except Fenced:
            self.lose()
        finally:
            self._looking_up = False
            self._pump()

    async def _expire(self, jobs: list[Job]) -> None:
        for job in jobs:
            try:
                await self._outcomes.conclude(job, failed(job.id, Status.EXPIRED, *EXPIRED))
            except Fenced:
                self.lose()
                return

    async def _send(self, job: Job) -> End:
        owned, records, engine = self._owned, self._records, self._engine
        if engine is None:
            return End.AGAIN
        if await self._to_nobody(job, engine):
            await self._outcomes.conclude(job, failed(job.id, Status.FAILED, *NOBODY))
            return End.STAYED
        await self._type(engine, job)
        going = await insist(lambda: records.begin_sending(owned, job.id), self._lost)
        if not isinstance(going, Outgoing):
            await self._outcomes.over(job, going)
            return End.STAYED
        if self._files.lacks(going):
            return await self._send_prepared(job, engine, going)
        step = await self._hand_over(engine, going)
        if isinstance(step, End):
            await insist(lambda: records.put_back(owned, job.id), self._lost)
            if step is End.COLD:
                await self._on_restricted()
            return step
        await self._outcomes.conclude(job, step)
        if step.status is Status.FAILED:
            return End.STAYED
        await self._spend(job)
        return End.WENT

    @staticmethod
    async def _type(engine: Engine, job: Job) -> None:
        """Show "typing…" for a while; a message is not held back when that fails."""
        seconds, job.typing = min(job.typing, job.deadline - time.time() - AGAIN), 0.0
        if seconds <= 0:
            return
        with contextlib.suppress(CallFailed, EngineNotReady, WaError):
            await engine.typing(parse_address(job.chat), "typing")
            await asyncio.sleep(seconds)

    async def _to_nobody(self, job: Job, engine: Engine) -> bool:
        policy = self._queue.pacer.policy
        if not job.first or policy is None or not policy.check_numbers:
            return False
        return await is_nobody(self._records, self._owned, engine, job.chat)

    async def _spend(self, job: Job) -> None:
        """Budgets survive their owner."""
        if self._queue.pacer.policy is not None:
            day = day_of(time.time())
            await insist(lambda: self._records.spend(self._owned, day, job.first), self._lost)

    async def _send_prepared(self, job: Job, engine: Engine, message: Outgoing) -> End:
        """Bring its file to WhatsApp, or look its link up, first: until then nothing can have
        gone out.
        """
        await insist(lambda: self._records.put_back(self._owned, job.id), self._lost)
        ready = await self._files.make_ready(engine, message)
        if isinstance(ready, bool):
            return await self._send(job) if ready else End.AGAIN
        await self._outcomes.conclude(job, ready)
        return End.STAYED

    async def _hand_over(self, engine: Engine, message: Outgoing) -> Advance | End:
        """The outcome, or how it did not go out and may be tried again."""
        if self._lost:
            return End.AGAIN
        try:
            async with asyncio.timeout(SECONDS):
                target = await self._target(message)
                chat = parse_address(message.chat)
                file = self._files.uploaded(message)
                sent = await engine.send(chat, message.content, message.context, target, file)
            changes = isinstance(message.content, Action) and target is not None
            return Advance(
                id=message.id,
                status=Status.SENT,
                time=views.moment(sent.timestamp),
                wa_id=sent.wa_id,
                proto=sent.raw or None,
                target=target.wa_id if changes and target else None,
                context=message.context if message.timed else None,
            )
        except EngineNotReady:
            return End.AGAIN
        except (SendFailed, WaError) as error:
            if error.code in RETRIED:
                return RETRIED[error.code]
            return failed(message.id, Status.FAILED, error.code, error.detail)
        except (SendUncertain, TimeoutError):
            return failed(message.id, Status.UNKNOWN, *UNCERTAIN)
        except Exception:
            log.exception("message.engine_broke", message=message.id)
            return failed(message.id, Status.UNKNOWN, *UNCERTAIN)

    async def _target(self, message: Outgoing) -> Target | None:
        """The message that this one is about; it was sent before, since a chat has one lane."""
        ref = target_of(message.content, message.context)
        if ref is None:
            return None
        return await insist(lambda: self._records.target(self._owned, ref), self._lost)


def _priority(given: str | None) -> Priority | None:
    return Priority(given) if given else None
