"""Who should take a session, and who should give one away. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from zlib import crc32

from wa_api.bus.ports import WorkerInfo
from wa_api.domain.ids import SessionId, WorkerId

_PATIENCE, _MOST_PATIENCE = 0.15, 1.0
_EQUAL = 10  # sessions more than another's that its next beat may even out


def peers(workers: Sequence[WorkerInfo], me: WorkerId, network: str) -> list[WorkerInfo]:
    """The other workers that can take sessions of this network."""
    return [
        each
        for each in workers
        if each.role == "sessions"
        and each.network == network
        and each.state == "ready"
        and each.worker != me
        and each.sessions < each.capacity
    ]


def patience(session: SessionId, me: WorkerId, load: int, others: Sequence[WorkerInfo]) -> float:
    """Seconds to leave a free session to other workers: to those that have less to do, and
    among equals to the one that a hash of both names prefers, so that a burst is shared before
    anybody's next beat tells of it.

    A preference, never a ban: if they do not take it (they may be dying), we do.
    """
    if not others:
        return 0.0
    excess = load - min(each.sessions for each in others)
    if excess > _EQUAL:
        return min(_MOST_PATIENCE, _PATIENCE + excess * 0.02)
    preferred = max([me, *(each.worker for each in others)], key=partial(_weight, session))
    return 0.0 if preferred == me else _PATIENCE


def _weight(session: SessionId, worker: WorkerId) -> int:
    return crc32(f"{session}{worker}".encode())


def successor(others: Sequence[WorkerInfo], given: Mapping[WorkerId, int]) -> WorkerId | None:
    """The worker with the least to do, counting what it was given since it last spoke."""
    best = min(
        others,
        key=lambda each: (each.sessions + given.get(each.worker, 0), each.worker),
        default=None,
    )
    return None if best is None else best.worker


def surplus(
    load: int, others: Sequence[WorkerInfo], given: Mapping[WorkerId, int]
) -> WorkerId | None:
    """Whom to give one session for balance; None when the shares are fair already.

    We give only what we have above the mean (rounded up) and only to somebody below it, so that
    a joining worker ends with its share however many give at once.
    """
    heir = successor(others, given)
    if heir is None:
        return None
    loads = {each.worker: each.sessions + given.get(each.worker, 0) for each in others}
    total = load + sum(loads.values())
    fair = -(-total // (len(others) + 1))
    return heir if load > fair and load - loads[heir] > 1 else None
