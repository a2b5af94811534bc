"""What processes may rely on when they meet: the promises of the bus.

One adapter (Redis: alone, Sentinel or Cluster) is behind all of them. Keys of one session share
the hash tag `{session}`, keys of one tenant's log share `{tenant}`; no step spans slots.
Any method may raise `Unavailable` when Redis does not answer within the time limit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from wa_api.domain.commands import Command, Reply
from wa_api.domain.events import Cursor, Event
from wa_api.domain.ids import NO_EPOCH, Epoch, SessionId, TenantId, WorkerId
from wa_api.domain.leases import Lease as Lease  # noqa: PLC0414 - said to be exported


class Renewal(Enum):
    """What became of a lease at its renewal."""

    RENEWED = "renewed"
    LOST = "lost"  #: somebody else has it, or it expired: stop at once


class Leases(Protocol):
    """Who runs which session. Time to live is set when the adapter is made."""

    @property
    def ttl(self) -> float:
        """Seconds after which an unrenewed lease is free for others."""
        ...

    async def acquire(
        self, session: SessionId, worker: WorkerId, floor: Epoch = NO_EPOCH
    ) -> Lease | None:
        """Take a free lease; None when somebody has it, or it is reserved for another worker.

        One atomic step sets owner and expiry and increments the epoch. `floor` is the last epoch
        known to the database: when Redis knows only older ones it has lost data, and with it a
        lease that somebody may still believe in. Then nobody gets the lease for one `ttl`, and
        the epoch goes on above `floor`.
        """
        ...

    async def renew(self, leases: Sequence[Lease]) -> Mapping[SessionId, Renewal]:
        """Extend all; `Unavailable` means unknown, not lost: hold on until the own deadline."""
        ...

    async def release(self, lease: Lease, successor: WorkerId | None = None) -> bool:
        """Give up at once; False when it was not held any more. Announces the session as free
        (see `Fleet.wanted`). With a `successor` nobody else can acquire it for a few seconds, and
        the successor alone is told, by the order `take` (a directed hand-over).
        """
        ...

    async def release_all(self, worker: WorkerId) -> list[SessionId]:
        """Free every lease of a worker that is known to be dead (its process has been reaped)."""
        ...

    async def owners(self, sessions: Sequence[SessionId]) -> Mapping[SessionId, Lease]:
        """Present owners of those sessions that have one."""
        ...


class Commands(Protocol):
    """Asking a session's owner, whoever that is and will be."""

    async def send(self, command: Command) -> None:
        """Put the command into its session's stream and wake the owner; returns when it is in.

        Raises TooManyRequests when the session's stream is full.
        """
        ...

    async def call(self, command: Command) -> Reply:
        """Like `send`, then wait for the one reply until the command's deadline.

        Raises CommandTimedOut. (`reply_to` is filled in by the adapter.)
        """
        ...


class Inbox(Protocol):
    """The owner's end of the sessions' command streams."""

    def attach(self, lease: Lease, on_command: Callable[[Command], Awaitable[None]]) -> None:
        """Deliver the session's commands in stream order, the waiting ones first.

        `on_command` only takes the command over (bounded work); awaiting it is back-pressure.
        Expired commands are answered `command_timed_out` and never delivered.
        """
        ...

    async def detach(self, session: SessionId) -> None:
        """Stop delivering; undone commands stay in the stream for the next owner."""
        ...

    async def begin(self, lease: Lease, command: Command) -> bool:
        """Mark a command that is not idempotent as begun; False if an earlier owner began it.

        Raises Fenced when the lease is not held any more. (Waiting commands that an earlier owner
        began are answered `outcome_unknown` by the inbox itself and never delivered.)
        """
        ...

    async def finish(self, lease: Lease, command: Command, reply: Reply) -> None:
        """Remove the command from the stream and publish its reply, in one atomic step.

        A second time does nothing. Raises Fenced, and changes nothing, when the lease is not held
        any more. Still possible after `detach`, until the lease is released.
        """
        ...


class LogEntry(NamedTuple):
    """One event in a tenant's log; `tail` is the encoded envelope without its id."""

    cursor: Cursor
    session: str | None
    type: str
    tail: bytes


class Once(NamedTuple):
    """Makes an append happen once: nothing is appended when the slot's last append had this mark.

    With `after` ("": none) the slot's last append must have had that mark.
    """

    slot: str
    mark: str
    after: str | None = None


class Behind(Exception):
    """The slot's last append is not the one that this append follows: nothing was appended."""


class Appender(Protocol):
    """Where events go."""

    async def append(
        self,
        events: Sequence[Event],
        fence: Lease | None = None,
        once: Once | None = None,
    ) -> list[Cursor]:
        """Append events of ONE tenant in order and publish them, in one atomic step.

        With a `fence`, raises Fenced (and appends nothing) when a newer epoch of that session
        is known. Returns the cursors.

        With `once` an append of unknown outcome can be repeated (no cursor is returned for what
        was there), `mark` tells a session's next owner how far the last one got, and Behind is
        raised when Redis lost appends or somebody else made some. Raises Unavailable when the log
        is full, because nobody has archived it for long.
        """
        ...


class EventLog(Appender, Protocol):
    """One append-only, ordered log per tenant: the live tail."""

    async def mark(self, tenant: TenantId, slot: str) -> str | None:
        """The mark of the slot's last append; None when there was none, or Redis lost it."""
        ...

    async def raise_fence(self, tenant: TenantId, lease: Lease) -> None:
        """From now on refuse appends of older epochs of this session. A new owner's first step."""
        ...

    async def tail(
        self, tenant: TenantId, after: Cursor | None, limit: int
    ) -> list[LogEntry] | None:
        """Entries after a cursor (None: from the oldest kept), at most `limit`.

        None when the log no longer reaches back to `after`: read the database. Raises CursorGone
        when `after` lies ahead of the log: it belongs to a log that Redis has lost.
        """
        ...

    async def head(self, tenant: TenantId) -> Cursor:
        """The newest cursor ("0" for an empty log)."""
        ...

    async def generation(self, tenant: TenantId) -> str:
        """Changes when Redis lost the log: what was not archived by then is gone."""
        ...

    async def dirty(self, limit: int = 1000) -> list[TenantId]:
        """Tenants with entries that are not archived yet, in no order.

        A hint: an appender that dies at the wrong moment leaves no mark until its tenant's next
        event, so look at all tenants now and then too.
        """
        ...

    async def trim(
        self, tenant: TenantId, archived: Cursor, keep_seconds: float, keep_entries: int = 50_000
    ) -> bool:
        """Say that everything up to `archived` is in the database, and drop those entries of it
        that are older than `keep_seconds` or more than `keep_entries` back (some at each call).
        True when nothing newer waits to be archived.
        """
        ...


#: Called in the event loop for each event: (cursor, session or None, type, envelope JSON bytes).
OnEvent = Callable[[Cursor, str | None, str, bytes], None]

#: Called when events between two cursors cannot be delivered from the log any more (it was trimmed
#: or lost): (last delivered, where the feed goes on). What was archived is in the database.
OnGap = Callable[[Cursor, Cursor], None]


class Taken(NamedTuple):
    """Tokens that were taken, those that are left, and seconds until there is one more."""

    tokens: int
    left: int
    wait: float


class Rates(Protocol):
    """Token buckets that all processes share."""

    async def take(self, name: str, per_second: float, burst: float, wanted: int) -> Taken:
        """Take up to `wanted` tokens, perhaps none, in one atomic step. The bucket holds `burst`
        and fills by `per_second`; one that is not known is full.
        """
        ...


class Feed(Protocol):
    """A process's one subscription to all logs that it has readers of."""

    async def follow(
        self, tenant: TenantId, on_event: OnEvent, on_gap: OnGap | None = None
    ) -> Callable[[], Awaitable[None]]:
        """From the moment this returns, every event is delivered once, in order, without holes
        (gaps are noticed by cursor and filled from the log; what cannot be filled is said through
        `on_gap`). Some older ones may come first. Returns what stops it.
        """
        ...


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a session worker says of itself with every heartbeat."""

    worker: WorkerId
    role: str  # "sessions", "http", "webhooks", "sandbox"
    network: str  # for session workers: which network's sessions
    host: str
    pid: int
    state: str  # "ready" or "draining"
    capacity: int
    sessions: int
    started: float  # Unix seconds
    figures: Mapping[str, float]


class Fleet(Protocol):
    """Which processes there are, and words to them."""

    async def beat(self, info: WorkerInfo) -> None:
        """Say that this worker lives; forgotten after three missed beats."""
        ...

    async def leave(self, worker: WorkerId) -> None:
        """Forget a worker."""
        ...

    async def workers(self) -> list[WorkerInfo]:
        """All that live."""
        ...

    async def announce(self, network: str, session: SessionId) -> None:
        """Tell session workers that a session of that network may need an owner."""
        ...

    def wanted(self, network: str) -> AsyncIterator[SessionId]:
        """Sessions as they are announced for that network, or set free by an owner of any network
        (so look at the session's row). Announcements are lost while Redis is away: sweep too.
        """
        ...

    async def tell(self, worker: WorkerId, order: str, argument: str = "") -> None:
        """Give one worker an order: `drain`, `move` (argument: session, and successor), `take`."""
        ...

    def orders(self, worker: WorkerId) -> AsyncIterator[tuple[str, str]]:
        """Orders for this worker as they come."""
        ...
