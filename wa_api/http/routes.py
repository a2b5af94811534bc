"""How a handler becomes a route: one declaration gives the checks, the answer and the OpenAPI.

    sessions = Resource("sessions", "Linked WhatsApp numbers.")

    @sessions.post("/sessions", scope=Scope.SESSIONS_WRITE, body=NewSession,
                   returns=SessionView, status=201, errors=(Conflict,))
    async def create(request, body): ...

The handler gets the path parameters (percent-decoded), `body` and `query` (decoded and checked), and returns a
Struct, a dict, or an HTTPResponse.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import msgspec
from sanic import Blueprint
from sanic.response import HTTPResponse

from wa_api.domain.errors import BadRequest, Forbidden, NotFound, WaError
from wa_api.domain.principals import Scope
from wa_api.http.decoding import read_body, read_query
from wa_api.http.problems import request_id
from wa_api.http.types import Request, caller, let_go

Handler = Callable[..., Awaitable[Any]]

#: Characters of the longest id or address in a path.
MAX_NAME = 64

_PARAMETER = re.compile(r"<([a-z_]+)(?::[a-z]+)?>")
_encode = msgspec.json.Encoder().encode


class Access(Enum):
    """Who may call an operation that asks for no scope."""

    PUBLIC = "public"  #: anybody
    ANY = "any"  #: whoever is authenticated


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """One method of one path, with all that is checked and documented about it."""

    id: str
    method: str
    path: str
    tag: str
    access: Scope | Access
    summary: str
    description: str
    body: Any = None
    query: type | None = None
    returns: Any = None
    status: int = 200
    produces: tuple[str, ...] = ("application/json",)
    errors: tuple[type[WaError], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    takes: tuple[str, ...] = ()  #: types of a body that the handler reads by itself, as it comes
    command: str = ""  #: the WebSocket command that does the same

    @property
    def parameters(self) -> list[str]:
        """Names in the path."""
        return _PARAMETER.findall(self.path)

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it."""
        return _PARAMETER.sub(r"{\1}", self.path)


@dataclass(frozen=True, slots=True)
class Answer:
    """A body with a status other than the usual one, or with headers."""

    body: Any
    status: int
    headers: dict[str, str] = field(default_factory=dict)


class Resource:
    """The routes of one resource: a blueprint and what is documented about it."""

    def __init__(self, name: str, about: str, *, versioned: bool = True) -> None:
        """`versioned` routes live under /v1 and are guarded."""
        self.bp: Blueprint = Blueprint(name)
        self.name, self.about, self.versioned = name, about, versioned
        self.operations: list[Operation] = []

    def get(self, path: str, **about: Any) -> Callable[[Handler], Handler]:
        """A GET route; see `route`."""
        return self.route("GET", path, **about)

    def post(self, path: str, **about: Any) -> Callable[[Handler], Handler]:
        """A POST route; see `route`."""
        return self.route("POST", path, **about)

    def patch(self, path: str, **about: Any) -> Callable[[Handler], Handler]:
        """A PATCH route; see `route`."""
        return self.route("PATCH", path, **about)

    def delete(self, path: str, **about: Any) -> Callable[[Handler], Handler]:
        """A DELETE route; see `route`."""
        return self.route("DELETE", path, **about)

    def route(
        self,
        method: str,
        path: str,
        *,
        scope: Scope | Access,
        websocket: bool = False,
        **about: Any,
    ) -> Callable[[Handler], Handler]:
        """Register a handler; its docstring's first line is the summary, the rest the text."""

        def register(handler: Handler) -> Handler:
            summary, _, text = (handler.__doc__ or "").partition("\n")
            operation = Operation(
                id=f"{self.name}.{handler.__name__}",
                method=method,
                path=f"/v1{path}" if self.versioned else path,
                tag=self.name,
                access=scope,
                summary=summary.strip().rstrip("."),
                description="\n".join(line.strip() for line in text.strip().splitlines()),
                **about,
            )
            self.operations.append(operation)
            run = _Run(handler, operation)
            run.is_websocket = websocket
            self.bp.add_route(
                run.bound(websocket),
                path,
                methods=[method],
                name=handler.__name__,
                stream=bool(operation.takes),
                ctx_operation=operation,
            )
            return handler

        return register


class _Run:
    """What stands between Sanic and a handler."""

    def __init__(self, handler: Handler, operation: Operation) -> None:
        self.handler, self.operation = handler, operation
        self.decoder = msgspec.json.Decoder(operation.body) if operation.body is not None else None
        self.scope = operation.access if isinstance(operation.access, Scope) else None
        self.is_websocket = False

    def bound(self, websocket: bool) -> Callable[..., Coroutine[Any, Any, HTTPResponse | None]]:
        """The function that is given to Sanic."""

        async def run(request: Request, **parameters: Any) -> HTTPResponse | None:
            return await self.run(request, parameters)

        run.__name__ = self.handler.__name__
        if websocket:
            run.is_websocket = True  # type: ignore[attr-defined]  # Sanic then expects no answer
        return run

    async def run(self, request: Request, parameters: dict[str, Any]) -> HTTPResponse | None:
        started = perf_counter()
        operation = self.operation
        self._allow(request)
        parameters = _decoded(parameters)
        if self.decoder is not None:
            parameters["body"] = read_body(request, self.decoder)
        if operation.query is not None:
            parameters["query"] = read_query(request, operation.query)
        answer = await self.handler(request, **parameters)
        if self.is_websocket or (answer is None and operation.status == 200):
            return None
        let_go(request)
        response = _response(answer, operation.status)
        response.headers["X-Request-Id"] = request_id(request)
        if (standing := getattr(request.ctx, "standing", None)) is not None:
            response.headers.update(standing.headers)
        request.app.ctx.metrics.answered(
            operation.id,
            response.status,
            perf_counter() - started,
            asked_to_wait=bool(getattr(parameters.get("query"), "wait", 0)),
        )
        return response

    def _allow(self, request: Request) -> None:
        if b"%00" in request.raw_url:
            raise BadRequest("The URL must not hold the character U+0000.")
        scope = self.scope
        if scope is not None and scope not in caller(request).scopes:
            raise Forbidden(f"This needs the scope `{scope}`.", scope=str(scope))


def _decoded(parameters: dict[str, str]) -> dict[str, Any]:
    """The names in the path. One that is longer than every id and address names nothing."""
    named: dict[str, Any] = {name: unquote(value) for name, value in parameters.items()}
    if any(len(value) > MAX_NAME for value in named.values()):
        raise NotFound
    return named


def _response(answer: Any, status: int) -> HTTPResponse:
    if isinstance(answer, HTTPResponse):
        return answer
    if isinstance(answer, Answer):
        made = _response(answer.body, answer.status)
        made.headers.update(answer.headers)
        return made
    if answer is None:
        return HTTPResponse(None, 204)
    return HTTPResponse(_encode(answer), status, content_type="application/json")
