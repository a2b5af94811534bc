"""When the next message may go."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wa_api.domain.pacing import DAY, Pacing
from wa_api.store.rows import QueueRow
from workers.sessions.pacer import NEVER, Pacer

START = 1_000 * DAY + 3600.0
FREE = {"per_day": None, "first_contacts_per_day": None, "first_contacts_per_minute": None}


def pacer(policy: Pacing | None = None, now: float = START, **kept: object) -> Pacer:
    """A pacer of a session with this policy."""
    return Pacer(QueueRow(policy=policy, **kept), now, random.Random(7).random)


def sent_in(one: Pacer, seconds: float, now: float = START, first: bool = False) -> list[float]:
    """When messages went, sending whenever one may."""
    times, end = [], now + seconds
    while True:
        now = max(now, one.turn(now, False, first).at)
        if now >= end:
            return times
        one.take(now, first)
        times.append(now)


def test_without_a_policy_nothing_waits() -> None:
    """The sandbox's way."""
    one = pacer()
    assert one.turn(START, False, True).at <= START
    one.take(START, True)
    assert one.turn(START, False, True).at <= START


def test_a_refusal_for_speed_holds_everything_longer_each_time() -> None:
    """What was on its way together counts once; a message that goes out ends it."""
    one, now = pacer(), START
    for pause in (5, 10, 20, 40, 80, 160, 300, 300):
        one.slow_down(now)
        one.slow_down(now + 1)
        assert one.turn(now, True, False) == (now + pause, "slowed_down")
        now += pause
        assert one.turn(now, True, False).why == ""
    one.recover()
    one.slow_down(now)
    assert one.turn(now, True, False).at == now + 5
    assert one.turn(now - 3600, True, False).why == ""  # the clock was set back


@given(
    st.floats(1, 6000),
    st.integers(1, 50),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
def test_the_rate_is_kept_whatever_the_jitter(
    per_minute: float, burst: int, jitter: float, seed: int
) -> None:
    """In any while there are at most as many as the rate allows and a burst more; on average
    there are as many.
    """
    policy = Pacing(per_minute=per_minute, burst=burst, jitter=jitter, warm_up=None, **FREE)
    one = Pacer(QueueRow(policy=policy), START, random.Random(seed).random)
    distance = 60 / per_minute
    times = sent_in(one, 200 * distance)
    # The mean of a few hundred uneven distances is close to the distance.
    assert 200 * 0.8 <= len(times) <= 200 * 1.2 + burst
    gaps = [b - a for a, b in pairwise(times)]
    assert min(gaps, default=0) >= (1 - jitter) * distance * 0.999 - 1e-6


def test_a_pause_saves_a_burst_up_and_no_more() -> None:
    """After an hour of silence, `burst` go at once."""
    one = pacer(Pacing(per_minute=60, burst=5, jitter=0, warm_up=None, **FREE))
    one.take(START, False)
    later = START + 3600
    at_once = 0
    while one.turn(later, False, False).at <= later:
        one.take(later, False)
        at_once += 1
    assert at_once == 5


def test_a_takeover_is_not_a_burst() -> None:
    """A new owner sends one, and then at the rate."""
    one = pacer(Pacing(per_minute=60, burst=5, jitter=0, warm_up=None, **FREE))
    assert sent_in(one, 2.5) == [START, START + 1, START + 2]


def test_a_clock_that_is_set_back_does_not_stop_the_queue() -> None:
    """It waits for a few distances, not for the hour."""
    one = pacer(Pacing(per_minute=60, burst=2, jitter=0, warm_up=None, **FREE))
    one.take(START, False)
    earlier = START - 3600
    assert one.turn(earlier, False, False).at <= earlier + 2


def test_the_budget_of_the_day_holds_all_but_replies() -> None:
    """It opens again at midnight UTC."""
    policy = Pacing(per_minute=6000, per_day=3, warm_up=None, first_contacts_per_minute=None)
    one = pacer(policy)
    assert len(sent_in(one, DAY / 2)) == 3
    now = START + DAY / 2
    held = one.turn(now, False, False)
    assert (held.at, held.why) == (1_001 * DAY, "daily_budget")
    assert one.turn(now, True, False).at <= now
    assert one.turn(held.at, False, False).at <= held.at
    assert one.left(now) == (0, 50)


def test_a_budget_outlives_its_owner() -> None:
    """What was sent today by an earlier one counts, what was sent yesterday does not."""
    policy = Pacing(per_day=10, warm_up=None)
    assert pacer(policy, day=1000, sent=9).left(START) == (1, 50)
    assert pacer(policy, day=999, sent=9).left(START) == (10, 50)


def test_first_contacts_have_budgets_of_their_own() -> None:
    """Others go on meanwhile, and a first contact is never a reply."""
    policy = Pacing(per_minute=6000, first_contacts_per_day=1, warm_up=None)
    one = pacer(policy)
    one.take(START, True)
    now = START + 60
    assert one.turn(now, False, True).why == "first_contact_budget"
    assert one.turn(now, True, True).why == "first_contact_budget"
    assert one.turn(now, False, False).at <= now


def test_what_did_not_go_is_given_back() -> None:
    """A cancelled or failed message costs no budget."""
    one = pacer(Pacing(per_day=5, warm_up=None))
    one.take(START, True)
    one.give_back(START, True)
    assert one.left(START) == (5, 50)


def test_a_pause_holds_everything() -> None:
    """Replies too."""
    one = pacer(paused_at=1.0)
    assert one.turn(START, True, False) == (NEVER, "paused")


def test_a_restriction_holds_first_contacts_only() -> None:
    """Until its end, by itself."""
    one = pacer()
    one.restrict(START + 60, 1)
    assert one.turn(START, False, True) == (START + 60, "restricted")
    assert one.turn(START, False, False).at <= START
    assert one.turn(START + 60, False, True).at <= START + 60
