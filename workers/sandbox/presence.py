"""Who is online, and who types."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.sandbox.accounts import Account
from workers.sandbox.wire import Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network


class Watchers:
    """Which devices asked to hear of an account's presence: account id -> connections."""

    def __init__(self) -> None:
        self._watching: dict[str, set[Connection]] = {}

    def add(self, account: Account, connection: Connection) -> None:
        """A connection wants to hear of an account's presence."""
        self._watching.setdefault(account.id, set()).add(connection)

    def of(self, account: Account) -> list[Connection]:
        """Those that are still connected."""
        known = self._watching.get(account.id, set())
        gone = {connection for connection in known if connection.closing}
        known -= gone
        return list(known)


def from_client(connection: Connection, node: Node) -> None:
    """A companion announces its presence, or asks for somebody's."""
    network, (account, _) = connection.network, connection.owner
    if node.get("type") == "subscribe":
        target = network.directory.find(node.jid("to"))
        if target is not None:
            network.watchers.add(target, connection)
            connection.send(_presence(target, network.is_available(target)))
        return
    connection.available = node.get("type") == "available"
    name = node.get("name")
    if name and name != account.name:
        account.name = name
        network.directory.save(account)
    changed(network, account, available=network.is_available(account))


def changed(network: Network, account: Account, *, available: bool) -> None:
    """Tells those who asked."""
    if not available:
        network.last_seen[account.id] = int(time.time())
    node = _presence(account, available, network.last_seen.get(account.id))
    for watcher in network.watchers.of(account):
        watcher.send(node)
    network.phones.saw_presence(account, available)


def _presence(account: Account, available: bool, last: int | None = None) -> Node:
    if available:
        return Node("presence", {"from": account.lid_jid, "type": "available"})
    last_seen = str(last) if last else "deny"
    attrs = {"from": account.lid_jid, "type": "unavailable", "last": last_seen}
    return Node("presence", attrs)


def typing_from_client(connection: Connection, node: Node) -> None:
    """A companion types in a chat."""
    typing(connection.network, connection.owner[0], node)


def typing(network: Network, sender: Account, node: Node) -> None:
    """Passes a chat state on to everybody in the chat who is there; nothing is kept.

    As in the real network, only devices that announced themselves as available hear it.
    """
    chat = node.jid("to")
    group = network.groups.find(chat)
    if group is not None:
        members = [network.directory.by_id(id) for id in group.members]
        attrs = {"from": group.jid, "participant": sender.lid_jid}
    else:
        members = [network.directory.find(chat)]
        attrs = {"from": sender.lid_jid}
    for member in members:
        if member is None or member.id == sender.id:
            continue
        passed = Node("chatstate", attrs, node.children)
        network.phones.saw_typing(member, passed)
        for device in member.devices:
            connection = network.live(member, device)
            if connection is not None and connection.available:
                connection.send(passed)
