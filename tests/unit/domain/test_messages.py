"""How far a message got."""

from __future__ import annotations

import pytest

from wa_api.domain.messages import FINAL, PROGRESS, Status, advances


@pytest.mark.parametrize("before", PROGRESS)
@pytest.mark.parametrize("after", PROGRESS)
def test_status_only_moves_forward(before: Status, after: Status) -> None:
    """A late or repeated receipt changes nothing."""
    assert advances(before, after) == (PROGRESS.index(after) > PROGRESS.index(before))


@pytest.mark.parametrize("before", sorted(FINAL))
@pytest.mark.parametrize("after", Status)
def test_nothing_follows_an_end(before: Status, after: Status) -> None:
    """Failed, expired and cancelled messages stay so."""
    assert not advances(before, after)


@pytest.mark.parametrize("after", sorted(FINAL))
def test_a_message_that_went_out_cannot_fail_afterwards(after: Status) -> None:
    """What WhatsApp acknowledged is not called failed, expired or cancelled later."""
    assert not advances(Status.SENT, after)
    assert advances(Status.ACCEPTED, after)


def test_a_receipt_resolves_an_unknown_outcome() -> None:
    """If a message of unknown outcome is delivered, we know that it went out."""
    assert advances(Status.UNKNOWN, Status.DELIVERED)
    assert not advances(Status.SENT, Status.UNKNOWN)
