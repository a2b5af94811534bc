"""The parameters of each control method; what does not fit is a `bad_request`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(min_length=1, max_length=65_536)]
Limit = Annotated[int, Meta(ge=1, le=10_000)]
Wait = Annotated[float, Meta(ge=0, le=300)]


class Params(Struct, forbid_unknown_fields=True, kw_only=True):
    """Every method belongs to a tenant."""

    tenant: Name


class Nothing(Struct, forbid_unknown_fields=True, kw_only=True):
    """A method that asks for nothing; without a tenant it is about everybody."""

    tenant: Name | None = None


class CreatePhone(Params):
    """`number` is digits with country code; one is made up without it."""

    name: Name = "Sandbox phone"
    number: Annotated[str, Meta(pattern=r"^[1-9][0-9]{6,14}$")] | None = None


class OnePhone(Params):
    """A method about one phone."""

    phone: Name


class StatusList(Struct, forbid_unknown_fields=True, kw_only=True):
    """Who sees status posts, in WhatsApp's words; `people` are phones of the sandbox."""

    type: Literal["contacts", "blacklist", "whitelist"] = "contacts"
    people: Annotated[list[Name], Meta(max_length=100)] = []


class Configure(OnePhone):
    """How a phone behaves; None leaves it as it is."""

    name: Name | None = None
    auto_read: bool | None = None
    echo: bool | None = None
    online: bool | None = None
    available: bool | None = None
    about: Annotated[str, Meta(max_length=139)] | None = None
    privacy: dict[str, str] = {}
    status_list: StatusList | None = None


class Scan(OnePhone):
    """The text of a QR code."""

    qr: Annotated[str, Meta(min_length=1, max_length=4096)]


class LinkCode(OnePhone):
    """The eight characters that a session shows."""

    code: Annotated[str, Meta(min_length=8, max_length=9)]


class Unlink(OnePhone):
    """The number of a companion device."""

    device: int


class Vote(Struct, forbid_unknown_fields=True):
    """A choice in a poll."""

    poll: Name
    options: Annotated[list[str], Meta(max_length=12)]


class Send(OnePhone):
    """`message` is WhatsApp's Message in JSON (protobuf names); `text` is the short form; `vote` is
    a choice in a poll: `poll` (its message's id) and `options`."""

    to: Name
    text: Text | None = None
    message: dict[str, Any] | None = None
    media: dict[str, Any] | None = None
    vote: Vote | None = None


class Inbox(OnePhone):
    """Letters after a number; `wait` (seconds) for the first one."""

    after: int = 0
    limit: Limit = 100
    raw: bool = False
    wait: Wait = 0.0
    id: str | None = None


class Read(OnePhone):
    """Letters that the owner of the phone has read."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=1000)]
    chat: str | None = None


class Typing(OnePhone):
    """What the phone shows in a chat."""

    to: Name
    state: Literal["typing", "recording", "paused"] = "typing"


class Presence(OnePhone):
    """Whether the phone announces that it is there."""

    available: bool


class Online(OnePhone):
    """Whether the phone is connected at all."""

    online: bool


class Break(Params):
    """`device` 0 or left out: all devices of the phone."""

    how: str
    phone: Name | None = None
    jid: str | None = None
    device: int | None = None
    ms: Annotated[int, Meta(ge=0, le=86_400_000)] | None = None
    code: int | None = None


class Refuse(OnePhone):
    """How many pairings fail."""

    times: Annotated[int, Meta(ge=0, le=1000)] = 1


class Garble(OnePhone):
    """How many messages do not decrypt at first."""

    times: Annotated[int, Meta(ge=0, le=1000)] = 1


class SetPicture(OnePhone):
    """A JPEG in Base64; empty: none."""

    image: bytes


class SavedContact(Struct, forbid_unknown_fields=True, kw_only=True):
    """An entry of an address book, under the address that is given: a number or a LID.

    Without `name` as he calls himself.
    """

    contact: Name
    name: Annotated[str, Meta(max_length=200)] | None = None
    first_name: Annotated[str, Meta(max_length=200)] | None = None


class SaveContact(OnePhone):
    """Whom the phone saves, and as what (see SavedContact)."""

    contact: Name
    name: Annotated[str, Meta(max_length=200)] | None = None
    first_name: Annotated[str, Meta(max_length=200)] | None = None


class SaveContacts(OnePhone):
    """Many at once."""

    contacts: Annotated[list[SavedContact], Meta(min_length=1, max_length=20_000)]


class RemoveContact(OnePhone):
    """Whom the phone removes from its address book."""

    contact: Name


class Call(OnePhone):
    """Whom the phone calls."""

    to: Name
    video: bool = False


class HangUp(OnePhone):
    """A call that the phone made."""

    call: Name


class CreateGroup(OnePhone):
    """Members as addresses or phone ids."""

    subject: Name
    members: list[Name] = []


class OneGroup(OnePhone):
    """A group that the phone is in."""

    group: Name


class GroupPeople(OneGroup):
    """What becomes of whom."""

    action: Literal["add", "remove", "promote", "demote"]
    members: Annotated[list[Name], Meta(min_length=1, max_length=1024)]


class GroupChange(OneGroup):
    """`approval`: admins let people in."""

    subject: Name | None = None
    topic: Annotated[str, Meta(max_length=2048)] | None = None
    announce: bool | None = None
    locked: bool | None = None
    approval: bool | None = None
    disappearing: Literal[0, 86_400, 604_800, 7_776_000] | None = None


class JoinGroup(OnePhone):
    """An invite link or its code."""

    invite: Name


class OneMessage(OnePhone):
    """A message in the phone's inbox."""

    id: Name


class Decide(OneGroup):
    """Who asked to be let in, and whether they may."""

    members: Annotated[list[Name], Meta(min_length=1, max_length=1024)]
    approve: bool = True


class CreateNewsletter(OnePhone):
    """What the newsletter is called, and what it is about."""

    name: Name
    description: Annotated[str, Meta(max_length=2048)] = ""


class OneNewsletter(OnePhone):
    """A newsletter's address."""

    newsletter: Name


class Publish(OneNewsletter):
    """A text for all followers."""

    text: Text


class React(OneNewsletter):
    """An emoji for a message; empty: none any more."""

    server_id: int
    emoji: Annotated[str, Meta(max_length=32)] = ""


class StartLoad(Params):
    """`to` may be several addresses: they are taken in turn, and so are the phones."""

    phones: Annotated[list[Name], Meta(min_length=1, max_length=2000)]
    to: Annotated[list[Name], Meta(min_length=1, max_length=5000)]
    rate: Annotated[float, Meta(gt=0, le=20_000)]
    count: Annotated[int, Meta(ge=1)] | None = None
    seconds: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    text: Annotated[str, Meta(max_length=4096)] = "load"
    pairs: bool = False


class OneLoad(Params):
    """A load by its id."""

    load: Name


class Judged(Nothing):
    """Which of the records, from a number on."""

    phone: str | None = None
    after: int = 0
    limit: Limit = 1000
    chat: str | None = None
    device: str | None = None


class GetMedia(OnePhone):
    """The media of a letter; into a file, or into the answer."""

    id: Name
    file: str | None = None
