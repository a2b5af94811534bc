"""The symmetric chain that both 1:1 sessions and sender keys turn forward, a key per message."""

from __future__ import annotations

import hmac
from typing import NamedTuple

from msgspec import Struct, field

from .errors import DuplicateMessage, TooFarAhead

# The bounds of libsignal: beyond them a peer would refuse, or has forgotten, as well.
MAX_SKIPPED = 2000


class Step(NamedTuple):
    """Where a chain would be after one message; nothing has changed until it is committed."""

    counter: int
    seed: bytes
    key: bytes
    next_index: int
    skipped: dict[int, bytes]


class Chain(Struct):
    """A chain key, the number of the message it is for, and the seeds of messages passed over."""

    key: bytes
    index: int = 0
    skipped: dict[int, bytes] = field(default_factory=dict)

    def next(self) -> bytes:
        """The seed of message `index`; the chain moves on."""
        seed, self.key = _turn(self.key)
        self.index += 1
        return seed

    def step(self, counter: int) -> Step:
        """The seed of message `counter`, wherever the chain stands.

        DuplicateMessage if it was used or dropped, TooFarAhead if over 2000 are missing before it.
        """
        if counter < self.index:
            if counter not in self.skipped:
                raise DuplicateMessage
            return Step(counter, self.skipped[counter], self.key, self.index, {})
        if counter - self.index > MAX_SKIPPED:
            raise TooFarAhead
        key, skipped = self.key, {}
        for index in range(self.index, counter):
            skipped[index], key = _turn(key)
        seed, key = _turn(key)
        return Step(counter, seed, key, counter + 1, skipped)

    def commit(self, step: Step) -> None:
        """Make `step` true, once its message proved authentic."""
        self.key, self.index = step.key, step.next_index
        self.skipped.pop(step.counter, None)
        self.skipped.update(step.skipped)
        while len(self.skipped) > MAX_SKIPPED:
            del self.skipped[next(iter(self.skipped))]


def _turn(key: bytes) -> tuple[bytes, bytes]:
    return hmac.digest(key, b"\x01", "sha256"), hmac.digest(key, b"\x02", "sha256")
