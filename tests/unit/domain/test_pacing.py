"""The policy of a session's pace."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wa_api.domain.pacing import DAY, Pacing, Priority, WarmUp, policy_of
from wa_api.domain.sessions import SessionSettings


def test_a_real_number_is_paced_unless_it_says_otherwise() -> None:
    """Careful by default; the sandbox bans nobody."""
    assert policy_of("whatsapp", {}) == Pacing()
    assert policy_of("sandbox", {}) is None
    assert policy_of("whatsapp", {"pacing": "off"}) is None
    assert policy_of("sandbox", {"pacing": {"per_minute": 6}}) == Pacing(per_minute=6)


def test_settings_keep_what_was_lifted() -> None:
    """A bound that was set to null is not the default again when it is read."""
    text = b'{"pacing": {"per_day": null, "warm_up": null}}'
    kept = msgspec.to_builtins(msgspec.json.decode(text, type=SessionSettings))
    policy = policy_of("whatsapp", kept)
    assert policy is not None
    assert (policy.per_day, policy.warm_up, policy.burst) == (None, None, Pacing().burst)


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_minute": 0},
        {"burst": 0},
        {"jitter": 2},
        {"per_day": 0},
        {"warm_up": {"growth": 1}},
        {"speed": 9},
        "on",
    ],
)
def test_a_policy_is_checked(wrong: object) -> None:
    """What makes no sense is refused where it is set."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"pacing": wrong}, SessionSettings)


def test_a_new_number_warms_up() -> None:
    """Half as many more each day, and the first contacts in proportion."""
    policy = Pacing(per_day=1000, first_contacts_per_day=100, warm_up=WarmUp(first=100, growth=2))
    assert policy.budgets(0) == (100, 10)
    assert policy.budgets(1.5 * DAY) == (200, 20)
    assert policy.budgets(10 * DAY) == (1000, 100)
    without = Pacing(per_day=None, warm_up=WarmUp(first=100, growth=2))
    assert without.budgets(0)[0] == 100
    assert without.budgets(30 * DAY)[0] is None


@given(
    st.integers(1, 100_000),
    st.integers(1, 1000),
    st.floats(1.05, 10),
    st.floats(-DAY, 400 * DAY),
    st.floats(0, 100 * DAY),
)
def test_budgets_only_grow_and_never_pass_the_policy(
    per_day: int, first: int, growth: float, age: float, later: float
) -> None:
    """Whatever the curve."""
    policy = Pacing(per_day=per_day, warm_up=WarmUp(first=first, growth=growth))
    (now, now_first), (then, then_first) = policy.budgets(age), policy.budgets(age + later)
    assert now is not None
    assert then is not None
    assert now_first is not None
    assert then_first is not None
    assert 1 <= now <= then <= per_day
    assert 1 <= now_first <= then_first <= 50


def test_replies_go_before_campaigns() -> None:
    """By rank."""
    assert sorted(Priority, key=lambda one: one.rank) == ["reply", "normal", "campaign"]
