"""`wa-api serve`: brings a whole gateway up, watches over it, and takes it down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from config.settings import SANDBOX, Network, Settings
from wa_api.bus.open import Bus
from wa_api.domain.errors import Unavailable
from wa_api.serve import ready_file, roles
from wa_api.serve.banner import Ready, banner
from wa_api.serve.child import Child
from wa_api.serve.crew import Crew
from wa_api.serve.listen import open_listener, url_of
from wa_api.serve.prepare import StartFailed, prepare_database
from wa_api.serve.pulse import Pulse
from wa_api.serve.redis import OwnRedis, open_redis
from wa_api.serve.sandbox import start_sandbox

log = structlog.get_logger()

#: Seconds that everything together may take to get ready, and one process at a rolling restart.
START_LIMIT, ROLL_LIMIT = 90.0, 60.0


class Gateway:
    """All roles on one machine, under this process."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        """`say` prints a line for the person who started it."""
        self._settings, self._say = settings, say
        self._crew = Crew(self._bury, settings.serve.backoff_seconds)
        self._stop, self._watch_ends = asyncio.Event(), asyncio.Event()
        self._bus: Bus | None = None
        self._pulse: Pulse | None = None
        self._jobs: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Serve until a signal; raises StartFailed or WrongSetting when it does not come up."""
        self._listen_to_signals()
        data, http = self._settings.prepare(), self._settings.http
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(ready_file.remove, data)
            listener = stack.enter_context(open_listener(http.host, http.port))
            start = self._do(self._start(listener, stack))
            asked = self._do(self._stop.wait())
            try:
                await asyncio.wait({start, asked}, return_when=asyncio.FIRST_COMPLETED)
                if not self._stop.is_set():
                    start.result()
                    await asked
            finally:
                await self._end(start)
        log.info("serve.stopped")

    def _do(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task

    async def _start(self, listener: socket.socket, stack: contextlib.AsyncExitStack) -> None:
        began = time.monotonic()
        settings, crew = self._settings, self._crew
        redis_url = settings.redis_url or await self._own_redis(stack)
        os.environ["WA_REDIS_URL"] = redis_url  # from here on every child finds the same
        self._bus = await stack.enter_async_context(open_redis(settings, redis_url))
        self._pulse = pulse = Pulse(self._bus.fleet, crew.children, settings.serve.hung_seconds)
        sandbox = self._do(start_sandbox(settings, crew)) if roles.runs_sandbox(settings) else None
        first_token = await prepare_database()
        self._do(pulse.run(self._watch_ends))
        for number in range(1, settings.http.workers + 1):
            crew.add(roles.http(number, listener.fileno()))
        crew.add(roles.webhooks())
        for name in roles.networks_at_once(settings):
            self._start_sessions(name, settings.network(name))
        if sandbox is not None:
            network = await sandbox
            if SANDBOX in settings.served_networks():
                self._start_sessions(SANDBOX, network)
        if late := await crew.ready(pulse, START_LIMIT):
            raise StartFailed(f"These processes did not get ready: {', '.join(late)}.")
        self._announce(Ready(url_of(listener), first_token, time.monotonic() - began))

    async def _own_redis(self, stack: contextlib.AsyncExitStack) -> str:
        redis = OwnRedis(self._settings.data / "redis")
        stack.push_async_callback(redis.stop)  # the last to go: all others say goodbye in it
        return await redis.start()

    def _start_sessions(self, name: str, network: Network) -> None:
        for number in range(1, self._settings.sessions.workers + 1):
            self._crew.add(roles.sessions(number, name, network))

    def _announce(self, ready: Ready) -> None:
        facts = {"url": ready.url, "pid": os.getpid(), "data_dir": str(self._settings.data)}
        ready_file.write(self._settings.data, facts)
        self._say(banner(ready))
        log.info("serve.ready", url=ready.url, seconds=round(ready.seconds, 2))

    async def _bury(self, child: Child) -> None:
        """A process is known to be dead: what it held is free for others, now."""
        if self._bus is None or not child.spec.beats:
            return
        try:
            async with asyncio.timeout(3):
                if child.spec.role == "sessions":
                    freed = await self._bus.leases.release_all(child.worker)
                    if freed:
                        log.info("serve.freed", process=child.spec.name, sessions=len(freed))
                await self._bus.fleet.leave(child.worker)
        except (Unavailable, TimeoutError):
            log.warning("serve.not_freed", process=child.spec.name)  # its leases will expire

    # Signals, and the end.

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._asked_to_roll)

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():  # a second time: at once
            self._crew.kill()
        self._stop.set()

    def _asked_to_roll(self) -> None:
        rolling = any(task.get_name() == "roll" for task in self._jobs)
        if self._pulse is None or rolling or self._stop.is_set():
            log.warning("serve.not_now")
            return
        limit = self._settings.serve.drain_seconds
        self._do(self._crew.roll(self._pulse, ROLL_LIMIT, limit)).set_name("roll")

    async def _end(self, start: asyncio.Task[Any]) -> None:
        self._watch_ends.set()
        await self._crew.stop(self._settings.serve.stop_seconds)
        jobs = [task for task in self._jobs if not task.done()]
        for task in jobs:
            task.cancel()
        await asyncio.gather(start, *jobs, return_exceptions=True)


async def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run all roles on this machine until a signal; see Gateway."""
    await Gateway(settings, say).run()
