"""App state: the settings that a phone shares with its companions, encrypted.

The phone begins with one change, in `critical_block`: the account's push name, which a companion
needs before it may announce its presence. Its address book is in `critical_unblock_low`: to those in
it, a companion sends status posts. What companions change is kept and told to the others;
the phone reads of it only the push name.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from workers.sandbox import protos
from workers.sandbox.accounts import Account, Device
from workers.sandbox.wire import Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network
    from workers.sandbox.phones import Phone

PUSH_NAME_COLLECTION, CONTACTS_COLLECTION = "critical_block", "critical_unblock_low"
COLLECTIONS = (
    PUSH_NAME_COLLECTION,
    CONTACTS_COLLECTION,
    "regular_high",
    "regular",
    "regular_low",
)
_SET = 0


def share_key(phone: Phone, device: Device) -> None:
    """Tells a companion the key of the app state; it fetches all collections then."""
    message = protos.e2e.Message()
    message.protocolMessage.type = protos.e2e.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE
    key_id, data = phone.account.sync_key
    key = message.protocolMessage.appStateSyncKeyShare.keys.add()
    key.keyID.keyID = key_id
    key.keyData.keyData = data
    key.keyData.fingerprint.rawID = phone.account.raw_id
    key.keyData.fingerprint.currentIndex = device.key_index
    key.keyData.fingerprint.deviceIndexes.extend([0, device.key_index])
    key.keyData.timestamp = int(time.time())
    phone.send_peer(device, message)


def peer_request(phone: Phone, message: Any) -> None:
    """A companion asks its phone for something: keys again; the rest is not answered."""
    request = message.protocolMessage
    if not request.HasField("appStateSyncKeyRequest"):
        return
    for device in phone.account.devices.values():
        share_key(phone, device)


def _keys(data: bytes) -> tuple[bytes, ...]:
    """index, value encryption, value MAC, snapshot MAC, patch MAC."""
    info = b"WhatsApp Mutation Keys"
    keys = HKDF(algorithm=SHA256(), length=160, salt=None, info=info).derive(data)
    return tuple(keys[at : at + 32] for at in range(0, 160, 32))


def _encrypt(key: bytes, plaintext: bytes) -> bytes:
    iv, padder = os.urandom(16), PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    padded = padder.update(plaintext) + padder.finalize()
    return iv + cipher.update(padded) + cipher.finalize()


def _value_mac(key: bytes, key_id: bytes, sealed: bytes) -> bytes:
    associated = bytes([_SET + 1]) + key_id
    length = len(associated).to_bytes(8, "big")
    return hmac.new(key, associated + sealed + length, hashlib.sha512).digest()[:32]


def _lt_hash(value_macs: Iterable[bytes]) -> bytes:
    """The summation hash of a collection: its entries' expansions, added up in 16-bit numbers."""
    info, sums = b"WhatsApp Patch Integrity", [0] * 64
    for mac in value_macs:
        expanded = HKDF(algorithm=SHA256(), length=128, salt=None, info=info).derive(mac)
        numbers = struct.unpack("<64H", expanded)
        sums = [(one + more) & 0xFFFF for one, more in zip(sums, numbers, strict=True)]
    return struct.pack("<64H", *sums)


def _entries(kept: Iterable[bytes]) -> dict[bytes, bytes]:
    """A collection's entries after all its patches: MAC of the index to MAC of the value."""
    entries: dict[bytes, bytes] = {}
    for raw in kept:
        for mutation in protos.sync.SyncdPatch.FromString(raw).mutations:
            index = mutation.record.index.blob
            entries.pop(index, None)
            if mutation.operation == _SET:
                entries[index] = mutation.record.value.blob[-32:]
    return entries


def _patch(account: Account, collection: str, kept: list[bytes], action: Any) -> bytes:
    """The `SyncdPatch` by which the phone sets one entry of a collection."""
    key_id, data = account.sync_key
    index_key, value_key, value_mac_key, snapshot_key, patch_key = _keys(data)
    sealed = _encrypt(value_key, action.SerializeToString())
    mac = _value_mac(value_mac_key, key_id, sealed)
    result = protos.sync.SyncdPatch()
    result.version.version = len(kept) + 1
    result.keyID.ID = key_id
    mutation = result.mutations.add(operation=_SET)
    mutation.record.index.blob = hmac.new(index_key, action.index, hashlib.sha256).digest()
    mutation.record.value.blob = sealed + mac
    mutation.record.keyID.ID = key_id
    entries = _entries(kept) | {mutation.record.index.blob: mac}
    name = (len(kept) + 1).to_bytes(8, "big") + collection.encode()
    signed = _lt_hash(entries.values()) + name
    result.snapshotMAC = hmac.new(snapshot_key, signed, hashlib.sha256).digest()
    signed = result.snapshotMAC + mac + name
    result.patchMAC = hmac.new(patch_key, signed, hashlib.sha256).digest()
    return bytes(result.SerializeToString())


def _action(index: list[str], version: int) -> Any:
    action = protos.sync_action.SyncActionData(
        index=orjson.dumps(index), padding=b"", version=version
    )
    action.value.timestamp = int(time.time() * 1000)
    return action


def _push_name(account: Account) -> bytes:
    """The patch that brings critical_block to version 1."""
    action = _action(["setting_pushName"], 1)
    action.value.pushNameSetting.name = account.name
    return _patch(account, PUSH_NAME_COLLECTION, [], action)


def save_contact(network: Network, account: Account, contact: Account, name: str) -> None:
    """The phone's user gives somebody a name in the address book, which companions learn."""
    action = _action(["contact", str(contact.pn_jid)], 2)
    saved = action.value.contactAction
    saved.fullName, saved.firstName = name, name.partition(" ")[0]
    saved.lidJID, saved.saveOnPrimaryAddressbook = str(contact.lid_jid), True
    kept = _patches(account, CONTACTS_COLLECTION)
    kept.append(_patch(account, CONTACTS_COLLECTION, kept, action))
    network.directory.save(account)
    _tell(network, account, CONTACTS_COLLECTION, len(kept))


def answer(connection: Connection, request: Node) -> Node:
    """A companion fetches collections, or changes one that it knows to the end."""
    asked = request.find_all("collection")
    return Node("sync", content=[_collection(connection, each) for each in asked])


def _collection(connection: Connection, asked: Node) -> Node:
    account, device = connection.owner
    name, known = asked.get("name"), int(asked.get("version", "0"))
    if name not in COLLECTIONS:
        refusal = Node("error", {"code": 400, "text": "bad-request"})
        return Node("collection", {"name": name, "type": "error"}, [refusal])
    attrs: dict[str, object] = {"name": name}
    kept, change = _patches(account, name), asked.find("patch")
    if change is not None and known == len(kept):
        _keep(account, kept, change.data)
        connection.network.directory.save(account)
        _tell(connection.network, account, name, len(kept), but=device.id)
        return Node("collection", {**attrs, "version": len(kept)})
    found = [Node("patch", content=raw) for raw in kept[known:]]
    content = [Node("patches", content=found)] if found else []
    if change is not None:
        attrs["type"] = "error"
        content.append(Node("error", {"code": 409, "text": "conflict"}))
    return Node("collection", {**attrs, "version": len(kept)}, content)


def _patches(account: Account, name: str) -> list[bytes]:
    kept = account.patches.setdefault(name, [])
    if name == PUSH_NAME_COLLECTION and not kept:
        kept.append(_push_name(account))
    return kept


def _keep(account: Account, kept: list[bytes], change: bytes) -> None:
    """The server numbers a change; the phone reads a new name from it."""
    numbered = protos.sync.SyncdPatch.FromString(change)
    numbered.version.version = len(kept) + 1
    kept.append(bytes(numbered.SerializeToString()))
    for mutation in numbered.mutations:
        if account.sync_key[0] == mutation.record.keyID.ID:
            action = _opened(account.sync_key[1], mutation.record.value.blob)
            account.name = action.value.pushNameSetting.name or account.name


def _opened(data: bytes, blob: bytes) -> Any:
    key, sealed = _keys(data)[1], blob[:-32]
    cipher = Cipher(algorithms.AES(key), modes.CBC(sealed[:16])).decryptor()
    padded, unpadder = cipher.update(sealed[16:]) + cipher.finalize(), PKCS7(128).unpadder()
    return protos.sync_action.SyncActionData.FromString(
        unpadder.update(padded) + unpadder.finalize()
    )


def _tell(
    network: Network, account: Account, name: str, version: int, but: int | None = None
) -> None:
    news = Node("collection", {"name": name, "version": version})
    for device in account.devices:
        if device != but:
            attrs = {"from": account.pn_jid, "type": "server_sync", "id": network.stanza_id()}
            note = Node("notification", {**attrs, "t": int(time.time())}, [news])
            network.deliver(account, device, note)
