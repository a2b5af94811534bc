"""The table of session states."""

from __future__ import annotations

import pytest

from wa_api.domain.sessions import ALLOWED, TERMINAL, SessionState, may_follow


@pytest.mark.parametrize("state", SessionState)
def test_every_state_can_be_started_anew_by_a_new_owner(state: SessionState) -> None:
    """Takeover works from wherever the last owner died."""
    assert may_follow(state, SessionState.STARTING)


@pytest.mark.parametrize("state", sorted(set(SessionState) - {SessionState.STOPPED}))
def test_every_running_state_can_be_stopped(state: SessionState) -> None:
    """A user can always stop a session."""
    assert may_follow(state, SessionState.STOPPED)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_a_session_never_comes_online_again_without_a_start(state: SessionState) -> None:
    """Logged out, banned and the like end a run."""
    assert ALLOWED[state] == {SessionState.STARTING, SessionState.STOPPED}


def test_a_session_is_paired_before_it_is_connected_for_the_first_time() -> None:
    """Nothing goes from stopped to connected without having been started."""
    assert not may_follow(SessionState.STOPPED, SessionState.CONNECTED)
