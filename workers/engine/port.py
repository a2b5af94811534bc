"""What a session worker needs of WhatsApp: the port that neonize is put behind.

An engine speaks for exactly one session. Its facts come out as `EngineEvent`s, in order per
chat; `handle` must have returned (the event is safe) before the engine takes the next one, so
that little is lost when the process is killed.

Longer than most files: all that passes between a session and its engine is said in this one place.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from wa_api.domain.addresses import Jid
from wa_api.domain.asking import Ask
from wa_api.domain.content import NO_CONTEXT, Content, Context
from wa_api.domain.data import Data
from wa_api.domain.errors import SessionNotConnected
from wa_api.domain.media import Facts, MediaKind, Ready
from wa_api.domain.proxies import Proxy
from wa_api.domain.sessions import Reason

MOST_SAVED = 20_000  #: entries of an address book that are read


@dataclass(frozen=True, slots=True)
class QrShown:
    """A code to scan; `lifetime` in seconds."""

    code: str
    number: int
    lifetime: float


@dataclass(frozen=True, slots=True)
class PairingEnded:
    """Pairing did not succeed; the engine is stopped and must be replaced by a new one."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Linked:
    """The phone accepted; `Online` follows after the engine's own reconnect."""

    jid: Jid
    lid: Jid | None
    device: int
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Online:
    """Connected and logged in."""

    jid: Jid
    lid: Jid | None
    push_name: str = ""


@dataclass(frozen=True, slots=True)
class Offline:
    """The connection was lost, or cannot be made; the engine goes on trying by itself."""

    detail: str = ""
    reason: Reason = Reason.CONNECTION_LOST


@dataclass(frozen=True, slots=True)
class Ended:
    """The engine stopped for good: logged out, replaced, banned, outdated …"""

    reason: Reason
    detail: str = ""
    until: float | None = None  # Unix seconds, for temporary bans


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message arrived (or, with `from_me`, was sent by another device of the account)."""

    wa_id: str
    chat: Jid
    chat_alt: Jid | None  # the same chat by its other identity (LID or phone)
    sender: Jid
    sender_alt: Jid | None
    from_me: bool
    push_name: str
    timestamp: float
    content: Content
    context: Context = NO_CONTEXT
    raw: bytes = b""  # waE2E.Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A chat of the phone's history, with some of its messages; times in Unix seconds.

    `statuses` says how far each of `messages` got, as `Receipt.kind` does ("" when it is not known).
    """

    chat: Jid
    chat_alt: Jid | None
    name: str = ""
    time: float = 0.0
    unread: int = 0
    marked_unread: bool = False
    archived: bool = False
    pinned: bool = False
    muted_until: float | None = None
    disappears_after: int = 0
    disappears_set_at: float | None = None
    messages: tuple[Inbound, ...] = ()
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A slice of one part of the history that the phone sends when it is linked.

    `kind` is WhatsApp's word for the part, `progress` its percentage; `last` says that this slice
    ends it. `names` are push names, `pairs` phone numbers with their LIDs.
    """

    kind: str
    chunk: int
    progress: int | None
    last: bool
    chats: tuple[Past, ...] = ()
    names: tuple[tuple[Jid, str], ...] = ()
    pairs: tuple[tuple[Jid, Jid], ...] = ()


@dataclass(frozen=True, slots=True)
class TimerSet:
    """Somebody lets the messages of a direct chat disappear `seconds` after they were read (0: no
    longer). `from_me`: this account did, on another device.
    """

    chat: Jid
    chat_alt: Jid | None
    from_me: bool
    seconds: int
    timestamp: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """`kind` is "delivered", "read", "played" or "read_self" for each of `wa_ids`."""

    wa_ids: tuple[str, ...]
    chat: Jid
    sender: Jid
    kind: str
    timestamp: float


@dataclass(frozen=True, slots=True)
class Typing:
    """`state` is "typing", "recording" or "paused"."""

    chat: Jid
    sender: Jid
    state: str


@dataclass(frozen=True, slots=True)
class Presence:
    """A contact came online or went offline."""

    contact: Jid
    online: bool
    last_seen: float | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What readers are told as it is; there is nothing to record."""

    facts: tuple[Data, ...]


EngineEvent = (
    QrShown
    | PairingEnded
    | Linked
    | Online
    | Offline
    | Ended
    | Inbound
    | History
    | TimerSet
    | Receipt
    | Typing
    | Presence
    | News
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The message that is answered or acted upon, as WhatsApp knows it.

    `chat` is where it stands; `sender` who wrote it (None: this account). `raw` is its
    waE2E.Message, where it was kept.
    """

    wa_id: str
    chat: Jid
    sender: Jid | None
    content: Content
    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A file at WhatsApp's media servers, as messages refer to it; it is encrypted with `key`.

    `sha256` is of the file, `enc_sha256` of what is kept there; `size` and `mimetype` of the file.
    """

    url: str
    direct_path: str
    key: bytes
    sha256: bytes
    enc_sha256: bytes
    size: int
    mimetype: str
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """The file of a message that arrived: where it is and how it is opened (see Uploaded)."""

    direct_path: str
    key: bytes
    sha256: bytes
    enc_sha256: bytes
    size: int
    keyed_as: MediaKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """Somebody in the phone's address book; `other` is his other address, for a LID."""

    contact: Jid
    other: Jid | None = None
    name: str
    push_name: str = ""
    business_name: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What WhatsApp's server answered to a send."""

    wa_id: str
    timestamp: float
    raw: bytes = b""  # waE2E.Message, as it went out


class EngineNotReady(SessionNotConnected):
    """The session is not connected to WhatsApp."""  # the call was not begun


class EngineUnusable(Exception):
    """This process cannot run engines (its environment is wrong); the message says what to do."""


class CallFailed(Exception):
    """WhatsApp or the engine refused a call; `code` is stable, `detail` a sentence."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class SendFailed(CallFailed):
    """WhatsApp or the engine refused a send: it did not go out.

    `code` is `account_restricted` (463), `recipient_not_on_whatsapp`, `rate_limited`,
    `not_connected`, `whatsapp_timeout`, `whatsapp_refused` or `engine_error`.
    """


class SendUncertain(Exception):
    """No answer in time: whether the message went out cannot be known."""


@dataclass(frozen=True, slots=True)
class NetworkEndpoint:
    """Where a network is: None for a direct connection to WhatsApp."""

    name: str
    proxy_url: str | None = None
    ca_file: Path | None = None
    noise_root_key: bytes | None = None


Handler = Callable[[EngineEvent], Awaitable[None]]


class Engine(Protocol):
    """One session's connection. Every call is refused (EngineNotReady) unless it is safe now."""

    async def start(self) -> None:
        """Connect: with a stored device log in, without one begin pairing. Returns soon."""
        ...

    async def stop(self) -> None:
        """Disconnect, leave nothing behind; safe in any state, twice too.

        Returns when the handler is done with all that was acknowledged to WhatsApp; apart from
        that it is bounded in time.
        """
        ...

    async def gone(self) -> None:
        """Return when an engine that is being stopped is disconnected; its last events may still
        be in the handler's hands.
        """
        ...

    async def logout(self) -> None:
        """Remove the link on the phone, stop, delete the device store.

        Raises EngineNotReady while offline (then `forget` deletes the store, and the phone keeps
        showing the link), CallFailed when WhatsApp refuses.
        """
        ...

    async def pairing_code(self, phone: str) -> str:
        """Ask for an eight-character code while pairing (after the first `QrShown`).

        `phone` is digits with country code. Raises EngineNotReady or CallFailed.
        """
        ...

    async def send(
        self,
        to: Jid,
        content: Content,
        context: Context = NO_CONTEXT,
        target: Target | None = None,
        file: Uploaded | None = None,
    ) -> Sent:
        """Hand one message over and wait for the server's acknowledgement.

        `target` is what the message answers (`context.message_id`) or acts upon,
        `file` what the content carries. Raises
        EngineNotReady or SendFailed (did not go out), or SendUncertain.
        """
        ...

    async def upload(self, file: Ready) -> Uploaded:
        """Bring a file to WhatsApp's media servers.

        Raises EngineNotReady or SendFailed; trying again does no harm.
        """
        ...

    def download(self, message: bytes, most: int) -> AsyncGenerator[bytes]:
        """The file of a message (a waE2E.Message) that arrived, of at most `most` bytes.

        What came is right only when the iteration ends. Raises MediaGone, MediaDamaged,
        MediaTooLarge or CallFailed. Needs no connection of the session.
        """
        ...

    async def mark_read(self, chat: Jid, sender: Jid, wa_ids: list[str]) -> None:
        """Send read receipts."""
        ...

    async def typing(self, chat: Jid, state: str) -> None:
        """Show `typing`, `recording` or `paused` in a chat."""
        ...

    async def presence(self, online: bool) -> None:
        """Show this account as online or not."""
        ...

    async def saved_contacts(self, paired: Collection[Jid] = ()) -> list[Saved]:
        """The phone's address book, as far as it came; needs no answer of WhatsApp.

        Of those who are saved; at most `MOST_SAVED`. `paired` are LIDs whose numbers the caller
        knows; of others they are in the answer, as far as the engine knows them. Raises EngineNotReady or CallFailed.
        """
        ...

    async def ask(self, what: Ask) -> msgspec.Struct | None:
        """Ask WhatsApp, and return its answer: the Struct that belongs to the ask, or None.

        Raises EngineNotReady or CallFailed (`code` as in `wa_api.domain.refusals`).
        """
        ...


class EngineFactory(Protocol):
    """Makes engines; knows the network, the device stores and the process."""

    def make(self, session: str, handle: Handler, proxy: Proxy | None = None) -> Engine:
        """An engine for a session (its device store is found by the session's id). With a `proxy`
        whatever it exchanges with WhatsApp goes through that, or not at all.
        """
        ...

    async def forget(self, session: str) -> None:
        """Delete the session's device store (after logout or deletion); its engine is stopped."""
        ...

    async def stores_answer(self) -> None:
        """Return when device stores can be read; an engine that is stopped before may lose the
        message that it has in hand.
        """
        ...

    async def respond(self) -> None:
        """Return when the library's runtime answers; one that is stuck never does."""
        ...

    @property
    def worn_out(self) -> bool:
        """Whether the process leaked enough (starts, threads, descriptors) to be replaced."""
        ...
