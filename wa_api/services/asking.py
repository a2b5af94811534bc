"""Asking WhatsApp through the session's owner: groups, contacts, profile, newsletters, calls."""

from __future__ import annotations

from typing import Any

import msgspec

from wa_api.domain.asking import Ask
from wa_api.domain.errors import SessionNotConnected, SessionNotLinked
from wa_api.domain.ids import SessionId, TenantId
from wa_api.domain.principals import Principal, Scope
from wa_api.domain.sessions import ONLINE
from wa_api.services.bus import Owners
from wa_api.services.facts import Facts


class Asking:
    """One use case for every ask; what may be asked is in `wa_api.domain`."""

    def __init__(self, facts: Facts, owners: Owners) -> None:
        """`owners` has the time limit of an answer."""
        self._facts, self._owners = facts, owners

    async def ready(self, who: Principal, session: SessionId, scope: Scope) -> TenantId:
        """The caller's tenant; raises unless the session is the caller's and connected."""
        tenant = who.require(scope)
        facts = await self._facts.get(who, session)
        if not facts.linked:
            raise SessionNotLinked
        if facts.state not in ONLINE:
            raise SessionNotConnected
        return tenant

    async def ask(
        self, who: Principal, session: SessionId, scope: Scope, what: Ask
    ) -> dict[str, Any]:
        """WhatsApp's answer, as JSON; raises what it refuses with (`wa_api.domain.refusals`)."""
        tenant = await self.ready(who, session, scope)
        return await self._owners.ask(
            tenant, session, what.command, msgspec.to_builtins(what), lane=what.lane
        )
