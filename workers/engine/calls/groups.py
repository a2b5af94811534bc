"""Asks about groups and communities, at the library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wa_api.domain.groups import (
    AcceptInvite,
    ChangeParticipants,
    CreatedGroup,
    CreateGroup,
    FindInvited,
    GetGroup,
    GetInvite,
    Group,
    GroupList,
    Invitation,
    Invite,
    Joined,
    JoinGroup,
    JoinRequest,
    JoinRequests,
    LeaveGroup,
    LinkGroup,
    ListCommunityParticipants,
    ListGroups,
    ListJoinRequests,
    ListSubGroups,
    Participant,
    ParticipantChange,
    ParticipantChanges,
    People,
    PictureSet,
    ResetInvite,
    SetGroupPicture,
    SubGroup,
    SubGroups,
    UpdateGroup,
)
from wa_api.domain.identity import address
from wa_api.domain.messages import Address, Problem
from wa_api.domain.refusals import (
    AlreadyInGroup,
    GroupNotFound,
    InviteExpired,
    InviteInvalid,
    NotGroupAdmin,
    NotInGroup,
)
from workers.engine.calls.call import Call, Calls, known_as, remote, stamp
from workers.engine.convert.jids import jid_of
from workers.engine.neonize import Client, LibraryError, enum, proto

#: What WhatsApp's number says about one participant.
_REFUSED = {
    401: Problem(code="blocked_by_contact", detail="The contact blocks this account."),
    403: Problem(code="invite_needed", detail="The contact joins by invitation only."),
    404: Problem(code="recipient_not_on_whatsapp", detail="WhatsApp does not know the contact."),
    406: Problem(code="not_in_group", detail="The contact is not in the group."),
    408: Problem(code="left_recently", detail="The contact left; the invite link brings back."),
    409: Problem(code="already_in_group", detail="The contact is in the group already."),
}


def group_of(client: Client, info: Any) -> Group:
    """A group as readers see it."""
    parent = jid_of(info.GroupLinkedParent.LinkedParentJID)
    owner, owner_pn = jid_of(info.OwnerJID), jid_of(info.OwnerPN)
    return Group(
        id=str(jid_of(info.JID)),
        name=info.GroupName.Name,
        topic=info.GroupTopic.Topic,
        owner=None if owner is None else address(owner, owner_pn),
        created_at=stamp(info.GroupCreated) if info.GroupCreated > 0 else None,
        announce=info.GroupAnnounce.IsAnnounce,
        locked=info.GroupLocked.isLocked,
        disappearing=info.GroupEphemeral.DisappearingTimer,
        community=info.GroupParent.IsParent,
        community_id=None if parent is None else str(parent),
        default=info.GroupIsDefaultSub.IsDefaultSubGroup,
        participants=[_participant(each) for each in info.Participants if not each.Error],
    )


def _participant(one: Any) -> Participant:
    role = "owner" if one.IsSuperAdmin else "admin" if one.IsAdmin else "member"
    return Participant(contact=_contact(one), role=role)  # type: ignore[arg-type]  # one of three


def _contact(one: Any) -> Address:
    jid, lid, phone = jid_of(one.JID), jid_of(one.LID), jid_of(one.PhoneNumber)
    known = jid or lid or phone
    if known is None:
        raise LibraryError("a participant without an address")
    return address(known, phone if known == lid else lid, one.DisplayName or None)


def _changes(participants: Iterable[Any]) -> list[ParticipantChange]:
    return [
        ParticipantChange(contact=_contact(one), error=_why(one.Error), invite=_invitation(one))
        for one in participants
    ]


def _invitation(one: Any) -> Invitation | None:
    """What WhatsApp gives for somebody who joins by invitation only."""
    asked = one.AddRequest
    if not asked.Code:
        return None
    return Invitation(code=asked.Code, expires_at=round(asked.Expiration))


def _why(number: int) -> Problem | None:
    other = Problem(code="whatsapp_refused", detail=f"WhatsApp refused with error {number}.")
    return _REFUSED.get(number, other) if number else None


def _list(client: Client, _: ListGroups) -> GroupList:
    return GroupList(items=[group_of(client, each) for each in client.do("get_joined_groups")])


def _get(client: Client, what: GetGroup) -> Group:
    known = None if what.fresh else client.memory.groups.find(what.group)
    if known is not None:
        return known
    mark = client.memory.groups.begin()
    group = group_of(client, client.do("get_group_info", remote(what.group)))
    client.memory.groups.put(group, mark)
    return group


def _create(client: Client, what: CreateGroup) -> CreatedGroup:
    within, frame = None, None
    if what.community_id is not None:
        within = proto.GroupLinkedParent(LinkedParentJID=remote(what.community_id))
    if what.community:
        frame = proto.GroupParent(IsParent=True, DefaultMembershipApprovalMode="request_required")
    people = [remote(each) for each in what.participants]
    info = client.do("create_group", what.name, people, within, frame)
    refused = _changes(one for one in info.Participants if one.Error)
    return CreatedGroup(group=group_of(client, info), refused=refused)


def _update(client: Client, what: UpdateGroup) -> Group:
    group = remote(what.group)
    if what.name is not None:
        client.do("set_group_name", group, what.name)
    if what.topic is not None:
        client.do("set_group_topic", group, "", "", what.topic)
    if what.announce is not None:
        client.do("set_group_announce", group, what.announce)
    if what.locked is not None:
        client.do("set_group_locked", group, what.locked)
    if what.disappearing is not None:
        client.set_disappearing(group, what.disappearing)
    client.memory.groups.forget(what.group)
    return _get(client, GetGroup(group=what.group, fresh=True))


def _leave(client: Client, what: LeaveGroup) -> None:
    client.memory.groups.forget(what.group)
    client.do("leave_group", remote(what.group))


def _change(client: Client, what: ChangeParticipants) -> ParticipantChanges:
    people = [remote(each) for each in what.participants]
    action = enum.ParticipantChange(what.action)
    client.memory.groups.forget(what.group)
    done = client.do("update_group_participants", remote(what.group), people, action)
    client.memory.groups.forget(what.group)
    return ParticipantChanges(items=_changes(done))


def _set_picture(client: Client, what: SetGroupPicture) -> PictureSet:
    return PictureSet(id=client.do("set_group_photo", remote(what.group), what.image))


def _invite(client: Client, what: GetInvite) -> Invite:
    return Invite(link=client.do("get_group_invite_link", remote(what.group)))


def _reset_invite(client: Client, what: ResetInvite) -> Invite:
    return Invite(link=client.do("get_group_invite_link", remote(what.group), True))


def _find_invited(client: Client, what: FindInvited) -> Group:
    return group_of(client, client.do("get_group_info_from_link", what.link))


def _join(client: Client, what: JoinGroup) -> Joined:
    return Joined(group=str(jid_of(client.do("join_group_with_link", what.link))))


def _accept(client: Client, what: AcceptInvite) -> Joined:
    group, inviter = remote(what.group), remote(what.inviter)
    client.do("join_group_with_invite", group, inviter, what.code, what.expires_at)
    client.memory.groups.forget(what.group)
    return Joined(group=what.group)


def _requests(client: Client, what: ListJoinRequests) -> JoinRequests:
    asked = client.do("get_group_request_participants", remote(what.group))
    found = ((known_as(client, one.Participant), one.TimeAt / 1e6) for one in asked)
    items = [JoinRequest(contact=who, time=stamp(at)) for who, at in found if who is not None]
    return JoinRequests(items=items)


def _link(client: Client, what: LinkGroup) -> None:
    method = "link_group" if what.linked else "unlink_group"
    client.do(method, remote(what.community), remote(what.group))
    client.memory.groups.forget()


def _sub_groups(client: Client, what: ListSubGroups) -> SubGroups:
    found = client.do("get_sub_groups", remote(what.community))
    items = [
        SubGroup(
            id=str(jid_of(one.JID)),
            name=one.GroupName.Name,
            default=one.GroupIsDefaultSub.IsDefaultSubGroup,
        )
        for one in found
    ]
    return SubGroups(items=items)


def _members(client: Client, what: ListCommunityParticipants) -> People:
    # The library's own method reads the answer as another message.
    asked = remote(what.community).SerializeToString()
    answer = proto.ReturnFunctionWithError.FromString(
        client.go("GetLinkedGroupsParticipants", asked, len(asked))
    )
    if answer.Error:
        raise LibraryError(answer.Error)
    found = (known_as(client, jid) for jid in answer.GetLinkedGroupsParticipants.JIDS)
    return People(items=[one for one in found if one is not None])


_SEEN = {401: NotInGroup.code, 403: NotInGroup.code, 404: GroupNotFound.code}
_ADMIN = {401: NotGroupAdmin.code, 403: NotGroupAdmin.code, 404: GroupNotFound.code}
_LINK = {401: InviteInvalid.code, 404: InviteInvalid.code, 406: InviteInvalid.code}
_INVITATION = _LINK | {409: AlreadyInGroup.code, 410: InviteExpired.code}

CALLS: Calls = {
    ListGroups: Call(_list),
    GetGroup: Call(_get, _SEEN),
    CreateGroup: Call(_create, _ADMIN),
    UpdateGroup: Call(_update, _ADMIN),
    LeaveGroup: Call(_leave, _SEEN),
    ChangeParticipants: Call(_change, _ADMIN),
    SetGroupPicture: Call(_set_picture, _ADMIN),
    GetInvite: Call(_invite, _ADMIN),
    ResetInvite: Call(_reset_invite, _ADMIN),
    FindInvited: Call(_find_invited, _LINK),
    JoinGroup: Call(_join, _LINK),
    AcceptInvite: Call(_accept, _INVITATION),
    ListJoinRequests: Call(_requests, _ADMIN),
    LinkGroup: Call(_link, _ADMIN),
    ListSubGroups: Call(_sub_groups, _SEEN),
    ListCommunityParticipants: Call(_members, _SEEN),
}
