"""Waiting for something to happen, without a connection of one's own to Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wa_api.domain.errors import Forbidden, TooManyRequests, Unavailable, WaError
from wa_api.domain.principals import Principal
from wa_api.http.feed.closes import TOO_MANY, Close
from wa_api.http.feed.hub import Item
from wa_api.services.events import Filter

if TYPE_CHECKING:
    from wa_api.http.types import Context


def refused(close: Close) -> WaError:
    """Why there is no room for one more reader, for those that have no close codes."""
    if close is TOO_MANY:
        return TooManyRequests("Too many of your connections are open here.")
    return Unavailable(f"No more readers here now ({close.reason}).")


class Waiter:
    """A reader that only wants to know that something came."""

    def __init__(self, subject: str, wants: Filter) -> None:
        self.subject, self._wants = subject, wants
        self.came = asyncio.Event()
        self.ids: frozenset[str] = frozenset()

    def take(self, item: Item) -> bool:
        """See `hub.Reader`."""
        if self._wants(item.session, item.type):
            self.came.set()
        return False

    def flush(self) -> None:
        """See `hub.Reader`."""

    def gap(self) -> None:
        """See `hub.Reader`."""
        self.came.set()

    def fail(self) -> None:
        """See `hub.Reader`."""

    def close(self, close: Close) -> None:
        """See `hub.Member`: the process stops, so look once more and answer."""
        self.came.set()

    def tick(self, now: float) -> None:
        """See `hub.Member`."""

    def notice(self, frame: bytes) -> None:
        """See `hub.Member`."""


async def until_event(context: Context, who: Principal, wants: Filter, seconds: float) -> None:
    """Return when such an event came to the caller's tenant, the seconds are over, or the process
    stops. What the caller may see of it is for whoever asks.

    Raises TooManyRequests when the caller has too many connections, Forbidden without a tenant.
    """
    tenant = who.tenant
    if tenant is None:
        raise Forbidden("This needs a tenant.")
    hub, waiter = context.hub, Waiter(who.subject, wants)
    admitted = hub.admit(waiter)
    if isinstance(admitted, Close):
        raise refused(admitted)
    await hub.join(tenant, waiter)
    try:
        async with asyncio.timeout(seconds):
            await waiter.came.wait()
    except TimeoutError:
        pass
    finally:
        hub.dismiss(waiter)
        context.tasks.start(hub.leave(tenant, waiter), "feed.leave")
