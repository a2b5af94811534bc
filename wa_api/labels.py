"""Sessions' metadata on events that others than their owner tell.

An owner knows its session's metadata. Whoever else tells of a session (an HTTP process of a message
that it accepted, the scheduler of one that fell due) looks them up, and remembers them for a
moment: what a user changes is on every event a second later at the latest.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec

from wa_api.bus.ports import Appender, Lease, Once
from wa_api.domain.events import Cursor, Event
from wa_api.domain.ids import SessionId, TenantId
from wa_api.store import sessions

FRESH_SECONDS = 1.0
REMEMBERED = 20_000


class LabelledLog:
    """See ports.Appender."""

    def __init__(self, log: Appender) -> None:
        """Nothing is known yet."""
        self._log = log
        self._known: OrderedDict[str, tuple[float, dict[str, str] | None]] = OrderedDict()

    def note(self, session: str, metadata: Mapping[str, str]) -> None:
        """Somebody has just read the session's row."""
        self._known[session] = (time.monotonic() + FRESH_SECONDS, dict(metadata) or None)
        self._known.move_to_end(session)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def append(
        self,
        events: Sequence[Event],
        fence: Lease | None = None,
        once: Once | None = None,
    ) -> list[Cursor]:
        """See ports.Appender."""
        return await self._log.append([await self._labelled(one) for one in events], fence, once)

    async def _labelled(self, event: Event) -> Event:
        if event.session is None:
            return event
        until, metadata = self._known.get(event.session, (0.0, None))
        if until < time.monotonic():
            metadata = await self._look_up(event.tenant, event.session)
        if metadata is None:
            return event
        return msgspec.structs.replace(event, session_metadata=metadata)

    async def _look_up(self, tenant: str, session: str) -> dict[str, str] | None:
        self.note(session, await sessions.metadata(TenantId(tenant), SessionId(session)))
        return self._known[session][1]
