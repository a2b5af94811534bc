"""Who asks something of a group, and whether he may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.sandbox.accounts import Account
from workers.sandbox.errors import QueryError
from workers.sandbox.group_news import notify
from workers.sandbox.groups import Group
from workers.sandbox.wire import Jid, Node

if TYPE_CHECKING:
    from workers.sandbox.network import Network

BAD_REQUEST, NOT_AUTHORIZED, FORBIDDEN = 400, 401, 403
NOT_FOUND, NOT_ACCEPTABLE, CONFLICT = 404, 406, 409


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for something, of which group, and whether to change it."""

    network: Network
    account: Account
    target: Jid | None
    changes: bool = True

    @property
    def group(self) -> Group:
        """The group; QueryError unless the asker is a member."""
        group = self.network.groups.find(self.target)
        if group is None:
            raise QueryError(NOT_FOUND, "item-not-found")
        if self.account.id not in group.members:
            raise QueryError(FORBIDDEN, "forbidden")
        return group

    @property
    def own_group(self) -> Group:
        """The group; QueryError unless the asker is an admin of it."""
        group = self.group
        if not group.is_admin(self.account):
            raise QueryError(FORBIDDEN, "forbidden")
        return group

    def saved(self, group: Group, *news: Node) -> None:
        """The group was changed: keeps it, and tells its members."""
        self.network.groups.save(group)
        if news:
            notify(self.network, group, self.account, list(news))
