"""What a group looks like on the wire, and how its members hear of changes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from workers.sandbox.accounts import Account
from workers.sandbox.groups import Group
from workers.sandbox.wire import Jid, Node
from workers.sandbox.wire import jid as jids

if TYPE_CHECKING:
    from workers.sandbox.network import Network


def participant(account: Account, **more: str | int) -> Node:
    """A person in an answer or a notification."""
    return Node("participant", {"jid": account.lid_jid, "phone_number": account.pn_jid, **more})


def brief(group: Group) -> Node:
    """A group where only its name is told."""
    about = {"jid": group.jid, "id": group.id, "subject": group.subject}
    children = [Node("default_sub_group")] if group.default else []
    return Node("group", {**about, "s_t": int(group.created_at)}, children)


def describe(network: Network, group: Group, refused: Iterable[Node] = ()) -> Node:
    """The <group> element of answers and notifications."""
    creator = network.directory.by_id(group.creator)
    owner = {"creator": creator.lid_jid, "creator_pn": creator.pn_jid} if creator else {}
    members = ((network.directory.by_id(id), role) for id, role in group.members.items())
    children = [participant(who, type=role) for who, role in members if who is not None]
    children += [*refused, *_topic(group), *_flags(group)]
    created = int(group.created_at)
    about = {"id": group.id, "subject": group.subject, "s_t": created, "creation": created}
    more = {"size": len(group.members), "addressing_mode": "lid", "p_v_id": "1", "a_v_id": "1"}
    return Node("group", {**about, **more, **owner}, children)


def _topic(group: Group) -> list[Node]:
    if not group.topic:
        return []
    attrs = {"id": group.topic_id or "1", "t": str(int(group.created_at))}
    return [Node("description", attrs, [Node("body", content=group.topic.encode())])]


def _flags(group: Group) -> list[Node]:
    flags = {
        "announcement": group.announce,
        "locked": group.locked,
        "membership_approval_mode": group.approval,
        "default_sub_group": group.default,
    }
    found = [Node(tag) for tag, on in flags.items() if on]
    if group.expiration:
        found.append(Node("ephemeral", {"expiration": group.expiration}))
    if group.parent:
        found.append(Node("parent", {"default_membership_approval_mode": "request_required"}))
    if group.community:
        found.append(Node("linked_parent", {"jid": Jid(group.community, jids.GROUP)}))
    return found


def notify(
    network: Network, group: Group, by: Account, children: list[Node], also: Iterable[str] = ()
) -> None:
    """Tells all members' companions, and those of the accounts `also`; their phones know."""
    for id in {**group.members, **dict.fromkeys(also, "")}:
        _tell(network, group, by, id, children)


def welcome(network: Network, group: Group, by: Account, new: Iterable[str], **about: str) -> None:
    """Tells those who are new in a group all of it; `about`: attributes that say why."""
    for id in new:
        _tell(network, group, by, id, [Node("create", about, [describe(network, group)])])


def _tell(network: Network, group: Group, by: Account, id: str, children: list[Node]) -> None:
    member = network.directory.by_id(id)
    if member is None:
        return
    for device in member.devices:
        attrs = {"from": group.jid, "type": "w:gp2", "id": network.stanza_id()}
        attrs |= {"participant": by.lid_jid, "participant_pn": by.pn_jid}
        attrs |= {"t": str(int(time.time())), "notify": by.name, "addressing_mode": "lid"}
        network.deliver(member, device, Node("notification", attrs, children))
