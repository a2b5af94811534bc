"""The application's types, once: what every handler may rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

import sanic
from sanic.config import Config
from sanic.http import Http

from wa_api.domain.principals import Principal
from wa_api.http.feed.hub import Hub
from wa_api.http.metrics import Metrics
from wa_api.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """The limits of one HTTP process; `buffer_bytes` is what may wait for one slow reader.

    `proxies` in front are trusted to add whom they serve to `X-Forwarded-For`.
    """

    proxies: int = 0
    max_body_bytes: int = 1_048_576
    request_seconds: float = 30.0
    drain_seconds: float = 3.0
    sockets: int = 10_000
    sockets_per_caller: int = 1_000
    frames_per_second: float = 500.0
    frame_bytes: int = 524_288
    buffer_bytes: int = 4_194_304
    heartbeat_seconds: float = 20.0
    sandbox: bool = False


@dataclass(slots=True)
class Tasks:
    """Work that outlives the connection that asked for it; bounded by its own deadlines."""

    running: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run it and hold on to it until it is done."""
        task = asyncio.create_task(work, name=name)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def finish(self, seconds: float) -> None:
        """Wait for what runs, then cancel the rest."""
        if self.running:
            _, late = await asyncio.wait(self.running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


@dataclass(slots=True)
class Context:
    """What handlers find at `request.app.ctx`."""

    worker: str
    services: Services
    hub: Hub
    metrics: Metrics
    options: HttpOptions
    checks: Mapping[str, Callable[[], Awaitable[None]]]
    openapi: bytes
    asyncapi: bytes
    tasks: Tasks = field(default_factory=Tasks)
    ready: bool = False
    draining: bool = False


App: TypeAlias = sanic.Sanic[Config, Context]
Request: TypeAlias = sanic.Request[App, SimpleNamespace]


def caller(request: Request) -> Principal:
    """Who is calling, as the guard found out."""
    who: Principal = request.ctx.principal
    return who


def address_of(request: Request) -> str:
    """Where the call comes from: as a trusted proxy says, else the connection's other end."""
    forwarded: str = request.remote_addr
    return forwarded.strip("[]") or request.client_ip  # Sanic puts brackets around IPv6


def let_go(request: Request) -> None:
    """While stopping, an answer is the last on its connection: the next goes to another process."""
    if request.app.ctx.draining and request.stream is not None:
        cast(Http, request.stream).keep_alive = False  # only HTTP/1.1 is served


def services(request: Request) -> Services:
    """The use cases."""
    return request.app.ctx.services
