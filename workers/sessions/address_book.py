"""Names that the number's owner gave people on the phone: read again and again.

The phone's changes reach the engine without an event (docs/decisions/0013), so what it has is
compared with what is stored, soon after the number was linked and then at long intervals.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import structlog

from wa_api.domain.addresses import LID, Jid, parse_address
from wa_api.domain.chats import ContactChanged, ContactsChanged, ContactView
from wa_api.domain.errors import Fenced
from wa_api.domain.identity import canonical
from wa_api.store.address_book import STEP, Kept
from wa_api.store.contacts import Learned, short_name
from workers.engine.port import CallFailed, Engine, EngineNotReady, Saved
from workers.sessions.insist import Lost, insist
from workers.sessions.records import Owned, Records
from workers.sessions.voice import Voice

log = structlog.get_logger()

#: Seconds between the first readings of a number that was linked just now: the phone hands its
#: address book over a few seconds later, a large one in pieces.
EARLY = (2.0, 8.0, 30.0)
#: Seconds over which the first readings of sessions that come back together are spread.
SPREAD = 60.0
SETTLING = 1.0  #: seconds after a part of the history until the next reading
PAUSE = 0.05  #: seconds between two transactions, in which messages have their turn
MOST_TOLD = 100  #: contacts of one reading that are told one by one


class AddressBook:
    """One session's."""

    def __init__(
        self, owned: Owned, records: Records, voice: Voice, lost: Lost, seconds: float
    ) -> None:
        """`seconds` between two readings."""
        self._owned, self._records, self._voice, self._lost = owned, records, voice, lost
        self._seconds = seconds
        self._history = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def online(self, engine: Engine, *, linked: bool) -> None:
        """It can be read; `linked`: the number was linked just now."""
        self.offline()
        if linked:
            early = [min(seconds, self._seconds) for seconds in EARLY]
        else:
            early = [random.uniform(0, min(SPREAD, self._seconds))]  # noqa: S311
        self._task = asyncio.create_task(self._run(engine, early), name="address book")

    def offline(self) -> None:
        """Nothing can be read any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def history_came(self) -> None:
        """A part of the history was kept: whom it named may be saved."""
        self._history.set()

    async def _run(self, engine: Engine, early: list[float]) -> None:
        try:
            while True:
                jittered = self._seconds * random.uniform(0.75, 1.25)  # noqa: S311
                await self._wait(early.pop(0) if early else jittered)
                await self._read_once(engine, settled=not early)
        except Fenced:
            log.debug("session.address_book_left_to_next_owner", session=self._owned.session)
        except Exception:
            log.exception("session.address_book_broke", session=self._owned.session)

    async def _wait(self, pause: float) -> None:
        """For so long, or until shortly after a part of the history."""
        try:
            async with asyncio.timeout(pause):
                await self._history.wait()
        except TimeoutError:
            return
        self._history.clear()
        await asyncio.sleep(min(SETTLING, pause))

    async def _read_once(self, engine: Engine, *, settled: bool) -> None:
        try:
            await self.read(engine, settled=settled)
        except EngineNotReady:
            log.debug("session.address_book_not_read", session=self._owned.session)
        except CallFailed as error:
            log.warning(
                "session.address_book_not_read", session=self._owned.session, code=error.code
            )

    async def read(self, engine: Engine, *, settled: bool) -> None:
        """Store and tell what differs. An empty book counts only when it is `settled`: at first
        it may not have come yet.
        """
        kept = await insist(lambda: self._records.saved_names(self._owned), self._lost)
        pairs = {one.lid: one.contact for one in kept if one.lid}
        phones = {parse_address(lid): parse_address(phone) for lid, phone in pairs.items()}
        saved = await engine.saved_contacts(phones.keys())
        lids = [str(one.contact) for one in saved if _is_lone(one) and one.contact not in phones]
        if lids:
            found = await insist(lambda: self._records.phones(self._owned, lids), self._lost)
            phones |= {parse_address(lid): parse_address(phone) for lid, phone in found.items()}
        complete = bool(saved) or settled
        # In a thread: thousands of contacts would hold the other sessions' events up.
        news = await asyncio.to_thread(differences, saved, kept, phones, complete=complete)
        await self._keep(news)

    async def _keep(self, news: Sequence[Learned]) -> None:
        changed, told = 0, list[ContactView]()
        try:
            for at in range(0, len(news), STEP):
                some = news[at : at + STEP]
                changes = await insist(
                    partial(self._records.save_names, self._owned, some), self._lost
                )
                changed += len(changes)
                told += [change.contact for change in changes[: MOST_TOLD - len(told)]]
                await asyncio.sleep(PAUSE if len(some) == STEP else 0)
        finally:
            await self._tell(changed, told)

    async def _tell(self, changed: int, contacts: Collection[ContactView]) -> None:
        if not changed:
            return
        log.info("session.address_book_changed", session=self._owned.session, contacts=changed)
        if changed > len(contacts):
            await self._voice.report(ContactsChanged(contacts=changed))
        else:
            await self._voice.report(*(ContactChanged(contact=one) for one in contacts))


def differences(
    saved: Sequence[Saved], kept: Sequence[Kept], phones: Mapping[Jid, Jid], *, complete: bool
) -> list[Learned]:
    """What is to be stored anew. `phones` belong to LIDs; `complete`: who is not saved is gone."""
    book: dict[str, Learned] = {}
    for one in sorted(saved, key=lambda each: each.contact.server == LID):  # numbers first
        contact, lid = canonical(one.contact, one.other or phones.get(one.contact))
        book.setdefault(
            str(contact),
            Learned(
                contact=str(contact),
                lid=str(lid) if lid else None,
                name=short_name(one.name),
                push_name=one.push_name or None,
                business_name=one.business_name or None,
                saved=True,
            ),
        )
    have = {one.contact: one for one in kept}
    news = [one for one in book.values() if _differs(one, have.get(one.contact))]
    if not complete:
        return news
    present = book.keys() | {one.lid for one in news}
    gone = [contact for contact in have if contact not in present]
    return news + [Learned(contact=contact, name="", saved=False) for contact in gone]


def _differs(one: Learned, kept: Kept | None) -> bool:
    return kept is None or one.name != kept.name or one.lid not in (None, kept.lid)


def _is_lone(one: Saved) -> bool:
    return one.contact.server == LID and one.other is None
