"""Files while they come in: measured, hashed, and gone again unless they are kept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from wa_api.domain.errors import MediaTooLarge
from wa_api.domain.media import MiB

#: Seconds after which a draft can only be what a killed process left behind.
STALE = 3600.0


class Draft:
    """A file that is being written: `size` so far, of `most` bytes."""

    def __init__(self, path: Path, most: int) -> None:
        """Made by `Drafts.new`."""
        self.path, self.size, self.most = path, 0, most
        self._file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")  # noqa: SIM115
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of what was written."""
        return self._hash.hexdigest()

    async def write(self, piece: bytes) -> None:
        """Append. Raises MediaTooLarge."""
        self.size += len(piece)
        if self.size > self.most:
            raise MediaTooLarge(
                f"The media is larger than {self.most / MiB:.4g} MiB.", most=self.most
            )
        await asyncio.to_thread(self._append, piece)

    def _append(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._file.write(piece)

    async def finish(self) -> None:
        """Everything is written: put it on the disk."""
        await asyncio.to_thread(self._finish)

    def _finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Remove the file; no harm when it was moved away."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Drafts:
    """A directory for drafts, of this process and others."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when the first draft is."""
        self._folder = folder

    @asynccontextmanager
    async def new(self, most: int) -> AsyncIterator[Draft]:
        """An empty draft that takes `most` bytes; whatever is left of it goes at the end."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Draft(self._folder / secrets.token_hex(16), most)
        try:
            yield draft
        finally:
            await asyncio.to_thread(draft.discard)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Path]:
        """A name for a file that another program writes; removed at the end."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / secrets.token_hex(16)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    @staticmethod
    async def measure(path: Path) -> tuple[str, int]:
        """SHA-256 (hex) and size of a finished file."""

        def measured() -> tuple[str, int]:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
            return digest.hexdigest(), path.stat().st_size

        return await asyncio.to_thread(measured)

    def sweep(self) -> int:
        """Remove what killed processes left behind; how many files."""
        removed, oldest = 0, time.time() - STALE
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < oldest:
                        path.unlink()
                        removed += 1
        return removed
