"""Health, readiness and figures: for load balancers, supervisors and Prometheus."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable

from sanic.response import HTTPResponse

from wa_api.domain.errors import Forbidden, WaError
from wa_api.domain.principals import Scope
from wa_api.http.answers import Health
from wa_api.http.guard import credential_of
from wa_api.http.routes import Access, Answer, Resource
from wa_api.http.types import Request

ops = Resource("ops", "For load balancers and monitoring.", versioned=False)

_SECONDS = 2.0


@ops.get("/healthz", scope=Access.PUBLIC, returns=Health)
async def healthz(request: Request) -> Health:
    """Is this process alive?

    Says nothing of Redis or the database: a restart would not help them.
    """
    return Health(status="ok", worker=request.app.ctx.worker)


@ops.get("/readyz", scope=Access.PUBLIC, returns=Health)
async def readyz(request: Request) -> Answer:
    """May this process get requests?

    503 while it starts or stops, and while Redis or the database does not answer.
    """
    context = request.app.ctx
    checks = dict(
        zip(
            context.checks,
            await asyncio.gather(*(_check(check) for check in context.checks.values())),
            strict=True,
        )
    )
    checks["process"] = "ok" if context.ready and not context.draining else "stopping"
    good = all(found == "ok" for found in checks.values())
    shown = Health(status="ok" if good else "unavailable", worker=context.worker, checks=checks)
    return Answer(shown, 200 if good else 503)


async def _check(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            await check()
    except (WaError, TimeoutError, OSError):
        return "unavailable"
    return "ok"


@ops.get("/metrics", scope=Access.PUBLIC, produces=("text/plain",))
async def metrics(request: Request) -> HTTPResponse:
    """Figures of this process for Prometheus.

    For the same machine, or with a platform administrator's token or API key.
    """
    if not _is_local(request):
        verified = await request.app.ctx.services.auth.verify(credential_of(request))
        if Scope.PLATFORM_ADMIN not in verified.principal.scopes:
            raise Forbidden("This needs a platform administrator.")
    return HTTPResponse(
        request.app.ctx.metrics.page(), content_type="text/plain; version=0.0.4; charset=utf-8"
    )


def _is_local(request: Request) -> bool:
    """From this machine and not through a proxy on it, which serves strangers."""
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip")):
        return False
    try:
        return ipaddress.ip_address(request.client_ip).is_loopback
    except ValueError:
        return False
