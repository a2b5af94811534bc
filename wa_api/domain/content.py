"""What a message holds, the same for every direction and every reader.

Each kind is a Struct whose tag is the message's `type`; in JSON it stands under the member of that
name, as in the WhatsApp Cloud API. *Actions* (reaction, edit, …) are sent like any message but
change another one, their target (`message_id`), and are shown there instead of in lists.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

#: WhatsApp clients cut longer texts; the real limit is 65,536 characters.
MAX_TEXT_BYTES = 65_536


class Kind(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of all kinds of content; each has its own `tag`."""


class Action(Kind, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what changes another message.

    `message_id`: outbound the target as the client named it, inbound WhatsApp's id of it.
    """

    message_id: str


# ── what is shown by itself ──


class Preview(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The preview of a link that the text holds; `thumbnail` is a small JPEG in base64."""

    url: str
    title: str = ""
    description: str = ""
    thumbnail: str = ""


class Text(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="text"):
    """Plain text with WhatsApp's own formatting marks.

    `preview_url` is the client's wish for a preview of the first link; `preview` is one that the
    client made, or that was looked up. The rest is for status posts: `background` and `color` as `#RRGGBB`,
    `font` as WhatsApp numbers them.
    """

    body: str
    preview_url: bool = False
    preview: Preview | None = None
    background: str | None = None
    color: str | None = None
    font: int | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place, in degrees."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""
    url: str = ""


class Location(
    Place, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="location"
):
    """A pin on the map."""


class LiveLocation(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="live_location"):
    """Where somebody is while they share it (inbound only); metres, metres per second, degrees."""

    latitude: float
    longitude: float
    accuracy: int | None = None
    speed: float | None = None
    heading: int | None = None
    caption: str = ""
    sequence: int | None = None


class Contacts(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="contacts"):
    """Contact cards, in the form of the Cloud API (`name`, `phones`, `emails`, …).

    `vcards` holds them as they came, in the same order. In JSON the message's member is the list.
    """

    contacts: tuple[dict[str, Any], ...]
    vcards: tuple[str, ...] = ()


class Poll(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="poll"):
    """A question with options; `max_choices` 0 means as many as one likes."""

    question: str
    options: tuple[str, ...]
    max_choices: int = 1


class Event(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="event"):
    """An appointment; times are Unix seconds."""

    name: str
    start_time: int
    end_time: int | None = None
    description: str = ""
    location: Place | None = None
    join_link: str = ""
    cancelled: bool = False


class Interactive(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="interactive"):
    """Buttons, a list or a link button, or somebody's choice from one (Cloud API `interactive`).

    `kind` is the object's own `type`: `button`, `list`, `cta_url`; inbound also `button_reply`
    and `list_reply`. `data` holds its other members.
    """

    kind: str
    data: dict[str, Any]


class GroupInvite(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="group_invite"):
    """An invitation to a group for the one who gets it; `expires_at` in Unix seconds."""

    group: str
    code: str
    name: str = ""
    caption: str = ""
    expires_at: int | None = None


class Undecryptable(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="undecryptable"):
    """A message that cannot be read (yet): its sender was asked to send it again.

    `reason`: `keys` (it was encrypted for other keys) or `unavailable` (WhatsApp shows it on the
    phone only, such as view-once media). When it arrives after all, it takes this one's place.
    """

    reason: str


class File(Kind, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what carries a file.

    `id` is the gateway's media, absent while it has none (a `link` that is still to be fetched, or
    a file that is still at WhatsApp). `sha256` is of its bytes, in hex; `size` in bytes.
    """

    id: str | None = None
    link: str | None = None
    mimetype: str | None = None
    sha256: str | None = None
    size: int | None = None


class Image(File, frozen=True, kw_only=True, omit_defaults=True, tag="image"):
    """A picture; sides in pixels, `thumbnail` a small JPEG in base64."""

    caption: str | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None
    view_once: bool = False


class Video(File, frozen=True, kw_only=True, omit_defaults=True, tag="video"):
    """A video; `gif` plays by itself without sound, `note` is a round video note."""

    caption: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: int | None = None
    thumbnail: str | None = None
    view_once: bool = False
    gif: bool = False
    note: bool = False


class Audio(File, frozen=True, kw_only=True, omit_defaults=True, tag="audio"):
    """A sound, or a `voice` note; `waveform` is 64 loudness values (0 to 100) in base64."""

    seconds: int | None = None
    voice: bool = False
    waveform: str | None = None
    view_once: bool = False


class Document(File, frozen=True, kw_only=True, omit_defaults=True, tag="document"):
    """Any file."""

    caption: str | None = None
    filename: str | None = None
    thumbnail: str | None = None


class Sticker(File, frozen=True, kw_only=True, omit_defaults=True, tag="sticker"):
    """A WebP picture without a frame."""

    width: int | None = None
    height: int | None = None
    animated: bool = False


class Album(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="album"):
    """Pictures and videos that follow and are shown together (each names it in its context).

    Outbound, `items` are our ids of their messages, in order.
    """

    images: int = 0
    videos: int = 0
    items: tuple[str, ...] = ()


class Unsupported(Kind, frozen=True, kw_only=True, omit_defaults=True, tag="unsupported"):
    """Content that arrived and that this version cannot show; `kind` is the protobuf field."""

    kind: str


# ── what changes another message ──


class Reaction(Action, frozen=True, kw_only=True, omit_defaults=True, tag="reaction"):
    """An emoji on a message; "" takes it back."""

    emoji: str


class Edit(Action, frozen=True, kw_only=True, omit_defaults=True, tag="edit"):
    """Another text for one's own message (its caption, where it is media)."""

    body: str


class Revoke(Action, frozen=True, kw_only=True, omit_defaults=True, tag="revoke"):
    """A message deleted for everyone, by its author or by an administrator of the group."""


class Pin(Action, frozen=True, kw_only=True, omit_defaults=True, tag="pin"):
    """A message pinned in its chat for some `seconds`; 0 unpins it."""

    seconds: int


class Vote(Action, frozen=True, kw_only=True, omit_defaults=True, tag="vote"):
    """A choice in a poll, which replaces the voter's earlier one; none takes it back.

    Votes carry hashes of the options; inbound they stand in `hashes` (hexadecimal, None when the
    vote could not be decrypted) until the poll is known.
    """

    options: tuple[str, ...] = ()
    hashes: tuple[str, ...] | None = ()


#: Every kind that a message can hold; `workers/engine/convert` must handle each one.
Content = (
    Text
    | Location
    | LiveLocation
    | Contacts
    | Poll
    | Event
    | Interactive
    | GroupInvite
    | Image
    | Video
    | Audio
    | Document
    | Sticker
    | Album
    | Undecryptable
    | Unsupported
    | Reaction
    | Edit
    | Revoke
    | Pin
    | Vote
)


#: The types that change another message.
ACTIONS = frozenset(str(kind.__struct_config__.tag) for kind in (Reaction, Edit, Revoke, Pin, Vote))


class Forward(NamedTuple):
    """Asks for a stored message to be sent on; its content takes this one's place."""

    message_id: str


class NewAlbum(NamedTuple):
    """Asks for an album: an `Album` takes this one's place, and a message for each item follows."""

    items: tuple[Image | Video, ...]


#: What a client may ask to be sent.
Sendable = Content | Forward | NewAlbum


def type_of(content: Content) -> str:
    """The content's `type`, which is also its member's name in JSON."""
    return str(type(content).__struct_config__.tag)


def hash_of(option: str) -> str:
    """What a vote says of a poll's option."""
    return hashlib.sha256(option.encode()).hexdigest()


class Context(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What surrounds a message's content, both ways (WhatsApp's ContextInfo).

    `message_id` is the message that this one answers (outbound: as the client named it; inbound:
    WhatsApp's id), `sender` who wrote that one (a canonical address) and `quoted` its content as
    JSON with `type`. `album` is the album that this one belongs to (named in the same way). `mentions` are addresses. `forwarding_score` counts how often the message
    was forwarded, `forward_of` is the stored message that is being forwarded. A message
    disappears `disappears_after` seconds after it was read, by the setting of the chat that was
    made at `disappears_set_at` (Unix seconds, where it is told).
    """

    message_id: str | None = None
    sender: str | None = None
    quoted: dict[str, Any] | None = None
    album: str | None = None
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    forwarding_score: int = 0
    forward_of: str | None = None
    disappears_after: int = 0
    disappears_set_at: int = 0


#: A message with nothing around it.
NO_CONTEXT = Context()


def target_of(content: Content, context: Context) -> str | None:
    """Which other message must be known to send this one: acted upon, its album, forwarded or
    answered.
    """
    if isinstance(content, Action):
        return content.message_id
    return context.album or context.forward_of or context.message_id
