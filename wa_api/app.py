"""The HTTP process: one Sanic server on its own event loop.

Sanic's own process manager is not used: it restarts neither a killed worker nor a crashed one.
The socket comes from the supervisor, which starts as many of these as it likes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from secrets import token_hex
from typing import Any, cast

import psutil
import structlog
import uvloop
from sanic import Blueprint, Sanic
from sanic.config import Config

from config.settings import Settings, WrongSetting
from wa_api.bus.ports import Fleet, WorkerInfo
from wa_api.domain.errors import WaError
from wa_api.domain.ids import WorkerId, new_id
from wa_api.http import asyncapi, openapi, problems
from wa_api.http.docs import encode
from wa_api.http.feed import frames
from wa_api.http.feed.allowances import Allowances
from wa_api.http.feed.hub import Hub
from wa_api.http.feed.link import Upgraded
from wa_api.http.guard import guard
from wa_api.http.metrics import Metrics
from wa_api.http.resources import resources_for
from wa_api.http.types import App, Context, HttpOptions
from wa_api.services.auth import REVOKED, TokenOptions
from wa_api.services.webhooks import WebhookOptions
from wa_api.shelf import MediaOptions
from wa_api.wiring import Options, Resources, open_resources

log = structlog.get_logger()

#: Seconds between two heartbeats of this process.
BEAT_SECONDS = 2.0
#: Every so many beats, and when Redis is back, look up what was revoked.
RELEARN_BEATS = 15
#: A body up to this many times too large is read, then refused: closing a connection while the
#: client still sends resets it, and the answer that says why is lost with it.
_READ_ANYWAY = 4
#: The longest wait that a request may ask for, with a margin.
_RESPONSE_SECONDS = 90.0


def create_app(worker: str, options: HttpOptions, resources: Resources) -> App:
    """The application over open resources; nothing is started."""
    metrics = Metrics()
    allowances = Allowances(options.sockets_per_caller, options.frames_per_second)
    hub = Hub(resources.bus.feed, metrics, options.sockets, allowances)
    listed = resources_for(options)
    context = Context(
        worker=worker,
        services=resources.services,
        hub=hub,
        metrics=metrics,
        options=options,
        checks=resources.checks,
        openapi=encode(openapi.document(listed)),
        asyncapi=encode(asyncapi.document()),
    )
    app: App = Sanic(
        f"wa_api_{token_hex(4)}", ctx=context, config=_config(options), configure_logging=False
    )
    api = Blueprint.group(*(one.bp for one in listed if one.versioned), version=1)
    cast(Any, api).on_request(guard)  # Sanic leaves its decorators untyped
    app.blueprint(api)
    for one in listed:
        if not one.versioned:
            app.blueprint(one.bp)
    problems.install(app)
    resources.services.auth.on_revoked.append(hub.revoked)
    return app


def _config(options: HttpOptions) -> Config:
    config = Config(env_prefix="")  # no prefix: nothing is read from the environment
    config.update(
        {
            "ACCESS_LOG": False,
            "AUTO_EXTEND": False,
            "AUTO_REGISTER": False,
            "MOTD": False,
            "FALLBACK_ERROR_FORMAT": "json",
            "REQUEST_MAX_SIZE": options.max_body_bytes * _READ_ANYWAY,
            "REQUEST_TIMEOUT": options.request_seconds,
            "RESPONSE_TIMEOUT": _RESPONSE_SECONDS,
            "KEEP_ALIVE_TIMEOUT": 75,
            "PROXIES_COUNT": options.proxies or None,
            "GRACEFUL_TCP_CLOSE_TIMEOUT": options.drain_seconds,
        }
    )
    return config


def run_http(settings: Settings, fd: int | None = None) -> None:
    """Be an HTTP process until SIGTERM or SIGINT; returns when everything is closed.

    `fd` is an inherited listening socket; without it the settings' address is bound.
    """
    sock = socket.socket(fileno=fd) if fd is not None else _listen(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signal(settings, sock))


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.http.host else socket.AF_INET
    return socket.create_server((settings.http.host, settings.http.port), family=family)


async def _until_signal(settings: Settings, sock: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve_http(*options_of(settings), sock, stop)


def options_of(settings: Settings) -> tuple[Options, HttpOptions]:
    """What of the settings an HTTP process uses."""
    if settings.redis_url is None:
        raise WrongSetting("WA_REDIS_URL: an HTTP process needs one; `wa-api serve` sets it.")
    # A foreign simulator under that name is not ours to command.
    own_sandbox = settings.sandbox.enabled and "sandbox" not in settings.networks
    resources = Options(
        worker=settings.worker_id or new_id("wrk"),
        database_url=settings.database_url,
        database_pool=settings.database.pool_size,
        redis_url=settings.redis_url,
        redis_prefix=settings.redis.prefix,
        redis_seconds=settings.redis.timeout_seconds,
        lease_seconds=settings.sessions.lease_seconds,
        send_seconds=settings.sessions.send_seconds,
        queue_limit=settings.sessions.queue_limit,
        command_seconds=settings.sessions.command_seconds,
        networks=tuple(settings.network_names()),
        private_proxies=tuple(settings.sessions.allowed),
        caller_per_second=settings.http.requests_per_second,
        tenant_per_second=settings.http.tenant_requests_per_second,
        sandbox_socket=settings.data / "sandbox" / "control.sock" if own_sandbox else None,
        tokens=TokenOptions(
            secret=settings.jwt_secret(),
            issuer=settings.auth.issuer,
            audience=settings.auth.audience,
            access_seconds=settings.auth.access_token_seconds,
            refresh_seconds=settings.auth.refresh_token_seconds,
            jwks_url=settings.auth.jwks_url,
        ),
        webhooks=WebhookOptions(
            sealing_keys=tuple(settings.sealing_keys()),
            per_tenant=settings.webhooks.per_tenant,
            allow_http=settings.webhooks.allow_http,
        ),
        media=MediaOptions(**settings.media_options()),
        media_secret=settings.jwt_secret(),
        media_url_seconds=settings.media.url_seconds,
    )
    http = HttpOptions(
        proxies=settings.http.proxies,
        max_body_bytes=settings.http.max_body_bytes,
        request_seconds=settings.http.request_seconds,
        drain_seconds=settings.http.drain_seconds,
        sockets=settings.http.sockets,
        sockets_per_caller=settings.http.sockets_per_caller,
        frames_per_second=settings.http.frames_per_second,
        frame_bytes=settings.http.frame_bytes,
        buffer_bytes=settings.http.buffer_bytes,
        heartbeat_seconds=settings.http.heartbeat_seconds,
        sandbox=own_sandbox,
    )
    return resources, http


async def serve_http(
    options: Options, http: HttpOptions, sock: socket.socket, stop: asyncio.Event
) -> None:
    """Serve on a listening socket until `stop`; then drain, close everything, and return."""
    async with open_resources(options) as resources:
        app = create_app(options.worker, http, resources)
        server = await _started(app, sock)
        log.info("http.ready", worker=options.worker)
        beat = Heartbeat(app.ctx, resources.bus.fleet)
        side = [
            asyncio.create_task(beat.run(stop), name="http.beat"),
            asyncio.create_task(_obey(app.ctx, resources.bus.fleet), name="http.orders"),
            asyncio.create_task(app.ctx.hub.watch(stop), name="http.watch"),
        ]
        try:
            await _until(stop, side)
        finally:
            await _stop(app, server, side)
            await beat.leave()
    log.info("http.stopped", worker=options.worker)


async def _started(app: App, sock: socket.socket) -> Any:
    server: Any = await app.create_server(
        sock=sock,
        protocol=Upgraded,
        backlog=1024,
        access_log=False,
        asyncio_server_kwargs={"start_serving": False},
    )
    if server is None:
        raise RuntimeError("Sanic made no server.")
    await server.startup()
    await server.before_start()
    await server.start_serving()
    await server.after_start()
    app.ctx.ready = True
    return server


async def _until(stop: asyncio.Event, side: list[asyncio.Task[None]]) -> None:
    """Until `stop`; a side task that ends before is a fault that the supervisor must see."""
    stopped = asyncio.create_task(stop.wait(), name="http.stop")
    done, _ = await asyncio.wait([stopped, *side], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for task in done - {stopped}:
        if not stop.is_set():
            task.result()
            raise RuntimeError(f"{task.get_name()} ended.")


async def _stop(app: App, server: Any, side: list[asyncio.Task[None]]) -> None:
    context = app.ctx
    context.draining = True
    log.info("http.draining", worker=context.worker)
    server.close()
    context.hub.close_all()
    seconds = context.options.drain_seconds
    await _drain(server.connections, seconds)
    await context.tasks.finish(seconds / 2)
    for task in side:
        task.cancel()
    await asyncio.gather(*side, return_exceptions=True)
    await server.before_stop()
    await context.hub.stop()
    await server.after_stop()
    Sanic.unregister_app(app)


async def _drain(connections: set[Any], seconds: float) -> None:
    """Let requests in flight end; connections that are idle go at once, late ones are cut."""
    deadline = time.monotonic() + seconds
    while connections and time.monotonic() < deadline:
        for connection in list(connections):
            connection.close_if_idle()
        await asyncio.sleep(0.02)
    for connection in list(connections):
        connection.abort()
    await asyncio.sleep(0)


class Heartbeat:
    """Tells the fleet that this process lives, and its readers when Redis does not answer."""

    def __init__(self, context: Context, fleet: Fleet) -> None:
        """Nothing is said yet."""
        self._context, self._fleet = context, fleet
        self._started = time.time()
        self._away = False
        self._beats = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Every `BEAT_SECONDS` until `stop`."""
        while not stop.is_set():
            await self._beat()
            try:
                await asyncio.wait_for(stop.wait(), BEAT_SECONDS)
            except TimeoutError:
                continue

    async def _beat(self) -> None:
        was_away, self._beats = self._away, self._beats + 1
        try:
            await self._fleet.beat(self._info())
            if was_away or self._beats % RELEARN_BEATS == 0:
                await self._context.services.auth.relearn()
        except WaError:
            self._turn(away=True)
        else:
            self._turn(away=False)

    def _turn(self, *, away: bool) -> None:
        if away != self._away:
            self._away = away
            log.warning("http.bus_away" if away else "http.bus_back")
            notice = frames.Notice("bus_unavailable" if away else "bus_available")
            self._context.hub.announce(frames.encode(notice))

    def _info(self) -> WorkerInfo:
        context = self._context
        return WorkerInfo(
            worker=WorkerId(context.worker),
            role="http",
            network="",
            host=socket.gethostname(),
            pid=os.getpid(),
            state="draining" if context.draining else "ready",
            capacity=context.options.sockets,
            sessions=0,
            started=self._started,
            figures={
                "readers": float(len(context.hub.members)),
                "rss_bytes": float(psutil.Process().memory_info().rss),
                **context.metrics.load(),
            },
        )

    async def leave(self) -> None:
        """Be forgotten at once."""
        try:
            await self._fleet.leave(WorkerId(self._context.worker))
        except WaError:
            log.info("http.leave_not_told")


async def _obey(context: Context, fleet: Fleet) -> None:
    async for order, argument in fleet.orders(WorkerId(context.worker)):
        if order == REVOKED:
            context.services.auth.forget(frozenset(argument.split(",")))
        else:
            log.info("http.order_ignored", order=order)
