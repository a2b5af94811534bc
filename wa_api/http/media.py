"""Media: upload, look at, download (whole or in part), remove."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Literal
from urllib.parse import quote

from msgspec import Meta
from sanic.response import HTTPResponse

from wa_api.domain.errors import (
    BadRequest,
    CommandTimedOut,
    MediaDamaged,
    MediaExpired,
    MediaGone,
    MediaNotFound,
    MediaTooComplex,
    MediaTooLarge,
    MediaTypeRefused,
    MessageNotFound,
    SessionNotConnected,
    SessionNotFound,
    UnsupportedMediaType,
    WaError,
)
from wa_api.domain.ids import MessageId, SessionId
from wa_api.domain.media import INLINE, MOST_BYTES, MediaId, MediaKind
from wa_api.domain.principals import Scope
from wa_api.http.bodies import Query
from wa_api.http.guard import authenticate
from wa_api.http.problems import request_id
from wa_api.http.routes import Access, Resource
from wa_api.http.types import Request, caller, services
from wa_api.http.uploads import Part, receiving
from wa_api.services.media import MediaView
from wa_api.shelf import Origin
from wa_api.store.media import MediaRow

media = Resource("media", "Files that messages carry: upload, download, remove.")

_ONE = "/media/<media:str>"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_REFUSED = (MediaTooLarge, MediaTypeRefused, MediaDamaged, MediaTooComplex)


class RangeRefused(WaError):
    """That part of the file does not exist."""

    code, status, retryable = "range_not_satisfiable", 416, False


class UploadQuery(Query):
    """What an upload is. `kind`: refuse it unless it can be sent as that."""

    kind: Literal["image", "video", "audio", "voice", "document", "sticker"] | None = None
    filename: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class ContentQuery(Query):
    """The parameters of a signed link; without them a token is needed."""

    tenant: Annotated[str, Meta(max_length=64)] | None = None
    expires: Annotated[int, Meta(ge=0, lt=1 << 40)] | None = None
    signature: Annotated[str, Meta(max_length=64)] | None = None
    download: bool = False


@media.post(
    "/media",
    scope=Scope.MESSAGES_WRITE,
    query=UploadQuery,
    returns=MediaView,
    status=201,
    errors=(*_REFUSED, UnsupportedMediaType),
    takes=("application/octet-stream", "multipart/form-data"),
)
async def upload(request: Request, query: UploadQuery) -> MediaView:
    """Upload a file.

    The body is the file with its own `Content-Type`, or a form with one file. The type is found
    in the content; the same file again gives the same id.
    """
    use = services(request).media
    most = None if query.kind is None else MOST_BYTES[MediaKind(query.kind)]
    async with use.shelf.draft(most) as draft, receiving(request, draft.most) as pieces:
        part = Part()
        async for piece in pieces:
            if isinstance(piece, Part):
                part = piece
            else:
                await draft.write(piece)
        if not draft.size:
            raise BadRequest("The body is empty.")
        name = query.filename or part.filename
        origin = Origin(mimetype=part.mimetype, filename=name)
        kind = None if query.kind is None else MediaKind(query.kind)
        return await use.keep(caller(request), draft, origin, kind)


@media.get(_ONE, scope=Scope.MESSAGES_READ, returns=MediaView, errors=(MediaNotFound,))
async def get(request: Request, media: str) -> MediaView:
    """Get what is known of a file, with a fresh link to its content."""
    return await services(request).media.get(caller(request), MediaId(media))


@media.delete(_ONE, scope=Scope.MESSAGES_WRITE, status=204, errors=(MediaNotFound,))
async def delete(request: Request, media: str) -> None:
    """Remove a file. Messages that carried it keep saying what it was."""
    await services(request).media.delete(caller(request), MediaId(media))


@media.post(
    "/sessions/<session:str>/messages/<message:str>/media",
    scope=Scope.MESSAGES_READ,
    returns=MediaView,
    errors=(
        *(SessionNotFound, MessageNotFound, SessionNotConnected, CommandTimedOut),
        *(MediaGone, MediaTooLarge, MediaDamaged),
    ),
)
async def fetch(request: Request, session: str, message: str) -> MediaView:
    """Get a message's file.

    What is not here yet is fetched from WhatsApp first, which keeps files for some weeks.
    """
    return await services(request).media.of_message(
        caller(request), SessionId(session), MessageId(message)
    )


@media.get(
    f"{_ONE}/content",
    scope=Access.PUBLIC,
    query=ContentQuery,
    produces=("application/octet-stream",),
    errors=(MediaNotFound, MediaExpired, RangeRefused),
    headers={
        "Range": "`bytes=0-1023`: a part of it.",
        "If-None-Match": "The `ETag` of an earlier answer: 304 if it is the same.",
    },
)
async def content(request: Request, media: str, query: ContentQuery) -> HTTPResponse | None:
    """Download a file, with a token or through a signed link."""
    row = await _allowed(request, MediaId(media), query)
    etag = f'"{row.sha256}"'
    headers = _headers(row, etag, query.download)
    if etag in (request.headers.get("if-none-match") or ""):
        return HTTPResponse(None, 304, headers=headers)
    span = _span(request.headers.get("range"), request.headers.get("if-range"), row.size, etag)
    start, end = span or (0, row.size)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{row.size}"
    headers["Content-Length"] = str(end - start)
    pieces = services(request).media.shelf.read(row, start, end)
    first = await anext(pieces, b"")  # what is not there is said before the answer begins
    await _send(request, 206 if span else 200, row.mimetype, headers, first, pieces)
    return None


async def _allowed(request: Request, media: MediaId, query: ContentQuery) -> MediaRow:
    use = services(request).media
    if query.signature is not None and query.tenant and query.expires is not None:
        return await use.signed(query.tenant, media, query.expires, query.signature)
    await authenticate(request)
    return await use.row(caller(request), media)


def _headers(row: MediaRow, etag: str, download: bool) -> dict[str, str]:
    """What keeps a stranger's file from acting as a page of ours."""
    kind = "attachment" if download or row.mimetype not in INLINE else "inline"
    name = f"; filename*=UTF-8''{quote(row.filename, safe='')}" if row.filename else ""
    return {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=86400, immutable",
        "Content-Disposition": kind + name,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }


def _span(asked: str | None, if_range: str | None, size: int, etag: str) -> tuple[int, int] | None:
    """The part that is asked for, end exclusive; None for all of it. Raises RangeRefused."""
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or (if_range is not None and if_range != etag) or not any(found.groups()):
        return None  # several parts at once are not served: all of it is a right answer too
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if start >= end:
        raise RangeRefused(size=size)
    return start, end


async def _send(
    request: Request,
    status: int,
    mimetype: str,
    headers: dict[str, str],
    first: bytes,
    rest: AsyncIterator[bytes],
) -> None:
    headers["X-Request-Id"] = request_id(request)
    response = await request.respond(status=status, headers=headers, content_type=mimetype)
    await response.send(first)
    async for piece in rest:
        await response.send(piece)
    await response.eof()
