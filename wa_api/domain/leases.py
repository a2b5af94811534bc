"""The right to run a session."""

from __future__ import annotations

from dataclasses import dataclass

from wa_api.domain.ids import Epoch, SessionId, WorkerId


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of `worker` to run `session`, under fencing number `epoch`."""

    session: SessionId
    worker: WorkerId
    epoch: Epoch
