"""How fast sessions may be connected."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """A token bucket: `rate` per second, after a burst of up to half a second's worth."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._burst = max(1.0, rate / 2)
        self._tokens, self._at = self._burst, time.monotonic()

    def give_back(self) -> None:
        """The turn was not needed."""
        self._tokens = min(self._burst, self._tokens + 1)

    async def take(self) -> None:
        """Wait for one's turn."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._rate)
