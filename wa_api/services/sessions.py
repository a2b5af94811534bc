"""Sessions: made, started, paired, stopped, removed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import msgspec
import structlog

from wa_api.bus.ports import Fleet
from wa_api.domain.addresses import USER, parse_address
from wa_api.domain.errors import (
    InvalidAddress,
    InvalidBody,
    InvalidProxy,
    NoQr,
    SessionAlreadyLinked,
    SessionNotConnected,
    SessionNotFound,
    SessionNotLinked,
    WaError,
)
from wa_api.domain.events import now
from wa_api.domain.ids import SessionId
from wa_api.domain.principals import Principal, Scope
from wa_api.domain.proxies import parse_proxy
from wa_api.domain.sessions import TERMINAL, Desired, SessionSettings, SessionState
from wa_api.net.addresses import Rules
from wa_api.services.audit import record
from wa_api.services.bus import Owners
from wa_api.services.events import Events, Filter
from wa_api.services.facts import Facts
from wa_api.services.views import SessionView, session_view
from wa_api.store import sessions as rows
from wa_api.store.rows import SessionRow
from wa_api.store.sealing import Sealer
from wa_api.store.sessions import KeptProxy

log = structlog.get_logger()

#: A code is good for a minute at most; with a margin for clocks that differ.
_LOOK_BACK_SECONDS = 180.0
_QR, _CHANGED = "session.qr_issued", "session.state_changed"
#: A session that is being started gets this much longer to answer.
_START_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Proxies:
    """How proxies are kept, and where they may be."""

    sealer: Sealer
    rules: Rules

    def kept(self, url: str | None) -> KeptProxy | None:
        """A given URL as rows hold it; raises InvalidProxy. A name is looked up, and its address
        checked, with each connection.
        """
        if not url:
            return None if url is None else KeptProxy("", "")
        proxy = parse_proxy(url)
        with suppress(ValueError):  # a name
            if not self.rules.allow(proxy.host, str(ip_address(proxy.host))):
                raise InvalidProxy("`proxy`: that address is not on the internet.")
        return KeptProxy(self.sealer.seal(url), proxy.shown)


class Qr(msgspec.Struct, frozen=True, kw_only=True):
    """A code to scan; `number` counts from 1 in one pairing."""

    qr: str
    number: int
    expires_at: str


class _QrEnvelope(msgspec.Struct):
    data: Qr


_qr = msgspec.json.Decoder(_QrEnvelope)

#: Waits until an event of the session may have changed the answer, or the seconds are over.
WaitForEvent = Callable[[Filter, float], Awaitable[None]]


class Sessions:
    """Use cases about sessions."""

    def __init__(
        self,
        fleet: Fleet,
        events: Events,
        facts: Facts,
        owners: Owners,
        networks: tuple[str, ...],
        proxies: Proxies,
    ) -> None:
        """`networks` are those that sessions may be made on."""
        self._proxies = proxies
        self._fleet, self._events, self._facts = fleet, events, facts
        self._owners, self._networks = owners, networks

    async def create(
        self,
        who: Principal,
        *,
        name: str | None,
        network: str,
        settings: SessionSettings | None,
        metadata: dict[str, str] | None,
        proxy: str | None,
        start: bool,
    ) -> SessionView:
        """A new session, not linked; `start` begins pairing at once."""
        tenant = who.require(Scope.SESSIONS_WRITE)
        if network not in self._networks:
            raise InvalidBody(f"`network`: must be one of {', '.join(self._networks)}.")
        if who.sessions is not None:
            raise SessionNotFound("This key is limited to some sessions and makes none.")
        settings, kept = _checked(settings), self._proxies.kept(proxy)
        desired = Desired.RUNNING if start else Desired.STOPPED
        row = await rows.create(
            tenant,
            network=network,
            name=name,
            settings=_plain(settings),
            metadata=metadata,
            proxy=kept,
            desired=desired,
        )
        if start:
            await self._fleet.announce(row.network, row.id)
        await record(who, tenant, "session.created", row.id, name=name, network=network)
        return session_view(row)

    async def page(
        self, who: Principal, *, after: str | None, limit: int, state: SessionState | None
    ) -> list[SessionView]:
        """Sessions that the caller may see, oldest first."""
        tenant = who.require(Scope.SESSIONS_READ)
        found = await rows.list_sessions(tenant, after=after, limit=limit, state=state)
        return [session_view(row) for row in found if who.may_see(row.id)]

    async def get(self, who: Principal, session: SessionId) -> SessionView:
        """One session."""
        return session_view(await self._row(who, session, Scope.SESSIONS_READ))

    async def _row(self, who: Principal, session: SessionId, scope: Scope) -> SessionRow:
        tenant = who.require(scope)
        if not who.may_see(session):
            raise SessionNotFound
        return await rows.get(tenant, session)

    async def update(
        self,
        who: Principal,
        session: SessionId,
        *,
        name: str | None,
        settings: SessionSettings | None,
        metadata: dict[str, str] | None,
        proxy: str | None,
    ) -> SessionView:
        """Change what is given."""
        row = await self._row(who, session, Scope.SESSIONS_WRITE)
        settings, kept = _checked(settings), self._proxies.kept(proxy)
        plain = _plain(settings)
        changed = await rows.update(
            row.tenant, session, name=name, settings=plain, metadata=metadata, proxy=kept
        )
        if row.runs and (settings, metadata, proxy) != (None, None, None):
            await self._refresh(row)
        shown = None if kept is None else kept.shown
        about = {"name": name, "settings": plain, "metadata": metadata, "proxy": shown}
        await record(who, row.tenant, "session.updated", session, **about)
        return session_view(changed)

    async def _refresh(self, row: SessionRow) -> None:
        """Its owner goes by the new settings from now on, or when it looks the next time."""
        try:
            await self._fleet.announce(row.network, row.id)
            await self._owners.tell(row.tenant, row.id, "queue.refresh")
        except WaError as error:
            log.warning("session.refresh_failed", session=row.id, code=error.code)

    async def start(self, who: Principal, session: SessionId) -> SessionView:
        """Want it to run. It is taken by a worker soon; watch `session.state_changed`."""
        row = await self._row(who, session, Scope.SESSIONS_WRITE)
        wanted = await self._start(row)
        await record(who, row.tenant, "session.started", session)
        return session_view(wanted)

    async def _start(self, row: SessionRow) -> SessionRow:
        wanted = await rows.set_desired(row.tenant, row.id, Desired.RUNNING)
        self._facts.forget(row.tenant, row.id)
        await self._fleet.announce(row.network, row.id)
        return wanted

    async def stop(self, who: Principal, session: SessionId) -> SessionView:
        """Want it not to run; the link is kept."""
        row = await self._row(who, session, Scope.SESSIONS_WRITE)
        wanted = await self._stop(row)
        await record(who, row.tenant, "session.stopped", session)
        return session_view(wanted)

    async def _stop(self, row: SessionRow) -> SessionRow:
        wanted = await rows.set_desired(row.tenant, row.id, Desired.STOPPED)
        self._facts.forget(row.tenant, row.id)
        if row.runs:
            await self._owners.tell(row.tenant, row.id, "session.stop")
        return wanted

    async def restart(self, who: Principal, session: SessionId) -> SessionView:
        """Disconnect and connect anew; a stopped one is started."""
        row = await self._row(who, session, Scope.SESSIONS_WRITE)
        if row.runs:
            await self._owners.tell(row.tenant, row.id, "session.restart")
        wanted = await self._start(row)
        await record(who, row.tenant, "session.restarted", session)
        return session_view(wanted)

    async def logout(self, who: Principal, session: SessionId) -> SessionView:
        """Remove the link on the phone too. The session must be connected for that."""
        row = await self._row(who, session, Scope.SESSIONS_WRITE)
        if not row.linked:
            raise SessionNotLinked
        if not row.runs:
            raise SessionNotConnected("Start the session first: unlinking needs a connection.")
        await self._owners.ask(row.tenant, row.id, "session.logout")
        self._facts.forget(row.tenant, row.id)
        await record(who, row.tenant, "session.logged_out", session)
        return session_view(await rows.get(row.tenant, session))

    async def delete(self, who: Principal, session: SessionId) -> None:
        """Remove it with its messages. A linked one stays in the phone's list until logged out
        there: log out first."""
        row = await self._row(who, session, Scope.SESSIONS_WRITE)
        await rows.delete(row.tenant, session)
        self._facts.forget(row.tenant, session)
        if row.runs:
            await self._owners.tell(row.tenant, session, "session.stop")
        await self._fleet.announce(row.network, session)
        await record(who, row.tenant, "session.deleted", session, name=row.name)

    async def pairing_code(self, who: Principal, session: SessionId, phone: str) -> dict[str, Any]:
        """An eight-character code to type on the phone; starts the session when it is stopped."""
        address = parse_address(phone)
        if address.server != USER:
            raise InvalidAddress("A pairing code is for a phone number.")
        row = await self._row(who, session, Scope.SESSIONS_WRITE)
        if row.linked:
            raise SessionAlreadyLinked
        if not row.runs:
            row = await self._start(row)
        seconds = self._owners.seconds + _START_SECONDS
        return await self._owners.ask(
            row.tenant, session, "session.pairing_code", {"phone": address.user}, seconds=seconds
        )

    async def qr(
        self, who: Principal, session: SessionId, wait: float, until_event: WaitForEvent
    ) -> Qr:
        """The code to scan now. With `wait` (seconds) also one that comes within that time.

        Raises NoQr, SessionAlreadyLinked.
        """
        deadline = time.monotonic() + wait
        wants = Filter(frozenset({session}), frozenset({_QR, _CHANGED}))
        while True:
            row = await self._row(who, session, Scope.SESSIONS_READ)
            if row.linked:
                raise SessionAlreadyLinked
            shown = await self._shown(row) if row.state is SessionState.PAIRING else None
            if shown is not None:
                return shown
            left = deadline - time.monotonic()
            if left <= 0 or row.state in TERMINAL or row.desired is Desired.STOPPED:
                raise NoQr(f"The session is {row.state} ({row.reason}) and shows no QR code.")
            with suppress(TimeoutError):  # the next look is the last
                async with asyncio.timeout(left + 1):
                    # At most a second, for an event that came between the look and the wait.
                    await until_event(wants, min(left, 1.0))

    async def _shown(self, row: SessionRow) -> Qr | None:
        """The last code in the log, unless its time is over."""
        wants = Filter(frozenset({row.id}), frozenset({_QR}))
        last = await self._events.last(row.tenant, time.time() - _LOOK_BACK_SECONDS, wants)
        if last is None:
            return None
        qr = _qr.decode(last.envelope).data
        return qr if qr.expires_at > now() else None


def _checked(settings: SessionSettings | None) -> SessionSettings | None:
    """With addresses in their one form; raises InvalidAddress."""
    if settings is None or settings.ignore is None:
        return settings
    chats = list(dict.fromkeys(str(parse_address(one)) for one in settings.ignore.chats))
    ignore = msgspec.structs.replace(settings.ignore, chats=chats)
    return msgspec.structs.replace(settings, ignore=ignore)


def _plain(settings: SessionSettings | None) -> dict[str, Any] | None:
    return None if settings is None else msgspec.to_builtins(settings)
