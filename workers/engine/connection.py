"""One client of the library on a thread of its own: facts in order, calls gated, a safe stop.

The hand-over decides what a kill -9 can lose. The library acknowledges a message to WhatsApp once
the message is in a channel of 100 places, and takes the next one from the channel when our
callback returned. The callback therefore waits until the fact's handler is done (the event is
safe): lost are at most the channel's content and the one fact in hand, and a slow handler holds
the library back instead of filling Python's memory. docs/decisions/0006 has the figures.
"""

from __future__ import annotations

import asyncio
import enum
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from workers.engine.neonize import Client, park, proto
from workers.engine.news import NEWS
from workers.engine.port import EngineNotReady, News

log = structlog.get_logger()
T = TypeVar("T")

#: Calls of one session that may be under way at once; one bad session must not take all threads.
CALLS_AT_ONCE = 8


class Phase(enum.Enum):
    """Where the connection's thread is, which decides whether stopping it is safe."""

    DIALING = enum.auto()  # opens the store, connects; a stop now would be ignored by the library
    PAIRING = enum.auto()  # shows QR codes; a stop now loses the thread for ever
    LINKING = enum.auto()  # paired; a stop now aborts the process (nil client)
    LISTENING = enum.auto()  # takes events; can be stopped cleanly
    PARKED = enum.auto()  # pairing failed; the thread is held by us for ever
    DONE = enum.auto()  # the thread ended


_UNSETTLED = {Phase.DIALING, Phase.LINKING}


@dataclass(frozen=True, slots=True)
class Qr:
    """The library shows a QR code."""

    code: str


@dataclass(frozen=True, slots=True)
class PairingFailed:
    """The library gave the pairing up; `status` is its own word."""

    status: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Connected; `device` is the library's record of itself (None when it could not be read)."""

    device: Any


@dataclass(frozen=True, slots=True)
class Finished:
    """The library's call returned: the first dial failed (with its error text), or it stopped."""

    error: str


@dataclass(frozen=True, slots=True)
class StopLimits:
    """How long the steps of a stop may take, in seconds."""

    settle: float = 3.0  # for a dial to end
    drain: float = 2.0  # for the library to give out what it acknowledged to WhatsApp already
    #: Without an event after which there are no more: longer than a message takes from its
    #: acknowledgement through its decryption, with a store in a database that is busy.
    quiet: float = 0.2
    stop: float = 3.0  # for the library's stop, and for the thread to end


#: Gets each fact (Qr, PairingFailed, LoggedIn, Finished, or an event of the library), one at a time.
Deliver = Callable[[Any], Awaitable[None]]


class Connection:
    """Made, started once, stopped once; all methods but the callbacks belong to the loop."""

    def __init__(
        self,
        client: Client,
        deliver: Deliver,
        calls: Executor,
        control: Executor,
        limits: StopLimits,
    ) -> None:
        """`calls` runs calls that may hang for a minute, `control` only disconnects and stops."""
        self._client, self._deliver, self._limits = client, deliver, limits
        self._calls, self._control = calls, control
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._phase = Phase.DIALING
        self._closed = False
        self._running_calls = 0
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self._hurried: Future[None] = Future()  #: facts are taken without waiting for handlers
        self._released: Future[None] = Future()  #: facts are not taken any more
        self._settled, self._done = asyncio.Event(), asyncio.Event()
        self.gone = asyncio.Event()  #: nothing is connected any more, nor will be
        self._turn = asyncio.Lock()  # facts are handled one at a time, in order
        self._delivering: asyncio.Task[Any] | None = None
        self._last_event = 0.0
        self._stop_task: asyncio.Task[bool] | None = None

    @property
    def phase(self) -> Phase:
        """Where the thread is now."""
        return self._phase

    def start(self, name: str) -> None:
        """Begin connecting. The thread is a daemon: a leaked one does not keep the process."""
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def delivers_in(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether `task` is handling a fact of this connection right now."""
        return task is not None and task is self._delivering

    # The connection's thread ------------------------------------------------------------------

    def _run(self) -> None:
        error = "the engine failed"
        try:
            error = self._client.run(self)
        except Exception:
            log.exception("engine.run_failed")
        self._enter(Phase.DONE)
        self._tell(self._done.set)
        self._hand_over(Finished(error))

    def on_qr(self, code: str) -> None:
        """See Callbacks."""
        if self._enter(Phase.PAIRING):
            self._hand_over(Qr(code))
        else:
            self._client.stop()

    def on_pairing(self, status: str) -> None:
        """See Callbacks."""
        if status == "success":
            self._enter(Phase.LINKING)
            return
        self._enter(Phase.PARKED)
        self._hand_over(PairingFailed(status))
        park()

    def on_event(self, event: Any) -> None:
        """See Callbacks."""
        self._last_event = time.monotonic()
        if isinstance(event, proto.Device) and not self._enter(Phase.LISTENING):
            self._client.stop()  # a stop came while dialing and could not be carried out then
        if isinstance(event, proto.Connected):
            event = LoggedIn(self._identity())
        elif type(event) in NEWS:
            event = self._news(event)
        self._hand_over(event)

    def _identity(self) -> Any:
        self._client.memory.groups.forget()  # what happened meanwhile is told, but later
        try:
            return self._guarded(Client.me)
        except EngineNotReady:
            return None

    def _news(self, event: Any) -> News:
        translate = NEWS[type(event)]
        try:
            return News(self._guarded(lambda client: tuple(translate(client, event))))
        except EngineNotReady:
            return News(())  # stopping: the library keeps nothing of it for later either

    def _enter(self, phase: Phase) -> bool:
        """Note the phase; False when a stop was asked for meanwhile."""
        with self._lock:
            self._phase = phase
            wanted = not self._closed
        if phase not in _UNSETTLED:
            self._tell(self._settled.set)
        return wanted

    def _tell(self, function: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            log.debug("engine.loop_closed")

    def _hand_over(self, fact: Any) -> None:
        """Return when the fact was handled; sooner once the connection is being stopped."""
        if self._released.done():
            return
        handled = self._handled(fact)
        try:
            future = asyncio.run_coroutine_threadsafe(handled, self._loop)
        except RuntimeError:
            handled.close()
            return
        wait((future, self._hurried), return_when=FIRST_COMPLETED)
        self._last_event = time.monotonic()

    async def _handled(self, fact: Any) -> None:
        async with self._turn:
            self._delivering = asyncio.current_task()
            try:
                await self._deliver(fact)
            except Exception:
                log.exception("engine.handler_failed", fact=type(fact).__name__)
            finally:
                self._delivering = None

    # Calls ------------------------------------------------------------------------------------

    async def call(self, function: Callable[[Client], T], limit: float) -> T:
        """Run a blocking call of the client on another thread.

        Raises EngineNotReady when it was not begun, LibraryError, or TimeoutError when it was
        begun and did not return within `limit` seconds (it goes on, unseen).
        """
        begun = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                await self._slots.acquire()
        except TimeoutError:
            raise EngineNotReady("Too many calls of this session are waiting.") from None
        future = self._calls.submit(self._guarded, function)
        future.add_done_callback(lambda _: self._tell(self._slots.release))
        try:
            async with asyncio.timeout(max(0.0, limit - (time.monotonic() - begun))):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            if future.cancelled():
                raise EngineNotReady("The engine is too busy for this call.") from None
            raise

    def _guarded(self, function: Callable[[Client], T]) -> T:
        """Run a call unless the client is being stopped, for then it would abort the process."""
        with self._lock:
            if self._closed:
                raise EngineNotReady
            self._running_calls += 1
        try:
            return function(self._client)
        finally:
            with self._lock:
                self._running_calls -= 1

    # Stopping ---------------------------------------------------------------------------------

    async def stop(self) -> bool:
        """Disconnect and end the thread, within StopLimits; False when something is left behind.

        What the library acknowledged to WhatsApp by then is taken from it, and handled before
        this returns, however long that takes (a handler gives up when it must), unless a handler
        itself asks for the stop.
        """
        if self._stop_task is None:
            drain = not self.delivers_in(asyncio.current_task())
            self._stop_task = asyncio.create_task(self._stop(drain))
        return await asyncio.shield(self._stop_task)

    async def _stop(self, drain: bool) -> bool:
        if not await _within(self._limits.settle, self._settled.wait()):
            log.warning("engine.stopped_while_dialing")
            self._close()
            self.gone.set()
            return False
        clean = self._phase in {Phase.LISTENING, Phase.DONE}
        if self._phase is Phase.LISTENING:
            await self._control_call(self._client.disconnect)
            self._hurried.set_result(None)
            if drain and not await _within(self._limits.drain, self._drained()):
                log.warning("engine.stopped_with_events_in_hand")
        self._close()
        await self._control_call(self._client.stop)
        clean = clean and await _within(self._limits.stop, self._done.wait())
        self.gone.set()
        if drain:
            async with self._turn:  # all that was taken waits before us
                return clean
        return clean

    def _close(self) -> None:
        with self._lock:
            self._closed = True
        for future in (self._released, self._hurried):
            if not future.done():
                future.set_result(None)

    async def _control_call(self, function: Callable[[], None]) -> None:
        call = self._loop.run_in_executor(self._control, function)
        if not await _within(self._limits.stop, call):
            log.warning("engine.stop_is_slow", step=function.__name__)

    async def _drained(self) -> None:
        """Return when no event came for a while; what the library holds comes without a pause,
        unless the machine is so busy that we ourselves are woken late.
        """
        while True:
            asleep = time.monotonic()
            await asyncio.sleep(self._limits.quiet)
            now = time.monotonic()
            late = now - asleep > 2 * self._limits.quiet
            if not late and now - self._last_event >= self._limits.quiet:
                return


async def _within(limit: float, awaitable: Awaitable[Any]) -> bool:
    """Whether it ended within `limit` seconds."""
    try:
        async with asyncio.timeout(limit):
            await awaitable
    except TimeoutError:
        return False
    return True
