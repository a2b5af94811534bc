"""Which webhooks this process delivers: claimed by leases, shared fairly, let go in time."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field

import httpcore
import orjson
import structlog

from wa_api.bus.open import Bus
from wa_api.domain.commands import Command, Reply
from wa_api.domain.errors import Fenced, Unavailable, WaError
from wa_api.domain.events import now as time_now
from wa_api.domain.ids import SessionId, WebhookId, WorkerId, new_id
from wa_api.domain.leases import Lease
from wa_api.domain.webhooks import CHANNEL, ROLE, TEST_TYPE
from wa_api.store import delivering
from wa_api.store.sealing import Sealed, Sealer
from wa_api.store.webhook_rows import ENABLED, WebhookRow
from workers.sessions.clock import boottime
from workers.sessions.deadman import Deadman
from workers.sessions.keeper import Keeper
from workers.webhooks.deliverer import Deliverer, Means
from workers.webhooks.endpoint import Endpoint
from workers.webhooks.signing import Signer

log = structlog.get_logger()

_SWEEP = 2.0
_CLOSE = 3.0  # seconds that requests under way get when a deliverer ends
_FORGET = 60.0
#: Seconds before a webhook is claimed again that was given to others, or that could not run.
_YIELD, _AILING = 6.0, 15.0
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Options:
    """What an owner is told. `log_days`, `dead_letter_days`: how long those are kept."""

    backend: httpcore.AsyncNetworkBackend
    tls: ssl.SSLContext
    sealer: Sealer
    log_days: float = 7.0
    dead_letter_days: float = 30.0


@dataclass(slots=True, eq=False)
class _Running:
    """A webhook that is delivered here."""

    lease: Lease
    deliverer: Deliverer
    endpoint: Endpoint
    signer: Signer
    task: asyncio.Task[None]
    ending: bool = False
    tests: set[asyncio.Task[None]] = field(default_factory=set)


class Owner:
    """One process's share of all webhooks."""

    def __init__(
        self, bus: Bus, worker: WorkerId, means: Means, options: Options, timer: Deadman
    ) -> None:
        """`timer` ends the process if it hangs for longer than its leases last."""
        self._bus, self._worker, self._means, self._options = bus, worker, means, options
        self._timer = timer
        self._keeper = Keeper(bus.leases, self._lost, timer)
        self._running: dict[WebhookId, _Running] = {}
        self._locks: dict[WebhookId, asyncio.Lock] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._forgot = 0.0
        #: Not to be claimed here before (monotonic): others first, or it just failed.
        self._not_before: dict[WebhookId, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Claim and deliver until `stop`; then let go of everything."""
        tasks = [
            asyncio.create_task(self._keeper.run(), name="webhooks.keeper"),
            asyncio.create_task(self._means.recorder.run(), name="webhooks.recorder"),
            asyncio.create_task(self._listen(), name="webhooks.listen"),
            asyncio.create_task(self._sweeps(), name="webhooks.sweep"),
        ]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
                raise RuntimeError(f"{task.get_name()} ended.")
        finally:
            for task in (stopped, *tasks[2:]):
                task.cancel()
            await asyncio.gather(stopped, *tasks[2:], return_exceptions=True)
            await asyncio.gather(*(self._end(one) for one in list(self._running)))
            await asyncio.gather(*self._endings, return_exceptions=True)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._means.recorder.flush()
            self._timer.arm(None)

    # ── which ──

    async def _listen(self) -> None:
        async for session in self._bus.fleet.wanted(CHANNEL):
            if session.startswith("whk_"):
                await self._guarded(self._look(WebhookId(session)))

    async def _sweeps(self) -> None:
        while True:
            await self._guarded(self._sweep())
            await asyncio.sleep(_SWEEP)

    async def _guarded(self, step: object) -> None:
        try:
            await step  # type: ignore[misc]  # a coroutine
        except WaError as error:
            log.warning("webhooks.waiting", code=error.code, detail=error.detail)

    async def _sweep(self) -> None:
        wanted = await _all_enabled()
        for webhook in list(self._running):
            if webhook not in wanted:
                await self._look(webhook)
        await self._refresh()
        workers = {one.worker for one in await self._bus.fleet.workers() if one.role == ROLE}
        others = len(workers - {self._worker})
        share = math.ceil(len(wanted) / (others + 1))
        owners = await self._bus.leases.owners([SessionId(one) for one in wanted])
        free = [one for one in wanted if SessionId(one) not in owners]
        for webhook in free[: max(0, share - len(self._running))]:
            await self._claim(webhook)
        surplus = len(self._running) - share
        if others and surplus > 0:
            for webhook in list(self._running)[:surplus]:
                self._not_before[webhook] = time.monotonic() + _YIELD
                await self._end(webhook)
        await self._forget()

    async def _refresh(self) -> None:
        """Notice changes whose announcement was lost."""
        known = await delivering.versions(list(self._running))
        for webhook, running in list(self._running.items()):
            held = running.deliverer.held
            if known.get(webhook) != (ENABLED, held.version, held.epoch):
                await self._look(webhook)

    async def _look(self, webhook: WebhookId) -> None:
        """Something about the webhook may have changed: begin, begin anew, or end."""
        known = (await delivering.versions([webhook])).get(webhook)
        running = self._running.get(webhook)
        if running is not None:
            held = running.deliverer.held
            if known == (ENABLED, held.version, held.epoch):
                return
            await self._end(webhook)
        if known is not None and known[0] == ENABLED:
            await self._claim(webhook)

    async def _forget(self) -> None:
        now = time.time()
        if now - self._forgot < _FORGET:
            return
        self._forgot = now
        options = self._options
        for _ in range(20):
            if not await delivering.forget(
                log_before=now - options.log_days * _DAY,
                dead_before=now - options.dead_letter_days * _DAY,
            ):
                return

    # ── beginning and ending ──

    async def _claim(self, webhook: WebhookId) -> None:
        async with self._locks.setdefault(webhook, asyncio.Lock()):
            if webhook in self._running or not self._may_claim(webhook):
                return
            since = boottime()
            floor = await delivering.epoch(webhook)
            lease = await self._bus.leases.acquire(SessionId(webhook), self._worker, floor)
            if lease is None:
                return
            self._keeper.hold(lease, since)
            try:
                row = await delivering.claim(webhook, lease)
                if row is not None:
                    self._begin(row, lease)
            except Sealed:
                self._not_before[webhook] = time.monotonic() + _AILING
                raise
            finally:
                if webhook not in self._running:
                    await self._release(lease)

    def _may_claim(self, webhook: WebhookId) -> bool:
        until = self._not_before.get(webhook, 0.0)
        if time.monotonic() < until:
            return False
        self._not_before.pop(webhook, None)
        return True

    def _begin(self, row: WebhookRow, lease: Lease) -> None:
        open_ = self._options.sealer.open
        secrets: list[tuple[str, float | None]] = [(open_(row.secret), None)]
        if row.old_secret is not None:
            with suppress(Sealed):  # rotated because it could not be read any more
                secrets.append((open_(row.old_secret), row.old_secret_until))
        signer = Signer(secrets)
        headers = {
            "user-agent": "wa-api",
            **(orjson.loads(open_(row.headers)) if row.headers else {}),
        }
        endpoint = Endpoint(row.url, headers, row.timeout, self._options.backend, self._options.tls)
        deliverer = Deliverer(row, endpoint, signer, self._means, lambda: self._keeper.holds(lease))
        task = asyncio.create_task(deliverer.run(), name=f"webhook.{row.id}")
        running = _Running(lease, deliverer, endpoint, signer, task)
        self._running[row.id] = running
        task.add_done_callback(lambda _: self._ended(running))
        self._bus.inbox.attach(lease, lambda command: self._command(running, command))
        log.info("webhook.claimed", webhook=row.id, epoch=lease.epoch, cursor=row.cursor)

    def _ended(self, running: _Running) -> None:
        """A deliverer ended by itself: let go, so that somebody (or we) may begin anew."""
        if not running.task.cancelled() and running.task.exception() is not None:
            log.error("webhook.failed", webhook=running.deliverer.webhook,
                      exc_info=running.task.exception())  # fmt: skip
            self._not_before[running.deliverer.webhook] = time.monotonic() + _AILING
        if not running.ending:
            ending = asyncio.create_task(self._end(running.deliverer.webhook))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    def _lost(self, lease: Lease) -> None:
        running = self._running.get(WebhookId(lease.session))
        if running is not None and running.lease == lease:
            running.task.cancel()

    async def _end(self, webhook: WebhookId) -> None:
        async with self._locks.setdefault(webhook, asyncio.Lock()):
            running = self._running.get(webhook)
            if running is None or running.ending:
                return
            running.ending = True
            running.deliverer.close()
            await asyncio.wait([running.task], timeout=_CLOSE)
            for task in (running.task, *running.tests):
                task.cancel()
            await asyncio.gather(running.task, *running.tests, return_exceptions=True)
            await self._means.recorder.flush()
            del self._running[webhook]
            await self._release(running.lease)
            log.info("webhook.released", webhook=webhook, epoch=running.lease.epoch)

    async def _release(self, lease: Lease) -> None:
        try:
            await self._bus.inbox.detach(lease.session)
            await self._bus.leases.release(lease)
        except Unavailable:
            pass  # it ends by itself
        finally:
            self._keeper.drop(lease)

    # ── tests ──

    async def _command(self, running: _Running, command: Command) -> None:
        task = asyncio.create_task(self._test(running, command))
        running.tests.add(task)
        task.add_done_callback(running.tests.discard)

    async def _test(self, running: _Running, command: Command) -> None:
        """Send an event of its own kind, outside of the order, and tell what came of it."""
        name, now = new_id("test"), time.time()
        body = orjson.dumps(
            {
                "id": name,
                "type": TEST_TYPE,
                "tenant": command.tenant,
                "time": time_now(),
                "data": {"webhook": command.session},
            }
        )
        outcome = await running.endpoint.post(body, running.signer.headers(name, body, now))
        reply = Reply(
            id=command.id,
            data={
                "event": name,
                "delivered": outcome.delivered,
                "status": outcome.status,
                "error": outcome.error,
                "response": outcome.response,
                "duration_ms": round(outcome.duration * 1000),
            },
        )
        try:
            await self._bus.inbox.finish(running.lease, command, reply)
        except (Fenced, Unavailable) as error:
            log.warning("webhook.test_not_told", webhook=command.session, error=str(error))


async def _all_enabled() -> list[WebhookId]:
    found: list[WebhookId] = []
    while page := await delivering.enabled(after=found[-1] if found else ""):
        found += page
    return found
