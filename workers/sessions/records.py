"""What session workers keep in the database, as they need it: one seam, batched behind.

`StoreRecords` (in `stored.py`) puts `wa_api.store` behind it; unit tests use a small fake.
Any method may raise `Unavailable`; those that take an `Owned` raise `Fenced`, and change
nothing, when somebody newer owns the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wa_api.domain.chats import ChatView
from wa_api.domain.events import Data, MessageStatusChanged
from wa_api.domain.ids import Epoch, MessageId, SessionId, TenantId
from wa_api.domain.leases import Lease
from wa_api.domain.messages import MessageView
from wa_api.domain.sessions import Reason, SessionSettings, SessionState
from wa_api.store.address_book import Kept
from wa_api.store.chat_facts import Changed as Noticed
from wa_api.store.chat_facts import Noted
from wa_api.store.contacts import Change as ContactChange
from wa_api.store.contacts import Learned
from wa_api.store.history import PastChat, PastMessage
from wa_api.store.rows import (
    Acquaintance,
    Advance,
    NewReceipt,
    Outgoing,
    QueueRow,
    TakenOver,
    Waiting,
)
from workers.engine.port import Inbound, Target


@dataclass(frozen=True, slots=True)
class Owned:
    """A session of a tenant, and the lease under which this process runs it."""

    tenant: TenantId
    lease: Lease

    @property
    def session(self) -> SessionId:
        """The session's id."""
        return self.lease.session


@dataclass(frozen=True, slots=True)
class Wanted:
    """A session that should run, as its next owner needs to know it.

    `attempts` counts the starts since it last ran well (see `Records.settled`).
    """

    session: SessionId
    tenant: TenantId
    state: SessionState
    epoch: Epoch
    jid: str | None
    attempts: int = 0
    settings: SessionSettings = field(default_factory=SessionSettings)
    metadata: dict[str, str] = field(default_factory=dict)
    proxy: str | None = None  #: sealed


@dataclass(frozen=True, slots=True)
class Change:
    """A session's new state. None leaves a column as it is.

    `until` (Unix seconds): nobody claims the session before that time; a terminal state without
    it holds until a user starts the session again. `logged_out` clears the identity.
    """

    state: SessionState
    reason: Reason
    detail: str | None = None
    jid: str | None = None
    lid: str | None = None
    push_name: str | None = None
    until: float | None = None


class Records(Protocol):
    """Rows, as session workers read and write them."""

    async def wanted(self, network: str, among: Sequence[SessionId] | None = None) -> list[Wanted]:
        """Sessions of a network that should run now (all, or those of `among`), owned or not."""
        ...

    async def claim(self, wanted: Wanted, lease: Lease, reason: Reason) -> Wanted | None:
        """Write the new owner, its epoch and the state `starting`, and count the attempt.

        Returns the row as it was before (its `attempts` are new), or None when the session should
        not run any more or a newer epoch is known.
        """
        ...

    async def unsettled(self, network: str) -> list[Wanted]:
        """Sessions that should not run, but whose last owner could not say that they stopped."""
        ...

    async def deleted(self, network: str) -> list[Wanted]:
        """Deleted sessions whose device store is still there."""
        ...

    async def claim_leftover(self, leftover: Wanted, lease: Lease) -> bool:
        """Write the new owner and its epoch, nothing else; False when a newer one is known."""
        ...

    async def forgotten(self, session: SessionId) -> None:
        """A deleted session's device store is gone."""
        ...

    async def settled(self, owned: Sequence[Owned]) -> None:
        """These run well: forget their attempts."""
        ...

    async def set_state(self, owned: Owned, change: Change) -> None:
        """Write a session's actual state."""
        ...

    async def record_inbound(self, owned: Owned, message: Inbound) -> MessageView | None:
        """Write a message that arrived; None when it is there already."""
        ...

    async def learn(self, owned: Owned, news: Learned) -> ContactChange | None:
        """Write what became known of a contact; None when it was no news."""
        ...

    async def saved_names(self, owned: Owned) -> list[Kept]:
        """Whose names are from the phone's address book."""
        ...

    async def save_names(self, owned: Owned, news: Sequence[Learned]) -> list[ContactChange]:
        """Write some names of it (at most `address_book.STEP`); what readers see differently."""
        ...

    async def phones(self, owned: Owned, lids: Sequence[str]) -> dict[str, str]:
        """The phone numbers' addresses of those LIDs whose are known."""
        ...

    async def read_elsewhere(self, owned: Owned, wa_ids: Sequence[str]) -> list[ChatView]:
        """Messages were read on another device; the chats that this changed."""
        ...

    async def note(self, owned: Owned, news: Sequence[Noted]) -> list[Noticed]:
        """Write what became known of chats; those that changed by it."""
        ...

    async def unnamed_groups(self, owned: Owned, limit: int) -> list[str]:
        """Groups in the list whose name is not known, the newest first."""
        ...

    async def is_unnamed(self, owned: Owned, chat: str) -> bool:
        """Whether a chat is in the list without a name."""
        ...

    async def record_history(
        self,
        owned: Owned,
        contacts: Sequence[Learned],
        past: Sequence[PastChat],
        messages: Sequence[PastMessage],
    ) -> int:
        """Write a slice of the phone's history; how many of its messages were new."""
        ...

    async def arrived_after(
        self, owned: Owned, message: MessageId | None, since: float
    ) -> list[MessageView]:
        """Messages that were recorded later than `message` (None: any) and after `since` (Unix
        seconds), in order: the first page.
        """
        ...

    async def last_told(self, owned: Owned, since: float) -> MessageId | None:
        """The newest message since then of whose coming the archived log tells."""
        ...

    async def begin_sending(
        self, owned: Owned, message: MessageId
    ) -> Outgoing | MessageStatusChanged | None:
        """Mark as being sent. What it became when its deadline had passed; None when it must not
        be sent for another reason (sent before, cancelled …).
        """
        ...

    async def put_back(self, owned: Owned, message: MessageId) -> None:
        """It was not handed over after all: pending again."""
        ...

    async def advance(
        self, tenant: TenantId, session: SessionId, step: Advance, owned: Owned | None
    ) -> MessageStatusChanged | None:
        """Write progress; None when it is no news. Without `owned` it is not fenced."""
        ...

    async def record_receipt(self, owned: Owned, receipt: NewReceipt) -> None:
        """Write how far a message got with one of several recipients."""
        ...

    async def target(self, owned: Owned, message: str) -> Target:
        """The message that one to be sent is about, by our id.

        Raises MessageNotFound, or SendFailed when WhatsApp does not know it (yet).
        """
        ...

    async def effect(self, owned: Owned, message: MessageId) -> Data | None:
        """What to tell of a message that changed another one; None when it was not allowed to."""
        ...

    async def find(self, tenant: TenantId, message: MessageId) -> MessageView | None:
        """A message as it is now."""
        ...

    async def take_over(self, owned: Owned) -> TakenOver:
        """What an earlier owner left; those being sent under it become `unknown`."""
        ...

    async def overdue(self, owned: Sequence[Owned], older_than: float) -> dict[SessionId, int]:
        """How many messages of these sessions wait since before `older_than` (Unix seconds)."""
        ...

    async def waiting(self, owned: Owned) -> list[Waiting]:
        """All messages of a session that wait to be sent, in order."""
        ...

    async def queue(self, owned: Owned) -> QueueRow:
        """What is kept of a session's queue, and its policy."""
        ...

    async def linked(self, owned: Owned) -> None:
        """A number was linked: its first day begins."""
        ...

    async def restrict(self, owned: Owned, until: float, times: int) -> None:
        """WhatsApp refuses messages to new contacts until then (Unix seconds)."""
        ...

    async def spend(self, owned: Owned, day: int, first: bool) -> None:
        """A message went out on this UTC day, perhaps to a first contact."""
        ...

    async def acquaintances(self, owned: Owned, chats: Sequence[str]) -> dict[str, Acquaintance]:
        """Of each chat whether it was written with before."""
        ...

    async def number_known(self, owned: Owned, number: str) -> bool | None:
        """Whether a phone number has WhatsApp; None when that must be asked."""
        ...

    async def remember_number(self, owned: Owned, number: str, on_whatsapp: bool) -> None:
        """What WhatsApp answered."""
        ...
