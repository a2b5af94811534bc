"""When to try again, and when to leave an endpoint alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

#: Different chats in a row that fail until the endpoint itself is thought to be down.
_THRESHOLD = 5
#: Seconds between two looks at an endpoint that is down: at first, and at most.
_FIRST, _MOST = 5.0, 900.0


def jittered(seconds: float) -> float:
    """About so many, so that what failed together does not come back together."""
    return seconds * random.uniform(0.85, 1.15)  # noqa: S311 - spreads retries


class Schedule:
    """Seconds to wait after each failure of one event."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self._seconds = tuple(seconds)

    def after(self, attempts: int) -> float | None:
        """The wait after so many failed attempts; None: give up."""
        if attempts > len(self._seconds):
            return None
        return jittered(self._seconds[attempts - 1])


class Breaker:
    """Tells a bad event from a bad endpoint: open (only a look now and then) while it is down.

    Times are of any clock that only grows.
    """

    def __init__(
        self, threshold: int = _THRESHOLD, first: float = _FIRST, most: float = _MOST
    ) -> None:
        self._threshold, self._first, self._most = threshold, first, most
        self._failed: set[str] = set()
        self._level = 0
        #: When the next look is allowed; 0: closed.
        self.until = 0.0

    @property
    def open(self) -> bool:
        """Whether the endpoint is thought to be down."""
        return self.until > 0

    def allows(self, now: float, in_flight: int) -> bool:
        """Whether a request may be made: any while closed, one at a time when a look is due."""
        return not self.open or (now >= self.until and in_flight == 0)

    def failure(self, now: float, chat: str) -> None:
        """A request failed."""
        if self.open:
            if now >= self.until:
                self._wait(now)
            return
        self._failed.add(chat)
        if len(self._failed) >= self._threshold:
            self._wait(now)

    def success(self) -> bool:
        """A request was answered well; whether that closes an open breaker."""
        was_open = self.open
        self._failed.clear()
        self._level, self.until = 0, 0.0
        return was_open

    def _wait(self, now: float) -> None:
        self.until = now + jittered(min(self._first * 2**self._level, self._most))
        self._level += 1
