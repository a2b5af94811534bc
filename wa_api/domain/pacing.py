"""How fast a session may send: its policy, and what a message's priority is. No I/O.

WhatsApp bans numbers that behave like machines. So a session on the real network that says
nothing about its pace gets the careful defaults below; they can be relaxed, or turned off.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import exp, log
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

#: The network on which nobody can be banned: no pace unless one is asked for.
UNPACED = "sandbox"
OFF: Literal["off"] = "off"
DAY = 86_400.0


class Priority(StrEnum):
    """Which message goes first when several may."""

    REPLY = "reply"  #: an answer; goes out whatever the budgets and restrictions say
    NORMAL = "normal"
    CAMPAIGN = "campaign"  #: only when nothing else waits

    @property
    def rank(self) -> int:
        """Lower goes first."""
        return _RANKS[self]


_RANKS = {Priority.REPLY: 0, Priority.NORMAL: 1, Priority.CAMPAIGN: 2}


class WarmUp(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The first days of a number: `first` messages on the first, `growth` times as many on each
    one after it, until the policy's own budgets are reached.
    """

    first: Annotated[int, Meta(ge=1, le=100_000)] = 50
    growth: Annotated[float, Meta(ge=1.05, le=10)] = 1.5

    def share(self, day: int, whole: int) -> float:
        """The part of a daily budget `whole` that is open on a day (0: the first)."""
        return exp(min(0.0, log(self.first / whole) + day * log(self.growth)))


class Pacing(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A session's pace; null lifts a bound.

    `per_minute` messages on average, at most `burst` at once after a pause; `jitter` (0 to 1)
    makes the distances uneven. `chat_gap`: seconds between two messages to one chat.
    `per_day`, `first_contacts_per_day`: budgets of a UTC day. A first contact is the first message
    to a chat that was never written with. A chat that wrote within the last `reply_hours` gets
    replies. `check_numbers`: ask WhatsApp whether a first contact has an account, before sending.
    """

    per_minute: Annotated[float, Meta(gt=0, le=60_000)] = 20.0
    burst: Annotated[int, Meta(ge=1, le=1000)] = 5
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.5
    chat_gap: Annotated[float, Meta(ge=0, le=3600)] = 1.0
    per_day: Annotated[int, Meta(ge=1, le=10_000_000)] | None = 1000
    first_contacts_per_minute: Annotated[float, Meta(gt=0, le=60_000)] | None = 2.0
    first_contacts_per_day: Annotated[int, Meta(ge=1, le=10_000_000)] | None = 50
    warm_up: WarmUp | None = WarmUp()
    reply_hours: Annotated[float, Meta(ge=0, le=720)] = 24.0
    check_numbers: bool = True

    def budgets(self, age: float) -> tuple[int | None, int | None]:
        """Messages and first contacts of a day, for a number linked `age` seconds ago."""
        if self.warm_up is None:
            return self.per_day, self.first_contacts_per_day
        whole = self.per_day or self.warm_up.first * 100
        share = self.warm_up.share(int(max(0.0, age) // DAY), whole)
        if share >= 1:
            return self.per_day, self.first_contacts_per_day
        first = self.first_contacts_per_day
        return max(1, round(whole * share)), None if first is None else max(1, round(first * share))


def policy_of(network: str, settings: Mapping[str, Any]) -> Pacing | None:
    """The policy of a session with these settings (as they are kept); None: no pace."""
    given = settings.get("pacing")
    if given is None:
        return None if network == UNPACED else Pacing()
    return None if given == OFF else msgspec.convert(given, Pacing)


def day_of(now: float) -> int:
    """The UTC day of a moment, counted from 1970."""
    return int(now // DAY)
