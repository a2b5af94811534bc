"""Groups that are listed without a name: WhatsApp is asked what they are called.

Names come with the history, with joining and with changes of the subject. What is left (a group
that was deleted here and writes again, one from before names were kept) is asked for, one group
at a time, and seldom.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import structlog

from wa_api.domain.addresses import Jid
from wa_api.domain.errors import Fenced
from wa_api.domain.groups import GetGroup
from wa_api.store.chat_facts import Noted
from workers.engine.port import CallFailed, Engine, EngineNotReady
from workers.sessions.insist import Lost, insist
from workers.sessions.records import Owned, Records
from workers.sessions.tidings import chats_told

log = structlog.get_logger()

MOST = 100  #: groups that are asked about after coming online; and that wait at any time
PAUSE = 0.5  #: seconds between two questions
AGAIN = 600.0  #: seconds for which a group that writes is not looked at again
REMEMBERED = 1000


class GroupNames:
    """One session's."""

    def __init__(
        self,
        owned: Owned,
        records: Records,
        note: Callable[[Sequence[Noted]], Awaitable[None]],
        lost: Lost,
    ) -> None:
        """`note` keeps what was found, and tells it."""
        self._owned, self._records, self._note, self._lost = owned, records, note, lost
        self._engine: Engine | None = None
        self._looked_at: OrderedDict[str, float] = OrderedDict()
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def online(self, engine: Engine) -> None:
        """WhatsApp can be asked; groups that are known to have no name are."""
        self._engine = engine
        self._start(listed=True)

    def offline(self) -> None:
        """Nothing can be asked any more."""
        self._engine = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def heard(self, chat: Jid) -> None:
        """A message came in a chat."""
        if not chat.is_group:
            return
        group, now = str(chat), time.monotonic()
        if self._looked_at.get(group, 0.0) > now:
            return
        self._looked_at[group] = now + AGAIN
        self._looked_at.move_to_end(group)
        if len(self._looked_at) > REMEMBERED:
            self._looked_at.popitem(last=False)
        if len(self._waiting) < MOST:
            self._waiting[group] = None
            self._start()

    def _start(self, *, listed: bool = False) -> None:
        if self._task is None and self._engine is not None:
            self._task = asyncio.create_task(self._run(self._engine, listed), name="group names")

    async def _run(self, engine: Engine, listed: bool) -> None:
        try:
            if listed:
                found = await insist(
                    lambda: self._records.unnamed_groups(self._owned, MOST), self._lost
                )
                self._waiting |= dict.fromkeys(found)
            while self._waiting and await self._ask(engine, self._waiting.popitem(last=False)[0]):
                pass
        except Fenced:
            log.debug("session.names_left_to_next_owner", session=self._owned.session)
        except Exception:
            log.exception("session.names_broke", session=self._owned.session)
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    async def _ask(self, engine: Engine, group: str) -> bool:
        """Whether to go on with the next one."""
        if not await insist(lambda: self._records.is_unnamed(self._owned, group), self._lost):
            return True
        try:
            asked = GetGroup(group=group)
            await self._note(chats_told(asked, await engine.ask(asked), time.time()))
        except EngineNotReady:
            return False
        except CallFailed as error:
            log.info("session.group_has_no_name", session=self._owned.session, code=error.code)
            if error.code == "rate_limited":
                self._waiting.clear()  # they are looked at again when they write
                return False
        await asyncio.sleep(PAUSE)
        return True
