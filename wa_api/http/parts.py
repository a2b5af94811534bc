"""Kinds of content as clients write them; each becomes the domain's content.

Shapes are the Cloud API's where it has the kind; one small class for each. (Media has a module of its own.)
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wa_api.domain import content as domain
from wa_api.domain.addresses import parse_address
from wa_api.domain.content import MAX_TEXT_BYTES, Content
from wa_api.domain.errors import InvalidBody

MessageRef = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="A message of this session: our id of it, or WhatsApp's.",
    ),
]
Line = Annotated[str, Meta(min_length=1, max_length=1024)]
Words = Annotated[str, Meta(max_length=4096)]
Color = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$", description="`#RRGGBB`")]
UnixSeconds = Annotated[int, Meta(gt=0, lt=100_000_000_000, description="Unix seconds")]

#: A small JPEG in base64.
Thumbnail = Annotated[str, Meta(max_length=100_000, pattern=r"^(/9j/[A-Za-z0-9+/]*={0,2})?$")]


def wrong(field: str, detail: str) -> InvalidBody:
    """The error for a member that no schema can express."""
    return InvalidBody(f"`{field}`: {detail}", errors=[{"field": field, "detail": detail}])


def checked_text(field: str, body: str) -> str:
    """A text that WhatsApp takes; raises InvalidBody."""
    if len(body.encode()) > MAX_TEXT_BYTES:
        raise wrong(field, f"longer than {MAX_TEXT_BYTES} bytes")
    if not body.strip():
        raise wrong(field, "empty")
    return body


class Strict(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Part of a body: unknown members are refused."""


class Part(Strict):
    """One kind of content as clients write it."""

    def content(self) -> Content:
        """For the domain; raises InvalidBody or InvalidAddress."""
        raise NotImplementedError


class PreviewPart(Strict):
    """The preview of a link, made by the client."""

    url: Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^https?://")]
    title: Line
    description: Words = ""
    thumbnail: Thumbnail = ""


class TextPart(Part):
    """A text. `preview` is the preview of a link in it; with `preview_url` the first link is looked
    up when the message is sent, unless there is a `preview`. `background_color`, `color` and `font` are for status posts.
    """

    body: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_BYTES)]
    preview_url: bool = False
    preview: PreviewPart | None = None
    background_color: Color | None = None
    color: Color | None = None
    font: Annotated[int, Meta(ge=0, le=10)] | None = None

    def content(self) -> domain.Text:
        """See Part."""
        body, given = checked_text("text.body", self.body), self.preview
        if given is not None and given.url not in body:
            raise wrong("text.preview.url", "not in the text")
        return domain.Text(
            body=body,
            preview_url=self.preview_url and given is None,
            preview=None if given is None else domain.Preview(**msgspec.structs.asdict(given)),
            background=self.background_color,
            color=self.color,
            font=self.font,
        )


class LocationPart(Part):
    """A place."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    name: Annotated[str, Meta(max_length=1000)] = ""
    address: Annotated[str, Meta(max_length=1000)] = ""
    url: Annotated[str, Meta(max_length=2048)] = ""

    def content(self) -> domain.Location:
        """See Part."""
        return domain.Location(**msgspec.structs.asdict(self))

    def place(self) -> domain.Place:
        """As part of other content."""
        return domain.Place(**msgspec.structs.asdict(self))


class ContactName(Strict):
    """A contact's name."""

    formatted_name: Line
    first_name: Words = ""
    last_name: Words = ""
    middle_name: Words = ""
    prefix: Words = ""
    suffix: Words = ""


class ContactPhone(Strict):
    """`wa_id`: the digits under which the contact is on WhatsApp."""

    phone: Line
    type: Annotated[str, Meta(max_length=32)] = ""
    wa_id: Annotated[str, Meta(pattern=r"^[0-9]{5,15}$")] | None = None


class ContactEmail(Strict):
    """An e-mail address."""

    email: Line
    type: Annotated[str, Meta(max_length=32)] = ""


class ContactUrl(Strict):
    """A web page."""

    url: Line
    type: Annotated[str, Meta(max_length=32)] = ""


class ContactAddress(Strict):
    """A postal address."""

    street: Words = ""
    city: Words = ""
    state: Words = ""
    zip: Words = ""
    country: Words = ""
    country_code: Words = ""
    type: Annotated[str, Meta(max_length=32)] = ""


class ContactOrg(Strict):
    """Where a contact works."""

    company: Words = ""
    department: Words = ""
    title: Words = ""


class ContactPart(Strict):
    """A contact card, as in the Cloud API."""

    name: ContactName
    phones: Annotated[list[ContactPhone], Meta(max_length=20)] = []
    emails: Annotated[list[ContactEmail], Meta(max_length=20)] = []
    urls: Annotated[list[ContactUrl], Meta(max_length=20)] = []
    addresses: Annotated[list[ContactAddress], Meta(max_length=20)] = []
    org: ContactOrg | None = None
    birthday: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None


ContactsPart = Annotated[list[ContactPart], Meta(min_length=1, max_length=100)]


def contacts(parts: list[ContactPart]) -> domain.Contacts:
    """The content that a list of cards makes."""
    return domain.Contacts(contacts=tuple(msgspec.to_builtins(part) for part in parts))


class PollPart(Part):
    """A poll; `max_choices` 0 lets people choose as many options as they like."""

    question: Annotated[str, Meta(min_length=1, max_length=255)]
    options: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(min_length=2, max_length=12)
    ]
    max_choices: Annotated[int, Meta(ge=0, le=12)] = 1

    def content(self) -> domain.Poll:
        """See Part."""
        if len(set(self.options)) < len(self.options):
            raise wrong("poll.options", "two are the same")
        return domain.Poll(
            question=self.question,
            options=tuple(self.options),
            max_choices=min(self.max_choices, len(self.options)),
        )


class EventPart(Part):
    """An appointment."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    start_time: UnixSeconds
    end_time: UnixSeconds | None = None
    description: Words = ""
    location: LocationPart | None = None
    join_link: Annotated[str, Meta(max_length=2048)] = ""
    cancelled: bool = False

    def content(self) -> domain.Event:
        """See Part."""
        if self.end_time is not None and self.end_time < self.start_time:
            raise wrong("event.end_time", "before `start_time`")
        return domain.Event(
            name=self.name,
            start_time=self.start_time,
            end_time=self.end_time,
            description=self.description,
            location=None if self.location is None else self.location.place(),
            join_link=self.join_link,
            cancelled=self.cancelled,
        )


class GroupInvitePart(Part):
    """An invitation to a group: what adding somebody answered as `invite`. `name`: the group's."""

    group: Annotated[str, Meta(min_length=1, max_length=64, description="`…@g.us`")]
    code: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/=_-]{4,128}$")]
    name: Annotated[str, Meta(max_length=100)] = ""
    caption: Annotated[str, Meta(max_length=1024)] = ""
    expires_at: UnixSeconds | None = None

    def content(self) -> domain.GroupInvite:
        """See Part."""
        group = parse_address(self.group)
        if not group.is_group:
            raise wrong("group_invite.group", "not a group's address")
        return domain.GroupInvite(
            group=str(group),
            code=self.code,
            name=self.name,
            caption=self.caption,
            expires_at=self.expires_at,
        )


class InteractiveText(Strict):
    """A text of an interactive message."""

    text: Line


class InteractiveHeader(Strict):
    """Headers hold text only."""

    text: Annotated[str, Meta(min_length=1, max_length=60)]
    type: Literal["text"] = "text"


class Choice(Strict):
    """What comes back when somebody chooses it."""

    id: Annotated[str, Meta(min_length=1, max_length=256)]
    title: Annotated[str, Meta(min_length=1, max_length=24)]
    description: Annotated[str, Meta(max_length=72)] = ""


class ReplyButton(Strict):
    """A button that answers."""

    reply: Choice
    type: Literal["reply"] = "reply"


class Section(Strict):
    """Rows of a list under a title."""

    rows: Annotated[list[Choice], Meta(min_length=1, max_length=10)]
    title: Annotated[str, Meta(max_length=24)] = ""


class LinkParameters(Strict):
    """A button that opens a page."""

    display_text: Annotated[str, Meta(min_length=1, max_length=20)]
    url: Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^https?://")]


class ButtonsAction(Strict):
    """Up to three buttons."""

    buttons: Annotated[list[ReplyButton], Meta(min_length=1, max_length=3)]


class ListAction(Strict):
    """A list that opens with a button."""

    button: Annotated[str, Meta(min_length=1, max_length=20)]
    sections: Annotated[list[Section], Meta(min_length=1, max_length=10)]


class LinkAction(Strict):
    """A button that opens a page."""

    parameters: LinkParameters
    name: Literal["cta_url"] = "cta_url"


class Interactive(Part, tag_field="type"):
    """An interactive message as in the Cloud API."""

    body: InteractiveText
    header: InteractiveHeader | None = None
    footer: InteractiveText | None = None

    def content(self) -> domain.Interactive:
        """See Part."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return domain.Interactive(kind=data.pop("type"), data=_told(data))


def _told(data: dict[str, Any]) -> dict[str, Any]:
    """Without members that are null; headers and buttons say their type."""
    told = {name: value for name, value in data.items() if value is not None}
    if "header" in told:
        told["header"]["type"] = "text"
    for button in told["action"].get("buttons", ()):
        button["type"] = "reply"
    return told


class ButtonsPart(Interactive, kw_only=True, tag="button"):
    """Reply buttons."""

    action: ButtonsAction


class ListPart(Interactive, kw_only=True, tag="list"):
    """A list to choose from."""

    action: ListAction


class LinkPart(Interactive, kw_only=True, tag="cta_url"):
    """A button that opens a page."""

    action: LinkAction


InteractivePart = ButtonsPart | ListPart | LinkPart
