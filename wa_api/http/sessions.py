"""Sessions: linked WhatsApp numbers."""

from __future__ import annotations

from typing import Any

from sanic.response import HTTPResponse

from wa_api.domain.errors import (
    CommandTimedOut,
    InvalidProxy,
    NameTaken,
    NoQr,
    QuotaExceeded,
    SessionAlreadyLinked,
    SessionNotConnected,
    SessionNotFound,
    SessionNotLinked,
)
from wa_api.domain.ids import SessionId
from wa_api.domain.principals import Scope
from wa_api.http import qr as drawing
from wa_api.http.answers import PairingCode, SessionPage, page
from wa_api.http.bodies import (
    NewSession,
    PairingPhone,
    QrQuery,
    SessionChange,
    SessionListQuery,
)
from wa_api.http.feed.waiting import until_event
from wa_api.http.routes import Resource
from wa_api.http.types import Request, caller, services
from wa_api.services.events import Filter
from wa_api.services.sessions import Qr
from wa_api.services.views import SessionView

sessions = Resource("sessions", "Linked WhatsApp numbers: create, start, pair, stop, delete.")

_READ, _WRITE = Scope.SESSIONS_READ, Scope.SESSIONS_WRITE
_ONE = "/sessions/<session:str>"


@sessions.post(
    "/sessions",
    scope=_WRITE,
    body=NewSession,
    returns=SessionView,
    status=201,
    errors=(NameTaken, QuotaExceeded, InvalidProxy),
)
async def create(request: Request, body: NewSession) -> SessionView:
    """Create a session."""
    return await services(request).sessions.create(
        caller(request),
        name=body.name,
        network=body.network,
        settings=body.settings,
        metadata=body.metadata,
        proxy=body.proxy,
        start=body.start,
    )


@sessions.get("/sessions", scope=_READ, query=SessionListQuery, returns=SessionPage)
async def list_all(request: Request, query: SessionListQuery) -> SessionPage:
    """List sessions, oldest first."""
    found = await services(request).sessions.page(
        caller(request), after=query.after, limit=query.limit, state=query.state
    )
    return page(found, query.limit)


@sessions.get(_ONE, scope=_READ, returns=SessionView, errors=(SessionNotFound,))
async def get(request: Request, session: str) -> SessionView:
    """Get a session."""
    return await services(request).sessions.get(caller(request), SessionId(session))


@sessions.patch(
    _ONE,
    scope=_WRITE,
    body=SessionChange,
    returns=SessionView,
    errors=(SessionNotFound, NameTaken, InvalidProxy),
)
async def update(request: Request, session: str, body: SessionChange) -> SessionView:
    """Change a session's name, settings, metadata or proxy."""
    return await services(request).sessions.update(
        caller(request),
        SessionId(session),
        name=body.name,
        settings=body.settings,
        metadata=body.metadata,
        proxy=body.proxy,
    )


@sessions.delete(_ONE, scope=_WRITE, status=204, errors=(SessionNotFound,))
async def delete(request: Request, session: str) -> None:
    """Delete a session with its messages.

    It does not vanish from the phone's list of linked devices: log out first for that.
    """
    await services(request).sessions.delete(caller(request), SessionId(session))


@sessions.post(f"{_ONE}/start", scope=_WRITE, returns=SessionView, errors=(SessionNotFound,))
async def start(request: Request, session: str) -> SessionView:
    """Start a session.

    A worker takes it within a second: it connects, or shows a QR code when it is not linked.
    """
    return await services(request).sessions.start(caller(request), SessionId(session))


@sessions.post(f"{_ONE}/stop", scope=_WRITE, returns=SessionView, errors=(SessionNotFound,))
async def stop(request: Request, session: str) -> SessionView:
    """Stop a session; it stays linked."""
    return await services(request).sessions.stop(caller(request), SessionId(session))


@sessions.post(f"{_ONE}/restart", scope=_WRITE, returns=SessionView, errors=(SessionNotFound,))
async def restart(request: Request, session: str) -> SessionView:
    """Disconnect and connect anew."""
    return await services(request).sessions.restart(caller(request), SessionId(session))


@sessions.post(
    f"{_ONE}/logout",
    scope=_WRITE,
    returns=SessionView,
    errors=(SessionNotFound, SessionNotLinked, SessionNotConnected, CommandTimedOut),
)
async def logout(request: Request, session: str) -> SessionView:
    """Remove the link, on the phone too."""
    return await services(request).sessions.logout(caller(request), SessionId(session))


@sessions.get(
    f"{_ONE}/qr",
    scope=_READ,
    query=QrQuery,
    returns=Qr,
    produces=("application/json", "image/png", "image/svg+xml", "text/plain"),
    errors=(SessionNotFound, NoQr, SessionAlreadyLinked),
)
async def qr(request: Request, session: str, query: QrQuery) -> Any:
    """Get the QR code to scan.

    As JSON, PNG, SVG or text for a terminal, by `Accept` or `format`. With `wait` also one that
    is shown within so many seconds. A code is replaced every 20 seconds or so: watch
    `session.qr_issued`.
    """

    async def changed(wants: Filter, seconds: float) -> None:
        await until_event(request.app.ctx, caller(request), wants, seconds)

    shown = await services(request).sessions.qr(
        caller(request), SessionId(session), query.wait, changed
    )
    form = query.format or drawing.form_for(request.headers.get("accept", ""))
    if form == "json":
        return shown
    body, kind = await drawing.draw(shown.qr, form)
    headers = {"Cache-Control": "no-store", "X-Expires-At": shown.expires_at}
    return HTTPResponse(body, content_type=kind, headers=headers)


@sessions.post(
    f"{_ONE}/pairing-code",
    scope=_WRITE,
    body=PairingPhone,
    returns=PairingCode,
    errors=(SessionNotFound, SessionAlreadyLinked, NoQr, CommandTimedOut),
)
async def pairing_code(request: Request, session: str, body: PairingPhone) -> dict[str, Any]:
    """Get a code to type on the phone instead of scanning.

    Starts the session when it is stopped.
    """
    return await services(request).sessions.pairing_code(
        caller(request), SessionId(session), body.phone
    )
