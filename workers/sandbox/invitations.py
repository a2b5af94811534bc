"""Invitations: codes that let people into a group whom nobody may simply add."""

from __future__ import annotations

import secrets
import time

import msgspec

from workers.sandbox.accounts import Account

SECONDS = 259_200  # three days, as in the real network


class Invitation(msgspec.Struct):
    """Whom an admin may ask in; `invitee` and `inviter` are account ids."""

    invitee: str
    inviter: str
    expiration: int


def invite(
    known: dict[str, Invitation], invitee: Account, inviter: Account
) -> dict[str, str | int]:
    """Make an invitation; the attributes of its <add_request>. It replaces an earlier one."""
    for code in [code for code, one in known.items() if one.invitee == invitee.id]:
        del known[code]
    code, expiration = secrets.token_urlsafe(12), int(time.time()) + SECONDS
    known[code] = Invitation(invitee.id, inviter.id, expiration)
    return {"code": code, "expiration": expiration}


def find(
    known: dict[str, Invitation], code: str, invitee: Account, inviter: Account | None
) -> Invitation | None:
    """The invitation of this person, by this admin, as long as it lasts."""
    found = known.get(code)
    if found is None or inviter is None or found.expiration < time.time():
        return None
    right = (found.invitee, found.inviter) == (invitee.id, inviter.id)
    return found if right else None
