"""Newsletters (WhatsApp calls them channels): one writes, many follow."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from wa_api.domain.asking import Ask
from wa_api.domain.data import Data

#: The longest that WhatsApp takes, in characters.
MAX_NAME, MAX_ABOUT = 100, 2048
MOST_MESSAGES = 100

Role = Literal["owner", "admin", "follower", "guest"]


class Newsletter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A newsletter. `role` and `muted` are the session's own, where WhatsApp tells them.

    `state` is `active`, `suspended` or `geosuspended`; `created_at` RFC 3339.
    """

    id: str
    name: str
    description: str = ""
    link: str | None = None
    followers: int = 0
    verified: bool = False
    state: str = "active"
    created_at: str | None = None
    role: Role | None = None
    muted: bool | None = None
    picture_id: str | None = None


class NewsletterList(msgspec.Struct, frozen=True, kw_only=True):
    """Newsletters that the session follows or writes."""

    items: list[Newsletter]


class ListNewsletters(Ask, frozen=True, kw_only=True):
    """Which newsletters does the account follow?"""

    command: ClassVar[str] = "newsletter.list"


class GetNewsletter(Ask, frozen=True, kw_only=True):
    """What is that newsletter?"""

    command: ClassVar[str] = "newsletter.get"
    by: ClassVar[str] = "newsletter"
    newsletter: str


class FindNewsletter(Ask, frozen=True, kw_only=True):
    """Which newsletter does a link lead to?"""

    command: ClassVar[str] = "newsletter.find"
    link: str


class CreateNewsletter(Ask, frozen=True, kw_only=True):
    """Make a newsletter."""

    command: ClassVar[str] = "newsletter.create"
    repeatable: ClassVar[bool] = False
    name: str
    description: str = ""
    image: bytes = b""


class FollowNewsletter(Ask, frozen=True, kw_only=True):
    """Follow a newsletter, or no longer."""

    command: ClassVar[str] = "newsletter.follow"
    by: ClassVar[str] = "newsletter"
    newsletter: str
    follow: bool = True


class MuteNewsletter(Ask, frozen=True, kw_only=True):
    """Be told of what is new in it, or not."""

    command: ClassVar[str] = "newsletter.mute"
    by: ClassVar[str] = "newsletter"
    newsletter: str
    muted: bool = True


class ListNewsletterMessages(Ask, frozen=True, kw_only=True):
    """What stands in it, newest last? `before` is a `server_id`; 0 begins at the end."""

    command: ClassVar[str] = "newsletter.messages"
    by: ClassVar[str] = "newsletter"
    newsletter: str
    count: int
    before: int = 0


class NewsletterMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message of a newsletter, or the present figures of one (then without content).

    `type` and `content` are as in any other message; reactions are counted by emoji.
    """

    server_id: int
    type: str | None = None
    content: dict[str, Any] | None = None
    views: int = 0
    reactions: dict[str, int] = {}


class NewsletterMessages(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of a newsletter, oldest first."""

    items: list[NewsletterMessage]


class ReactToNewsletter(Ask, frozen=True, kw_only=True):
    """React with an emoji; an empty one takes the reaction back."""

    command: ClassVar[str] = "newsletter.react"
    by: ClassVar[str] = "newsletter"
    newsletter: str
    server_id: int
    emoji: str = ""


class WatchNewsletter(Ask, frozen=True, kw_only=True):
    """Tell views and reactions as they change, for some minutes."""

    command: ClassVar[str] = "newsletter.watch"
    by: ClassVar[str] = "newsletter"
    newsletter: str


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """For how many seconds changes are told."""

    seconds: int


class NewsletterJoined(Data, frozen=True, kw_only=True, omit_defaults=True):
    """The account follows a newsletter now, from here or from the phone."""

    type: ClassVar[str] = "newsletter.joined"
    newsletter: Newsletter


class NewsletterLeft(Data, frozen=True, kw_only=True, omit_defaults=True):
    """The account does not follow a newsletter any more."""

    type: ClassVar[str] = "newsletter.left"
    newsletter: str


class NewsletterMuteChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A newsletter was muted, or is no longer."""

    type: ClassVar[str] = "newsletter.mute_changed"
    newsletter: str
    muted: bool


class NewsletterUpdated(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Views or reactions of messages changed (only of a newsletter that is watched)."""

    type: ClassVar[str] = "newsletter.updated"
    newsletter: str
    messages: list[NewsletterMessage]


ASKS: tuple[type[Ask], ...] = (
    ListNewsletters,
    GetNewsletter,
    FindNewsletter,
    CreateNewsletter,
    FollowNewsletter,
    MuteNewsletter,
    ListNewsletterMessages,
    ReactToNewsletter,
    WatchNewsletter,
)
EVENTS: tuple[type[Data], ...] = (
    NewsletterJoined,
    NewsletterLeft,
    NewsletterMuteChanged,
    NewsletterUpdated,
)
