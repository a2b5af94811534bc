"""What can be asked of groups: by companions in queries, and by phones through the control socket."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from workers.sandbox import communities, invitations
from workers.sandbox.accounts import Account
from workers.sandbox.asker import (
    BAD_REQUEST,
    CONFLICT,
    FORBIDDEN,
    NOT_ACCEPTABLE,
    NOT_AUTHORIZED,
    NOT_FOUND,
    Asker,
)
from workers.sandbox.errors import QueryError
from workers.sandbox.group_news import describe, notify, participant, welcome
from workers.sandbox.groups import Group
from workers.sandbox.wire import Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network

log = structlog.get_logger()

NAME_LIMIT = 100
TIMERS = (0, 86_400, 604_800, 7_776_000)


def answer(connection: Connection, request: Node) -> Node | None:
    """What a companion asks of a group; `request` is the query's only child."""
    asker = Asker(
        connection.network,
        connection.owner[0],
        connection.query_target,
        connection.query_type == "set",
    )
    return carry_out(asker, request)


def carry_out(asker: Asker, request: Node) -> Node | None:
    """Does it; raises QueryError."""
    handler = _HANDLERS.get(request.tag)
    if handler is None:
        log.info("sandbox.unknown_query", xmlns="w:g2", stanza=request.shape())
        return None
    return handler(asker, request)


# --- making, reading, leaving


def create(network: Network, creator: Account, subject: str, members: list[Account]) -> Group:
    """Makes a group and tells its members."""
    group = network.groups.create(creator, subject[:NAME_LIMIT], members)
    welcome(network, group, creator, group.members, type="new")
    return group


def _create(asker: Asker, request: Node) -> Node:
    network, subject = asker.network, request.get("subject")
    group = network.groups.create(asker.account, subject[:NAME_LIMIT], [])
    members, refused = _sorted_out(asker, group, request)
    group.members |= dict.fromkeys((member.id for member in members), "")
    within, approval = request.find("linked_parent"), request.find("membership_approval_mode")
    group.parent = request.find("parent") is not None
    if within is not None:
        parent = Asker(network, asker.account, within.jid("jid")).own_group
        group.community = parent.id
    state = approval.find("group_join") if approval is not None else None
    group.approval = state is not None and state.get("state") == "on"
    network.groups.save(group)
    if group.parent:
        _announcement_group(asker, group)
    welcome(network, group, asker.account, group.members, type="new")
    return describe(network, group, refused)


def _announcement_group(asker: Asker, community: Group) -> None:
    """Every community has one: all its members are in it, and only admins write."""
    groups = asker.network.groups
    hall = groups.create(asker.account, community.subject, [])
    hall.members |= community.members
    hall.community, hall.default, hall.announce = community.id, True, True
    asker.saved(hall)


def _query(asker: Asker, request: Node) -> Node:
    return describe(asker.network, asker.group)


def _participating(asker: Asker, request: Node) -> Node:
    network = asker.network
    found = [describe(network, group) for group in network.groups.of(asker.account)]
    return Node("groups", content=found)


def _leave(asker: Asker, request: Node) -> Node:
    network, account = asker.network, asker.account
    for child in request.find_all("group"):
        group = Asker(network, account, child.jid("id")).group
        left = Node("remove", content=[participant(account)])
        notify(network, group, account, [left])
        group.members.pop(account.id, None)
        network.groups.save(group)
    return Node("leave", content=list(request.find_all("group")))


# --- members


def _sorted_out(asker: Asker, group: Group, request: Node) -> tuple[list[Account], list[Node]]:
    """Those who can be added, and answers for those who cannot."""
    members, refused = [], []
    for child in request.find_all("participant"):
        jid = child.jid("jid")
        account = asker.network.directory.find(jid)
        if account is None:
            refused.append(Node("participant", {"jid": jid, "error": NOT_FOUND}))
        elif account.id in group.members:
            if account is not asker.account:
                refused.append(participant(account, error=CONFLICT))
        elif account.privacy.get("groupadd", "all") != "all":
            refused.append(participant(account, error=FORBIDDEN))
            code = invitations.invite(group.invited, account, asker.account)
            refused[-1].content = [Node("add_request", code)]
        else:
            members.append(account)
    return members, refused


def _add(asker: Asker, request: Node) -> Node:
    group = asker.own_group
    members, refused = _sorted_out(asker, group, request)
    _let_in(asker, group, members)
    asker.saved(group)
    return Node("add", content=[*map(participant, members), *refused])


def _let_in(asker: Asker, group: Group, members: list[Account], reason: str = "") -> None:
    """New members, who are told all; those who were there hear only who came."""
    if not members:
        return
    news = Node("add", {"reason": reason}, [*map(participant, members)])
    notify(asker.network, group, asker.account, [news])
    for member in members:
        group.members[member.id] = ""
        group.waiting.pop(member.id, None)
    asker.saved(group)
    new = [member.id for member in members]
    welcome(asker.network, group, asker.account, new, reason=reason)


def _change_members(asker: Asker, request: Node) -> Node:
    """Removes, promotes or demotes."""
    group, results, changed = asker.own_group, [], []
    for child in request.find_all("participant"):
        jid = child.jid("jid")
        account = asker.network.directory.find(jid)
        if account is None or account.id not in group.members:
            code = NOT_FOUND if account is None else NOT_ACCEPTABLE
            results.append(Node("participant", {"jid": jid, "error": code}))
            continue
        _apply(group, account, request.tag)
        changed.append(account)
        results.append(participant(account))
    asker.network.groups.save(group)
    if changed:
        news = Node(request.tag, content=[*map(participant, changed)])
        notify(asker.network, group, asker.account, [news], (one.id for one in changed))
    return Node(request.tag, content=results)


def _apply(group: Group, member: Account, action: str) -> None:
    if action == "remove":
        group.members.pop(member.id, None)
    else:
        group.members[member.id] = "admin" if action == "promote" else ""


# --- settings


def _settable(asker: Asker) -> Group:
    return asker.own_group if asker.group.locked else asker.group


def _subject(asker: Asker, request: Node) -> None:
    group = _settable(asker)
    group.subject = request.data.decode(errors="replace")[:NAME_LIMIT]
    asker.saved(group, Node("subject", {"subject": group.subject, "s_t": int(time.time())}))


def _description(asker: Asker, request: Node) -> None:
    group, body = _settable(asker), request.find("body")
    if request.get("prev") != group.topic_id:
        raise QueryError(CONFLICT, "conflict")
    group.topic = body.data.decode(errors="replace") if body else ""
    group.topic_id = request.get("id") if body else ""
    content = [body] if body else [Node("delete")]
    asker.saved(group, Node("description", {"id": request.get("id")}, content))


def _announcement(asker: Asker, request: Node) -> None:
    group = asker.own_group
    group.announce = request.tag == "announcement"
    asker.saved(group, Node(request.tag, {"v_id": int(time.time())}))


def _locked(asker: Asker, request: Node) -> None:
    group = asker.own_group
    group.locked = request.tag == "locked"
    asker.saved(group, Node(request.tag))


def _ephemeral(asker: Asker, request: Node) -> None:
    group, timer = _settable(asker), int(request.get("expiration", "0"))
    if timer not in TIMERS:
        raise QueryError(BAD_REQUEST, "bad-request")
    group.expiration = timer
    asker.saved(group, Node(request.tag, {"expiration": timer or None}))


def _approval(asker: Asker, request: Node) -> None:
    group, state = asker.own_group, request.find("group_join")
    group.approval = state is not None and state.get("state") == "on"
    asker.saved(group)


# --- invite links


def _invite(asker: Asker, request: Node) -> Node:
    code = request.get("code")
    if not code:
        return _own_invite(asker)
    group = asker.network.groups.by_invite(code)
    if group is None:
        raise QueryError(NOT_ACCEPTABLE, "not-acceptable")
    if not asker.changes:
        return describe(asker.network, group)
    if group.approval and asker.account.id not in group.members:
        group.waiting.setdefault(asker.account.id, time.time())
        asker.saved(group)
        return Node("membership_approval_request", {"jid": group.jid})
    if asker.account.id not in group.members:
        _let_in(asker, group, [asker.account], "invite")
    return Node("group", {"jid": group.jid})


def _accept(asker: Asker, request: Node) -> Node:
    """Somebody accepts an invitation that an admin sent."""
    network, account = asker.network, asker.account
    group, code = network.groups.find(asker.target), request.get("code")
    if group is None:
        raise QueryError(NOT_FOUND, "item-not-found")
    if account.id in group.members:
        raise QueryError(CONFLICT, "conflict")
    inviter = network.directory.find(request.jid("admin"))
    if invitations.find(group.invited, code, account, inviter) is None:
        raise QueryError(NOT_ACCEPTABLE, "not-acceptable")
    del group.invited[code]
    _let_in(asker, group, [account], "invite")
    return Node("accept", {"jid": group.jid})


def _own_invite(asker: Asker) -> Node:
    group = asker.group
    if not group.is_admin(asker.account):
        raise QueryError(NOT_AUTHORIZED, "not-authorized")
    if asker.changes:
        group.invite = secrets.token_urlsafe(16)
        asker.saved(group, Node("invite", {"code": group.invite}))
    return Node("invite", {"code": group.invite})


def _waiting(asker: Asker, request: Node) -> Node:
    found = []
    for id, since in asker.own_group.waiting.items():
        account = asker.network.directory.by_id(id)
        if account is not None:
            attrs = {"jid": account.lid_jid, "request_time": int(since)}
            found.append(Node("membership_approval_request", attrs))
    return Node("membership_approval_requests", content=found)


def _decide(asker: Asker, request: Node) -> Node:
    group, results = asker.own_group, []
    for decision in request.children:
        named = [child.jid("jid") for child in decision.find_all("participant")]
        people = [one for jid in named if (one := asker.network.directory.find(jid)) is not None]
        people = [one for one in people if group.waiting.pop(one.id, None) is not None]
        if decision.tag == "approve":
            _let_in(asker, group, people)
        asker.saved(group)
        results.append(Node(decision.tag, content=[*map(participant, people)]))
    return Node("membership_requests_action", content=results)


_HANDLERS: dict[str, Callable[[Asker, Node], Node | None]] = {
    "create": _create,
    "query": _query,
    "participating": _participating,
    "leave": _leave,
    "add": _add,
    **dict.fromkeys(("remove", "promote", "demote"), _change_members),
    "subject": _subject,
    "description": _description,
    **dict.fromkeys(("announcement", "not_announcement"), _announcement),
    **dict.fromkeys(("locked", "unlocked"), _locked),
    **dict.fromkeys(("ephemeral", "not_ephemeral"), _ephemeral),
    "membership_approval_mode": _approval,
    "invite": _invite,
    "accept": _accept,
    "membership_approval_requests": _waiting,
    "membership_requests_action": _decide,
    "links": communities.links,
    "unlink": communities.unlink,
    "sub_groups": communities.sub_groups,
    "linked_groups_participants": communities.members,
}
