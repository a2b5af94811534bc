"""Groups: who is in them and what they are called."""

from __future__ import annotations

import secrets
import time

import msgspec

from workers.sandbox.accounts import Account
from workers.sandbox.invitations import Invitation
from workers.sandbox.state import State
from workers.sandbox.wire import jid as jids
from workers.sandbox.wire.jid import Jid

KIND = "group"


class Group(msgspec.Struct):
    """`members` maps account ids to "", "admin" or "superadmin"; `waiting` account ids to when
    they asked to be let in. `community` is the id of the parent group, for one of a community."""

    id: str
    tenant: str
    subject: str
    creator: str
    created_at: float
    members: dict[str, str]
    topic: str = ""
    topic_id: str = ""
    locked: bool = False
    announce: bool = False
    expiration: int = 0
    picture: tuple[str, str] | None = None  # id, path at the media host
    invite: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(16))
    parent: bool = False
    community: str = ""
    default: bool = False
    approval: bool = False
    waiting: dict[str, float] = {}
    invited: dict[str, Invitation] = {}  # by code

    @property
    def jid(self) -> Jid:
        """Its address."""
        return Jid(self.id, jids.GROUP)

    def is_admin(self, account: Account) -> bool:
        """Whether the account may change it."""
        return self.members.get(account.id, "") in ("admin", "superadmin")


class Groups:
    """All groups; changes are saved."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._groups: dict[str, Group] = {}
        for _, row in state.load(KIND):
            group = msgspec.msgpack.decode(row, type=Group)
            self._groups[group.id] = group

    def create(self, creator: Account, subject: str, members: list[Account]) -> Group:
        """A new group; the creator is its superadmin."""
        roles = {member.id: "" for member in members} | {creator.id: "superadmin"}
        id = "120363" + str(secrets.randbelow(9 * 10**11) + 10**11)
        group = Group(id, creator.tenant, subject, creator.id, time.time(), roles)
        self._groups[id] = group
        self.save(group)
        return group

    def save(self, group: Group) -> None:
        """Keeps the group as it is now."""
        self._state.put(KIND, group.id, lambda: msgspec.msgpack.encode(group))

    def find(self, jid: Jid | None) -> Group | None:
        """The group of an address."""
        return self._groups.get(jid.user) if jid is not None and jid.server == jids.GROUP else None

    def by_invite(self, code: str) -> Group | None:
        """The group of an invite code."""
        return next((g for g in self._groups.values() if g.invite == code), None)

    def of(self, account: Account) -> list[Group]:
        """The groups that an account is in."""
        return [group for group in self._groups.values() if account.id in group.members]

    def within(self, community: Group) -> list[Group]:
        """The groups of a community, its announcement group first."""
        found = [group for group in self._groups.values() if group.community == community.id]
        return sorted(found, key=lambda group: not group.default)

    def forget(self, account: Account) -> None:
        """An account that is deleted leaves all its groups."""
        for group in self.of(account):
            del group.members[account.id]
            self.save(group)
