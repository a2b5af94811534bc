"""Makes engines in a process that is fit for them, and knows when it is worn out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog

from wa_api.domain.proxies import Proxy, parse_proxy
from wa_api.net.addresses import Rules
from workers.engine.connection import Connection, StopLimits
from workers.engine.download import Downloader
from workers.engine.engine import NeonizeEngine, Timing
from workers.engine.neonize import LIBRARY, Client, check_process, library_version
from workers.engine.port import Engine, Handler, NetworkEndpoint
from workers.engine.relay import Line, Relay
from workers.engine.stores import DeviceStores
from workers.engine.transfers import Transfers
from workers.engine.trust import trust
from workers.engine.tunnels import Tunnels

log = structlog.get_logger()

#: Calls of all sessions that may be under way: each holds a thread until WhatsApp answers.
CALL_THREADS = 128
CONTROL_THREADS = 16
#: A session needs two or three descriptors and leaks some at each start.
DESCRIPTORS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """When a process is worn out: every start leaks 0.3 MB and 1.5 descriptors, every pairing
    that does not succeed a thread."""

    starts: int = 1000
    leaks: int = 50
    descriptors: float = 0.8  # of the limit


class NeonizeFactory:
    """See port.EngineFactory. One per process, made on the running loop; it owns the library."""

    def __init__(
        self,
        network: NetworkEndpoint,
        stores: DeviceStores,
        *,
        device_name: str = "wa-api",
        timing: Timing | None = None,
        wear: Wear | None = None,
        rules: Rules | None = None,
    ) -> None:
        """`device_name` is what people see in their phone's list of linked devices; `rules` say
        where sessions' own proxies may be.

        Raises EngineUnusable when the process was not started as it must be.
        """
        check_process(network.ca_file)
        if network.noise_root_key is not None:
            trust(network.noise_root_key, LIBRARY)
        _raise_descriptor_limit()
        self._network, self._stores, self._device_name = network, stores, device_name
        self._timing, self._wear = timing or Timing(), wear or Wear()
        self._calls = ThreadPoolExecutor(CALL_THREADS, thread_name_prefix="engine-call")
        self._control = ThreadPoolExecutor(CONTROL_THREADS, thread_name_prefix="engine-control")
        self.transfers, self.downloader = Transfers(), Downloader(network)
        through = None if network.proxy_url is None else parse_proxy(network.proxy_url)
        self._relay = Relay(Tunnels(rules=rules or Rules(), through=through))
        self._starts = self._leaks = 0
        # A client that is collected stops whatever runs under its uuid: those that left a thread
        # behind are kept, for the library still holds pointers into them.
        self._kept: list[Connection] = []

    def make(self, session: str, handle: Handler, proxy: Proxy | None = None) -> Engine:
        """See port.EngineFactory."""
        line = None if proxy is None else self._relay.line(proxy)
        return NeonizeEngine(session, handle, self, self._timing, line)

    async def connect(
        self,
        session: str,
        deliver: Callable[[Any], Awaitable[None]],
        limits: StopLimits,
        line: Line | None = None,
    ) -> Connection:
        """See engine.Host."""
        proxy_url = self._network.proxy_url
        if line is not None:
            await self._relay.listen()
            proxy_url = line.url
        address = await self._stores.prepare(session)
        client = Client(address, uuid4().hex, self._device_name, proxy_url)
        self._starts += 1
        return Connection(client, deliver, self._calls, self._control, limits)

    def leaked(self, connection: Connection) -> None:
        """See engine.Host."""
        self._leaks += 1
        self._kept.append(connection)
        log.info("engine.thread_leaked", leaks=self._leaks, phase=connection.phase.name)

    async def forget(self, session: str) -> None:
        """See port.EngineFactory."""
        await self._stores.forget(session)

    @property
    def worn_out(self) -> bool:
        """See port.EngineFactory."""
        return (
            self._starts >= self._wear.starts
            or self._leaks >= self._wear.leaks
            or _descriptors_used() >= self._wear.descriptors
        )

    @property
    def wear(self) -> dict[str, int]:
        """Starts and leaked threads so far, for logs and metrics."""
        return {"starts": self._starts, "leaks": self._leaks}

    async def stores_answer(self) -> None:
        """See port.EngineFactory."""
        await self._stores.answer()

    async def respond(self) -> None:
        """See port.EngineFactory."""
        # A thread of its own: those of the executors may all wait for a runtime that is stuck.
        answered, loop = asyncio.Event(), asyncio.get_running_loop()

        def ask() -> None:
            library_version()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(answered.set)

        threading.Thread(target=ask, name="engine-probe", daemon=True).start()
        await answered.wait()

    async def close(self) -> None:
        """Let the threads go that wait for work. Leave the process with os._exit after it: Go's
        threads and those of failed pairings do not end."""
        await self._relay.close()
        for executor in (self._calls, self._control):
            executor.shutdown(wait=False, cancel_futures=True)


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _descriptors_used() -> float:
    """The used part of the descriptor limit, from 0 to 1."""
    return len(os.listdir("/proc/self/fd")) / resource.getrlimit(resource.RLIMIT_NOFILE)[0]
