"""When the next message may go: a policy's clockwork. No I/O; the time is always given.

Rates are kept as in a leaky bucket: each send moves the moment of the next one on by a distance,
which is uneven by the policy's jitter; after a pause up to `burst` may go at once. A new owner
starts with an empty bucket, so that a takeover is not a burst.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from wa_api.domain.pacing import DAY, Pacing, day_of
from wa_api.store.rows import QueueRow

NEVER = float("inf")
#: Seconds without a send after WhatsApp asked to slow down (429): the first time, and at most.
SLOW, SLOWEST = 5.0, 300.0


class Turn(NamedTuple):
    """From when a message may go (Unix seconds), and what it waits for ("": nothing)."""

    at: float
    why: str = ""


NOW = Turn(0.0)


@dataclass(slots=True)
class Rate:
    """So many per minute, up to `burst` at once; `full` is when the bucket is empty again."""

    per_minute: float
    burst: int
    full: float

    @property
    def distance(self) -> float:
        """Seconds between two, on average."""
        return 60 / self.per_minute

    def next(self, now: float) -> float:
        """From when one more may go."""
        if self.full > now + (self.burst + 2) * self.distance:  # the clock was set back
            self.full = now + self.burst * self.distance
        return self.full - (self.burst - 1) * self.distance

    def take(self, now: float, weight: float) -> None:
        """One goes now; `weight` (up to 2) of a distance passes until the next."""
        self.full = max(self.full, now) + weight * self.distance


def _rate(per_minute: float, burst: int, now: float) -> Rate:
    return Rate(per_minute, burst, now + (burst - 1) * 60 / per_minute)


class Pacer:
    """One session's pace: rates, the budgets of the day, and what a restriction holds."""

    def __init__(
        self, state: QueueRow, now: float, draw: Callable[[], float] = random.random
    ) -> None:
        """`state` is what is kept in the database; `draw` gives numbers from 0 to 1."""
        self._state, self._draw = state, draw
        self._all: Rate | None = None
        self._first: Rate | None = None
        self._peace, self._peace_until = 0.0, 0.0
        self._make_rates(now)

    @property
    def policy(self) -> Pacing | None:
        """The policy, if there is one."""
        return self._state.policy

    @property
    def state(self) -> QueueRow:
        """What is known of the queue now."""
        return self._state

    @property
    def paused(self) -> bool:
        """Whether nothing may go."""
        return self._state.paused_at is not None

    @property
    def gap(self) -> float:
        """Seconds between two messages to one chat."""
        return self.policy.chat_gap if self.policy else 0.0

    @property
    def selective(self) -> bool:
        """Whether it matters who a message is for."""
        return self.policy is not None or self._state.restricted_until is not None

    def adopt(self, state: QueueRow, now: float) -> None:
        """Take what a user changed; what only an owner counts is as it was."""
        before = self._state
        self._state = replace(before, policy=state.policy, paused_at=state.paused_at)
        if state.policy != before.policy:
            self._make_rates(now)

    def begin(self, state: QueueRow, now: float) -> None:
        """Start with what earlier owners left."""
        self._state = state
        self._make_rates(now)

    def restrict(self, until: float | None, times: int) -> None:
        """WhatsApp refuses first contacts until then (None: no longer)."""
        self._state = replace(self._state, restricted_until=until, restrictions=times)

    def slow_down(self, now: float) -> None:
        """WhatsApp asked for it: nothing goes for a while, twice as long as the last time. What was
        on its way together asks once.
        """
        if self._peace_until <= now:
            self._peace = min(SLOWEST, 2 * self._peace or SLOW)
            self._peace_until = now + self._peace

    def recover(self) -> None:
        """A message went out."""
        self._peace = 0.0

    def turn(self, now: float, reply: bool, first: bool) -> Turn:
        """When a message may go. A first contact is never a reply: nobody asked."""
        if self.paused:
            return Turn(NEVER, "paused")
        if now < self._peace_until <= now + SLOWEST:  # else the clock was set back
            return Turn(self._peace_until, "slowed_down")
        until = self._state.restricted_until
        if first and until is not None and until > now:
            return Turn(until, "restricted")
        if self._all is None:
            return NOW
        turns = [Turn(self._all.next(now), "rate")]
        if first or not reply:
            turns.append(self._budget(now, first))
        if first and self._first is not None:
            turns.append(Turn(self._first.next(now), "first_contact_rate"))
        latest = max(turns)
        return latest if latest.at > now else NOW

    def take(self, now: float, first: bool) -> None:
        """A message goes now."""
        if self.policy is None:
            return
        weight = 1 + self.policy.jitter * (2 * self._draw() - 1)
        if self._all is not None:
            self._all.take(now, weight)
        if first and self._first is not None:
            self._first.take(now, weight)
        self._count(now, 1, int(first))

    def give_back(self, now: float, first: bool) -> None:
        """It did not go after all: the budgets have it back (the time is gone)."""
        if self.policy is not None:
            self._count(now, -1, -int(first))

    def left(self, now: float) -> tuple[int | None, int | None]:
        """Messages and first contacts that may still go today; None: unbounded."""
        most, most_first = self._budgets(now)
        today = self._today(now)
        return (
            None if most is None else max(0, most - today.sent),
            None if most_first is None else max(0, most_first - today.first_contacts),
        )

    def _make_rates(self, now: float) -> None:
        policy = self.policy
        self._all = self._first = None
        if policy is None:
            return
        self._all = _rate(policy.per_minute, policy.burst, now)
        if policy.first_contacts_per_minute is not None:
            self._first = _rate(policy.first_contacts_per_minute, 1, now)

    def _budgets(self, now: float) -> tuple[int | None, int | None]:
        if self.policy is None:
            return None, None
        return self.policy.budgets(now - (self._state.linked_at or now))

    def _budget(self, now: float, first: bool) -> Turn:
        left, left_first = self.left(now)
        tomorrow = (day_of(now) + 1) * DAY
        if left == 0:
            return Turn(tomorrow, "daily_budget")
        if first and left_first == 0:
            return Turn(tomorrow, "first_contact_budget")
        return NOW

    def _today(self, now: float) -> QueueRow:
        day = day_of(now)
        if self._state.day == day:
            return self._state
        return replace(self._state, day=day, sent=0, first_contacts=0)

    def _count(self, now: float, sent: int, first: int) -> None:
        today = self._today(now)
        self._state = replace(
            today,
            sent=max(0, today.sent + sent),
            first_contacts=max(0, today.first_contacts + first),
        )
