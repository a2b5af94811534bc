"""How many files this process brings to WhatsApp at once: the library holds each whole, and thrice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wa_api.domain.media import MiB

#: From here on a file is large.
LARGE = 4 * MiB


class Transfers:
    """Room for small files side by side, and for one large file at a time."""

    def __init__(self, small: int = 4, large: int = 1) -> None:
        """So many of each at once."""
        self._small, self._large = asyncio.Semaphore(small), asyncio.Semaphore(large)

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """Wait for a place for a file of `size` bytes."""
        async with self._large if size >= LARGE else self._small:
            yield
