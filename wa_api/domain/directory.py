"""What WhatsApp tells of people: whether a number is there, about texts, pictures, devices."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from wa_api.domain.asking import Ask
from wa_api.domain.data import Data
from wa_api.domain.messages import Address

#: Numbers of one question; WhatsApp's own clients ask for about as many at a time.
MOST_NUMBERS = 500


class CheckNumbers(Ask, frozen=True, kw_only=True):
    """Which phone numbers have WhatsApp? Digits with country code, no `+`. At most MOST_NUMBERS.

    Nothing is remembered. In a session worker `await engine.ask(CheckNumbers(numbers=[…]))` gives
    NumberChecks, elsewhere `Asking.ask` gives its JSON: for checks before a first contact, keep
    the answers.
    """

    command: ClassVar[str] = "contacts.check"
    numbers: list[str]


class NumberCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One number's answer, under the digits that were asked for.

    `contact.phone` may differ from the number: WhatsApp knows some (Brazilian, Mexican,
    Argentinian) ones by another form. `business` is a verified business name.
    """

    number: str
    exists: bool
    contact: Address | None = None
    business: str | None = None


class NumberChecks(msgspec.Struct, frozen=True, kw_only=True):
    """One answer for each number that was asked for, in that order."""

    items: list[NumberCheck]


class AboutContact(Ask, frozen=True, kw_only=True):
    """Who is that? `contact` is a phone number's address or a LID."""

    command: ClassVar[str] = "contact.about"
    by: ClassVar[str] = "contact"
    contact: str


class ContactAbout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a contact shows: an empty `about` or an absent picture may also be hidden."""

    contact: Address
    about: str = ""
    picture_id: str | None = None
    business: str | None = None


class FindPicture(Ask, frozen=True, kw_only=True):
    """Where is the picture of a contact or a group? `preview`: the small one."""

    command: ClassVar[str] = "contact.picture"
    by: ClassVar[str] = "contact"
    contact: str
    preview: bool = False
    known: str | None = None
    community: bool = False


class Picture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture at WhatsApp's media host; `url` works for some days.

    Without `url`: it is still the one that the caller knows.
    """

    id: str
    url: str | None = None
    type: str = "image"


class ListDevices(Ask, frozen=True, kw_only=True):
    """Which devices does a contact use?"""

    command: ClassVar[str] = "contact.devices"
    by: ClassVar[str] = "contact"
    contact: str


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of devices: 0 is the phone."""

    contact: Address
    devices: list[int]


class WatchPresence(Ask, frozen=True, kw_only=True):
    """Tell when a contact comes online, until the connection ends."""

    command: ClassVar[str] = "contact.subscribe"
    by: ClassVar[str] = "contact"
    contact: str


class GetBlocklist(Ask, frozen=True, kw_only=True):
    """Whom does the account block?"""

    command: ClassVar[str] = "blocklist.get"


class Block(Ask, frozen=True, kw_only=True):
    """Block somebody, or no longer."""

    command: ClassVar[str] = "contact.block"
    contact: str
    blocked: bool = True


class Blocklist(msgspec.Struct, frozen=True, kw_only=True):
    """Contacts that the account blocks."""

    items: list[Address]


ASKS: tuple[type[Ask], ...] = (
    CheckNumbers,
    AboutContact,
    FindPicture,
    ListDevices,
    WatchPresence,
    GetBlocklist,
    Block,
)


class PictureChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A contact has a new picture, or none (`removed`)."""

    type: ClassVar[str] = "contact.picture_changed"
    contact: Address
    removed: bool = False


class BlocklistChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Contacts were blocked or unblocked, here or on the phone. Neither: read the list anew."""

    type: ClassVar[str] = "blocklist.changed"
    blocked: list[Address] = msgspec.field(default_factory=list)
    unblocked: list[Address] = msgspec.field(default_factory=list)


EVENTS: tuple[type[Data], ...] = (PictureChanged, BlocklistChanged)
