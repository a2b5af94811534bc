"""Writing to somebody new: is there anybody? Asked before the send, and remembered."""

from __future__ import annotations

import structlog

from wa_api.domain.addresses import USER, parse_address
from wa_api.domain.directory import CheckNumbers, NumberChecks
from wa_api.domain.errors import Unavailable
from workers.engine.port import CallFailed, Engine, EngineNotReady, SendUncertain
from workers.sessions.records import Owned, Records

log = structlog.get_logger()


async def is_nobody(records: Records, owned: Owned, engine: Engine, chat: str) -> bool:
    """Whether WhatsApp knows that a chat's number has no account.

    When it cannot be asked, the send itself will tell.
    """
    address = parse_address(chat)
    if address.server != USER:
        return False
    number = address.user
    try:
        known = await records.number_known(owned, number)
        if known is None:
            known = await _ask(engine, number)
            await records.remember_number(owned, number, known)
    except (CallFailed, EngineNotReady, SendUncertain, Unavailable) as error:
        log.info("message.number_unchecked", session=owned.session, error=type(error).__name__)
        return False
    return not known


async def _ask(engine: Engine, number: str) -> bool:
    answer = await engine.ask(CheckNumbers(numbers=[number]))
    if not isinstance(answer, NumberChecks):
        raise CallFailed("engine_error", "The library gave no answer.")
    return any(one.exists for one in answer.items)
