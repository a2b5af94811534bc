"""What can be sent: the WhatsApp Cloud API's message object, and what WhatsApp Web can do beyond it.

`type` names the one member that holds the content. Every member is a `Part` (see `parts`), which
checks itself and becomes the domain's content.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta

from wa_api.domain.addresses import BROADCAST, NEWSLETTER, parse_address
from wa_api.domain.content import (
    NO_CONTEXT,
    Context,
    Forward,
    GroupInvite,
    NewAlbum,
    Sendable,
)
from wa_api.domain.pacing import Priority
from wa_api.http.action_parts import (
    EditPart,
    ForwardPart,
    PinPart,
    ReactionPart,
    RevokePart,
    VotePart,
)
from wa_api.http.bodies import AddressText, Body
from wa_api.http.media_parts import (
    AlbumPart,
    AudioPart,
    DocumentPart,
    ImagePart,
    StickerPart,
    VideoPart,
)
from wa_api.http.parts import (
    ContactsPart,
    EventPart,
    GroupInvitePart,
    InteractivePart,
    LocationPart,
    MessageRef,
    Part,
    PollPart,
    Strict,
    TextPart,
    contacts,
    wrong,
)
from wa_api.services.messages import Outgoing

#: The members of a body that hold content.
Type = Literal[
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "album",
    "location",
    "contacts",
    "poll",
    "event",
    "interactive",
    "group_invite",
    "reaction",
    "edit",
    "revoke",
    "pin",
    "vote",
    "forward",
]
PARTS: tuple[str, ...] = get_args(Type)


#: How far ahead a message may be scheduled, in seconds; and how late its repeat may come.
AHEAD, LATE = 366 * 86_400.0, 86_400.0


def _when(at: datetime) -> float:
    """A time that has passed is now, so that a repeated request is not refused."""
    moment, now = at.timestamp(), time.time()
    if not now - LATE <= moment <= now + AHEAD:
        raise wrong("send_at", "must be within a year from now")
    return moment


class ContextPart(Strict):
    """What surrounds the content.

    `message_id` is the message that this one answers. `mentions` are people named in the text as
    `@` and their number (or LID), `mention_all` notifies everybody in a group. The message
    disappears `disappears_after` seconds after it was read.
    """

    message_id: MessageRef | None = None
    mentions: Annotated[tuple[AddressText, ...], Meta(max_length=1024)] = ()
    mention_all: bool = False
    disappears_after: Literal[0, 86_400, 604_800, 7_776_000] = 0

    def context(self) -> Context:
        """For the domain; raises InvalidAddress."""
        made = Context(
            message_id=self.message_id,
            mentions=tuple(str(parse_address(one)) for one in self.mentions),
            mention_all=self.mention_all,
            disappears_after=self.disappears_after,
        )
        if made == NO_CONTEXT:
            raise wrong("context", "empty")
        return made


class SendBody(Body):
    """A message as in the WhatsApp Cloud API, with some members added.

    The content stands under the name that `type` says. `priority`: what goes first when several
    wait; without it a message is a reply where the chat wrote recently. `send_at`: not before
    (within a year). `typing_seconds`: show "typing…" for so long before it is sent.
    `expires_in`: seconds that it may wait, from then. `on_unknown`: what
    to do when the process that sent it died before it knew whether it went out: `report`, or
    `resend` (it may then arrive twice).
    """

    to: AddressText
    type: Type = "text"
    text: TextPart | None = None
    image: ImagePart | None = None
    video: VideoPart | None = None
    audio: AudioPart | None = None
    document: DocumentPart | None = None
    sticker: StickerPart | None = None
    album: AlbumPart | None = None
    location: LocationPart | None = None
    contacts: ContactsPart | None = None
    poll: PollPart | None = None
    event: EventPart | None = None
    interactive: InteractivePart | None = None
    group_invite: GroupInvitePart | None = None
    reaction: ReactionPart | None = None
    edit: EditPart | None = None
    revoke: RevokePart | None = None
    pin: PinPart | None = None
    vote: VotePart | None = None
    forward: ForwardPart | None = None
    context: ContextPart | None = None
    ref: Annotated[str, Meta(max_length=256)] | None = None
    typing_seconds: Annotated[float, Meta(ge=0, le=30)] = 0.0
    expires_in: Annotated[float, Meta(gt=0, le=604_800)] | None = None
    priority: Priority | None = None
    send_at: Annotated[datetime, Meta(tz=True)] | None = None
    on_unknown: Literal["report", "resend"] = "report"
    messaging_product: Literal["whatsapp"] = "whatsapp"
    recipient_type: Literal["individual", "group"] = "individual"

    def outgoing(self) -> Outgoing:
        """For the domain; raises InvalidAddress or InvalidBody."""
        to = parse_address(self.to)
        context = NO_CONTEXT if self.context is None else self.context.context()
        if context.mention_all and not to.is_group:
            raise wrong("context.mention_all", "only in groups")
        content = self._content()
        if isinstance(content, NewAlbum) and to.server in (BROADCAST, NEWSLETTER):
            raise wrong("to", "an album goes to a person or a group")
        if isinstance(content, GroupInvite) and to.is_shared:
            raise wrong("to", "an invitation goes to the one whom it lets in")
        return Outgoing(
            to=to,
            content=content,
            context=context,
            ref=self.ref,
            typing_seconds=self.typing_seconds,
            expires_in=self.expires_in,
            on_unknown=self.on_unknown,
            priority=self.priority,
            send_at=None if self.send_at is None else _when(self.send_at),
        )

    def _content(self) -> Sendable:
        """What the one member that `type` names says."""
        for name in PARTS:
            if name != self.type and getattr(self, name) is not None:
                raise wrong(name, f"`type` is `{self.type}`")
        part: Any = getattr(self, self.type)
        if part is None:
            raise wrong(self.type, "missing, but `type` names it")
        if isinstance(part, Part):
            return part.content()
        if isinstance(part, AlbumPart):
            return part.album()
        if isinstance(part, ForwardPart):
            return Forward(part.message_id)
        return contacts(part)
