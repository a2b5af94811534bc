"""The media host: keeps what clients upload, encrypted as it is, and serves it again."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
from websockets.datastructures import Headers

MEDIA_HOST = "mmg.whatsapp.net"
CHUNK = 1 << 17
UPLOAD_LIMIT = 2 << 30
CHUNK_SECONDS = 60.0
_NAME = re.compile(r"[0-9a-f]{64}\Z")
# The query must not be empty: clients append further parameters with "&".
_QUERY = "ccb=11-4&oh=0&oe=0"


class MediaHost:
    """Blobs in one folder, named by the SHA-256 of their (encrypted) bytes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder

    def path_of(self, digest: str) -> str:
        """The `direct_path` of a blob."""
        return f"/v/t62/{digest}?{_QUERY}"

    def put(self, data: bytes) -> str:
        """Keeps a blob of the sandbox's own; returns its direct path."""
        digest = hashlib.sha256(data).hexdigest()
        self._folder.joinpath(digest).write_bytes(data)
        return self.path_of(digest)

    def get(self, direct_path: str) -> bytes | None:
        """A blob by its direct path."""
        name = direct_path.partition("?")[0].rpartition("/")[2]
        file = self._folder / name
        return file.read_bytes() if _NAME.match(name) and file.exists() else None

    async def serve(
        self,
        line: str,
        headers: Headers,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Answers one request; False when the connection must be closed."""
        method, target, _ = line.split(" ")
        path = urlsplit(target)
        if method == "POST":
            return await self._upload(path.path, path.query, headers, reader, writer)
        if method == "GET":
            return await self._download(path.path, headers, writer)
        return await _answer(writer, 200 if method == "DELETE" else 405, b"{}")

    async def _upload(
        self,
        path: str,
        query: str,
        headers: Headers,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        size = int(headers.get("Content-Length", "-1"))
        if not 0 <= size <= UPLOAD_LIMIT:
            await _answer(writer, 411 if size < 0 else 413, b"{}")
            return False
        token = parse_qs(query).get("token", [path.rpartition("/")[2]])[0]
        temporary = self._folder / f".upload-{os.urandom(8).hex()}"
        try:
            digest = await self._receive(reader, size, temporary)
            try:
                expected = urlsafe_b64decode(token).hex()
            except (Base64Error, ValueError):
                expected = digest
            if digest != expected:
                return await _answer(writer, 400, b'{"error":"hash mismatch"}')
            temporary.replace(self._folder / digest)
        finally:
            temporary.unlink(missing_ok=True)
        direct = self.path_of(digest)
        url = f"https://{MEDIA_HOST}{direct}"
        body = orjson.dumps({"url": url, "direct_path": direct, "handle": digest[:16]})
        return await _answer(writer, 200, body)

    async def _receive(self, reader: asyncio.StreamReader, size: int, target: Path) -> str:
        digest, left = hashlib.sha256(), size
        with target.open("wb") as file:
            while left:
                async with asyncio.timeout(CHUNK_SECONDS):
                    chunk = await reader.read(min(CHUNK, left))
                if not chunk:
                    raise EOFError("the upload ended early")
                digest.update(chunk)
                file.write(chunk)
                left -= len(chunk)
        return digest.hexdigest()

    async def _download(self, path: str, headers: Headers, writer: asyncio.StreamWriter) -> bool:
        name = path.rpartition("/")[2]
        file = self._folder / name
        if not _NAME.match(name) or not file.exists():
            return await _answer(writer, 404, b"{}")
        size = file.stat().st_size
        start, end, status = _range(headers.get("Range", ""), size)
        writer.write(_head(status, end - start, f"bytes {start}-{end - 1}/{size}"))
        with file.open("rb") as source:
            source.seek(start)
            left = end - start
            while left:
                chunk = source.read(min(CHUNK, left))
                if not chunk:
                    raise EOFError("the blob was cut off")
                left -= len(chunk)
                writer.write(chunk)
                async with asyncio.timeout(CHUNK_SECONDS):
                    await writer.drain()
        return True


def _range(header: str, size: int) -> tuple[int, int, int]:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", header)
    if found is None or int(found[1]) >= size:
        return 0, size, 200
    end = min(int(found[2]) + 1, size) if found[2] else size
    return int(found[1]), end, 206


def _head(status: int, size: int, content_range: str = "") -> bytes:
    extra = f"Content-Range: {content_range}\r\n" if status == 206 else ""
    head = f"HTTP/1.1 {status} -\r\nContent-Length: {size}\r\n{extra}\r\n"
    return head.encode()


async def _answer(writer: asyncio.StreamWriter, status: int, body: bytes) -> bool:
    writer.write(_head(status, len(body)) + body)
    async with asyncio.timeout(CHUNK_SECONDS):
        await writer.drain()
    return status < 400 or status == 404
