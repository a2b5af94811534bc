"""Asking a session's owner, and turning its refusal back into our errors."""

from __future__ import annotations

import time
from typing import Any

from wa_api.bus.ports import Commands
from wa_api.domain.commands import Command, Reply
from wa_api.domain.errors import WaError
from wa_api.domain.ids import SessionId, TenantId, new_id


def _by_code(cls: type[WaError] = WaError) -> dict[str, type[WaError]]:
    found = {cls.code: cls}
    for sub in cls.__subclasses__():
        found = {**_by_code(sub), **found}
    return found


def command(
    tenant: TenantId,
    session: SessionId,
    name: str,
    data: dict[str, Any],
    *,
    deadline: float,
    lane: str = "",
) -> Command:
    """A command; `deadline` is Unix seconds."""
    return Command(
        id=new_id("cmd"),
        tenant=tenant,
        session=session,
        name=name,
        data=data,
        deadline=deadline,
        lane=lane,
    )


def outcome(reply: Reply) -> dict[str, Any]:
    """A reply's data; raises what the owner refused with."""
    if reply.error is None:
        return reply.data or {}
    kind = _by_code().get(reply.error.code)
    if kind is not None:
        raise kind(reply.error.detail)
    error = WaError(reply.error.detail)
    error.code, error.status, error.retryable = (  # type: ignore[misc]  # a code that is newer than we
        reply.error.code,
        502,
        reply.retryable,
    )
    raise error


class Owners:
    """The owners of sessions, whoever they are."""

    def __init__(self, commands: Commands, seconds: float) -> None:
        """`seconds` is how long an answer may take."""
        self._commands, self.seconds = commands, seconds

    async def ask(
        self,
        tenant: TenantId,
        session: SessionId,
        name: str,
        data: dict[str, Any] | None = None,
        *,
        lane: str = "",
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Ask and wait for the answer; raises CommandTimedOut or what the owner says."""
        deadline = time.time() + (self.seconds if seconds is None else seconds)
        asked = command(tenant, session, name, data or {}, deadline=deadline, lane=lane)
        return outcome(await self._commands.call(asked))

    async def tell(
        self, tenant: TenantId, session: SessionId, name: str, data: dict[str, Any] | None = None
    ) -> None:
        """Ask and do not wait: the rows say what is wanted, this is only faster."""
        deadline = time.time() + self.seconds
        await self._commands.send(command(tenant, session, name, data or {}, deadline=deadline))
