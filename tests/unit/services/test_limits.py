"""Slowing down."""

from __future__ import annotations

import pytest

from wa_api.domain.errors import TooManyRequests, WrongCredentials
from wa_api.services.limits import Attempts, Bucket


def test_a_bucket_allows_a_burst_and_then_its_rate() -> None:
    """A full bucket empties, and fills again with time only."""
    bucket = Bucket(3, 0.001)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    bucket.give()
    assert bucket.take()
    fast = Bucket(1, 1e9)
    assert all(fast.take() for _ in range(100))


def test_only_failures_count() -> None:
    """Who succeeds may go on; who fails too often may not, and others are not concerned."""
    attempts = Attempts(burst=3, per_second=0.001)
    for _ in range(10):
        with attempts.attempt("ann"):
            pass
    for _ in range(3):
        with pytest.raises(WrongCredentials), attempts.attempt("eve"):
            raise WrongCredentials
    with pytest.raises(TooManyRequests) as refused, attempts.attempt("eve"):
        pytest.fail("not reached")
    assert refused.value.facts["retry_after"] == 1000
    with attempts.attempt("ann"):
        pass


def test_memory_is_bounded() -> None:
    """Whoever tried longest ago is forgotten first."""
    attempts = Attempts(burst=1, per_second=0.001, remembered=2)
    for name in ("a", "b", "c"):
        with pytest.raises(WrongCredentials), attempts.attempt(name):
            raise WrongCredentials
    with attempts.attempt("a"):
        pass
    with pytest.raises(TooManyRequests), attempts.attempt("c"):
        pass
