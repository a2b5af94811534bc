"""Why a session's run ends or begins anew: a table from what the engine says to what is done."""

from __future__ import annotations

from dataclasses import dataclass

from wa_api.domain.commands import Command
from wa_api.domain.ids import WorkerId
from wa_api.domain.sessions import Reason, SessionState
from workers.engine.port import Ended, PairingEnded
from workers.sessions.records import Change


@dataclass(frozen=True, slots=True)
class Finish:
    """Write the state and let go; `forget` deletes the device store."""

    change: Change
    forget: bool = False
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Make a new engine after a pause; `reason` says why."""

    reason: Reason
    detail: str = ""
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Let go in good order so that another worker goes on, at best `successor`."""

    successor: WorkerId | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """The lease is gone or cannot be renewed: stop at once."""


Verdict = Finish | Again | Leave | Drop

_STATES = {
    Reason.LOGGED_OUT_ON_PHONE: SessionState.LOGGED_OUT,
    Reason.LOGGED_OUT_HERE: SessionState.LOGGED_OUT,
    Reason.STREAM_REPLACED: SessionState.REPLACED,
    Reason.TEMPORARY_BAN: SessionState.BANNED,
    Reason.PERMANENT_BAN: SessionState.BANNED,
    Reason.CLIENT_OUTDATED: SessionState.OUTDATED,
    Reason.PASSKEY_REQUIRED: SessionState.PASSKEY_REQUIRED,
}

#: These pass by themselves: the same owner tries again.
_PASSING = {Reason.SERVICE_UNAVAILABLE, Reason.CONNECTION_LOST, Reason.ENGINE_ERROR}


def verdict_on(end: Ended | PairingEnded) -> Finish | Again:
    """What to do after an engine's end."""
    if end.reason in _PASSING:
        return Again(end.reason, end.detail)
    state = _STATES.get(end.reason, SessionState.FAILED)
    gone = state is SessionState.LOGGED_OUT
    until = end.until if isinstance(end, Ended) else None
    change = Change(state, end.reason, end.detail or None, until=until)
    return Finish(change, forget=gone)
