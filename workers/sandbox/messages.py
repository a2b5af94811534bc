"""Messages: from a device to all the devices that they were encrypted for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from workers.sandbox import newsletter_queries
from workers.sandbox.accounts import Account, participant_hash
from workers.sandbox.faults import RESTRICTED
from workers.sandbox.wire import Jid, Node
from workers.sandbox.wire import jid as jids

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network

log = structlog.get_logger()

UNKNOWN_RECIPIENT, NOT_IN_GROUP = 404, 403
_PASSED_ON = ("meta", "biz", "bot", "reporting")
_COPIED = ("type", "edit", "category")


def from_client(connection: Connection, node: Node) -> None:
    """A companion's message: recorded, acknowledged, delivered."""
    network = connection.network
    account, device = connection.owner
    to = node.jid("to")
    sender = account.pn_jid.with_device(device.id)
    kind = "retry" if node.get("device_fanout") == "false" or _is_retry(node) else "message"
    if node.get("category") == "peer":
        kind = "peer"
    arrival = network.judge.arrived(
        account.tenant, account.id, str(sender), str(to), node.get("id"), kind
    )
    arrival.refused, phash = _refusal(network, account, device.id, to), ""
    if not arrival.refused:
        arrival.refused, phash = submit(network, account, device.id, node)
    attrs = {"class": "message", "id": node.get("id"), "from": to, "t": int(time.time())}
    if node.get("participant"):
        attrs["participant"] = node.jid("participant")
    error = {"error": arrival.refused or None, "phash": phash}
    connection.send(Node("ack", {**attrs, **error}))


def _refusal(network: Network, account: Account, device: int, to: Jid | None) -> int:
    """The error of a device whose sends are refused. As in the real network, a restriction (463)
    is about new contacts: who has written to the account is answered.
    """
    fault = network.faults.find(account.id, device)
    if fault is None or not fault.refuse_sends:
        return 0
    if fault.refuse_sends != RESTRICTED:
        return fault.refuse_sends
    recipient = None if to is None else network.directory.find(to)
    known = recipient is not None and (recipient.id, account.id) in network.wrote
    return 0 if known else RESTRICTED


def _is_retry(node: Node) -> bool:
    enc = node.find("enc")
    return enc is not None and "count" in enc.attrs


def submit(network: Network, sender: Account, device: int, node: Node) -> tuple[int, str]:
    """Delivers a message; returns the error code (0: none) and, when the sender's idea of the
    participants' devices is out of date, the hash of the right ones."""
    to = node.jid("to")
    if to is None:
        return UNKNOWN_RECIPIENT, ""
    if to.server == jids.GROUP:
        return _to_group(network, sender, device, node, to)
    if to.server == jids.NEWSLETTER:
        return newsletter_queries.submit(network, sender, device, node, to), ""
    if to.server == jids.BROADCAST:
        return _to_status(network, sender, device, node, to)
    return _direct(network, sender, device, node, to)


def _envelope(sender: Account, node: Node) -> dict[str, str | Jid | int | None]:
    attrs: dict[str, str | Jid | int | None] = {
        "id": node.get("id"),
        "t": int(time.time()),
        "notify": sender.name,
    }
    attrs |= {key: node.attrs[key] for key in _COPIED if key in node.attrs}
    return attrs


def _content(node: Node, encs: list[Node]) -> list[Node]:
    children = list(encs)
    if any(enc.get("type") == "pkmsg" for enc in encs):
        children += node.find_all("device-identity")
    return children + [child for child in node.children if child.tag in _PASSED_ON]


def _targets(node: Node, to: Jid) -> list[tuple[Jid, list[Node]]]:
    """Which device gets which ciphertexts."""
    participants = node.find("participants")
    if participants is None:
        return [(to, list(node.find_all("enc")))]
    return [
        (jid, list(child.find_all("enc")))
        for child in participants.find_all("to")
        if (jid := child.jid("jid")) is not None
    ]


def _direct(network: Network, sender: Account, device: int, node: Node, to: Jid) -> tuple[int, str]:
    recipient = network.directory.find(to)
    if recipient is None:
        return UNKNOWN_RECIPIENT, ""
    network.wrote.add((sender.id, recipient.id))
    author = sender.lid_jid.with_device(device)
    seen: set[tuple[str, int]] = {(sender.id, device)}
    for target, encs in _targets(node, to):
        owner = network.directory.find(target)
        if owner is None or not encs or (owner is not recipient and owner is not sender):
            continue
        seen.add((owner.id, target.device))
        attrs = _envelope(sender, node)
        attrs["from"] = author
        if owner is sender:
            chat = node.jid("recipient") or to
            peer = network.directory.find(chat) or recipient
            if node.get("category") != "peer":
                attrs |= {"recipient": peer.lid_jid, "peer_recipient_pn": peer.pn_jid}
        else:
            attrs["sender_pn"] = sender.pn_jid
        network.deliver(owner, target.device, Node("message", attrs, _content(node, encs)))
    if node.find("participants") is None:
        return 0, ""
    return 0, _stale(sender, [recipient, sender], seen)


def _stale(sender: Account, accounts: list[Account], seen: set[tuple[str, int]]) -> str:
    everybody = {(a.id, number) for a in accounts for number in (0, *a.devices)}
    if everybody <= seen:
        return ""
    unique = {account.id: account for account in accounts}.values()
    return participant_hash([jid for account in unique for jid in account.device_jids()])


def _to_group(
    network: Network, sender: Account, device: int, node: Node, to: Jid
) -> tuple[int, str]:
    group = network.groups.find(to)
    if group is None:
        return UNKNOWN_RECIPIENT, ""
    if sender.id not in group.members or (group.announce and not group.is_admin(sender)):
        return NOT_IN_GROUP, ""
    only = node.jid("participant")
    members = [a for id in group.members if (a := network.directory.by_id(id)) is not None]
    _fan_out(network, sender, device, node, to, members, only)
    sent_hash = node.get("phash")
    if only is not None or not sent_hash:
        return 0, ""
    right = participant_hash([jid for member in members for jid in member.device_jids()])
    return 0, right if right != sent_hash else ""


def _to_status(
    network: Network, sender: Account, device: int, node: Node, to: Jid
) -> tuple[int, str]:
    only = node.jid("participant")  # somebody who could not read it gets it again
    wanted = [jid for jid, _ in _targets(node, to)] if only is None else [only]
    named = (network.directory.find(jid) for jid in wanted)
    members = {account.id: account for account in named if account is not None}
    if only is None:
        members[sender.id] = sender
    _fan_out(network, sender, device, node, to, list(members.values()), only)
    return 0, ""


def _fan_out(
    network: Network,
    sender: Account,
    device: int,
    node: Node,
    chat: Jid,
    members: list[Account],
    only: Jid | None,
) -> None:
    common = list(node.find_all("enc"))
    own: dict[tuple[str, int], list[Node]] = {}
    if only is None:
        for jid, encs in _targets(node, chat):
            owner = network.directory.find(jid)
            if owner is not None:
                own[(owner.id, jid.device)] = encs
    author = sender.lid_jid.with_device(device)
    for member in members:
        for number in (0, *member.devices):
            if (member is sender and number == device) or _skips(network, only, member, number):
                continue
            encs = own.get((member.id, number), []) + common
            attrs = _envelope(sender, node)
            attrs |= {"from": chat, "participant": author, "participant_pn": sender.pn_jid}
            attrs["addressing_mode"] = "lid"
            network.deliver(member, number, Node("message", attrs, _content(node, encs)))


def _skips(network: Network, only: Jid | None, member: Account, number: int) -> bool:
    if only is None:
        return False
    return network.directory.find(only) is not member or only.device != number
