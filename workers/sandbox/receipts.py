"""Receipts: delivered, read, played, and the request to send a message again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.sandbox.accounts import Account
from workers.sandbox.wire import Jid, Node
from workers.sandbox.wire import jid as jids

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network

# These are for the server only.
_CONSUMED = {"sender", "peer_msg", "hist_sync", "server-error"}
_READ = {"read", "played"}


def from_client(connection: Connection, node: Node) -> None:
    """A companion's receipt: confirms, is acknowledged, and passed on to the author."""
    network = connection.network
    account, device = connection.owner
    network.mailbox(account, device.id).confirm("message", node.get("id"))
    attrs = {"class": "receipt", "id": node.get("id"), "from": node.jid("to")}
    attrs |= {"type": node.get("type"), "t": str(int(time.time()))}
    connection.send(Node("ack", attrs))
    submit(network, account, device.id, node)


def ids(node: Node) -> list[str]:
    """All message ids of a receipt."""
    items = node.find("list")
    more = [item.get("id") for item in items.find_all("item")] if items is not None else []
    return [node.get("id"), *more]


def submit(network: Network, reader: Account, device: int, node: Node) -> None:
    """Tells the author's devices; a retry goes to the one device that encrypted."""
    kind, to = node.get("type"), node.jid("to")
    if to is None:
        return
    jid = str(reader.pn_jid.with_device(device))
    for id in ids(node):
        network.judge.acknowledged(id, jid, kind or "delivered")
    if kind in _CONSUMED:
        return
    in_group = to.server in (jids.GROUP, jids.BROADCAST)
    author_jid = (node.jid("participant") if in_group else None) or to
    author = network.directory.find(author_jid)
    if author is None:
        return
    attrs = _address(reader, device, to if in_group else None)
    attrs |= {"id": node.get("id"), "type": kind, "t": int(time.time())}
    if kind == "retry":
        attrs["recipient"] = node.jid("recipient")
        network.deliver(author, author_jid.device, Node("receipt", attrs, node.content))
        return
    if author is not reader:
        _tell_all(network, author, Node("receipt", attrs, node.content))
    if kind in _READ or kind == "read-self":
        _tell_own_devices(network, reader, device, node, to)


def _tell_all(network: Network, author: Account, receipt: Node) -> None:
    for number in (0, *author.devices):
        network.deliver(author, number, Node("receipt", receipt.attrs, receipt.content))


def _address(reader: Account, device: int, group: Jid | None) -> dict[str, Jid | str | int | None]:
    own = reader.lid_jid.with_device(device)
    return {"from": own} if group is None else {"from": group, "participant": own}


def _tell_own_devices(
    network: Network, reader: Account, device: int, node: Node, chat: Jid
) -> None:
    """What was read on one device is read on all of them."""
    if chat.server in (jids.GROUP, jids.BROADCAST):
        where = {"from": chat, "participant": reader.lid_jid.with_device(device)}
    else:
        peer = network.directory.find(chat)
        recipient = peer.lid_jid if peer is not None else chat
        where = {"from": reader.lid_jid.with_device(device), "recipient": recipient}
    attrs = {**where, "id": node.get("id"), "type": "read-self", "t": int(time.time())}
    for number in (0, *reader.devices):
        if number != device:
            network.deliver(reader, number, Node("receipt", attrs, node.content))
