"""What one user or API key may use of one HTTP process: connections, and frames per second.

Counted by who signed in and not by token, so that a fresh token is no fresh allowance. Each
process counts for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from wa_api.services.limits import Bucket


@dataclass(slots=True)
class Allowance:
    """One caller's: open connections, and the frames that all of them may send."""

    frames: Bucket
    open: int = 0


class Allowances:
    """Of everybody who is connected; forgotten with the last connection."""

    def __init__(self, connections: int, frames_per_second: float) -> None:
        """So many `connections` at once; of frames a burst of two seconds' worth."""
        self._most, self._rate = connections, frames_per_second
        self._known: dict[str, Allowance] = {}

    def enter(self, subject: str) -> Allowance | None:
        """Count a connection; None when there are too many. Each success needs a `leave`."""
        found = self._known.get(subject)
        if found is None:
            found = self._known[subject] = Allowance(Bucket(2 * self._rate, self._rate))
        if found.open >= self._most:
            return None
        found.open += 1
        return found

    def leave(self, subject: str) -> None:
        """A connection is gone."""
        found = self._known[subject]
        found.open -= 1
        if found.open == 0:
            del self._known[subject]
