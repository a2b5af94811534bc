"""Where the bytes of media are kept: a port, and a directory behind it (`s3.py` has the other).

A file is named by its tenant and the SHA-256 of its bytes, so the same file is kept once per
tenant, and a tenant's files have nothing to do with another's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from wa_api.domain.errors import MediaNotFound

#: Bytes that are read at once.
CHUNK = 1 << 18

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """Which file: whose, and the SHA-256 of its bytes in hex."""

    tenant: str
    sha256: str

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256) or not _TENANT.fullmatch(self.tenant):
            raise ValueError("not a key of a media file")

    @property
    def path(self) -> str:
        """Its place, relative; 256 folders a tenant keep each of them small."""
        return f"{self.tenant}/{self.sha256[:2]}/{self.sha256}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is there; `modified` in Unix seconds."""

    key: Key
    modified: float


class Files(Protocol):
    """The bytes of media. Any method may raise Unavailable."""

    async def put(self, key: Key, source: Path) -> None:
        """Keep a local file under its key, all of it or nothing. `source` may be moved away.

        If it is there already it counts as modified now.
        """
        ...

    async def has(self, key: Key) -> bool:
        """Whether it is there."""
        ...

    def read(self, key: Key, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end` (exclusive), in pieces. Raises MediaNotFound."""
        ...

    def local(self, key: Key) -> AbstractAsyncContextManager[Path]:
        """A local file with the bytes, only to be read, while the block runs. MediaNotFound."""
        ...

    async def delete(self, key: Key) -> None:
        """Remove it; no harm when it is not there."""
        ...

    def kept(self) -> AsyncIterator[Kept]:
        """Everything that is there, in any order."""
        ...


class LocalFiles:
    """Files in a directory that all processes of one machine share (or a shared file system)."""

    def __init__(self, root: Path) -> None:
        """`root` is made when the first file comes."""
        self._root = root

    async def put(self, key: Key, source: Path) -> None:
        """See Files. Atomic when `source` is on the same file system, which `Drafts` sees to."""
        await asyncio.to_thread(self._put, key, source)

    def _put(self, key: Key, source: Path) -> None:
        target = self._root / key.path
        try:
            os.utime(target)
        except FileNotFoundError:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.replace(source, target)

    async def has(self, key: Key) -> bool:
        """See Files."""
        return await asyncio.to_thread((self._root / key.path).exists)

    async def read(self, key: Key, start: int, end: int) -> AsyncIterator[bytes]:
        """See Files."""
        file = await asyncio.to_thread(self._open, key)
        try:
            await asyncio.to_thread(file.seek, start)
            left = end - start
            while left > 0:
                piece = await asyncio.to_thread(file.read, min(CHUNK, left))
                if not piece:
                    raise MediaNotFound
                left -= len(piece)
                yield piece
        finally:
            file.close()

    def _open(self, key: Key) -> BinaryIO:
        try:
            return (self._root / key.path).open("rb")
        except FileNotFoundError:
            raise MediaNotFound from None

    @asynccontextmanager
    async def local(self, key: Key) -> AsyncIterator[Path]:
        """See Files."""
        if not await self.has(key):
            raise MediaNotFound
        yield self._root / key.path

    async def delete(self, key: Key) -> None:
        """See Files."""
        await asyncio.to_thread((self._root / key.path).unlink, missing_ok=True)

    async def kept(self) -> AsyncIterator[Kept]:
        """See Files."""
        for folder in await asyncio.to_thread(lambda: sorted(self._root.glob("*/??"))):
            for one in await asyncio.to_thread(_kept, folder):
                yield one


def _kept(folder: Path) -> list[Kept]:
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(ValueError, FileNotFoundError):
            found.append(Kept(Key(folder.parent.name, path.name), path.stat().st_mtime))
    return found
