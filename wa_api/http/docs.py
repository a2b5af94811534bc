"""The API documents and their page: rendered here, with nothing fetched from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import orjson
from sanic.response import HTTPResponse

from wa_api.http.routes import Access, Resource
from wa_api.http.types import Request

docs = Resource("docs", "These documents.", versioned=False)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@cache
def _page(name: str) -> bytes:
    return (files("wa_api.http") / "page" / name).read_bytes()


def _file(name: str, kind: str) -> HTTPResponse:
    return HTTPResponse(_page(name), content_type=kind, headers=_HEADERS)


@docs.get("/openapi.json", scope=Access.PUBLIC)
async def openapi(request: Request) -> HTTPResponse:
    """The OpenAPI 3.1 document."""
    return HTTPResponse(request.app.ctx.openapi, content_type="application/json")


@docs.get("/asyncapi.json", scope=Access.PUBLIC)
async def asyncapi(request: Request) -> HTTPResponse:
    """The AsyncAPI 3 document of the WebSocket."""
    return HTTPResponse(request.app.ctx.asyncapi, content_type="application/json")


@docs.get("/docs", scope=Access.PUBLIC, produces=("text/html",))
async def page(request: Request) -> HTTPResponse:
    """A page to read and try the API."""
    return _file("docs.html", "text/html; charset=utf-8")


@docs.get("/docs/docs.js", scope=Access.PUBLIC, produces=("text/javascript",))
async def script(request: Request) -> HTTPResponse:
    """The page's script."""
    return _file("docs.js", "text/javascript; charset=utf-8")


@docs.get("/docs/docs.css", scope=Access.PUBLIC, produces=("text/css",))
async def style(request: Request) -> HTTPResponse:
    """The page's style."""
    return _file("docs.css", "text/css; charset=utf-8")


def encode(document: dict[str, object]) -> bytes:
    """The document as it is served."""
    return orjson.dumps(document)
