"""The asking end: commands go into the session's stream, replies come on this process's channel."""

from __future__ import annotations

import asyncio
import time

import msgspec

from wa_api.bus.client import Redis
from wa_api.bus.keys import Keys
from wa_api.bus.scripts import Script
from wa_api.bus.subscriptions import Subscriptions
from wa_api.bus.tasks import Tasks
from wa_api.domain.commands import Command, Reply
from wa_api.domain.errors import CommandTimedOut, TooManyRequests, Unavailable

#: A stream outlives the deadlines in it by this much, so that its commands are still answered.
_STREAM_MS = 24 * 3600 * 1000

_send = Script("send")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Reply).decode


class RedisCommands:
    """See ports.Commands."""

    def __init__(
        self,
        redis: Redis,
        subscriptions: Subscriptions,
        keys: Keys,
        process: str,
        most: int,
        tasks: Tasks,
    ) -> None:
        """`most`: commands waiting in one session's stream, beyond which more are refused."""
        self._redis = redis
        self._keys = keys
        self._most = most
        self._tasks = tasks
        self._calls: dict[str, tuple[Command, asyncio.Future[Reply]]] = {}
        self._channel = keys.replies(process)
        self._subscriptions = subscriptions
        self._subscription = subscriptions.add(self._channel, self._on_reply, self._on_ready)

    async def send(self, command: Command) -> None:
        """See ports.Commands."""
        waits_ms = max(0.0, command.deadline - time.time()) * 1000
        entry = await _send.run(
            self._redis,
            [self._keys.commands(command.session)],
            _encode(command),
            self._most,
            round(waits_ms) + _STREAM_MS,
            self._keys.wake(command.session),
        )
        if not entry:
            raise TooManyRequests("Too many commands are waiting for this session.")

    async def call(self, command: Command) -> Reply:
        """See ports.Commands."""
        command = msgspec.structs.replace(command, reply_to=self._channel)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._calls[command.id] = (command, answer)
        try:
            async with asyncio.timeout(max(0.0, command.deadline - time.time())):
                await self._subscriptions.ready(self._subscription)
                await self.send(command)
                return await answer
        except TimeoutError:
            if (reply := await self._fetch(command)) is not None:
                return reply
            raise CommandTimedOut from None
        finally:
            del self._calls[command.id]

    def _on_reply(self, payload: bytes) -> None:
        reply = _decode(payload)
        if reply.id in self._calls:
            _answer(self._calls[reply.id][1], reply)

    def _on_ready(self) -> None:
        """Replies may have been published while nobody here listened: fetch what was kept."""
        if self._calls:
            self._tasks.spawn(self._fetch_all())

    async def _fetch_all(self) -> None:
        for command, answer in list(self._calls.values()):
            if (reply := await self._fetch(command)) is not None:
                _answer(answer, reply)

    async def _fetch(self, command: Command) -> Reply | None:
        key = self._keys.reply(command.session, command.id)
        try:
            kept = await self._redis.execute(key, "GET", key)
        except Unavailable:
            return None
        return _decode(kept) if kept else None


def _answer(waiting: asyncio.Future[Reply], reply: Reply) -> None:
    if not waiting.done():
        waiting.set_result(reply)
