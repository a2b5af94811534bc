"""Groups and communities."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from wa_api.domain.addresses import GROUP, LID, USER
from wa_api.domain.errors import InvalidAddress, InvalidBody, MediaNotFound, MessageNotFound
from wa_api.domain.groups import (
    MAX_NAME,
    MAX_TOPIC,
    MOST_PARTICIPANTS,
    Action,
    ChangeParticipants,
    CreatedGroup,
    CreateGroup,
    FindInvited,
    GetGroup,
    GetInvite,
    Group,
    GroupList,
    Invite,
    Joined,
    JoinGroup,
    JoinRequests,
    LeaveGroup,
    LinkGroup,
    ListCommunityParticipants,
    ListGroups,
    ListJoinRequests,
    ListSubGroups,
    ParticipantChanges,
    People,
    PictureSet,
    ResetInvite,
    SetGroupPicture,
    SubGroups,
    UpdateGroup,
)
from wa_api.domain.ids import MessageId
from wa_api.domain.principals import Scope
from wa_api.domain.refusals import (
    AlreadyInGroup,
    GroupNotFound,
    InvalidImage,
    InviteExpired,
    InviteInvalid,
    InviteRevoked,
    NoInvitation,
    NotGroupAdmin,
    NotInGroup,
)
from wa_api.http.asking import Asked, PictureBody, address, both
from wa_api.http.bodies import AddressText, Body, Query
from wa_api.http.routes import Resource
from wa_api.services.invitations import invitation

groups = Resource("groups", "Groups and communities: members, settings, invite links.")

_READ, _WRITE = Scope.MESSAGES_READ, Scope.MESSAGES_WRITE
_ONE = "/groups/<group:str>"
_COMMUNITY = "/communities/<community:str>"
_SEEN = (InvalidAddress, GroupNotFound, NotInGroup)
_ADMIN = (InvalidAddress, GroupNotFound, NotGroupAdmin)
_LINKS = (InviteInvalid, InviteRevoked)

GroupName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Link = Annotated[
    str,
    Meta(
        pattern=r"^(https://chat\.whatsapp\.com/)?[A-Za-z0-9_-]{10,64}$",
        description="`https://chat.whatsapp.com/…`, or the code alone.",
    ),
]
Members = Annotated[list[AddressText], Meta(min_length=1, max_length=MOST_PARTICIPANTS)]


class NewGroup(Body):
    """A group; with `community` a community, with `community_id` a group in that one."""

    name: GroupName
    participants: Annotated[list[AddressText], Meta(max_length=MOST_PARTICIPANTS)] = field(
        default_factory=list
    )
    community: bool = False
    community_id: AddressText | None = None


class GroupChange(Body):
    """What is absent stays. `disappearing`: 24 hours, 7 or 90 days, in seconds; 0 switches off."""

    name: GroupName | None = None
    topic: Annotated[str, Meta(max_length=MAX_TOPIC)] | None = None
    announce: bool | None = None
    locked: bool | None = None
    disappearing: Literal[0, 86_400, 604_800, 7_776_000] | None = None


class PeopleChange(Body):
    """Whom to add, remove, make admins, or make plain members."""

    action: Action
    participants: Members


class LinkBody(Body):
    """An invite link."""

    link: Link


class LinkQuery(Query):
    """An invite link."""

    link: Link


class FreshQuery(Query):
    """`fresh`: ask WhatsApp, even if the session's owner knows the group."""

    fresh: bool = False


class SubGroupBody(Body):
    """A group of the session."""

    group: AddressText


def _group(text: str) -> str:
    return address(text, GROUP)


def _people(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(address(each, USER, LID) for each in texts))


@both(groups, "GET", "/groups", "group.list", scope=_READ, returns=GroupList)
async def list_all(asked: Asked) -> Any:
    """List the groups that the session is in, communities included."""
    return await asked.answer(ListGroups())


@both(
    groups,
    "POST",
    "/groups",
    "group.create",
    scope=_WRITE,
    body=NewGroup,
    returns=CreatedGroup,
    status=201,
    errors=(InvalidAddress, GroupNotFound, NotGroupAdmin),
)
async def create(asked: Asked, body: NewGroup) -> Any:
    """Create a group or a community.

    `refused` names those who could not be added, and why.
    """
    if body.community and body.community_id is not None:
        raise InvalidBody("`community_id`: a community is in no other.")
    within = None if body.community_id is None else _group(body.community_id)
    people = _people(body.participants)
    return await asked.answer(
        CreateGroup(
            name=body.name, participants=people, community=body.community, community_id=within
        )
    )


@both(groups, "GET", _ONE, "group.get", scope=_READ, query=FreshQuery, returns=Group, errors=_SEEN)
async def get(asked: Asked, group: str, query: FreshQuery) -> Any:
    """Get a group with its members."""
    return await asked.answer(GetGroup(group=_group(group), fresh=query.fresh))


@both(
    groups,
    "PATCH",
    _ONE,
    "group.update",
    scope=_WRITE,
    body=GroupChange,
    returns=Group,
    errors=_ADMIN,
)
async def update(asked: Asked, group: str, body: GroupChange) -> Any:
    """Change a group's name, topic, settings or disappearing messages.

    Each member is a change of its own at WhatsApp, made in the order of the schema: when one is
    refused, those before it stay.
    """
    return await asked.answer(
        UpdateGroup(
            group=_group(group),
            name=body.name,
            topic=body.topic,
            announce=body.announce,
            locked=body.locked,
            disappearing=body.disappearing,
        )
    )


@both(groups, "POST", f"{_ONE}/leave", "group.leave", scope=_WRITE, status=204, errors=_SEEN)
async def leave(asked: Asked, group: str) -> None:
    """Leave a group."""
    await asked.answer(LeaveGroup(group=_group(group)))


@both(
    groups,
    "POST",
    f"{_ONE}/participants",
    "group.participants",
    scope=_WRITE,
    body=PeopleChange,
    returns=ParticipantChanges,
    errors=_ADMIN,
)
async def participants(asked: Asked, group: str, body: PeopleChange) -> Any:
    """Add, remove, promote or demote members.

    One result for each; an `error` says why it was not done.
    """
    return await asked.answer(
        ChangeParticipants(
            group=_group(group), action=body.action, participants=_people(body.participants)
        )
    )


@both(
    groups,
    "PUT",
    f"{_ONE}/picture",
    "group.set_picture",
    scope=_WRITE,
    body=PictureBody,
    returns=PictureSet,
    errors=(*_ADMIN, InvalidImage, MediaNotFound),
)
async def set_picture(asked: Asked, group: str, body: PictureBody) -> Any:
    """Set a group's picture."""
    where, image = _group(group), await asked.avatar(body.image, body.media)
    return await asked.answer(SetGroupPicture(group=where, image=image))


@both(groups, "GET", f"{_ONE}/invite", "group.invite", scope=_READ, returns=Invite, errors=_ADMIN)
async def invite(asked: Asked, group: str) -> Any:
    """Get a group's invite link."""
    return await asked.answer(GetInvite(group=_group(group)))


@both(
    groups,
    "POST",
    f"{_ONE}/invite/reset",
    "group.reset_invite",
    scope=_WRITE,
    returns=Invite,
    errors=_ADMIN,
)
async def reset_invite(asked: Asked, group: str) -> Any:
    """Make a new invite link; the old one leads nowhere any more."""
    return await asked.answer(ResetInvite(group=_group(group)))


@both(
    groups,
    "GET",
    "/groups/invited",
    "group.find_invited",
    scope=_READ,
    query=LinkQuery,
    returns=Group,
    errors=_LINKS,
)
async def find_invited(asked: Asked, query: LinkQuery) -> Any:
    """See which group an invite link leads to, without joining."""
    return await asked.answer(FindInvited(link=query.link))


@both(
    groups,
    "POST",
    "/messages/<message:str>/accept-invite",
    "message.accept_invite",
    scope=_WRITE,
    returns=Joined,
    errors=(MessageNotFound, NoInvitation, InviteExpired, InviteInvalid, AlreadyInGroup),
)
async def accept_invite(asked: Asked, message: str) -> Any:
    """Join the group to which a message that arrived invites the session."""
    tenant = await asked.ready()
    return await asked.answer(await invitation(tenant, asked.session, MessageId(message)))


@both(
    groups,
    "POST",
    "/groups/join",
    "group.join",
    scope=_WRITE,
    body=LinkBody,
    returns=Joined,
    errors=_LINKS,
)
async def join(asked: Asked, body: LinkBody) -> Any:
    """Join a group by an invite link.

    Where admins let people in, `group.joined` comes when one did.
    """
    return await asked.answer(JoinGroup(link=body.link))


@both(
    groups,
    "GET",
    f"{_ONE}/join-requests",
    "group.join_requests",
    scope=_READ,
    returns=JoinRequests,
    errors=_ADMIN,
)
async def join_requests(asked: Asked, group: str) -> Any:
    """List who asks to be let in."""
    return await asked.answer(ListJoinRequests(group=_group(group)))


@both(
    groups,
    "GET",
    f"{_COMMUNITY}/groups",
    "community.groups",
    scope=_READ,
    returns=SubGroups,
    errors=_SEEN,
)
async def sub_groups(asked: Asked, community: str) -> Any:
    """List the groups of a community."""
    return await asked.answer(ListSubGroups(community=_group(community)))


@both(
    groups,
    "POST",
    f"{_COMMUNITY}/link",
    "community.link",
    scope=_WRITE,
    body=SubGroupBody,
    status=204,
    errors=_ADMIN,
)
async def link(asked: Asked, community: str, body: SubGroupBody) -> None:
    """Put a group into a community."""
    await asked.answer(LinkGroup(community=_group(community), group=_group(body.group)))


@both(
    groups,
    "POST",
    f"{_COMMUNITY}/unlink",
    "community.unlink",
    scope=_WRITE,
    body=SubGroupBody,
    status=204,
    errors=_ADMIN,
)
async def unlink(asked: Asked, community: str, body: SubGroupBody) -> None:
    """Take a group out of a community."""
    await asked.answer(
        LinkGroup(community=_group(community), group=_group(body.group), linked=False)
    )


@both(
    groups,
    "GET",
    f"{_COMMUNITY}/participants",
    "community.participants",
    scope=_READ,
    returns=People,
    errors=_SEEN,
)
async def community_participants(asked: Asked, community: str) -> Any:
    """List the members of all groups of a community."""
    return await asked.answer(ListCommunityParticipants(community=_group(community)))
