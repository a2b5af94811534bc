"""Steady traffic: numbered messages from phones at a rate."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

import msgspec

from workers.sandbox import content, params
from workers.sandbox.errors import NotFound, SandboxError
from workers.sandbox.network import Network
from workers.sandbox.phones import Phone
from workers.sandbox.wire import Jid

LIMIT = 100
# Longer pauses than this are not made up for: a burst would say nothing about the rate.
MAX_BACKLOG_SECONDS = 1.0


class Load(msgspec.Struct):
    """One generator and what it has done."""

    id: str
    tenant: str
    started: float
    wanted: int | None
    sent: int = 0
    failed: int = 0
    running: bool = True
    ended: float | None = None
    first_id: str = ""
    last_id: str = ""


class Loads:
    """All generators; at most LIMIT are remembered."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._loads: dict[str, Load] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def start(self, given: params.StartLoad, phones: list[Phone], targets: list[Jid]) -> str:
        """Starts to send; the texts are "<text> <number>", numbered from 1."""
        count = given.count
        if count is None and given.seconds is not None:
            count = max(1, int(given.rate * given.seconds))
        load = Load("load_" + secrets.token_hex(6), given.tenant, time.time(), count)
        while len(self._loads) >= LIMIT:
            self._forget(next(iter(self._loads)))
        self._loads[load.id] = load
        work = self._run(load, given, phones, targets)
        self._tasks[load.id] = self._network.spawn(work)
        return load.id

    def _forget(self, id: str) -> None:
        self._loads.pop(id)
        task = self._tasks.pop(id, None)
        if task is not None:
            task.cancel()

    async def _run(
        self, load: Load, given: params.StartLoad, phones: list[Phone], targets: list[Jid]
    ) -> None:
        pause, due = 1 / given.rate, time.monotonic()
        number = 0
        try:
            while load.wanted is None or number < load.wanted:
                now = time.monotonic()
                if due > now:
                    await asyncio.sleep(due - now)
                elif now - due > MAX_BACKLOG_SECONDS:
                    due = now
                due += pause
                number += 1
                phone = phones[number % len(phones)]
                turn = number if given.pairs else number // len(phones)
                self._send(load, phone, targets[turn % len(targets)], f"{given.text} {number}")
                if not number % 20:
                    # Lets sockets be served even when the rate is above what is possible.
                    await asyncio.sleep(0)
        finally:
            load.running, load.ended = False, time.time()

    @staticmethod
    def _send(load: Load, phone: Phone, to: Jid, body: str) -> None:
        try:
            load.last_id = phone.send(to, content.text(body))
            load.first_id = load.first_id or load.last_id
            load.sent += 1
        except SandboxError:
            load.failed += 1

    def _find(self, tenant: str, id: str) -> Load:
        load = self._loads.get(id)
        if load is None or load.tenant != tenant:
            raise NotFound("there is no such load")
        return load

    def stop(self, tenant: str, id: str) -> dict[str, Any]:
        """Ends a generator; its last figures."""
        load = self._find(tenant, id)
        self._tasks[id].cancel()
        load.running = False
        return self.stats(tenant, id)

    def stats(self, tenant: str, id: str) -> dict[str, Any]:
        """How far a load is."""
        load = self._find(tenant, id)
        seconds = (load.ended or time.time()) - load.started
        return {
            **msgspec.to_builtins(load),
            "seconds": round(seconds, 3),
            "per_second": round(load.sent / seconds, 1) if seconds else 0.0,
        }

    def close(self) -> None:
        """Stops all loads."""
        for task in self._tasks.values():
            task.cancel()
