"""Identifiers: prefixed, time-ordered, unguessable enough to be no secret and no counter."""

from __future__ import annotations

from typing import NewType

import uuid_utils

TenantId = NewType("TenantId", str)
SessionId = NewType("SessionId", str)
MessageId = NewType("MessageId", str)
CommandId = NewType("CommandId", str)
WorkerId = NewType("WorkerId", str)
UserId = NewType("UserId", str)
KeyId = NewType("KeyId", str)
WebhookId = NewType("WebhookId", str)

#: Fencing number of a lease: grows with every change of a session's owner, never reused.
Epoch = NewType("Epoch", int)


def new_id(prefix: str, at: int | None = None) -> str:
    """A fresh id such as `ses_0192f0c1a5b47cc1b6d1a6f3c0b7d2e4` (UUIDv7, RFC 9562, in hex).

    Ids made later sort later (to the millisecond), so they index well. What is of another time
    gets its place in the order by `at` (Unix milliseconds).
    """
    return f"{prefix}_{uuid_utils.uuid7(nanoseconds=None if at is None else at * 1_000_000).hex}"


#: Below every epoch that a lease can have.
NO_EPOCH = Epoch(0)
