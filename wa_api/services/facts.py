"""What sending needs to know of a session, remembered for a moment.

Every send asks whether the session is the caller's and linked. A second's delay in noticing that
it was unlinked or deleted does no harm (the row is refused or ends as failed), a query per send
does. What is not good news is never remembered.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from wa_api.domain.errors import QueueFull, SessionNotFound
from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.principals import Principal
from wa_api.domain.sessions import ONLINE, SessionState
from wa_api.labels import LabelledLog
from wa_api.store import queue

FRESH_SECONDS = 1.0
REMEMBERED = 20_000


@dataclass(slots=True)
class SessionFacts:
    """A session in brief; `until` is when this must be asked anew (monotonic), `room` how many
    more messages may wait in it.
    """

    linked: bool
    state: SessionState
    until: float
    room: int

    def make_room(self, count: int = 1) -> None:
        """So many more are to wait; raises QueueFull. Each process counts for itself in between."""
        if self.room < count:
            raise QueueFull
        self.room -= count


class Facts:
    """A bounded memory of sessions that are online."""

    def __init__(self, most: int, labels: LabelledLog) -> None:
        """At most `most` messages may wait in a session; `labels` learns of what is read."""
        self._most, self._labels = most, labels
        self._known: OrderedDict[tuple[TenantId, SessionId], SessionFacts] = OrderedDict()

    async def get(self, who: Principal, session: SessionId) -> SessionFacts:
        """Raises SessionNotFound, also for another tenant's session."""
        if who.tenant is None or not who.may_see(session):
            raise SessionNotFound
        place = (who.tenant, session)
        known = self._known.get(place)
        now = time.monotonic()
        if known is not None and known.until > now:
            return known
        self._known.pop(place, None)
        row, waiting = await queue.session(who.tenant, session, self._most)
        self._labels.note(session, row.metadata)
        room = self._most - waiting
        facts = SessionFacts(row.linked, row.state, now + FRESH_SECONDS, room)
        if facts.linked and facts.state in ONLINE:
            self._known[place] = facts
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return facts

    def forget(self, tenant: TenantId, session: SessionId) -> None:
        """It was changed here."""
        self._known.pop((tenant, session), None)
