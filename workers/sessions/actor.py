"""One session and the engine that speaks for it, from claim to release.

`run` is the only place that starts and stops engines; events, commands and the supervisor only
pass it a verdict. Everything that is written carries the lease's epoch.

Longer than most files: what starts an engine, what ends it and what a lost lease does to both only make
sense together.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import structlog

from wa_api.bus.ports import EventLog, Inbox
from wa_api.domain.commands import Command
from wa_api.domain.errors import Fenced, WaError
from wa_api.domain.events import SessionQrIssued, SessionStateChanged
from wa_api.domain.ids import WorkerId
from wa_api.domain.proxies import Proxy, parse_proxy
from wa_api.domain.sessions import ONLINE, Reason, SessionState, may_follow
from wa_api.store.sealing import Sealed, Sealer
from workers.engine import port
from workers.engine.port import Engine, EngineEvent, EngineFactory
from workers.sessions import views
from workers.sessions.attachments import Attachments, MediaMeans
from workers.sessions.chronicle import Chronicle
from workers.sessions.commands import Asks
from workers.sessions.insist import Lost, insist
from workers.sessions.listener import Listener
from workers.sessions.records import Change, Owned, Records, Wanted
from workers.sessions.restriction import Restriction
from workers.sessions.sends import Sends
from workers.sessions.verdicts import Again, Drop, Finish, Leave, Verdict, verdict_on
from workers.sessions.visibility import Visibility
from workers.sessions.voice import Debts, Voice

log = structlog.get_logger()

FINISHING = 3.0  #: seconds that commands and events in hand get when a session is let go
PAUSES = (1.0, 60.0)  #: first and longest pause before a new engine, seconds
CONNECTING = {SessionState.STARTING, SessionState.RECONNECTING}
ENGINE_ERRORS = 5  #: in a row, after which a session has failed


@dataclass(frozen=True, slots=True)
class Means:
    """What every session of this process works with."""

    records: Records
    events: EventLog
    inbox: Inbox
    factory: EngineFactory
    debts: Debts
    media: MediaMeans
    restriction_seconds: float = 3600.0  #: see Restriction
    sealer: Sealer | None = None  #: opens what is kept of sessions' proxies
    contacts_seconds: float = 900.0  #: see AddressBook


class Actor:
    """Owns one session until `run` returns."""

    def __init__(self, wanted: Wanted, owned: Owned, means: Means) -> None:
        """`wanted` is the row as it was before the claim, which has written `starting`."""
        self.owned, self.attempts = owned, wanted.attempts
        self.state, self._previous = SessionState.STARTING, wanted.state
        self.since = time.monotonic()
        self.linked = wanted.jid is not None
        self.successor: WorkerId | None = None
        self.settled = False
        self._means, self._lost = means, Lost()
        self._engine: Engine | None = None
        self._voice = Voice(
            owned, means.events, means.inbox, means.debts, self._lost, wanted.metadata
        )
        self.settings, self._proxy = wanted.settings, wanted.proxy
        self._complaint: str | None = None  #: what was told of the proxy last
        self.files = Attachments(owned, means.media, self._voice, wanted.settings.media)
        self._sends = Sends(
            owned, means.records, self._voice, self.files, self._lost, self._on_restricted
        )
        self._restriction = Restriction(self)
        self._asks = Asks(self, self._voice, means.inbox)
        self._turn = asyncio.Lock()  # an event, or a change of state, at a time
        self._verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._failures = 0
        self._listener = Listener(
            owned,
            means.records,
            self._voice,
            self._lost,
            self._sends,
            self.files,
            wanted.settings,
            means.contacts_seconds,
        )
        self._visibility = Visibility(wanted.settings.show_online)
        self._ending: Engine | None = None  #: the last that was stopped
        self._stopping: asyncio.Task[None] | None = None
        self.left = False  #: whether the run ended in good order
        self.logging_out = False  #: an end that comes now is our own doing

    @property
    def idle(self) -> bool:
        """Whether nothing is in hand."""
        return not self._sends and not self._asks

    def follows(self, wanted: Wanted) -> bool:
        """Whether it goes by what a user wants now (see `adopt`)."""
        mine = self.settings, self._voice.metadata, self._proxy
        return (wanted.settings, wanted.metadata, wanted.proxy) == mine

    @property
    def engine(self) -> Engine | None:
        """The present engine."""
        return self._engine

    @property
    def chronicle(self) -> Chronicle:
        """What the session learns besides messages."""
        return self._listener.chronicle

    @property
    def sends(self) -> Sends:
        """The session's sends."""
        return self._sends

    @property
    def ending(self) -> bool:
        """Whether a verdict was passed."""
        return self._verdict.done()

    def adopt(self, wanted: Wanted) -> None:
        """A user may have changed settings: what can change while it runs does now."""
        self._voice.metadata = wanted.metadata
        if wanted.proxy != self._proxy:
            self._proxy, self._complaint = wanted.proxy, None
            self.judge(Again(Reason.REQUESTED))
        if wanted.settings == self.settings:
            return
        self.settings = settings = wanted.settings
        self._listener.adopt(settings)
        self._visibility.wanted = settings.show_online
        self.files.adopt(settings.media)
        log.info("session.settings_adopted", session=self.owned.session)

    def judge(self, verdict: Verdict) -> bool:
        """Pass a verdict; False when another one was first."""
        if self._verdict.done():
            return False
        self._verdict.set_result(verdict)
        return True

    async def lose(self) -> None:
        """The lease is gone: disconnect now, without waiting for anything in hand.

        When this returns nothing is connected, and nothing will be. What the engine had
        acknowledged is still recorded, for as long as nobody newer owns the session.
        """
        self._lost.set()
        self._sends.lose()
        self.judge(Drop())
        self._begin_stop()
        if self._ending is not None:
            await self._ending.gone()

    async def run(self, reason: Reason) -> None:
        """Run the session; when this returns its engine is gone. Never raises."""
        try:
            async with self._turn:  # the engine connects meanwhile; what it says waits
                await self._start_engine()
                await self._begin(reason)
            verdict = await self._live()
            await self._let_go(verdict)
            self.left = True
        except Fenced:
            log.warning("session.fenced", session=self.owned.session)
        except Exception:
            log.exception("session.actor_broke", session=self.owned.session)
        finally:
            await self._abandon()

    async def _begin(self, reason: Reason) -> None:
        owned, means = self.owned, self._means
        await insist(lambda: means.events.raise_fence(owned.tenant, owned.lease), self._lost)
        await self._announce(Change(SessionState.STARTING, reason), self._previous)
        left = await insist(lambda: means.records.take_over(owned), self._lost)
        if left.unknown:
            await self._voice.testify(*(change.data for change in left.unknown))
        await self._listener.catch_up()
        await self._sends.begin()
        self._sends.offer(left.pending)
        means.inbox.attach(owned.lease, self._on_command)

    async def _live(self) -> Finish | Leave | Drop:
        """One engine after the other, until a verdict that is not `Again`."""
        while True:
            verdict = await self._verdict
            if not isinstance(verdict, Again):
                return verdict
            await self._stop_engine()
            self._verdict = asyncio.get_running_loop().create_future()
            if self._lost:
                return Drop()
            ended = await self._renew(verdict)
            if ended is not None:
                return ended
            await self._start_engine()

    async def _start_engine(self) -> None:
        if self._lost:
            raise Fenced
        try:
            proxy = self._way_out()
        except WaError as error:  # never without the proxy
            self.judge(Finish(Change(SessionState.FAILED, Reason.PROXY_FAILED, str(error))))
            return
        engine = self._means.factory.make(self.owned.session, self._handle, proxy)
        self._engine = engine
        try:
            await engine.start()
        except Exception as error:
            log.exception("session.engine_start_failed", session=self.owned.session)
            self.judge(Again(Reason.ENGINE_ERROR, type(error).__name__))

    def _way_out(self) -> Proxy | None:
        """The session's proxy; raises Sealed when it cannot be read any more."""
        sealed, sealer = self._proxy, self._means.sealer
        if sealed is None:
            return None
        if sealer is None:
            raise Sealed
        return parse_proxy(sealer.open(sealed))

    async def _renew(self, why: Again) -> Finish | Leave | Drop | None:
        """Wait before the next engine; a verdict that came meanwhile."""
        if why.reason is Reason.REQUESTED:
            self._failures = 0
            await self._enter(Change(SessionState.STARTING, Reason.REQUESTED))
            if why.command is not None:
                await self._voice.answer(why.command)
            return None
        self._failures += 1
        if why.reason is Reason.ENGINE_ERROR and self._failures > ENGINE_ERRORS:
            return Finish(Change(SessionState.FAILED, why.reason, why.detail))
        state = SessionState.RECONNECTING if self.linked else SessionState.STARTING
        await self._enter(Change(state, why.reason, why.detail or None))
        first, most = PAUSES
        pause = min(most, first * 2 ** (self._failures - 1)) * random.uniform(0.5, 1)  # noqa: S311
        done, _ = await asyncio.wait([self._verdict], timeout=pause)
        if not done:
            return None
        verdict = self._verdict.result()
        if isinstance(verdict, Again):  # asked for a restart while waiting
            self._verdict = asyncio.get_running_loop().create_future()
            return await self._renew(verdict)
        return verdict

    async def _let_go(self, verdict: Finish | Leave | Drop) -> None:
        if isinstance(verdict, Drop):
            return
        inbox, session = self._means.inbox, self.owned.session
        await inbox.detach(session)
        await asyncio.gather(self._sends.close(FINISHING), self._asks.close(FINISHING))
        await self._stop_engine()
        async with asyncio.timeout(FINISHING):  # the event in hand reaches the log
            await self._turn.acquire()
        self._turn.release()
        await self._listener.close(FINISHING)
        if isinstance(verdict, Leave):
            self.successor = verdict.successor
            await self._pause(verdict)
            return
        await self._enter(verdict.change)
        if verdict.forget:
            await self._means.factory.forget(session)
        if verdict.command is not None:
            await self._voice.answer(verdict.command)

    async def _pause(self, verdict: Leave) -> None:
        """Without a successor nobody may go on for a while: say so."""
        if verdict.successor is not None:
            return
        state = SessionState.RECONNECTING if self.state in ONLINE else SessionState.STOPPED
        if self.state not in (state, SessionState.RECONNECTING):
            await self._enter(Change(state, Reason.OWNER_CHANGED))

    async def _abandon(self) -> None:
        """Whatever happened: nothing of this session runs here any more."""
        self._restriction.forget()
        self._sends.lose()
        await self._stop_engine()
        for step in (
            self._sends.close(0),
            self._asks.close(0),
            self._listener.close(0),
            self.files.close(),
            self._means.inbox.detach(self.owned.session),
        ):
            try:
                await step
            except Exception:
                log.exception("session.close_broke", session=self.owned.session)

    def _rest(self) -> None:
        """Nothing can be asked of WhatsApp for now."""
        for each in (self._sends, self._visibility, self._listener):
            each.offline()

    def _begin_stop(self) -> None:
        self._rest()
        engine, self._engine = self._engine, None
        if engine is not None:
            self._ending = engine
            self._stopping = asyncio.create_task(self._stop(engine))

    async def _stop_engine(self) -> None:
        """Whoever comes second waits for the same stop."""
        self._begin_stop()
        if self._stopping is not None:
            await asyncio.shield(self._stopping)

    async def _stop(self, engine: Engine) -> None:
        try:
            await engine.stop()
        except Exception:
            log.exception("session.engine_stop_failed", session=self.owned.session)

    # What the engine says.

    async def _handle(self, fact: EngineEvent) -> None:
        """Make a fact safe; the engine goes on when this returns."""
        async with self._turn:
            try:
                await self._hear(fact)
            except Fenced:
                self._lost.set()
                self.judge(Drop())

    async def _hear(self, fact: EngineEvent) -> None:
        match fact:
            case port.QrShown():
                await self._qr(fact)
            case port.Linked():
                self.linked = True
            case port.Online():
                await self._online(fact)
            case port.Offline():
                await self._offline(fact)
            case port.PairingEnded() | port.Ended():
                self._sends.offline()
                if not self.logging_out:
                    self.judge(verdict_on(fact))
            case _:
                await self._listener.hear(fact, self._engine)

    async def _qr(self, fact: port.QrShown) -> None:
        expires = time.time() + fact.lifetime
        if self.state is not SessionState.PAIRING:
            await self._enter(Change(SessionState.PAIRING, Reason.NOT_LINKED))
        await self._voice.say(
            SessionQrIssued(qr=fact.code, number=fact.number, expires_at=views.stamp(expires))
        )

    async def _online(self, fact: port.Online) -> None:
        first = self.state is SessionState.PAIRING
        self.linked = True
        self._failures, self._complaint = 0, None
        if first:
            await insist(lambda: self._means.records.linked(self.owned), self._lost)
            await self._sends.begin()
        if self.state not in ONLINE:
            change = Change(
                SessionState.CONNECTED,
                Reason.LINKED if first else Reason.RESTORED,
                jid=str(fact.jid),
                lid=str(fact.lid) if fact.lid else None,
                push_name=fact.push_name or None,
            )
            await self._enter(self._restriction.on_top_of(change))
        if self._engine is not None and not self._lost:
            self._sends.online(self._engine)
            self._visibility.online(self._engine)
            self._listener.online(self._engine, linked=first)

    async def _offline(self, fact: port.Offline) -> None:
        self._rest()
        if self.state in ONLINE:
            await self._enter(Change(SessionState.RECONNECTING, fact.reason, fact.detail or None))
        elif fact.reason is Reason.PROXY_FAILED and self.state in CONNECTING:
            if fact.detail == self._complaint:
                return
            self._complaint = fact.detail
            await self._enter(Change(SessionState.STARTING, fact.reason, fact.detail))

    async def _on_restricted(self) -> None:
        until = await self._sends.restrict(self._means.restriction_seconds)
        if until is not None:
            await self._restriction.begin(until)

    # What is written.

    async def change(self, before: SessionState, change: Change) -> None:
        """Enter a state, if the present one is (still) `before`."""
        async with self._turn:
            if self.state is before and not self._lost:
                await self._enter(change)

    async def _enter(self, change: Change) -> None:
        """Write a new state, then tell it."""
        if not may_follow(self.state, change.state):
            log.warning(
                "session.odd_transition",
                session=self.owned.session,
                before=self.state,
                after=change.state,
            )
            return
        records, owned, before = self._means.records, self.owned, self.state
        await insist(lambda: records.set_state(owned, change), self._lost)
        self.state, self.since = change.state, time.monotonic()
        await self._announce(change, before)

    async def _announce(self, change: Change, before: SessionState) -> None:
        lease = self.owned.lease
        log.info(
            "session.state_changed",
            session=lease.session,
            state=change.state,
            reason=change.reason,
            epoch=lease.epoch,
        )
        await self._voice.say(
            SessionStateChanged(
                state=change.state,
                reason=change.reason,
                previous=before,
                detail=change.detail,
                worker=lease.worker,
                epoch=lease.epoch,
                jid=change.jid,
                lid=change.lid,
                until=None if change.until is None else views.stamp(change.until),
            )
        )

    async def _on_command(self, command: Command) -> None:
        if command.name == "message.send":
            await self._sends.order(command)
        elif command.name in ("queue.refresh", "queue.drop"):  # in order with sends
            await self._sends.change(command)
        else:
            await self._asks.put(command)

    async def await_pairing(self, deadline: float) -> bool:
        """Wait until a code can be asked for; False when `deadline` (Unix seconds) came first."""
        while self.state is not SessionState.PAIRING:
            if time.time() >= deadline or self.state not in (SessionState.STARTING,):
                return False
            await asyncio.sleep(0.05)
        return True
