"""Groups and communities: what they are, what is asked of them, and what happens in them."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from wa_api.domain.asking import Ask
from wa_api.domain.data import Data
from wa_api.domain.messages import Address, Problem

Role = Literal["member", "admin", "owner"]
Action = Literal["add", "remove", "promote", "demote"]

#: The longest that WhatsApp takes, in characters.
MAX_NAME, MAX_TOPIC = 100, 2048
MOST_PARTICIPANTS = 1024


class Participant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member of a group. `owner` made it, or was made its owner."""

    contact: Address
    role: Role = "member"


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A group, or the frame of a community (`community`).

    `announce`: only admins write. `locked`: only admins change name, topic and picture.
    `disappearing`: seconds after which messages vanish, 0 for never. `community_id`: the community
    that it belongs to; `default` is the community's announcement group. `created_at` is told by
    the engine to about two minutes.
    """

    id: str
    name: str
    topic: str = ""
    owner: Address | None = None
    created_at: str | None = None
    announce: bool = False
    locked: bool = False
    disappearing: int = 0
    community: bool = False
    community_id: str | None = None
    default: bool = False
    participants: list[Participant] = []


class GroupList(msgspec.Struct, frozen=True, kw_only=True):
    """Groups that the session is a member of."""

    items: list[Group]


class ListGroups(Ask, frozen=True, kw_only=True):
    """In which groups is the account?"""

    command: ClassVar[str] = "group.list"


class GetGroup(Ask, frozen=True, kw_only=True):
    """What is that group? `fresh`: ask WhatsApp even if the engine knows."""

    command: ClassVar[str] = "group.get"
    by: ClassVar[str] = "group"
    group: str
    fresh: bool = False


class CreateGroup(Ask, frozen=True, kw_only=True):
    """Make a group, a community (`community`), or a group in one (`community_id`)."""

    command: ClassVar[str] = "group.create"
    repeatable: ClassVar[bool] = False
    name: str
    participants: list[str] = msgspec.field(default_factory=list)
    community: bool = False
    community_id: str | None = None


class UpdateGroup(Ask, frozen=True, kw_only=True):
    """Change what is given, in this order; the first refusal ends it."""

    command: ClassVar[str] = "group.update"
    by: ClassVar[str] = "group"
    group: str
    name: str | None = None
    topic: str | None = None
    announce: bool | None = None
    locked: bool | None = None
    disappearing: int | None = None


class CreatedGroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The group, and those who could not be added."""

    group: Group
    refused: list[ParticipantChange] = []


class LeaveGroup(Ask, frozen=True, kw_only=True):
    """Leave a group."""

    command: ClassVar[str] = "group.leave"
    by: ClassVar[str] = "group"
    group: str


class ChangeParticipants(Ask, frozen=True, kw_only=True):
    """Add, remove, promote or demote people."""

    command: ClassVar[str] = "group.participants"
    by: ClassVar[str] = "group"
    group: str
    action: Action
    participants: list[str]


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """What lets one person in: to be sent as `group_invite`. `expires_at` is in Unix seconds, told by
    the engine to about two minutes.
    """

    code: str
    expires_at: int


class ParticipantChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one: done, unless there is an `error`.

    Its code: `invite_needed` (the contact's privacy settings: send the `invite` or the link),
    `left_recently` (only the invite link brings back), `already_in_group`, `not_in_group`,
    `blocked_by_contact`, `recipient_not_on_whatsapp`, `whatsapp_refused`.
    """

    contact: Address
    error: Problem | None = None
    invite: Invitation | None = None


class ParticipantChanges(msgspec.Struct, frozen=True, kw_only=True):
    """One answer for each that was named."""

    items: list[ParticipantChange]


class SetGroupPicture(Ask, frozen=True, kw_only=True):
    """Give a group a picture: a JPEG."""

    command: ClassVar[str] = "group.set_picture"
    by: ClassVar[str] = "group"
    group: str
    image: bytes


class PictureSet(msgspec.Struct, frozen=True, kw_only=True):
    """The new picture's id."""

    id: str


class GetInvite(Ask, frozen=True, kw_only=True):
    """What is the group's invite link?"""

    command: ClassVar[str] = "group.invite"
    by: ClassVar[str] = "group"
    group: str


class ResetInvite(Ask, frozen=True, kw_only=True):
    """Make a new invite link, and the old one worthless."""

    command: ClassVar[str] = "group.reset_invite"
    by: ClassVar[str] = "group"
    repeatable: ClassVar[bool] = False
    group: str


class Invite(msgspec.Struct, frozen=True, kw_only=True):
    """An invite link, `https://chat.whatsapp.com/…`."""

    link: str


class FindInvited(Ask, frozen=True, kw_only=True):
    """Which group does a link lead to? Without joining."""

    command: ClassVar[str] = "group.find_invited"
    link: str


class JoinGroup(Ask, frozen=True, kw_only=True):
    """Join by a link."""

    command: ClassVar[str] = "group.join"
    link: str


class AcceptInvite(Ask, frozen=True, kw_only=True):
    """Join by an invitation that `inviter` sent."""

    command: ClassVar[str] = "message.accept_invite"
    by: ClassVar[str] = "group"
    group: str
    inviter: str
    code: str
    expires_at: int = 0


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """The group that was joined, or that an admin must let the session into."""

    group: str


class ListJoinRequests(Ask, frozen=True, kw_only=True):
    """Who asks to be let in?"""

    command: ClassVar[str] = "group.join_requests"
    by: ClassVar[str] = "group"
    group: str


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who asks to be let in, since `time` (RFC 3339)."""

    contact: Address
    time: str


class JoinRequests(msgspec.Struct, frozen=True, kw_only=True):
    """All who ask to be let in. (The engine cannot answer them: do it on the phone.)"""

    items: list[JoinRequest]


class LinkGroup(Ask, frozen=True, kw_only=True):
    """Put a group into a community, or take it out."""

    command: ClassVar[str] = "community.link"
    by: ClassVar[str] = "community"
    community: str
    group: str
    linked: bool = True


class ListSubGroups(Ask, frozen=True, kw_only=True):
    """Which groups does a community have?"""

    command: ClassVar[str] = "community.groups"
    by: ClassVar[str] = "community"
    community: str


class SubGroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A group of a community; `default` is the announcement group."""

    id: str
    name: str
    default: bool = False


class SubGroups(msgspec.Struct, frozen=True, kw_only=True):
    """The groups of a community."""

    items: list[SubGroup]


class ListCommunityParticipants(Ask, frozen=True, kw_only=True):
    """Who is in any group of a community?"""

    command: ClassVar[str] = "community.participants"
    by: ClassVar[str] = "community"
    community: str


class People(msgspec.Struct, frozen=True, kw_only=True):
    """Contacts."""

    items: list[Address]


ASKS: tuple[type[Ask], ...] = (
    ListGroups,
    GetGroup,
    CreateGroup,
    UpdateGroup,
    LeaveGroup,
    ChangeParticipants,
    SetGroupPicture,
    GetInvite,
    ResetInvite,
    FindInvited,
    JoinGroup,
    AcceptInvite,
    ListJoinRequests,
    LinkGroup,
    ListSubGroups,
    ListCommunityParticipants,
)


class GroupJoined(Data, frozen=True, kw_only=True, omit_defaults=True):
    """The session became a member of a group: made it, was added, or joined by a link (`reason`
    is WhatsApp's own word, such as `invite`)."""

    type: ClassVar[str] = "group.joined"
    group: Group
    reason: str | None = None


class SubGroupChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A group that was linked or unlinked. `kind` is what it is to the other: `parent` (the
    community), `sub`, or `sibling`."""

    id: str
    name: str
    kind: str


class GroupChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A group was changed; only what changed is there. `by` is who did it.

    `picture`: it has a new one, or none. `deleted`: why it is gone.
    """

    type: ClassVar[str] = "group.changed"
    group: str
    by: Address | None = None
    name: str | None = None
    topic: str | None = None
    announce: bool | None = None
    locked: bool | None = None
    disappearing: int | None = None
    invite_link: str | None = None
    picture: Literal["set", "removed"] | None = None
    linked: SubGroupChange | None = None
    unlinked: SubGroupChange | None = None
    deleted: str | None = None


class ParticipantsChanged(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Members came, went, or changed their role. A member who is `removed` by itself has left.

    `reason`: WhatsApp's own word for how they came, such as `invite`.
    """

    type: ClassVar[str] = "group.participants_changed"
    group: str
    change: Literal["added", "removed", "promoted", "demoted"]
    participants: list[Address]
    by: Address | None = None
    reason: str | None = None


EVENTS: tuple[type[Data], ...] = (GroupJoined, GroupChanged, ParticipantsChanged)
