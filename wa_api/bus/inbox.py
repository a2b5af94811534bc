"""The owner's end of its sessions' command streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
import structlog

from wa_api.bus.client import Redis, backoff
from wa_api.bus.keys import Keys
from wa_api.bus.leases import token
from wa_api.bus.ports import Lease
from wa_api.bus.scripts import Script
from wa_api.bus.subscriptions import Subscription, Subscriptions
from wa_api.bus.tasks import Tasks
from wa_api.domain.commands import Command, Reply
from wa_api.domain.errors import CommandTimedOut, Fenced, OutcomeUnknown, Unavailable, WaError
from wa_api.domain.ids import SessionId
from wa_api.domain.messages import Problem

log = structlog.get_logger()

#: Commands read at once.
_BATCH = 100
#: A stream is read again after this time even if nobody woke us.
_SWEEP_SECONDS = 10.0
#: How long a reply waits for a caller that missed its publication.
_REPLY_MS = 15_000
#: How long it is remembered that a command was begun.
_BEGUN_MS = 24 * 3600 * 1000

_begin, _finish = Script("begin"), Script("finish")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Command).decode

OnCommand = Callable[[Command], Awaitable[None]]


@dataclass(slots=True)
class _Box:
    """One attached session."""

    lease: Lease
    on_command: OnCommand
    subscription: Subscription | None = None
    last: str = "0-0"
    #: Commands of earlier owners that were begun; None: not read yet.
    begun: set[str] | None = None
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class RedisInbox:
    """See ports.Inbox."""

    def __init__(
        self, redis: Redis, subscriptions: Subscriptions, keys: Keys, tasks: Tasks
    ) -> None:
        self._redis = redis
        self._subscriptions = subscriptions
        self._keys = keys
        self._tasks = tasks
        self._boxes: dict[SessionId, _Box] = {}

    def attach(self, lease: Lease, on_command: OnCommand) -> None:
        """See ports.Inbox."""
        if lease.session in self._boxes:
            raise RuntimeError("this session's inbox is attached already")
        box = _Box(lease, on_command)
        self._boxes[lease.session] = box
        box.subscription = self._subscriptions.add(
            self._keys.wake(lease.session), lambda _: box.awake.set(), box.awake.set
        )
        box.task = self._tasks.spawn(self._deliver(box))

    async def detach(self, session: SessionId) -> None:
        """See ports.Inbox."""
        box = self._boxes.pop(session, None)
        if box is None or box.subscription is None or box.task is None:
            return
        self._subscriptions.remove(box.subscription)
        box.task.cancel()
        if box.task is not asyncio.current_task():
            await asyncio.wait([box.task])

    async def begin(self, lease: Lease, command: Command) -> bool:
        """See ports.Inbox."""
        begun = await _begin.run(
            self._redis,
            (self._keys.lease(lease.session), self._keys.begun(lease.session)),
            token(lease),
            command.id,
            lease.epoch,
            _BEGUN_MS,
        )
        if begun < 0:
            raise Fenced
        return bool(begun)

    async def finish(self, lease: Lease, command: Command, reply: Reply) -> None:
        """See ports.Inbox."""
        keys, session = self._keys, lease.session
        finished = await _finish.run(
            self._redis,
            (
                keys.lease(session),
                keys.commands(session),
                keys.begun(session),
                keys.reply(session, command.id),
            ),
            token(lease),
            command.entry,
            command.id,
            command.reply_to,
            _encode(reply),
            _REPLY_MS,
        )
        if finished < 0:
            raise Fenced

    async def _deliver(self, box: _Box) -> None:
        attempt = 0
        while True:
            box.awake.clear()
            try:
                await self._drain(box)
                attempt = 0
            except Fenced:
                # Its holder learns that at the next renewal; here it only must not go on.
                log.info("inbox.fenced", session=box.lease.session, epoch=box.lease.epoch)
                return
            except Unavailable:
                await asyncio.sleep(backoff(attempt))
                attempt += 1
                continue
            try:
                async with asyncio.timeout(_SWEEP_SECONDS):
                    await box.awake.wait()
            except TimeoutError:
                pass

    async def _drain(self, box: _Box) -> None:
        """Hand over everything after the last command seen."""
        if box.begun is None:
            box.begun = await self._begun_before(box.lease)
        key = self._keys.commands(box.lease.session)
        while True:
            entries = await self._redis.execute(
                key, "XRANGE", key, f"({box.last}", "+", "COUNT", _BATCH
            )
            for entry, fields in entries:
                await self._hand_over(box, entry.decode(), fields[1])
                box.last = entry.decode()
            if len(entries) < _BATCH:
                return

    async def _hand_over(self, box: _Box, entry: str, payload: bytes) -> None:
        command = _decode(payload)
        msgspec.structs.force_setattr(command, "entry", entry)
        problem: WaError | None = None
        if command.id in (box.begun or ()):
            problem = OutcomeUnknown()
        elif command.deadline <= time.time():
            problem = CommandTimedOut()
        else:
            try:
                await box.on_command(command)
            except Exception:
                # A fault in taking it over must not leave the caller waiting, nor stop the rest.
                log.exception("inbox.not_taken", session=command.session, command=command.name)
                problem = WaError()
        if problem is not None:
            await self.finish(box.lease, command, refusal(command, problem))

    async def _begun_before(self, lease: Lease) -> set[str]:
        key = self._keys.begun(lease.session)
        flat = await self._redis.execute(key, "HGETALL", key)
        marks = zip(flat[::2], flat[1::2], strict=True)
        return {name.decode() for name, epoch in marks if int(epoch) != lease.epoch}


def refusal(command: Command, problem: WaError) -> Reply:
    """The reply that says that it did not work."""
    return Reply(
        id=command.id,
        error=Problem(code=problem.code, detail=problem.detail),
        retryable=problem.retryable,
    )
