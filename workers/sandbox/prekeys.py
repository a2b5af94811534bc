"""Prekeys: uploaded by companions, handed out one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.sandbox.accounts import Account, Device
from workers.sandbox.signal import PreKeyBundle, SignalStore
from workers.sandbox.wire import Jid, Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network

LOW, LIMIT = 5, 5_000


def _key(tag: str, id: bytes, value: bytes, signature: bytes | None = None) -> Node:
    children = [Node("id", content=id), Node("value", content=value)]
    if signature is not None:
        children.append(Node("signature", content=signature))
    return Node(tag, content=children)


def bundle_of(signal: SignalStore, prekey: tuple[int, bytes] | None = None) -> list[Node]:
    """A phone's own bundle; without a one-time prekey unless one is given."""
    signed = signal.signed_prekey
    nodes = [
        Node("registration", content=signal.registration_id.to_bytes(4, "big")),
        Node("type", content=b"\x05"),
        Node("identity", content=signal.identity.public),
        _key("skey", signed.id.to_bytes(3, "big"), signed.pair.public, signed.signature),
    ]
    if prekey is not None:
        nodes.insert(3, _key("key", prekey[0].to_bytes(3, "big"), prekey[1]))
    return nodes


def _take(network: Network, account: Account, device: Device) -> tuple[bytes, bytes] | None:
    prekey = device.take_prekey()
    network.directory.save(account)
    if device.prekey_count == LOW - 1:
        _ask_for_more(network, account, device)
    return prekey


def _ask_for_more(network: Network, account: Account, device: Device) -> None:
    attrs = {"from": Jid("", "s.whatsapp.net"), "type": "encrypt", "id": network.stanza_id()}
    count = Node("count", {"value": device.prekey_count})
    network.deliver(account, device.id, Node("notification", attrs, [count]))


def handed_out(network: Network, jid: Jid) -> list[Node] | None:
    """The bundle of any device as it is answered to a client; None if there is no such device."""
    account = network.directory.find(jid)
    if account is None:
        return None
    if jid.device == 0:
        return bundle_of(network.phones.get(account).signal)
    device = account.devices.get(jid.device)
    if device is None:
        return None
    prekey = _take(network, account, device)
    nodes = [
        Node("registration", content=device.registration),
        Node("type", content=b"\x05"),
        Node("identity", content=device.identity),
    ]
    if prekey is not None:
        nodes.append(_key("key", *prekey))
    nodes.append(_key("skey", *device.signed_prekey))
    return nodes


def for_phone(network: Network, jid: Jid) -> PreKeyBundle | None:
    """The bundle of any device, for a phone of the sandbox."""
    account = network.directory.find(jid)
    if account is None:
        return None
    if jid.device == 0:
        return network.phones.get(account).signal.bundle(0)
    device = account.devices.get(jid.device)
    if device is None:
        return None
    prekey = _take(network, account, device)
    id, value, signature = device.signed_prekey
    return PreKeyBundle(
        registration_id=int.from_bytes(device.registration, "big"),
        device_id=device.id,
        identity=device.identity,
        signed_prekey_id=int.from_bytes(id, "big"),
        signed_prekey=value,
        signed_prekey_signature=signature,
        prekey_id=int.from_bytes(prekey[0], "big") if prekey else None,
        prekey=prekey[1] if prekey else None,
    )


def _parts(node: Node) -> tuple[bytes, bytes, bytes]:
    found = [node.find(tag) for tag in ("id", "value", "signature")]
    id, value, signature = (part.data if part else b"" for part in found)
    if len(id) != 3 or len(value) != 32:
        raise ValueError("a prekey of a wrong size")
    return id, value, signature


def upload(connection: Connection, request: Node) -> bool:
    """Takes in a companion's prekeys; False when they are malformed."""
    account, device = connection.owner
    listed, signed = request.find("list"), request.find("skey")
    try:
        keys = b"".join(b"".join(_parts(key)[:2]) for key in (listed.children if listed else []))
        if signed is not None:
            device.signed_prekey = _parts(signed)
    except ValueError:
        return False
    device.prekeys = (device.prekeys + keys)[: LIMIT * 35]
    connection.network.directory.save(account)
    return True
