"""Delivers one tenant's events to one endpoint, from a durable cursor, at least once.

Events are read from the log into lanes and sent side by side. What fails is kept as a row (with
what follows in its lane) and tried again by the schedule, so the cursor can go on; what fails
because the endpoint is down stops the reading instead. Nothing is written for an event that is
delivered, but for the cursor and the delivery log, in batches. It is one file because the cursor may
only move when lanes, backlog and breaker agree.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from wa_api.bus.ports import EventLog
from wa_api.domain.errors import CursorGone, Fenced, Unavailable
from wa_api.domain.events import Data, WebhookDisabled, WebhookGap, WebhookPaused, event, rfc3339
from wa_api.domain.ids import WebhookId, new_id
from wa_api.readers import Entry, Filter, Tail, Tails, restart
from wa_api.store import delivering
from wa_api.store.webhook_rows import (
    BY_CHAT,
    DISABLED,
    PAUSED,
    DeliveryRow,
    Held,
    Progress,
    Waiting,
    WebhookRow,
)
from workers.webhooks.endpoint import Endpoint, Outcome
from workers.webhooks.lanes import Item, Job, Lane, Lanes
from workers.webhooks.lanes_of import lane_of
from workers.webhooks.patience import Breaker, Schedule
from workers.webhooks.recorder import Recorder
from workers.webhooks.signing import Signer

log = structlog.get_logger()

#: Events read at once; fresh ones in memory; ones kept as rows. Beyond, reading stops.
_PAGE, _FRESH, _KEPT = 200, 1000, 10_000
_PAUSE = 0.5  # seconds before a read is tried again
_GONE = 410
_ALWAYS = "log.gap"


@dataclass(frozen=True, slots=True)
class Means:
    """What all deliverers of a process share. `pause_seconds`: see the setting."""

    log: EventLog
    tails: Tails
    recorder: Recorder
    schedule: Schedule
    pause_seconds: float


class Deliverer:
    """The one deliverer of one webhook, while its lease is held."""

    def __init__(
        self,
        row: WebhookRow,
        endpoint: Endpoint,
        signer: Signer,
        means: Means,
        holds: Callable[[], bool],
    ) -> None:
        """`holds` says whether the lease is still surely ours."""
        self.held = Held(row.tenant, row.id, row.epoch, row.version, row.moves)
        self._row, self._endpoint, self._signer, self._means = row, endpoint, signer, means
        self._holds = holds
        self._wants = Filter(_set(row.sessions), _set(row.types))
        self._lanes = Lanes(row.cursor)
        self._breaker = Breaker()
        self._seen = row.cursor
        self._failing_since = row.failing_since
        self._hold_until = 0.0
        self._in_flight = 0
        self._closing = False
        self._changed, self._room = asyncio.Event(), asyncio.Event()
        self._group = asyncio.TaskGroup()

    @property
    def webhook(self) -> WebhookId:
        """Whose."""
        return self._row.id

    # ── from beginning to end ──

    async def run(self) -> None:
        """Deliver until cancelled, `close`d, or stopped by what the endpoint said."""
        tail = await self._means.tails.open(self._row.tenant, self)
        try:
            for one in await delivering.pending(self.held, _KEPT):
                self._add_kept(one)
            async with self._group:
                reading = self._group.create_task(self._read(tail))
                self._pump()
                await self._mind_time()
                reading.cancel()
        finally:
            await self._means.tails.close(self._row.tenant, self)
            await self._endpoint.close()

    def close(self) -> None:
        """Begin no more requests; `run` returns when those under way have ended."""
        self._closing = True
        self._changed.set()

    async def _mind_time(self) -> None:
        while not (self._closing and self._in_flight == 0):
            now = time.monotonic()
            self._lanes.wake(now)
            self._pump()
            self._changed.clear()
            ahead = [t for t in (self._breaker.until, self._hold_until) if t > now]
            due = min(self._lanes.next_due, *ahead, now + 60)
            try:
                async with asyncio.timeout(max(0.005, due - now)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    # ── reading ──

    async def _read(self, tail: Tail) -> None:
        while True:
            while self._full():
                self._room.clear()
                await self._room.wait()
            try:
                page = await tail.read(self._seen, _PAGE)
                await self._accept(page.entries)
            except CursorGone:
                await self._skip()
                continue
            except Unavailable as error:
                log.warning("webhook.cannot_read", webhook=self.webhook, detail=error.detail)
                await asyncio.sleep(_PAUSE)
                continue
            self._seen = page.upto
            self._note()
            self._pump()
            if not page.more:
                await tail.wait(self._seen)

    def _full(self) -> bool:
        return self._lanes.fresh >= _FRESH or len(self._lanes.kept) >= _KEPT

    async def _accept(self, entries: Sequence[Entry]) -> None:
        """Put events into their lanes; those behind a failed one become rows at once."""
        behind: list[Waiting] = []
        by_chat = self._row.ordering == BY_CHAT
        for one in entries:
            if not self._wants(one.session, one.type) and one.type != _ALWAYS:
                continue
            key = lane_of(one) if by_chat else str(one.cursor)
            if self._lanes.troubled(key):
                behind.append(_waiting_entry(one, key))
            else:
                self._lanes.add(Item(one.cursor, key, one.session, one.type, one.envelope))
        if behind:
            await self._keep_behind(behind)

    async def _keep_behind(self, behind: list[Waiting]) -> None:
        while True:
            try:
                await delivering.put(self.held, [], behind)
                break
            except Unavailable:
                await asyncio.sleep(_PAUSE)
        for one in behind:
            self._add_kept(one)

    def _add_kept(self, one: Waiting) -> None:
        item = Item(
            one.cursor,
            one.lane,
            one.session,
            one.type,
            attempts=one.attempts,
            first_at=one.first_at,
            kept=True,
        )
        late = one.next_at - time.time()
        self._lanes.add(item, time.monotonic() + late if late > 0 else 0.0)

    async def _skip(self) -> None:
        """The log does not reach back to us: go on with the oldest there is, and say so."""
        after, goes_on = self._seen, await restart(self._means.log, self._row.tenant, self._seen)
        log.error("webhook.gap", webhook=self.webhook, after=after, until=goes_on)
        await self._tell(WebhookGap(webhook=self.webhook, after=str(after), until=str(goes_on)))
        self._seen = goes_on

    # ── sending ──

    def _pump(self) -> None:
        """Begin as many requests as may be."""
        now = time.monotonic()
        while (
            not self._closing
            and self._in_flight < self._row.concurrency
            and now >= self._hold_until
            and self._breaker.allows(now, self._in_flight)
        ):
            job = self._lanes.take(self._row.batch)
            if not job:
                return
            self._in_flight += 1
            self._group.create_task(self._attempt(job))

    async def _attempt(self, job: Job) -> None:
        try:
            outcome = await self._send(job)
        finally:
            self._in_flight -= 1
        if outcome is None:
            self.close()  # not ours any more: somebody else delivers it
        elif outcome.delivered:
            self._succeeded(job)
        elif outcome.status == _GONE:
            await self._stop(DISABLED, "gone", "The endpoint answered 410 Gone.")
        else:
            await self._failed(job, outcome)
        if not self._full():
            self._room.set()
        self._pump()
        self._changed.set()

    async def _send(self, job: Job) -> Outcome | None:
        """Make the request; None when the webhook is not ours any more."""
        items = [item for _, some in job for item in some]
        if not await self._loaded(items) or not self._holds():
            return None
        first, last = items[0], items[-1]
        body = first.envelope
        if self._row.batch > 1:
            body = b'{"events":[' + b",".join(item.envelope for item in items) + b"]}"
        name = str(first.cursor) if first is last else f"{first.cursor}-{last.cursor}-{len(items)}"
        now = time.time()
        headers = self._signer.headers(name, body, now)
        headers["x-wa-attempt"] = str(first.attempts + 1)
        outcome = await self._endpoint.post(body, headers)
        self._record(name, items, now, outcome)
        return outcome

    async def _loaded(self, items: list[Item]) -> bool:
        """Read the events back that were kept. False when one is not there any more."""
        for item in items:
            while not item.envelope:
                try:
                    found = await delivering.envelope(self.held, item.cursor)
                except Unavailable:
                    await asyncio.sleep(_PAUSE)
                    continue
                if found is None:
                    return False
                item.envelope = found
        return True

    def _record(self, name: str, items: list[Item], at: float, outcome: Outcome) -> None:
        first = items[0]
        self._means.recorder.tried(
            DeliveryRow(
                id=new_id("dlv"),
                tenant=self._row.tenant,
                webhook=self.webhook,
                event=name,
                type=first.type if len(items) == 1 else "batch",
                events=len(items),
                attempt=first.attempts + 1,
                at=at,
                duration=round(outcome.duration * 1000),
                delivered=outcome.delivered,
                status=outcome.status,
                error=outcome.error,
                response=outcome.response,
            )
        )

    # ── what came of it ──

    def _succeeded(self, job: Job) -> None:
        self._failing_since = None
        if self._breaker.success():
            log.info("webhook.recovered", webhook=self.webhook)
            self._lanes.wake_all()
        for lane, items in job:
            for item in items:
                if item.kept:
                    self._means.recorder.delivered(self.webhook, item.cursor)
            self._lanes.done(lane, items)
        self._note()

    async def _failed(self, job: Job, outcome: Outcome) -> None:
        now, wall = time.monotonic(), time.time()
        self._failing_since = self._failing_since or wall
        self._breaker.failure(now, job[0][0].key)
        if outcome.retry_after is not None:
            self._hold_until = max(self._hold_until, now + outcome.retry_after)
        for lane, items in job:
            await self._put_off(lane, items, outcome, wall)
        if self._breaker.open and wall - self._failing_since >= self._means.pause_seconds:
            await self._stop(PAUSED, "failing", f"Nothing was delivered for long: {outcome.error}")
        self._note()

    async def _put_off(self, lane: Lane, items: list[Item], outcome: Outcome, wall: float) -> None:
        """Keep a lane's first events for later (or for ever), and those behind them."""
        for item in items:
            item.attempts += 1
            item.first_at = item.first_at or wall
        later = self._means.schedule.after(items[0].attempts)
        delay = max(later or 0.0, outcome.retry_after or 0.0)
        failed = [_waiting(item, outcome, wall, wall + delay, dead=later is None) for item in items]
        lane.troubled = True
        behind = [item for item in lane.items if not item.kept and item not in items]
        try:
            await delivering.put(self.held, failed, [_behind(item) for item in behind])
        except Fenced:
            self.close()
        except Unavailable:
            lane.troubled = any(item.kept for item in lane.items)
            self._lanes.wait(lane, time.monotonic() + max(1.0, delay))
        else:
            self._lanes.keep([item for item in (*items, *behind) if not item.kept])
            if later is None:
                log.warning("webhook.gave_up", webhook=self.webhook, cursor=items[0].cursor)
                self._lanes.done(lane, items)
            else:
                _forget_envelopes(items)
                self._lanes.wait(lane, time.monotonic() + delay)
        self._changed.set()

    async def _stop(self, state: str, reason: str, detail: str) -> None:
        """Let the webhook rest until somebody resumes it."""
        self.close()
        await self._means.recorder.flush()
        try:
            if not await delivering.stop(self.held, state, reason, detail):
                return
        except Unavailable:
            return  # the next attempt will say the same
        log.warning("webhook.stopped", webhook=self.webhook, state=state, reason=reason)
        since = None if self._failing_since is None else _time(self._failing_since)
        if state == DISABLED:
            await self._tell(WebhookDisabled(webhook=self.webhook, reason=reason, detail=detail))
        else:
            await self._tell(
                WebhookPaused(
                    webhook=self.webhook, reason=reason, detail=detail, failing_since=since
                )
            )

    async def _tell(self, data: Data) -> None:
        try:
            await self._means.log.append([event(self._row.tenant, None, data)])
        except Unavailable as error:
            log.error("webhook.not_told", webhook=self.webhook, type=data.type, detail=error.detail)

    def _note(self) -> None:
        self._means.recorder.progress(
            Progress(self.held, self._lanes.cursor(self._seen), self._failing_since)
        )


def _time(seconds: float) -> str:
    return rfc3339(datetime.fromtimestamp(seconds, UTC))


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _waiting_entry(one: Entry, lane: str) -> Waiting:
    return Waiting(
        cursor=one.cursor, lane=lane, session=one.session, type=one.type, envelope=one.envelope
    )


def _behind(item: Item) -> Waiting:
    return Waiting(
        cursor=item.cursor,
        lane=item.lane,
        session=item.session,
        type=item.type,
        envelope=item.envelope,
    )


def _waiting(item: Item, outcome: Outcome, at: float, next_at: float, *, dead: bool) -> Waiting:
    return Waiting(
        cursor=item.cursor,
        lane=item.lane,
        session=item.session,
        type=item.type,
        envelope=item.envelope,
        attempts=item.attempts,
        next_at=next_at,
        first_at=item.first_at,
        last_at=at,
        dead_at=at if dead else None,
        error=outcome.error,
        status=outcome.status,
        response=outcome.response,
    )


def _forget_envelopes(items: list[Item]) -> None:
    for item in items:
        item.envelope = b""
