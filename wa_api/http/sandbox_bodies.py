"""What callers send to the sandbox, and what it answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from wa_api.domain.content import MAX_TEXT_BYTES
from wa_api.http.bodies import AddressText, Body, Id, Query, Wait

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Device = Annotated[int, Meta(ge=0, le=99, description="0 or absent: all of the phone's.")]
Times = Annotated[int, Meta(ge=0, le=1000)]
Place = Annotated[int, Meta(ge=0, lt=1 << 53)]
Target = Annotated[
    str, Meta(min_length=1, max_length=100, description="A number, an address, or a phone's id.")
]


class NewPhone(Body):
    """A virtual phone; without `number` one is made up."""

    name: Name = "Sandbox phone"
    number: Annotated[str, Meta(pattern=r"^[1-9][0-9]{6,14}$")] | None = None


class StatusList(Body):
    """Who sees status posts: all `contacts`, all but these `people`, or these alone."""

    type: Literal["contacts", "blacklist", "whitelist"] = "contacts"
    people: Annotated[list[AddressText], Meta(max_length=100)] = field(default_factory=list)


class PhoneChange(Body):
    """`auto_read`: it reads what comes. `echo`: it answers with the same text. `privacy` has
    WhatsApp's own names: `{"groupadd": "none"}` lets nobody add the phone to groups."""

    name: Name | None = None
    auto_read: bool | None = None
    echo: bool | None = None
    online: bool | None = None
    available: bool | None = None
    about: Annotated[str, Meta(max_length=139)] | None = None
    privacy: Annotated[dict[str, str], Meta(max_length=20)] = field(default_factory=dict)
    status_list: StatusList | None = None


class ScanBody(Body):
    """A QR code's text, as in `session.qr_issued`."""

    qr: Annotated[str, Meta(min_length=1, max_length=4096)]


class CodeBody(Body):
    """An eight-character pairing code, with or without its hyphen."""

    code: Annotated[str, Meta(min_length=8, max_length=9)]


class UnlinkBody(Body):
    """Which linked device the phone removes."""

    device: Annotated[int, Meta(ge=1, le=99)]


class PhoneMedia(Body):
    """A file that the phone sends: `data` in base64.

    `fields` are further fields of WhatsApp's message: `caption`, `seconds`, `fileName`, `PTT` …
    """

    kind: Literal["image", "video", "note", "audio", "document", "sticker"]
    data: Annotated[str, Meta(min_length=1)]
    mimetype: Annotated[str, Meta(max_length=255)] | None = None
    fields: dict[str, Any] = msgspec.field(default_factory=dict)


class PhoneVote(Body):
    """A choice in a poll (its message's id in the phone's inbox)."""

    poll: Name
    options: Annotated[list[str], Meta(max_length=12)]


class PhoneSend(Body):
    """One of: `text`; `message`, WhatsApp's own Message in JSON; `media`; `vote`."""

    to: Target
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_BYTES)] | None = None
    message: dict[str, Any] | None = None
    media: PhoneMedia | None = None
    vote: PhoneVote | None = None


class PhoneRead(Body):
    """Ids of messages in the phone's inbox."""

    ids: Annotated[list[Name], Meta(min_length=1, max_length=1000)]


class PhoneTyping(Body):
    """What the phone shows in a chat."""

    to: Target
    state: Literal["typing", "recording", "paused"] = "typing"


class PhonePresence(Body):
    """Whether the phone's owner looks at WhatsApp."""

    available: bool


class PhoneOnline(Body):
    """Whether the phone has a network."""

    online: bool


class TimesBody(Body):
    """How often."""

    times: Times = 1


class PhonePicture(Body):
    """A JPEG in Base64; empty for none."""

    image: Annotated[bytes, Meta(max_length=700_000)]


class SavedContact(Body):
    """Somebody for the phone's address book; without `name` as he calls himself.

    `contact` may be a number that nobody has; one that is saved already gets the new name.
    """

    contact: Target
    name: Annotated[str, Meta(max_length=200)] | None = None
    first_name: Annotated[str, Meta(max_length=200)] | None = None


class SavedContacts(Body):
    """Many at once."""

    contacts: Annotated[list[SavedContact], Meta(min_length=1, max_length=1000)]


class RemoveContact(Body):
    """Whom the phone removes from its address book."""

    contact: Target


class PhoneCall(Body):
    """Whom the phone calls."""

    to: Target
    video: bool = False


class HangUpBody(Body):
    """A call that the phone made."""

    call: Name


class NewNewsletter(Body):
    """What the newsletter is called, and what it is about."""

    name: Name
    description: Annotated[str, Meta(max_length=2048)] = ""


class PublishBody(Body):
    """A text for all followers."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_BYTES)]


class ReactBody(Body):
    """An emoji for a message; empty: none any more."""

    server_id: Place
    emoji: Annotated[str, Meta(max_length=32)] = ""


class GroupPeople(Body):
    """Whom to add, remove, make admins, or make plain members."""

    action: Literal["add", "remove", "promote", "demote"]
    members: Annotated[list[Target], Meta(min_length=1, max_length=1024)]


class GroupChange(Body):
    """What is absent stays. `approval`: admins let people in."""

    subject: Name | None = None
    topic: Annotated[str, Meta(max_length=2048)] | None = None
    announce: bool | None = None
    locked: bool | None = None
    approval: bool | None = None
    disappearing: Literal[0, 86_400, 604_800, 7_776_000] | None = None


class DecideBody(Body):
    """Who asked, and whether they may come in."""

    members: Annotated[list[Target], Meta(min_length=1, max_length=1024)]
    approve: bool = True


class JoinBody(Body):
    """An invite link or its code."""

    invite: Annotated[str, Meta(min_length=1, max_length=200)]


class AcceptBody(Body):
    """WhatsApp's id of an invitation in the phone's inbox."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]


class NewGroup(Body):
    """A group that the phone makes."""

    subject: Name
    members: Annotated[list[Target], Meta(max_length=256)] = msgspec.field(default_factory=list)


class BreakBody(Body):
    """How to break a phone's linked devices, for how long (`ms`), or with which `code`."""

    how: Literal[
        "replaced",
        "logged_out",
        "banned",
        "restricted",
        "outdated",
        "unavailable",
        "drop",
        "silent",
        "delay",
        "heal",
    ]
    device: Device | None = None
    ms: Annotated[int, Meta(ge=0, le=86_400_000)] | None = None
    code: Annotated[int, Meta(ge=0, le=9999)] | None = None


class NewLoad(Body):
    """Phones send in turn to addresses in turn, at a rate per second."""

    phones: Annotated[list[Id], Meta(min_length=1, max_length=2000)]
    to: Annotated[list[Target], Meta(min_length=1, max_length=5000)]
    rate: Annotated[float, Meta(gt=0, le=20_000)]
    count: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    seconds: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    text: Annotated[str, Meta(max_length=4096)] = "load"
    pairs: bool = False


class InboxQuery(Query):
    """Numbered entries after one, perhaps waiting for some."""

    after: Place = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    raw: bool = False
    wait: Wait = 0.0
    id: Annotated[str, Meta(max_length=128)] | None = None


class PhoneEventsQuery(Query):
    """Numbered entries after one, perhaps waiting for some."""

    after: Place = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    wait: Wait = 0.0


class JudgeQuery(Query):
    """What the network saw, numbered, after one."""

    phone: Id | None = None
    after: Place = 0
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    chat: AddressText | None = None
    device: Annotated[str, Meta(max_length=128)] | None = None


class SentQuery(Query):
    """What virtual phones sent, numbered, after one."""

    phone: Id | None = None
    after: Place = 0
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    chat: AddressText | None = None


class ConnectionsQuery(Query):
    """Which devices were connected when, numbered, after one."""

    phone: Id | None = None
    after: Place = 0
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    device: Annotated[str, Meta(max_length=128)] | None = None


class VirtualPhone(msgspec.Struct, kw_only=True, frozen=True):
    """A virtual phone: `phone` is its id."""

    phone: str
    name: str
    number: str
    jid: str
    lid: str
    about: str
    privacy: dict[str, str]
    disappearing: int
    online: bool
    available: bool
    auto_read: bool
    echo: bool
    devices: list[dict[str, Any]]
    code_wanted: bool


class Phones(msgspec.Struct, frozen=True):
    """All virtual phones of the tenant."""

    items: list[VirtualPhone]


class Things(msgspec.Struct, frozen=True):
    """A list of entries with numbers; go on after the last."""

    items: list[dict[str, Any]]


class Linked(msgspec.Struct, frozen=True):
    """The device that the phone linked."""

    jid: str
    device: int
    phone: str


class Sent(msgspec.Struct, frozen=True):
    """WhatsApp's id of what the phone sent."""

    id: str


class ReceivedMedia(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that the phone received and decrypted; `matches`: its hash is the one announced.

    `data` (base64) is there up to 4 MiB.
    """

    type: str
    mimetype: str
    size: int
    sha256: str
    matches: bool
    data: str | None = None


class Load(msgspec.Struct, frozen=True):
    """A load that runs."""

    load: str
