"""Control methods of virtual phones' groups: what a person does in a group on the phone."""

from __future__ import annotations

from typing import Any

from workers.sandbox import group_queries, protos
from workers.sandbox import params as p
from workers.sandbox.accounts import Account
from workers.sandbox.asker import Asker
from workers.sandbox.errors import BadRequest, Conflict, NotFound, QueryError
from workers.sandbox.finding import Finder
from workers.sandbox.handlers import Table
from workers.sandbox.network import Network
from workers.sandbox.wire import Jid, Node


class GroupMethods:
    """`group.*`."""

    def __init__(self, network: Network, finder: Finder) -> None:
        self._network, self._find = network, finder
        self.table: Table = {
            "group.create": (p.CreateGroup, self._create),
            "group.get": (p.OneGroup, self._get),
            "group.participants": (p.GroupPeople, self._participants),
            "group.update": (p.GroupChange, self._update),
            "group.leave": (p.OneGroup, self._leave),
            "group.join": (p.JoinGroup, self._join),
            "group.decide": (p.Decide, self._decide),
            "group.accept": (p.OneMessage, self._accept),
        }

    def _accounts(self, tenant: str, named: list[str]) -> list[Account]:
        found = (self._network.directory.find(self._find.address(tenant, one)) for one in named)
        return [account for account in found if account is not None]

    async def _create(self, given: p.CreateGroup) -> dict[str, Any]:
        phone = self._find.online_phone(given)
        members = self._accounts(given.tenant, given.members)
        group = group_queries.create(self._network, phone.account, given.subject, members)
        return {"group": str(group.jid), "subject": group.subject}

    def _order(self, given: p.OneGroup, *requests: Node) -> None:
        """What the phone asks of its group, as its companion would."""
        phone = self._find.online_phone(given)
        target: Jid | None = self._find.address(given.tenant, given.group)
        for request in requests:
            try:
                group_queries.carry_out(Asker(self._network, phone.account, target), request)
            except QueryError as error:
                raise Conflict(f"the network refused with {error.code}") from error

    async def _get(self, given: p.OneGroup) -> dict[str, Any]:
        self._find.phone(given)
        group = self._network.groups.find(self._find.address(given.tenant, given.group))
        if group is None:
            raise NotFound("there is no such group")
        return {
            "group": str(group.jid),
            "subject": group.subject,
            "topic": group.topic,
            "announce": group.announce,
            "locked": group.locked,
            "expiration": group.expiration,
            "approval": group.approval,
            "invite": group.invite,
            "community": group.community,
            "members": group.members,
            "waiting": list(group.waiting),
        }

    async def _participants(self, given: p.GroupPeople) -> dict[str, Any]:
        accounts = self._accounts(given.tenant, given.members)
        people = [Node("participant", {"jid": account.lid_jid}) for account in accounts]
        self._order(given, Node(given.action, content=people))
        group = self._network.groups.find(self._find.address(given.tenant, given.group))
        named = {account.id for account in accounts}
        invited = group.invited.items() if group is not None else ()
        return {
            "invited": [
                {"phone": one.invitee, "code": code, "expiration": one.expiration}
                for code, one in invited
                if one.invitee in named
            ]
        }

    async def _update(self, given: p.GroupChange) -> dict[str, Any]:
        self._order(given, *_changes(given, self._group_topic(given)))
        return {}

    def _group_topic(self, given: p.OneGroup) -> str:
        group = self._network.groups.find(self._find.address(given.tenant, given.group))
        return group.topic_id if group is not None else ""

    async def _leave(self, given: p.OneGroup) -> dict[str, Any]:
        group = self._find.address(given.tenant, given.group)
        self._order(given, Node("leave", content=[Node("group", {"id": group})]))
        return {}

    async def _join(self, given: p.JoinGroup) -> dict[str, Any]:
        phone = self._find.online_phone(given)
        code = given.invite.rpartition("/")[2]
        group = self._network.groups.by_invite(code)
        if group is None or group.tenant != given.tenant:
            raise BadRequest("that is not an invite link")
        asker = Asker(self._network, phone.account, None)
        group_queries.carry_out(asker, Node("invite", {"code": code}))
        return {"group": str(group.jid), "joined": phone.account.id in group.members}

    async def _accept(self, given: p.OneMessage) -> dict[str, Any]:
        """The phone accepts an invitation that it was sent."""
        phone = self._find.online_phone(given)
        letter = next((each for each in phone.inbox if each.id == given.id), None)
        if letter is None or letter.type != "groupInviteMessage":
            raise NotFound("there is no such invitation")
        invite = protos.e2e.Message.FromString(letter.raw).groupInviteMessage
        attrs = {"code": invite.inviteCode, "expiration": invite.inviteExpiration}
        request = Node("accept", {**attrs, "admin": Jid.parse(letter.sender).bare})
        asker = Asker(self._network, phone.account, Jid.parse(invite.groupJID))
        try:
            group_queries.carry_out(asker, request)
        except QueryError as error:
            raise Conflict(f"the network refused with {error.code}") from error
        return {"group": invite.groupJID}

    async def _decide(self, given: p.Decide) -> dict[str, Any]:
        people = self._accounts(given.tenant, given.members)
        named = [Node("participant", {"jid": account.lid_jid}) for account in people]
        decision = Node("approve" if given.approve else "reject", content=named)
        self._order(given, Node("membership_requests_action", content=[decision]))
        return {}


def _changes(given: p.GroupChange, topic_id: str) -> list[Node]:
    """One request for each change that is wanted."""
    wanted = []
    if given.subject is not None:
        wanted.append(Node("subject", content=given.subject.encode()))
    if given.topic is not None:
        body = [Node("body", content=given.topic.encode())] if given.topic else []
        attrs = {"id": f"{given.topic}{topic_id}"[:20] or "1", "prev": topic_id}
        wanted.append(Node("description", attrs, body))
    if given.announce is not None:
        wanted.append(Node("announcement" if given.announce else "not_announcement"))
    if given.locked is not None:
        wanted.append(Node("locked" if given.locked else "unlocked"))
    if given.approval is not None:
        state = Node("group_join", {"state": "on" if given.approval else "off"})
        wanted.append(Node("membership_approval_mode", content=[state]))
    if given.disappearing is not None:
        timer = {"expiration": given.disappearing}
        wanted.append(Node("ephemeral", timer) if given.disappearing else Node("not_ephemeral"))
    return wanted
