"""Reading a tenant's event log, within what a caller wants and may see."""

from __future__ import annotations

from collections.abc import Iterable

from wa_api import readers
from wa_api.bus.ports import EventLog
from wa_api.domain.errors import CursorGone, SessionNotFound
from wa_api.domain.events import Cursor
from wa_api.domain.ids import MessageId, TenantId
from wa_api.domain.principals import Principal
from wa_api.readers import Entry, Filter, Page

__all__ = ["Entry", "Events", "Filter", "Page"]


_GONE = (
    "Events after that cursor are gone: it is older than what is kept, or of a log that was lost. "
    "Read the present state, then go on after `goes_on`."
)


class Events:
    """The log of each tenant."""

    def __init__(self, log: EventLog) -> None:
        """`log` is the live tail."""
        self._log = log

    async def head(self, tenant: TenantId) -> int:
        """The newest cursor."""
        return int(await self._log.head(tenant))

    async def page(self, tenant: TenantId, after: int, limit: int, wants: Filter) -> Page:
        """What follows the cursor and is wanted, oldest first.

        Raises CursorGone, with the cursor to go on after as `goes_on`, when that cannot be known.
        """
        try:
            return await readers.page(self._log, tenant, after, limit, wants)
        except CursorGone as gone:
            goes_on = await readers.restart(self._log, tenant, after)
            raise CursorGone(_GONE, goes_on=str(goes_on)) from gone

    async def since(self, tenant: TenantId, time: float) -> int:
        """The cursor after which lies what happened then (Unix seconds) or later and is kept."""
        return await readers.since(self._log, tenant, time)

    async def trail(self, tenant: TenantId, message: MessageId) -> list[Entry]:
        """Every event about one message that is kept, oldest first."""
        return await readers.trail(self._log, tenant, message)

    async def last(self, tenant: TenantId, since: float, wants: Filter) -> Entry | None:
        """The last event that passes, if it is still in the live tail and not older than `since`
        (Unix seconds, to some seconds: clocks differ)."""
        after: Cursor | None = Cursor(str(int(since * 1000) << 20))
        last: Entry | None = None
        while True:
            try:
                found = await self._log.tail(tenant, after, readers.MAX_PAGE)
                if found is None:  # the tail begins later than that
                    found = await self._log.tail(tenant, None, readers.MAX_PAGE) or []
            except CursorGone:  # nothing happened since
                return last
            for e in found:
                if wants(e.session, e.type):
                    last = readers.entry(e)
            if len(found) < readers.MAX_PAGE:
                return last
            after = found[-1].cursor

    def visible(self, who: Principal, sessions: Iterable[str] | None) -> None:
        """Raise SessionNotFound for a session that the principal may not see."""
        for session in sessions or ():
            if not who.may_see(session):
                raise SessionNotFound
