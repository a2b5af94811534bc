"""What a queue is up to, as its owner tells it (`queue.look`)."""

from __future__ import annotations

import time
from typing import Any

from wa_api.domain.ids import MessageId
from workers.sessions.pace_queue import Queue
from workers.sessions.pacer import NEVER, Turn
from workers.sessions.views import stamp


def outlook(queue: Queue, in_hand: int, online: bool, message: MessageId | None) -> dict[str, Any]:
    """As JSON: when the next one goes and what it waits for, and what is left of today's budgets;
    with a message, its place too.
    """
    now = time.time()
    turn = queue.outlook(now) if online else Turn(NEVER, "offline")
    left, left_first = queue.pacer.left(now)
    facts: dict[str, Any] = {
        "in_hand": in_hand,
        "left_today": left,
        "first_contacts_left_today": left_first,
    }
    if turn is not None and len(queue):
        facts |= _shown(turn, now)
    place = None if message is None else queue.turn_of(message, now)
    if place is not None:
        facts["message"] = {"position": place[0] + 1, **_shown(place[1], now)}
    return facts


def _shown(turn: Turn, now: float) -> dict[str, Any]:
    at = None if turn.at == NEVER else stamp(max(turn.at, now))
    return {"next_at": at, "waits_for": turn.why or None}
