"""Every error as a problem document (RFC 9457), Sanic's own included."""

from __future__ import annotations

import re
from typing import Any

import orjson
import structlog
from sanic.exceptions import MethodNotAllowed, SanicException
from sanic.response import HTTPResponse

from wa_api.domain.errors import (
    BodyTooLarge,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    WaError,
)
from wa_api.domain.ids import new_id
from wa_api.http.types import App, Request, let_go

log = structlog.get_logger()

CONTENT_TYPE = "application/problem+json"
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

#: Codes for what Sanic itself refuses, by HTTP status.
_SANIC_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    417: "expectation_failed",
    426: "upgrade_required",
    431: "headers_too_large",
    503: "unavailable",
}


def request_id(request: Request) -> str:
    """The caller's `X-Request-Id` if it is a plain token, else a fresh one; stable per request."""
    found: str | None = getattr(request.ctx, "request_id", None)
    if found is None:
        given = request.headers.get("x-request-id")
        found = given if given and _ACCEPTED_ID.fullmatch(given) else new_id("req")
        request.ctx.request_id = found
    return found


def document(
    error: WaError | None, *, status: int, code: str, title: str, detail: str, retryable: bool
) -> dict[str, Any]:
    """The members of a problem document without the request's id."""
    facts = {
        k: v
        for k, v in (error.facts if error else {}).items()
        if k not in ("retry_after", "standing")
    }
    return {
        "type": f"/docs#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "retryable": retryable,
        **facts,
    }


def of_error(error: WaError) -> dict[str, Any]:
    """The problem document of one of our errors (also used in WebSocket replies)."""
    return document(
        error,
        status=error.status,
        code=error.code,
        title=title_of(type(error)),
        detail=error.detail,
        retryable=error.retryable,
    )


def title_of(cls: type[WaError]) -> str:
    """An error's name in a sentence: the first line of its docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0]


def _of_sanic(error: SanicException) -> dict[str, Any]:
    status = error.status_code
    detail = str(error) if status < 500 and status != 404 else ""
    return document(
        None,
        status=status,
        code=_SANIC_CODES.get(status, "bad_request" if status < 500 else "internal_error"),
        title=detail or "The server could not answer this.",
        detail=detail,
        retryable=status in (408, 503),
    )


def _headers(error: BaseException) -> dict[str, str]:
    if isinstance(error, Unauthorized):
        reason = "" if error.code == "unauthorized" else ' error="invalid_token"'
        return {"WWW-Authenticate": f"Bearer{reason}"}
    if isinstance(error, Unavailable | TooManyRequests):
        waits = {"Retry-After": str(error.facts.get("retry_after", 1))}
        standing = error.facts.get("standing")
        return waits if standing is None else waits | standing.headers
    if isinstance(error, MethodNotAllowed):
        return {"Allow": str((error.headers or {}).get("Allow", ""))}
    if isinstance(error, SanicException) and error.status_code == 503:
        return {"Retry-After": "1"}
    return {}


def render(request: Request, error: Exception) -> HTTPResponse:
    """Sanic's error handler: anything raised becomes a problem document, or is logged as a bug."""
    if isinstance(error, SanicException) and error.status_code == 404:
        error = NotFound("There is nothing at this path.")
    elif isinstance(error, SanicException) and error.status_code == 413:
        error = BodyTooLarge()
    if isinstance(error, WaError):
        shown = of_error(error)
    elif isinstance(error, SanicException):
        shown = _of_sanic(error)
    else:
        log.error("http.failed", request_id=request_id(request), exc_info=error)
        shown = of_error(WaError("Something went wrong here; the log has the details."))
    let_go(request)
    shown["request_id"] = request_id(request)
    headers = _headers(error)
    headers["X-Request-Id"] = shown["request_id"]
    count(request, shown["status"])
    return HTTPResponse(
        orjson.dumps(shown), shown["status"], headers=headers, content_type=CONTENT_TYPE
    )


def count(request: Request, status: int) -> None:
    """Put a refused request into the metrics under its operation's name."""
    operation = getattr(getattr(request.route, "ctx", None), "operation", None)
    request.app.ctx.metrics.answered(operation.id if operation else "unknown", status)


def install(app: App) -> None:
    """Let the application answer every error this way."""
    app.error_handler.add(Exception, render)
