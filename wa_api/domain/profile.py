"""The account's own profile, who may see what of it, and how long messages last."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from wa_api.domain.asking import Ask
from wa_api.domain.data import Data
from wa_api.domain.messages import Address

#: The longest that WhatsApp takes, in characters.
MAX_NAME, MAX_ABOUT = 25, 139

#: Who may: `contacts_except` (some are left out on the phone) can be read, not set.
Audience = Literal[
    "all", "contacts", "contacts_except", "none", "match_last_seen", "known", "unknown"
]


class GetProfile(Ask, frozen=True, kw_only=True):
    """What does the account show of itself?"""

    command: ClassVar[str] = "profile.get"


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The account as others see it."""

    contact: Address
    name: str
    about: str = ""
    picture_id: str | None = None


class UpdateProfile(Ask, frozen=True, kw_only=True):
    """Change what is given, name first."""

    command: ClassVar[str] = "profile.update"
    name: str | None = None
    about: str | None = None


class SetProfilePicture(Ask, frozen=True, kw_only=True):
    """Show another picture: a JPEG."""

    command: ClassVar[str] = "profile.set_picture"
    image: bytes


class GetContactLink(Ask, frozen=True, kw_only=True):
    """What is the account's own contact link?"""

    command: ClassVar[str] = "profile.link"


class ResetContactLink(Ask, frozen=True, kw_only=True):
    """Make a new contact link, and the old one worthless."""

    command: ClassVar[str] = "profile.reset_link"
    repeatable: ClassVar[bool] = False


class ContactLink(msgspec.Struct, frozen=True, kw_only=True):
    """`https://wa.me/qr/…`: whoever opens it or scans its QR code can write to the account."""

    link: str


class FindLinked(Ask, frozen=True, kw_only=True):
    """Whose contact link is that?"""

    command: ClassVar[str] = "contact.by_link"
    link: str


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose link it is."""

    contact: Address


class GetPrivacy(Ask, frozen=True, kw_only=True):
    """Who may see what?"""

    command: ClassVar[str] = "privacy.get"


class Privacy(msgspec.Struct, frozen=True, kw_only=True):
    """Who sees when the account was there last (`last_seen`) and is there now (`online`), its
    `picture` and `about`, and that it read (`read_receipts`); who adds it to `groups`, and calls.
    """

    last_seen: Audience
    online: Audience
    picture: Audience
    about: Audience
    read_receipts: Audience
    groups: Audience
    calls: Audience


class GetStatusAudience(Ask, frozen=True, kw_only=True):
    """Who sees status posts?"""

    command: ClassVar[str] = "privacy.status"


class StatusAudience(msgspec.Struct, frozen=True, kw_only=True):
    """Status posts go to all `contacts`, to all except those in `people`, or to these `only`."""

    audience: Literal["contacts", "contacts_except", "only"]
    people: list[Address]


class UpdatePrivacy(Ask, frozen=True, kw_only=True):
    """Change what is given. `disappearing`: seconds, for chats that begin from now on."""

    command: ClassVar[str] = "privacy.update"
    last_seen: str | None = None
    online: str | None = None
    picture: str | None = None
    about: str | None = None
    read_receipts: str | None = None
    groups: str | None = None
    calls: str | None = None
    disappearing: int | None = None


class SetDisappearing(Ask, frozen=True, kw_only=True):
    """Let messages of a chat vanish after so many seconds (0: never)."""

    command: ClassVar[str] = "chat.set_disappearing"
    by: ClassVar[str] = "chat"
    chat: str
    seconds: int


class RejectCall(Ask, frozen=True, kw_only=True):
    """Do not take a call that rings."""

    command: ClassVar[str] = "call.reject"
    call: str


class CallReceived(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody calls; `group` when it is a call of many."""

    type: ClassVar[str] = "call.received"
    call: str
    caller: Address = msgspec.field(name="from")
    video: bool = False
    group: bool = False


class CallEnded(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A call rings no more: the caller hung up, or it was taken or rejected on some device
    (`reason` is WhatsApp's own word)."""

    type: ClassVar[str] = "call.ended"
    call: str
    caller: Address = msgspec.field(name="from")
    reason: str | None = None


ASKS: tuple[type[Ask], ...] = (
    GetProfile,
    UpdateProfile,
    SetProfilePicture,
    GetContactLink,
    ResetContactLink,
    FindLinked,
    GetPrivacy,
    GetStatusAudience,
    UpdatePrivacy,
    SetDisappearing,
    RejectCall,
)
EVENTS: tuple[type[Data], ...] = (CallReceived, CallEnded)
