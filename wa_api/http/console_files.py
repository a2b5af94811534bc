"""The console: static files of the package, compressed once, revalidated by their hash."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from sanic.response import HTTPResponse

from wa_api.domain.errors import NotFound
from wa_api.http.routes import Access, Resource
from wa_api.http.types import Request

console = Resource("console", "The web page for people.", versioned=False)

#: Trusted Types make the browser refuse any text that would be parsed as markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}
_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}


class _File(NamedTuple):
    kind: str
    plain: bytes
    packed: bytes
    etag: str


@cache
def _files() -> dict[str, _File]:
    """Every file of the console, by name; read when first asked for."""
    return {
        found.name: _read(found.name, found.read_bytes())
        for found in (files("wa_api.http") / "console").iterdir()
        if found.name.rpartition(".")[2] in _KINDS
    }


def _read(name: str, plain: bytes) -> _File:
    tag = hashlib.sha256(plain).hexdigest()[:24]
    packed = gzip.compress(plain, 9, mtime=0)
    return _File(_KINDS[name.rpartition(".")[2]], plain, packed, tag)


def _answer(request: Request, name: str) -> HTTPResponse:
    file = _files().get(name)
    if file is None:
        raise NotFound("There is no such file.")
    etag = f'"{file.etag}"'
    headers = {**_HEADERS, "ETag": etag}
    if etag in (request.headers.get("if-none-match") or ""):
        return HTTPResponse(None, 304, headers=headers)
    packed = "gzip" in (request.headers.get("accept-encoding") or "")
    if packed:
        headers["Content-Encoding"] = "gzip"
    body = file.packed if packed else file.plain
    return HTTPResponse(body, content_type=file.kind, headers=headers)


@console.get("/", scope=Access.PUBLIC, produces=("text/html",))
async def page(request: Request) -> HTTPResponse:
    """The console."""
    return _answer(request, "index.html")


@console.get(
    "/console/<name:str>",
    scope=Access.PUBLIC,
    produces=("text/javascript", "text/css"),
    errors=(NotFound,),
)
async def file(request: Request, name: str) -> HTTPResponse:
    """A script or style of the console."""
    return _answer(request, name)
