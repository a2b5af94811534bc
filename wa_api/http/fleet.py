"""The fleet, for platform administrators."""

from __future__ import annotations

from wa_api.domain.errors import NotFound, SessionNotFound
from wa_api.domain.ids import SessionId, WorkerId
from wa_api.domain.principals import Scope
from wa_api.http.answers import Page, page
from wa_api.http.bodies import Body, Id, ListQuery
from wa_api.http.routes import Resource
from wa_api.http.types import Request, caller, services
from wa_api.services.fleet import FleetAnswer, OwnedSession

OwnedPage = Page[OwnedSession]


class Move(Body):
    """Which worker shall run it; nothing: any that has room."""

    to: Id | None = None


fleet = Resource("fleet", "Which processes run, for platform administrators.")


@fleet.get("/fleet", scope=Scope.PLATFORM_ADMIN, returns=FleetAnswer)
async def workers(request: Request) -> FleetAnswer:
    """List the processes that live."""
    return await services(request).fleet.workers(caller(request))


@fleet.post("/fleet/<worker:str>/drain", scope=Scope.PLATFORM_ADMIN, status=204, errors=(NotFound,))
async def drain(request: Request, worker: str) -> None:
    """Tell a session worker to hand over its sessions and end."""
    await services(request).fleet.drain(caller(request), WorkerId(worker))


@fleet.get(
    "/fleet/<worker:str>/sessions",
    scope=Scope.PLATFORM_ADMIN,
    query=ListQuery,
    returns=OwnedPage,
    errors=(NotFound,),
)
async def sessions(request: Request, worker: str, query: ListQuery) -> Page[OwnedSession]:
    """List what a session worker runs: ids and states, nothing of the tenants' own."""
    found = await services(request).fleet.sessions(
        caller(request), WorkerId(worker), query.after or "", query.limit
    )
    return page(found, query.limit)


@fleet.get("/fleet/sessions", scope=Scope.PLATFORM_ADMIN, query=ListQuery, returns=OwnedPage)
async def all_sessions(request: Request, query: ListQuery) -> Page[OwnedSession]:
    """List the sessions that should run, of all tenants, with their owners."""
    found = await services(request).fleet.all_sessions(
        caller(request), query.after or "", query.limit
    )
    return page(found, query.limit)


@fleet.post(
    "/fleet/sessions/<session:str>/move",
    scope=Scope.PLATFORM_ADMIN,
    body=Move,
    status=204,
    errors=(NotFound, SessionNotFound),
)
async def move(request: Request, session: str, body: Move) -> None:
    """Tell a session's owner to hand it to another worker, which connects it within seconds."""
    to = WorkerId(body.to) if body.to else None
    await services(request).fleet.move(caller(request), SessionId(session), to)
