"""Small stand-ins for the ports, for unit tests only.

One file: they know each other, as the engine, the store and the bus of one session do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from wa_api.bus.ports import Behind, Once, Renewal, WorkerInfo
from wa_api.domain.addresses import Jid
from wa_api.domain.asking import Ask
from wa_api.domain.chats import ChatView, ContactView
from wa_api.domain.commands import Command, Reply
from wa_api.domain.content import NO_CONTEXT, Content, Context
from wa_api.domain.errors import Fenced, Unavailable
from wa_api.domain.events import Cursor, Data, Event, MessageStatusChanged
from wa_api.domain.ids import NO_EPOCH, Epoch, MessageId, SessionId, TenantId, WorkerId
from wa_api.domain.leases import Lease
from wa_api.domain.media import Ready
from wa_api.domain.messages import Address, MessageView, Problem, Status, advances
from wa_api.domain.pacing import Pacing
from wa_api.domain.proxies import Proxy
from wa_api.domain.sessions import MediaPolicy, Reason, SessionState
from wa_api.shelf import MediaOptions, open_shelf
from wa_api.store.address_book import Kept
from wa_api.store.chat_facts import Changed as Noticed
from wa_api.store.chat_facts import Noted
from wa_api.store.contacts import Change as ContactChange
from wa_api.store.contacts import Learned
from wa_api.store.history import PastChat, PastMessage
from wa_api.store.rows import (
    Acquaintance,
    Advance,
    Changed,
    NewReceipt,
    Outgoing,
    QueueRow,
    TakenOver,
    Waiting,
)
from workers.engine.port import EngineEvent, Handler, Inbound, Saved, Sent, Target, Uploaded
from workers.sessions.attachments import MediaMeans
from workers.sessions.clock import boottime
from workers.sessions.previews import Previews
from workers.sessions.records import Change, Owned, Wanted

#: Files of sessions that have none: nothing is fetched, kept or converted.
SHELF = open_shelf(MediaOptions(folder=Path("/nonexistent")))
MEDIA = MediaMeans(SHELF, MediaPolicy(), Previews(SHELF))

TENANT = TenantId("ten_1")
SESSION = SessionId("ses_1")
ME, OTHER = WorkerId("wrk_me"), WorkerId("wrk_other")
#: A policy that holds nothing back, but makes it matter who is written to.
FAST = Pacing(
    per_minute=60_000,
    burst=1000,
    jitter=0,
    chat_gap=0,
    per_day=None,
    first_contacts_per_day=None,
    first_contacts_per_minute=None,
    warm_up=None,
    check_numbers=False,
)
FRIEND = Jid("5511999999999", "s.whatsapp.net")


def lease(epoch: int = 1, session: SessionId = SESSION) -> Lease:
    """A lease of ours."""
    return Lease(session, ME, Epoch(epoch))


def owned(epoch: int = 1) -> Owned:
    """The session of these tests."""
    return Owned(TENANT, lease(epoch))


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


class Timer:
    """A dead man's timer that only remembers; `fired`: the process would be dead."""

    deadline: float | None = None
    fired = False

    def arm(self, deadline: float | None) -> None:
        self.deadline = deadline
        self.fired = self.fired or (deadline is not None and 0 < deadline <= boottime())


@dataclass
class Leases:
    """Leases in memory; `away` makes every call fail."""

    ttl: float = 6.0
    away: bool = False
    hangs: bool = False
    held: dict[SessionId, Lease] = field(default_factory=dict)
    epochs: dict[SessionId, int] = field(default_factory=dict)
    released: list[tuple[SessionId, WorkerId | None]] = field(default_factory=list)

    def _check(self) -> None:
        if self.away:
            raise Unavailable

    async def acquire(
        self, session: SessionId, worker: WorkerId, floor: Epoch = NO_EPOCH
    ) -> Lease | None:
        self._check()
        if session in self.held:
            return None
        self.epochs[session] = max(floor, self.epochs.get(session, 0)) + 1
        self.held[session] = Lease(session, worker, Epoch(self.epochs[session]))
        return self.held[session]

    async def renew(self, leases: Sequence[Lease]) -> Mapping[SessionId, Renewal]:
        self._check()
        while self.hangs:
            await asyncio.sleep(0.01)
        return {
            each.session: Renewal.RENEWED if self.held.get(each.session) == each else Renewal.LOST
            for each in leases
        }

    async def release(self, lease: Lease, successor: WorkerId | None = None) -> bool:
        self._check()
        self.released.append((lease.session, successor))
        return self.held.pop(lease.session, None) == lease

    async def release_all(self, worker: WorkerId) -> list[SessionId]:
        return []

    async def owners(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, Lease]:
        return {each: self.held[each] for each in sessions if each in self.held}


@dataclass
class Log:
    """An event log that keeps what was appended; `newest` is the fence."""

    events: list[Event] = field(default_factory=list)
    newest: int = 0
    away: bool = False
    deaf: bool = False
    hangs: bool = False
    marks: dict[str, str] = field(default_factory=dict)

    async def mark(self, tenant: TenantId, slot: str) -> str | None:
        if self.away:
            raise Unavailable
        return self.marks.get(slot)

    async def append(
        self,
        events: Sequence[Event],
        fence: Lease | None = None,
        once: Once | None = None,
    ) -> list[Cursor]:
        if self.away:
            raise Unavailable
        while self.hangs:
            await asyncio.sleep(0.01)
        if fence is not None and fence.epoch < self.newest:
            raise Fenced
        if once is not None:
            mark = self.marks.get(once.slot, "")
            if mark == once.mark:
                return []
            if once.after not in (None, mark):
                raise Behind
            self.marks[once.slot] = once.mark
        self.events += events
        if self.deaf:  # it was appended, and nobody heard that it was
            self.deaf = False
            raise Unavailable
        return [Cursor(str(len(self.events)))] * len(events)

    async def raise_fence(self, tenant: TenantId, lease: Lease) -> None:
        self.newest = max(self.newest, lease.epoch)

    def said(self, kind: str) -> list[Any]:
        """Data of the events of a type."""
        return [event.data for event in self.events if event.type == kind]


@dataclass
class Inbox:
    """An inbox whose commands the test puts in."""

    handler: Callable[[Command], Awaitable[None]] | None = None
    replies: list[Reply] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)

    def attach(self, lease: Lease, on_command: Callable[[Command], Awaitable[None]]) -> None:
        self.handler = on_command

    async def detach(self, session: SessionId) -> None:
        self.handler = None

    async def begin(self, lease: Lease, command: Command) -> bool:
        fresh = command.id not in self.begun
        self.begun.add(command.id)
        return fresh

    async def finish(self, lease: Lease, command: Command, reply: Reply) -> None:
        self.replies.append(reply)

    async def deliver(self, command: Command) -> None:
        """As the stream does."""
        assert self.handler is not None
        await self.handler(command)


@dataclass
class Engine:
    """An engine that does what the test says; `sent` is what it was given."""

    handle: Handler
    sent: list[tuple[str, Any]] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)
    answer: msgspec.Struct | None = None
    failure: Exception | None = None
    hold: asyncio.Event | None = None
    started = stopped = False

    async def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        self.stopped = True

    async def gone(self) -> None:
        while not self.stopped:
            await asyncio.sleep(0)

    async def logout(self) -> None:
        self.calls.append(("logout",))
        self.stopped = True

    async def upload(self, file: Ready) -> Uploaded:
        self.calls.append(("upload", file.sha256))
        if self.failure is not None:
            raise self.failure
        digest = bytes.fromhex(file.sha256)
        return Uploaded(
            url="https://mmg.whatsapp.net/x",
            direct_path="/x",
            key=bytes(32),
            sha256=digest,
            enc_sha256=digest,
            size=file.size,
            mimetype=file.mimetype,
            facts=file.facts,
        )

    async def pairing_code(self, phone: str) -> str:
        self.calls.append(("pairing_code", phone))
        return "ABCD1234"

    async def send(
        self,
        to: Jid,
        content: Content,
        context: Context = NO_CONTEXT,
        target: Target | None = None,
        file: Uploaded | None = None,
    ) -> Sent:
        if self.hold is not None:
            await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        self.sent.append((str(to), content))
        return Sent(f"wa{len(self.sent)}", 1.0)

    async def mark_read(self, chat: Jid, sender: Jid, wa_ids: list[str]) -> None:
        self.calls.append(("read", str(chat), str(sender), wa_ids))

    async def typing(self, chat: Jid, state: str) -> None:
        self.calls.append(("typing", str(chat), state))

    async def presence(self, online: bool) -> None:
        self.calls.append(("presence", online))

    async def saved_contacts(self, paired: Collection[Jid] = ()) -> list[Saved]:
        self.calls.append(("saved_contacts",))
        if self.failure is not None:
            raise self.failure
        return self.saved

    async def ask(self, what: Ask) -> msgspec.Struct | None:
        self.asked.append(what)
        if self.failure is not None:
            raise self.failure
        return self.answer

    async def emit(self, fact: EngineEvent) -> None:
        """As the library does: wait until it is safe."""
        await self.handle(fact)


@dataclass
class Factory:
    """Makes engines and keeps them."""

    engines: list[Engine] = field(default_factory=list)
    proxies: list[Proxy | None] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    worn_out: bool = False
    stuck: bool = False
    stores_away: bool = False

    def make(self, session: str, handle: Handler, proxy: Proxy | None = None) -> Engine:
        self.proxies.append(proxy)
        self.engines.append(Engine(handle))
        return self.engines[-1]

    async def forget(self, session: str) -> None:
        self.forgotten.append(session)

    async def stores_answer(self) -> None:
        while self.stores_away:
            await asyncio.sleep(0.01)

    async def respond(self) -> None:
        while self.stuck:
            await asyncio.sleep(0.01)

    @property
    def engine(self) -> Engine:
        """The newest one."""
        return self.engines[-1]


@dataclass
class Row:
    """An outbound message."""

    status: Status = Status.ACCEPTED
    wa_id: str | None = None
    content: Content | None = None  #: its id as a text, unless it says something else


@dataclass
class Records:
    """Rows in memory; `newest` is the epoch that the database knows."""

    newest: int = 1
    away: bool = False
    book: dict[str, Kept] = field(default_factory=dict)
    states: list[Change] = field(default_factory=list)
    messages: dict[MessageId, Row] = field(default_factory=dict)
    inbound: dict[str, Inbound] = field(default_factory=dict)
    archived: MessageId | None = None
    settled_sessions: list[SessionId] = field(default_factory=list)
    wanted_rows: dict[SessionId, Wanted] = field(default_factory=dict)
    deleted_rows: list[Wanted] = field(default_factory=list)
    queue_row: QueueRow = field(default_factory=QueueRow)
    spent: list[tuple[int, bool]] = field(default_factory=list)
    known: dict[str, Acquaintance] = field(default_factory=dict)
    numbers: dict[str, bool] = field(default_factory=dict)
    learned: list[Learned] = field(default_factory=list)
    noted: list[Noted] = field(default_factory=list)
    unnamed: set[str] = field(default_factory=set)
    pairs: dict[str, str] = field(default_factory=dict)
    left: TakenOver = field(default_factory=lambda: TakenOver([], []))

    def check(self, owned: Owned | None) -> None:
        if self.away:
            raise Unavailable
        if owned is not None and owned.lease.epoch < self.newest:
            raise Fenced

    async def wanted(self, network: str, among: Sequence[SessionId] | None = None) -> list[Wanted]:
        self.check(None)
        rows = self.wanted_rows.values()
        return [row for row in rows if among is None or row.session in among]

    async def claim(self, wanted: Wanted, lease: Lease, reason: Reason) -> Wanted | None:
        self.check(None)
        return self.wanted_rows.get(wanted.session)

    async def unsettled(self, network: str) -> list[Wanted]:
        return []

    async def deleted(self, network: str) -> list[Wanted]:
        return self.deleted_rows

    async def claim_leftover(self, leftover: Wanted, lease: Lease) -> bool:
        return True

    async def forgotten(self, session: SessionId) -> None:
        self.deleted_rows = [row for row in self.deleted_rows if row.session != session]

    async def settled(self, owned: Sequence[Owned]) -> None:
        self.settled_sessions += [each.session for each in owned]

    async def set_state(self, owned: Owned, change: Change) -> None:
        self.check(owned)
        self.states.append(change)

    async def record_inbound(self, owned: Owned, message: Inbound) -> MessageView | None:
        self.check(owned)
        if message.wa_id in self.inbound:
            return None
        self.inbound[message.wa_id] = message
        return self.view(owned, message)

    async def learn(self, owned: Owned, news: Learned) -> ContactChange | None:
        self.check(owned)
        self.learned.append(news)
        return None

    async def saved_names(self, owned: Owned) -> list[Kept]:
        return list(self.book.values())

    async def save_names(self, owned: Owned, news: Sequence[Learned]) -> list[ContactChange]:
        self.check(owned)
        changes = []
        for one in news:
            self.book.pop(one.contact, None)
            if one.saved:
                self.book[one.contact] = Kept(one.contact, one.lid, one.name or "")
            shown = ContactView(id=one.contact, session=owned.session, name=one.name or None)
            changes.append(ContactChange(shown))
        return changes

    async def phones(self, owned: Owned, lids: Sequence[str]) -> dict[str, str]:
        return {lid: self.pairs[lid] for lid in lids if lid in self.pairs}

    async def read_elsewhere(self, owned: Owned, wa_ids: Sequence[str]) -> list[ChatView]:
        return []

    async def note(self, owned: Owned, news: Sequence[Noted]) -> list[Noticed]:
        self.check(owned)
        self.noted += news
        return []

    async def unnamed_groups(self, owned: Owned, limit: int) -> list[str]:
        return sorted(self.unnamed)[:limit]

    async def is_unnamed(self, owned: Owned, chat: str) -> bool:
        return chat in self.unnamed

    async def record_history(
        self,
        owned: Owned,
        contacts: Sequence[Learned],
        past: Sequence[PastChat],
        messages: Sequence[PastMessage],
    ) -> int:
        self.check(owned)
        return len(messages)

    async def arrived_after(
        self, owned: Owned, message: MessageId | None, since: float
    ) -> list[MessageView]:
        self.check(None)
        views = [self.view(owned, each) for each in self.inbound.values()]
        return [each for each in views if each.id > (message or "")]

    async def last_told(self, owned: Owned, since: float) -> MessageId | None:
        return self.archived

    def view(self, owned: Owned, message: Inbound) -> MessageView:
        return MessageView(
            id=f"msg_{message.wa_id}",
            session=owned.session,
            direction="in",
            chat=Address(id=str(message.chat)),
            type="text",
            content={"body": "hi"},
            time="now",
            status=Status.RECEIVED,
            source="phone" if message.from_me else "contact",
        )

    async def begin_sending(
        self, owned: Owned, message: MessageId
    ) -> Outgoing | MessageStatusChanged | None:
        self.check(owned)
        row = self.messages[message]
        if row.status not in {Status.ACCEPTED, Status.QUEUED}:
            return None
        row.status = Status.SENDING
        going = outgoing(message)
        return going if row.content is None else replace(going, content=row.content)

    async def put_back(self, owned: Owned, message: MessageId) -> None:
        self.check(owned)
        self.messages[message].status = Status.QUEUED

    async def advance(
        self, tenant: TenantId, session: SessionId, step: Advance, owned: Owned | None
    ) -> MessageStatusChanged | None:
        self.check(owned)
        found = [
            (id, row)
            for id, row in self.messages.items()
            if id == step.id or (step.id is None and row.wa_id == step.wa_id)
        ]
        if not found or not advances(found[0][1].status, step.status):
            return None
        id, row = found[0]
        row.status, row.wa_id = step.status, step.wa_id or row.wa_id
        return changed(id, row.status, row.wa_id, step.error)

    async def record_receipt(self, owned: Owned, receipt: NewReceipt) -> None:
        self.check(owned)

    async def target(self, owned: Owned, message: str) -> Target:
        raise NotImplementedError

    async def effect(self, owned: Owned, message: MessageId) -> Data | None:
        return None

    async def find(self, tenant: TenantId, message: MessageId) -> MessageView | None:
        return None

    async def take_over(self, owned: Owned) -> TakenOver:
        self.check(owned)
        return self.left

    async def overdue(self, owned: Sequence[Owned], older_than: float) -> dict[SessionId, int]:
        return {}

    async def waiting(self, owned: Owned) -> list[Waiting]:
        self.check(owned)
        pending = (Status.ACCEPTED, Status.QUEUED)
        return [waiting(id) for id, row in self.messages.items() if row.status in pending]

    async def queue(self, owned: Owned) -> QueueRow:
        return self.queue_row

    async def linked(self, owned: Owned) -> None:
        self.queue_row = replace(self.queue_row, linked_at=time.time())

    async def restrict(self, owned: Owned, until: float, times: int) -> None:
        self.check(owned)
        self.queue_row = replace(self.queue_row, restricted_until=until, restrictions=times)

    async def spend(self, owned: Owned, day: int, first: bool) -> None:
        self.check(owned)
        self.spent.append((day, first))

    async def acquaintances(self, owned: Owned, chats: Sequence[str]) -> dict[str, Acquaintance]:
        return {chat: self.known.get(chat, Acquaintance(met=False)) for chat in chats}

    async def number_known(self, owned: Owned, number: str) -> bool | None:
        return self.numbers.get(number)

    async def remember_number(self, owned: Owned, number: str, on_whatsapp: bool) -> None:
        self.numbers[number] = on_whatsapp


def waiting(message: str, chat: str = str(FRIEND), deadline: float | None = None) -> Waiting:
    """A message that waits to be sent."""
    return Waiting(MessageId(message), chat, 0.0, deadline)


def outgoing(message: str, chat: str = str(FRIEND), deadline: float | None = None) -> Outgoing:
    """A message to be sent."""
    from wa_api.domain.content import Text

    return Outgoing(
        id=MessageId(message),
        tenant=TENANT,
        session=SESSION,
        chat=chat,
        content=Text(body=message),
        deadline=deadline,
    )


def changed(
    id: str, status: Status, wa_id: str | None = None, error: Problem | None = None
) -> MessageStatusChanged:
    """The event of a message that got further."""
    return MessageStatusChanged(
        id=id, chat=Address(id=str(FRIEND)), status=status, time="now", wa_id=wa_id, error=error
    )


def unknown(id: str) -> Changed:
    """A message that an earlier owner was sending."""
    return Changed(TENANT, SESSION, changed(id, Status.UNKNOWN))


def wanted(
    state: SessionState = SessionState.STOPPED, jid: str | None = None, attempts: int = 1
) -> Wanted:
    """The session of these tests, as its next owner finds it."""
    return Wanted(SESSION, TENANT, state, Epoch(0), jid, attempts)


def worker(name: str, sessions: int = 0, **more: Any) -> WorkerInfo:
    """What another worker says of itself."""
    facts: dict[str, Any] = {
        "role": "sessions",
        "network": "sandbox",
        "host": "h",
        "pid": 1,
        "state": "ready",
        "capacity": 100,
        "started": 0.0,
        "figures": {},
    }
    return WorkerInfo(worker=WorkerId(name), sessions=sessions, **{**facts, **more})


class Fleet:
    """A fleet whose words the test reads."""

    def __init__(self, *workers: WorkerInfo) -> None:
        self.others = list(workers)
        self.told: list[tuple[WorkerId, str, str]] = []
        self.news: asyncio.Queue[SessionId] = asyncio.Queue()
        self.commands: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.beats: list[WorkerInfo] = []
        self.left = False

    async def beat(self, info: WorkerInfo) -> None:
        self.beats.append(info)

    async def leave(self, worker: WorkerId) -> None:
        self.left = True

    async def workers(self) -> list[WorkerInfo]:
        return self.others

    async def announce(self, network: str, session: SessionId) -> None:
        await self.news.put(session)

    async def wanted(self, network: str) -> AsyncIterator[SessionId]:
        while True:
            yield await self.news.get()

    async def tell(self, worker: WorkerId, order: str, argument: str = "") -> None:
        self.told.append((worker, order, argument))

    async def orders(self, worker: WorkerId) -> AsyncIterator[tuple[str, str]]:
        while True:
            yield await self.commands.get()
