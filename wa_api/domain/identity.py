"""One person, two addresses: a phone number and a LID."""

from __future__ import annotations

from wa_api.domain.addresses import LID, USER, Jid
from wa_api.domain.messages import Address


def canonical(jid: Jid, other: Jid | None) -> tuple[Jid, Jid | None]:
    """One identity by its canonical and its other address: the phone number where it is known.

    What people send to is a phone number, so that both directions of a chat have one name.
    """
    if other is not None and jid.server == LID and other.server == USER:
        return other, jid
    return jid, other


def address(jid: Jid, other: Jid | None = None, name: str | None = None) -> Address:
    """An identity as readers see it."""
    one, alternative = canonical(jid, other)
    lid = next((each for each in (one, alternative) if each and each.server == LID), None)
    return Address(
        id=str(one),
        phone=f"+{one.user}" if one.server == USER else None,
        lid=None if lid is None else str(lid),
        name=name or None,
    )
