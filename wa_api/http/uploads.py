"""Files out of request bodies as they come in: raw, or one in a form. Nothing is kept in memory."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any, cast

from wa_api.domain.errors import BadRequest, MediaTooLarge
from wa_api.domain.media import MiB
from wa_api.http.types import Request

#: A slower client is cut off: bytes per second, after the first half minute.
_SLOWEST, _GRACE = 4096, 30.0
#: Of what is too large so much is read and dropped, so that the client gets to the answer.
_DRAIN_BYTES, _DRAIN_SECONDS = 256 * MiB, 15.0
_MOST_HEAD = 16_384


@dataclass(frozen=True, slots=True)
class Part:
    """What the request says of its file."""

    mimetype: str | None = None
    filename: str | None = None


@asynccontextmanager
async def receiving(request: Request, most: int) -> AsyncIterator[AsyncIterator[Part | bytes]]:
    """The file: first what is said of it, then its bytes, of which `most` are allowed.

    Raises MediaTooLarge or BadRequest. Sanic limits the time of a whole request: here, a client
    only has to keep sending.
    """
    protocol = cast(Any, request.stream).protocol
    usual, protocol.response_timeout = protocol.response_timeout, float("inf")
    try:
        yield _pieces(request, most)
    except MediaTooLarge:
        await _drain(request)
        raise
    finally:
        protocol.response_timeout = usual


async def _pieces(request: Request, most: int) -> AsyncIterator[Part | bytes]:
    kind = request.headers.get("content-type", "")
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > most + _MOST_HEAD:
        raise MediaTooLarge(f"The media is larger than {most / MiB:.4g} MiB.", most=most)
    if kind.lower().startswith("multipart/form-data"):
        async for piece in _form(_body(request), _boundary(kind)):
            yield piece
    else:
        yield Part(mimetype=kind or None)
        async for piece in _body(request):
            yield piece


async def _body(request: Request) -> AsyncIterator[bytes]:
    stream = cast(Any, request.stream)
    began, size = time.monotonic(), 0
    try:
        while True:
            async with asyncio.timeout(_GRACE):
                piece = await stream.read()
            if piece is None:
                return
            size += len(piece)
            if size < (time.monotonic() - began - _GRACE) * _SLOWEST:
                raise TimeoutError
            yield piece
    except TimeoutError:
        raise BadRequest("The upload is too slow.") from None


async def _drain(request: Request) -> None:
    """Read on a while: closing on a client that still sends would lose the answer."""
    left = _DRAIN_BYTES
    with contextlib.suppress(TimeoutError, BadRequest):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for piece in _body(request):
                left -= len(piece)
                if left < 0:
                    return


def _parsed(header: str, name: str) -> Message:
    message = Message()
    message[name] = header
    return message


def _boundary(kind: str) -> bytes:
    boundary = _parsed(kind, "content-type").get_param("boundary")
    if not isinstance(boundary, str) or not 1 <= len(boundary) <= 200:
        raise BadRequest("The form has no boundary.")
    return b"--" + boundary.encode()


async def _form(body: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[Part | bytes]:
    """The first file of a form; other fields before it are passed over."""
    reader = _Reader(body)
    await reader.until(boundary, _MOST_HEAD)
    while True:
        head = await reader.until(b"\r\n\r\n", _MOST_HEAD)
        if head.startswith(b"--"):
            raise BadRequest("The form has no file.")
        part = _part(head.decode("utf-8", "replace"))
        if part is not None:
            break
        await reader.until(b"\r\n" + boundary, _MOST_HEAD)
    yield part
    async for piece in reader.pieces_until(b"\r\n" + boundary):
        yield piece
    async for _ in body:  # the rest of the form
        pass


def _part(head: str) -> Part | None:
    """The file that a part of a form is; None for a field."""
    fields = dict(re.findall(r"(?im)^([a-z-]+):[ \t]*(.*?)\r?$", head))
    fields = {name.lower(): value for name, value in fields.items()}
    disposition = _parsed(fields.get("content-disposition", ""), "content-disposition")
    name = disposition.get_filename()
    if name is None:
        return None
    plain = "".join(c for c in name.replace("\\", "/").rpartition("/")[2] if c.isprintable())
    return Part(mimetype=fields.get("content-type"), filename=plain[:200] or None)


class _Reader:
    """Looks for marks in a stream, keeping no more of it than a piece."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body, self._held = body, b""

    async def _more(self) -> None:
        piece = await anext(self._body, None)
        if piece is None:
            raise BadRequest("The form ends too early.")
        self._held += piece

    async def until(self, mark: bytes, most: int) -> bytes:
        """What stands before a mark, which is passed."""
        while mark not in self._held:
            if len(self._held) > most:
                raise BadRequest("The form is not well-formed, or has too long fields.")
            await self._more()
        before, _, self._held = self._held.partition(mark)
        return before

    async def pieces_until(self, mark: bytes) -> AsyncIterator[bytes]:
        """What stands before a mark, in pieces."""
        keep = len(mark) - 1
        while mark not in self._held:
            if len(self._held) > keep:
                yield self._held[: len(self._held) - keep]
                self._held = self._held[len(self._held) - keep :]
            await self._more()
        before, _, self._held = self._held.partition(mark)
        if before:
            yield before
