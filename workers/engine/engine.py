"""One session's engine: what the library reports becomes the port's events, and it stays online.

The library reconnects by itself after most interruptions. Where it gives up (a first dial that
fails, the reconnect after pairing) or is slow to notice (a server that no longer answers), the
engine stops the client and dials anew with a fresh one.

Longer than most files because the library has some twenty kinds of events: each has a method of a few
lines here, and whatever needs thought is elsewhere (`connection`, `convert`, `calls`, `news`).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec
import structlog

from wa_api.domain.addresses import Jid
from wa_api.domain.asking import Ask
from wa_api.domain.content import NO_CONTEXT, Content, Context, Vote
from wa_api.domain.errors import MediaGone
from wa_api.domain.media import Ready
from wa_api.domain.sessions import Reason
from workers.engine import convert
from workers.engine.calls import CALLS
from workers.engine.calls.saved import saved
from workers.engine.connection import (
    Connection,
    Finished,
    LoggedIn,
    PairingFailed,
    Phase,
    Qr,
    StopLimits,
)
from workers.engine.download import Downloader
from workers.engine.errors import call_error, send_error, upload_error
from workers.engine.neonize import Client, LibraryError
from workers.engine.port import (
    CallFailed,
    Ended,
    EngineEvent,
    EngineNotReady,
    Handler,
    Linked,
    News,
    Offline,
    Online,
    PairingEnded,
    QrShown,
    Saved,
    SendFailed,
    SendUncertain,
    Sent,
    Target,
    Uploaded,
)
from workers.engine.relay import Line
from workers.engine.transfers import Transfers

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All limits of an engine, in seconds; the first two are WhatsApp's."""

    qr_first: float = 60.0
    qr_next: float = 20.0
    qr_grace: float = 5.0  # the library reports the end of a pairing itself; this is the net
    #: The library forces a reconnect after three minutes of unanswered pings; two are enough.
    deaf_pings: int = 2
    offline_limit: float = 90.0  # without success of the library's own reconnects
    dial_limit: float = 120.0  # Go's own limits for a dial add up to less
    #: The library waits 75 s for an acknowledgement; after a reconnect it waits without limit.
    send_limit: float = 90.0
    call_limit: float = 30.0
    upload_limit: float = 300.0
    backoff_first: float = 1.0
    backoff_most: float = 30.0
    stop: StopLimits = field(default_factory=StopLimits)


class Host(Protocol):
    """What an engine needs of its process (see the factory)."""

    transfers: Transfers
    downloader: Downloader

    async def connect(
        self,
        session: str,
        deliver: Callable[[Any], Awaitable[None]],
        limits: StopLimits,
        line: Line | None = None,
    ) -> Connection:
        """A new connection, not started, for the session's device store; by a `line` of its own."""
        ...

    def leaked(self, connection: Connection) -> None:
        """A stopped connection left a thread behind."""
        ...

    async def forget(self, session: str) -> None:
        """Delete the session's device store."""
        ...


class NeonizeEngine:
    """See port.Engine. One object runs once: after a stop or an end, make another."""

    def __init__(
        self, session: str, handle: Handler, host: Host, timing: Timing, line: Line | None = None
    ) -> None:
        """`line`: through the session's own proxy."""
        self._session, self._handle, self._host, self._timing = session, handle, host, timing
        self._line = line
        self._complaints: set[asyncio.Task[None]] = set()
        if line is not None:
            line.on_trouble = self._on_trouble
        self._emitting = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = False
        self._end: EngineEvent | None = None
        self._redial = False
        self._connection: Connection | None = None
        self._runner: asyncio.Task[None] | None = None
        self._online = False
        self._offline_since: float | None = None
        self._told_offline = False
        self._me: Any = None
        self._qr_number, self._qr_shown_at = 0, 0.0
        self._failures = 0

    # Lifecycle --------------------------------------------------------------------------------

    async def start(self) -> None:
        """See port.Engine."""
        if self._runner is None and not self._stopping:
            self._runner = asyncio.create_task(self._run(), name=f"engine {self._session}")

    async def stop(self) -> None:
        """See port.Engine."""
        self._stopping, self._online = True, False
        if self._line is not None:
            self._line.close()
        self._wake.set()
        connection, runner = self._connection, self._runner
        if connection is not None:
            await connection.stop()
        if runner is not None and runner is not asyncio.current_task():
            await asyncio.wait({runner}, timeout=self._timing.stop.stop)

    async def gone(self) -> None:
        """See port.Engine."""
        if self._connection is not None:
            await self._connection.gone.wait()

    async def logout(self) -> None:
        """See port.Engine."""
        await self._attempt(self._ready(), Client.logout)
        await self.stop()
        await self._host.forget(self._session)

    async def _run(self) -> None:
        while not self._stopping and self._end is None:
            try:
                await self._stay_connected()
            except Exception:
                log.exception("engine.failed", session=self._session)
                await self._went_offline("The engine failed; it tries again.")
            if not self._stopping and self._end is None:
                await self._pause()

    async def _stay_connected(self) -> None:
        """Dial, and return when the connection must be given up."""
        connection = await self._host.connect(
            self._session, self._fact, self._timing.stop, self._line
        )
        if self._stopping:
            return
        self._connection, self._redial = connection, False
        self._qr_number, self._offline_since, self._me = 0, time.monotonic(), None
        connection.start(f"engine {self._session}")
        while not (self._stopping or self._end or self._redial):
            await self._watch(connection)
        self._online = False
        # In the order that loses nothing: events in the library's hands, then our end.
        clean = await self._stop_connection(connection)
        if not clean:
            self._host.leaked(connection)
        if self._end is not None and not self._stopping:
            await self._emit(self._end)

    async def _stop_connection(self, connection: Connection) -> bool:
        try:
            return await connection.stop()
        finally:
            self._connection = None

    async def _watch(self, connection: Connection) -> None:
        """Wait for the next reason to act; act on those that come from silence."""
        limit = self._silence_left(connection)
        try:
            async with asyncio.timeout(limit):
                await self._wake.wait()
                self._wake.clear()
        except TimeoutError:
            self._silent(connection)

    def _silence_left(self, connection: Connection) -> float | None:
        if connection.phase is Phase.PAIRING:
            return self._qr_lifetime() + self._timing.qr_grace - self._since(self._qr_shown_at)
        if self._offline_since is None:
            return None
        dialing = connection.phase is Phase.DIALING
        limit = self._timing.dial_limit if dialing else self._timing.offline_limit
        return limit - self._since(self._offline_since)

    def _silent(self, connection: Connection) -> None:
        if connection.phase is Phase.PAIRING:
            self._end = PairingEnded(Reason.QR_TIMED_OUT, "No QR code was scanned.")
        elif connection.phase is Phase.DIALING:
            # Dialing again beside a hanging dial could connect the device twice.
            self._end = Ended(Reason.ENGINE_ERROR, "Connecting to WhatsApp hangs.")
        else:
            self._redial = True

    async def _pause(self) -> None:
        """Wait before the next dial: exponential with full jitter, ended by a stop."""
        most = min(
            self._timing.backoff_most, self._timing.backoff_first * 2 ** min(self._failures, 10)
        )
        self._failures += 1
        self._wake.clear()
        try:
            async with asyncio.timeout(random.uniform(0, most)):  # noqa: S311 - no secret
                while not self._stopping:
                    await self._wake.wait()
                    self._wake.clear()
        except TimeoutError:
            return

    @staticmethod
    def _since(moment: float) -> float:
        return time.monotonic() - moment

    # Calls ------------------------------------------------------------------------------------

    async def pairing_code(self, phone: str) -> str:
        """See port.Engine."""
        connection = self._connection
        if self._stopping or connection is None or connection.phase is not Phase.PAIRING:
            raise EngineNotReady("A pairing code can be asked for while a QR code is shown.")
        return await self._attempt(connection, lambda client: client.pair_phone(phone))

    async def send(
        self,
        to: Jid,
        content: Content,
        context: Context = NO_CONTEXT,
        target: Target | None = None,
        file: Uploaded | None = None,
    ) -> Sent:
        """See port.Engine."""
        address, connection = convert.jid_to(to), self._ready()
        message = await self._made(content, context, target, file)
        try:
            wa_id, timestamp = await connection.call(
                lambda client: client.send(address, message), self._timing.send_limit
            )
        except LibraryError as error:
            raise send_error(str(error)) from None
        except TimeoutError:
            raise SendUncertain("WhatsApp did not confirm the message in time.") from None
        return Sent(wa_id, timestamp, message.SerializeToString())

    async def _made(
        self, content: Content, context: Context, target: Target | None, file: Uploaded | None
    ) -> Any:
        """The library's message; raises SendFailed for what cannot be sent."""
        me = convert.jid_of(self._me.JID) if self._me is not None else None
        if isinstance(content, Vote) and target is not None and me is not None:
            return await self._vote(content, convert.info_to(target, me))
        try:
            return convert.message_to(content, context, target, me, file)
        except ValueError as error:
            raise SendFailed("unsupported_content", str(error)) from None

    async def _vote(self, vote: Vote, poll: Any) -> Any:
        options = list(vote.options)
        try:
            return await self._attempt(
                self._ready(), lambda client: client.do("build_poll_vote", poll, options)
            )
        except CallFailed as error:
            raise SendFailed(error.code, error.detail) from None

    async def upload(self, file: Ready) -> Uploaded:
        """See port.Engine."""
        async with self._host.transfers.room(file.size):
            connection = self._ready()
            try:
                said = await connection.call(
                    lambda client: client.upload(file.path, file.kind), self._timing.upload_limit
                )
            except LibraryError as error:
                raise upload_error(str(error)) from None
            except TimeoutError:
                raise SendFailed("whatsapp_timeout", "The file took too long to upload.") from None
        return convert.uploaded(said, file)

    def download(self, message: bytes, most: int) -> AsyncGenerator[bytes]:
        """See port.Engine."""
        remote = convert.remote_of(message)
        if remote is None:
            raise MediaGone("The message does not say where its file is.")
        proxy_url = None if self._line is None else self._line.url
        return self._host.downloader.pieces(remote, most, proxy_url)

    async def mark_read(self, chat: Jid, sender: Jid, wa_ids: list[str]) -> None:
        """See port.Engine."""
        where, whose = convert.jid_to(chat), convert.jid_to(sender)
        await self._attempt(self._ready(), lambda client: client.mark_read(where, whose, wa_ids))

    async def typing(self, chat: Jid, state: str) -> None:
        """See port.Engine."""
        where = convert.jid_to(chat)
        await self._attempt(self._ready(), lambda client: client.typing(where, state))

    async def presence(self, online: bool) -> None:
        """See port.Engine."""
        await self._attempt(self._ready(), lambda client: client.presence(online))

    async def saved_contacts(self, paired: Collection[Jid] = ()) -> list[Saved]:
        """See port.Engine."""
        return await self._attempt(self._ready(), lambda client: saved(client, paired))

    async def ask(self, what: Ask) -> msgspec.Struct | None:
        """See port.Engine."""
        call = CALLS[type(what)]
        return await self._attempt(self._ready(), lambda client: call.run(client, what), call.codes)

    def _ready(self) -> Connection:
        """The connection, when it is safe to use: half of the library's calls abort the process
        on a client that is not logged in."""
        if not self._online or self._stopping or self._connection is None:
            raise EngineNotReady
        return self._connection

    async def _attempt(
        self,
        connection: Connection,
        function: Callable[[Client], T],
        codes: Mapping[int, str] | None = None,
    ) -> T:
        try:
            return await connection.call(function, self._timing.call_limit)
        except LibraryError as error:
            raise call_error(str(error), codes) from None
        except TimeoutError:
            raise CallFailed("whatsapp_timeout", "WhatsApp did not answer in time.") from None

    # Facts ------------------------------------------------------------------------------------

    async def _fact(self, fact: Any) -> None:
        match fact:
            case Qr(code=code):
                await self._qr(code)
            case PairingFailed(status=status):
                lifetimes = self._timing.qr_first, self._timing.qr_next
                shown = self._since(self._qr_shown_at)
                self._finish(convert.pairing_end_of(status, shown, lifetimes))
            case LoggedIn(device=device):
                self._me = device or self._me
                await self._went_online()
            case Finished(error=error):
                await self._finished(error)
            case News():
                await self._emit(fact)
            case _:
                act = self._ACTIONS.get(type(fact).__name__)
                if act is not None:
                    await act(self, fact)

    async def _qr(self, code: str) -> None:
        self._qr_number += 1
        self._qr_shown_at = time.monotonic()
        self._wake.set()
        await self._emit(QrShown(code, self._qr_number, self._qr_lifetime()))

    def _qr_lifetime(self) -> float:
        return self._timing.qr_first if self._qr_number <= 1 else self._timing.qr_next

    async def _finished(self, error: str) -> None:
        if error and not self._stopping:
            log.warning("engine.dial_failed", session=self._session, error=error)
            await self._went_offline("WhatsApp could not be reached.")
        self._redial = True
        self._wake.set()

    async def _device(self, device: Any) -> None:
        """The library knows its device: the stored one, or the new one after pairing."""
        self._me, self._offline_since = device, time.monotonic()
        self._wake.set()

    async def _paired(self, event: Any) -> None:
        jid = convert.jid_of(event.ID)
        if jid is None or self._me is None:
            return
        lid = convert.jid_of(self._me.LID)
        await self._emit(Linked(jid, lid, device=event.ID.Device, platform=event.Platform))

    async def _went_online(self, _: Any = None) -> None:
        jid = convert.jid_of(self._me.JID) if self._me is not None else None
        if jid is None or self._online:
            return
        self._online, self._told_offline, self._failures = True, False, 0
        self._offline_since = None
        self._wake.set()
        await self._emit(Online(jid, convert.jid_of(self._me.LID), self._me.PushName))

    async def _went_offline(self, detail: str) -> None:
        self._online = False
        if self._offline_since is None:
            self._offline_since = time.monotonic()
        self._wake.set()
        if not self._told_offline and not self._stopping:
            self._told_offline = True
            await self._emit(Offline(detail))

    def _on_trouble(self, why: str) -> None:
        """The proxy does not lead to WhatsApp. While online that only concerns a file."""
        if self._online or self._stopping:
            return
        told = asyncio.create_task(self._emit(Offline(why, Reason.PROXY_FAILED)))
        self._complaints.add(told)
        told.add_done_callback(self._complaints.discard)

    async def _disconnected(self, _: Any) -> None:
        await self._went_offline("The connection was lost.")

    async def _unanswered(self, event: Any) -> None:
        if event.ErrorCount >= self._timing.deaf_pings:
            self._redial = True
        await self._went_offline("WhatsApp does not answer.")

    async def _refused(self, event: Any) -> None:
        self._finish(convert.failure_of(event))

    async def _replaced(self, _: Any) -> None:
        self._finish(Ended(Reason.STREAM_REPLACED, "Another connection of this device took over."))

    async def _banned(self, event: Any) -> None:
        self._finish(convert.ban_of(event, time.time()))

    async def _outdated(self, _: Any) -> None:
        self._finish(Ended(Reason.CLIENT_OUTDATED, "WhatsApp refuses this client version."))

    async def _undecryptable(self, event: Any) -> None:
        # The library asks the sender again by itself; mostly the message follows.
        log.warning("engine.undecryptable", session=self._session, wa_id=event.Info.ID)
        await self._emit(convert.undecryptable_of(event))

    async def _stream_error(self, event: Any) -> None:
        log.warning("engine.stream_error", session=self._session, code=event.Code)

    async def _message(self, event: Any) -> None:
        fact = convert.inbound_of(event)
        if fact is not None and isinstance(fact.content, Vote):
            fact = replace(fact, content=await self._decrypted(fact.content, event))
        await self._emit(fact or convert.timer_of(event))

    async def _decrypted(self, vote: Vote, event: Any) -> Vote:
        """The vote with what it chooses, unless the poll's key is not known."""
        try:
            answer = await self._attempt(self._ready(), lambda client: client.poll_vote(event))
        except (CallFailed, EngineNotReady) as error:
            log.warning("engine.vote_undecryptable", session=self._session, reason=str(error))
            return vote
        return msgspec.structs.replace(
            vote, hashes=tuple(chosen.hex() for chosen in answer.selectedOptions)
        )

    async def _history(self, event: Any) -> None:
        me = convert.jid_of(self._me.JID) if self._me is not None else None
        if me is None:
            return
        for part in convert.history_of(event, me):
            await self._emit(part)

    async def _receipt(self, event: Any) -> None:
        await self._emit(convert.receipt_of(event))

    async def _typing(self, event: Any) -> None:
        await self._emit(convert.typing_of(event))

    async def _presence(self, event: Any) -> None:
        await self._emit(convert.presence_of(event))

    def _finish(self, end: EngineEvent) -> None:
        """The runner stops the connection, then tells."""
        self._online = False
        self._end = self._end or end
        self._wake.set()

    async def _emit(self, event: EngineEvent | None) -> None:
        if event is None:
            return
        async with self._emitting:
            try:
                await self._handle(event)
            except Exception:
                log.exception(
                    "engine.handler_failed", session=self._session, fact=type(event).__name__
                )

    _ACTIONS: ClassVar[dict[str, Callable[[NeonizeEngine, Any], Awaitable[None]]]] = {
        "Device": _device,
        "PairStatus": _paired,
        "KeepAliveTimeout": _unanswered,
        "KeepAliveRestored": _went_online,
        "LoggedOut": _refused,
        "StreamReplaced": _replaced,
        "TemporaryBan": _banned,
        "ConnectFailure": _refused,
        "ClientOutdated": _outdated,
        "StreamError": _stream_error,
        "Disconnected": _disconnected,
        "Message": _message,
        "HistorySync": _history,
        "Receipt": _receipt,
        "ChatPresence": _typing,
        "Presence": _presence,
        "UndecryptableMessage": _undecryptable,
    }
