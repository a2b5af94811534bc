"""Routes that are WebSocket commands too: one declaration and one handler for both.

    @both(groups, "PATCH", f"{_ONE}", "group.update", scope=…, body=GroupChange)
    async def update(asked: Asked, group: str, body: GroupChange) -> Any: ...

As a command, the data holds the path's parameters beside the members of the body (or query).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wa_api.domain.addresses import parse_address
from wa_api.domain.asking import Ask
from wa_api.domain.errors import (
    CommandTimedOut,
    EngineRefused,
    InvalidAddress,
    InvalidBody,
    MediaDamaged,
    MediaTooComplex,
    MediaTypeRefused,
    OutcomeUnknown,
    SessionNotConnected,
    SessionNotFound,
    SessionNotLinked,
    WaError,
)
from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.media import MediaId
from wa_api.domain.principals import Principal, Scope
from wa_api.domain.refusals import InvalidImage, RateLimited, WhatsAppTimeout
from wa_api.http.bodies import Body, Id
from wa_api.http.routes import MAX_NAME, Handler, Resource
from wa_api.http.types import Request, caller, services
from wa_api.services import Services

#: What any ask can fail with.
ASK_ERRORS: tuple[type[WaError], ...] = (
    SessionNotFound,
    SessionNotLinked,
    SessionNotConnected,
    CommandTimedOut,
    WhatsAppTimeout,
    RateLimited,
    EngineRefused,
    OutcomeUnknown,
)
Parameter = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks what of which session, however the request came in."""

    services: Services
    who: Principal
    session: SessionId
    scope: Scope

    async def ready(self) -> TenantId:
        """The caller's tenant; raises unless the session is the caller's and connected."""
        return await self.services.asking.ready(self.who, self.session, self.scope)

    async def avatar(self, image: bytes | None, media: str | None) -> bytes:
        """A picture as WhatsApp takes it, given or kept as media; raises InvalidBody when it is not
        exactly one of them, MediaNotFound or InvalidImage.
        """
        if (image is None) is (media is None):
            raise InvalidBody("Give either `image` or `media`.")
        await self.ready()
        kept = None if media is None else await self.services.media.row(self.who, MediaId(media))
        shelf = self.services.media.shelf
        try:
            return await (shelf.avatar(image or b"") if kept is None else shelf.avatar_of(kept))
        except (MediaDamaged, MediaTooComplex, MediaTypeRefused) as error:
            raise InvalidImage(error.detail) from None

    async def answer(self, what: Ask) -> dict[str, Any]:
        """Ask WhatsApp; its answer as JSON."""
        return await self.services.asking.ask(self.who, self.session, self.scope, what)


def address(text: str, *servers: str) -> str:
    """The canonical address, which must be of one of these servers; raises InvalidAddress."""
    jid = parse_address(text)
    if jid.server not in servers:
        raise InvalidAddress(f"Expected an address of {' or '.join(servers)}.")
    return str(jid)


Image = Annotated[
    bytes,
    Meta(
        max_length=700_000,
        description="A picture in Base64 (JPEG, PNG, WebP, …): its square middle is taken, of at "
        "most 640 pixels.",
    ),
]


Kept = Annotated[
    Id,
    Meta(description="The id of a picture in `/media`, instead of `image`; needs `messages:read`."),
]


class PictureBody(Body):
    """A picture: `image`, or the id of `media`."""

    image: Image | None = None
    media: Kept | None = None


@dataclass(frozen=True, slots=True)
class Commanded:
    """A route as a WebSocket command: its data's shape, and what is done with it."""

    scope: Scope
    shape: type[msgspec.Struct]
    run: Callable[[Services, Principal, SessionId, Any], Awaitable[Any]]


#: All of them, by the command's name; filled as the routes are declared.
COMMANDED: dict[str, Commanded] = {}


def both(
    resource: Resource,
    method: str,
    path: str,
    command: str,
    *,
    scope: Scope,
    body: type[msgspec.Struct] | None = None,
    query: type[msgspec.Struct] | None = None,
    errors: tuple[type[WaError], ...] = (),
    basic: tuple[type[WaError], ...] = ASK_ERRORS,
    **about: Any,
) -> Callable[[Handler], Handler]:
    """Register `handler(asked, **parameters[, body][, query])` as a route and as a command.

    `path` follows `/sessions/<session>`. `basic` are errors besides `errors`: those of asking
    WhatsApp, unless the handler asks nothing.
    """

    def register(handler: Handler) -> Handler:
        @wraps(handler)
        async def act(request: Request, session: str, **given: Any) -> Any:
            asked = Asked(services(request), caller(request), SessionId(session), scope)
            return await handler(asked, **given)

        resource.route(
            method,
            f"/sessions/<session:str>{path}",
            scope=scope,
            body=body,
            query=query,
            errors=(*basic, *errors),
            command=command,
            **about,
        )(act)
        parameters = resource.operations[-1].parameters[1:]
        COMMANDED[command] = _commanded(handler, command, scope, parameters, body, query)
        return handler

    return register


def _commanded(
    handler: Handler,
    command: str,
    scope: Scope,
    parameters: list[str],
    body: type[msgspec.Struct] | None,
    query: type[msgspec.Struct] | None,
) -> Commanded:
    shape = msgspec.defstruct(
        command.title().replace(".", "").replace("_", ""),
        [(name, Parameter) for name in parameters],
        bases=(body or query or Body,),
        namespace={"__doc__": handler.__doc__},
        kw_only=True,
        forbid_unknown_fields=True,
    )
    holder = {"body": body, "query": query}

    async def run(use: Services, who: Principal, session: SessionId, data: Any) -> Any:
        given = {name: getattr(data, name) for name in parameters}
        given |= {name: data for name, kind in holder.items() if kind is not None}
        return await handler(Asked(use, who, session, scope), **given)

    return Commanded(scope, shape, run)
