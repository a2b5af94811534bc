"""Slowing down: token buckets, and who guesses passwords."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from wa_api.domain.errors import TooManyRequests


class Bucket:
    """Allows a burst, and then so many per second."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, burst: float, per_second: float) -> None:
        self._burst, self._rate = burst, per_second
        self._left, self._at = burst, time.monotonic()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def give(self) -> None:
        """Take back what was taken."""
        self._left = min(self._burst, self._left + 1)


class Attempts:
    """Bounds how often somebody may fail: one bucket per name (or address).

    Kept per process, so N processes allow up to N times as many; bounded in memory by
    forgetting whoever tried longest ago.
    """

    def __init__(self, burst: float, per_second: float, remembered: int = 10_000) -> None:
        self._burst, self._rate, self._remembered = burst, per_second, remembered
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Around one try; only those that fail count. Raises TooManyRequests."""
        bucket = self._buckets.pop(name, None) or Bucket(self._burst, self._rate)
        self._buckets[name] = bucket
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        if not bucket.take():
            raise TooManyRequests(
                "Too many attempts; wait before the next.",
                retry_after=max(1, round(1 / self._rate)),
            )
        yield
        bucket.give()
