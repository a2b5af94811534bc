"""Communities: groups that belong together."""

from __future__ import annotations

from workers.sandbox.asker import NOT_ACCEPTABLE, Asker
from workers.sandbox.errors import QueryError
from workers.sandbox.group_news import brief, notify, participant
from workers.sandbox.groups import Group
from workers.sandbox.wire import Node


def links(asker: Asker, request: Node) -> Node:
    """Groups are put into a community."""
    community = asker.own_group
    link = request.find("link")
    for child in link.find_all("group") if link is not None else ():
        group = Asker(asker.network, asker.account, child.jid("jid")).own_group
        if not community.parent or group.community:
            raise QueryError(NOT_ACCEPTABLE, "not-acceptable")
        group.community = community.id
        asker.saved(group)
        _tell_link(asker, "link", community, group)
    return Node("links", content=list(request.children))


def unlink(asker: Asker, request: Node) -> Node:
    """Groups are taken out of it."""
    community = asker.own_group
    for child in request.find_all("group"):
        group = Asker(asker.network, asker.account, child.jid("jid")).own_group
        if group.community != community.id or group.default:
            raise QueryError(NOT_ACCEPTABLE, "not-acceptable")
        group.community = ""
        asker.saved(group)
        _tell_link(asker, "unlink", community, group)
    return Node("unlink", content=list(request.children))


def _tell_link(asker: Asker, tag: str, community: Group, group: Group) -> None:
    """Members of the group hear of their community, members of the community of their group."""
    for reader, other, kind in (
        (group, community, "parent_group"),
        (community, group, "sub_group"),
    ):
        attrs = {f"{tag}_type": kind}
        if tag == "unlink":
            attrs["unlink_reason"] = "unlink_group"
        notify(asker.network, reader, asker.account, [Node(tag, attrs, [brief(other)])])


def sub_groups(asker: Asker, request: Node) -> Node:
    """The groups of a community."""
    return Node("sub_groups", content=[*map(brief, asker.network.groups.within(asker.group))])


def members(asker: Asker, request: Node) -> Node:
    """All who are in any group of a community."""
    community = asker.group
    groups = [community, *asker.network.groups.within(community)]
    ids = dict.fromkeys(id for group in groups for id in group.members)
    found = (asker.network.directory.by_id(id) for id in ids)
    content = [participant(account) for account in found if account is not None]
    return Node("linked_groups_participants", content=content)
