"""App state: the settings that a phone shares with its companions, encrypted.

The phone begins with one change, in `critical_block`: the account's push name, which a companion
needs before it may announce its presence. What companions change is kept and told to the others;
the phone reads of it only the push name.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
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
    from workers.sandbox.phones import Phone

PUSH_NAME_COLLECTION = "critical_block"
COLLECTIONS = (
    PUSH_NAME_COLLECTION,
    "critical_unblock_low",
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


def _lt_hash(value_mac: bytes) -> bytes:
    """The summation hash of one entry, which is its own expansion."""
    info = b"WhatsApp Patch Integrity"
    return HKDF(algorithm=SHA256(), length=128, salt=None, info=info).derive(value_mac)


def patch(account: Account) -> bytes:
    """The `SyncdPatch` that brings critical_block to version 1."""
    key_id, data = account.sync_key
    index_key, value_key, value_mac_key, snapshot_key, patch_key = _keys(data)
    index = orjson.dumps(["setting_pushName"])
    action = protos.sync_action.SyncActionData(index=index, padding=b"", version=1)
    action.value.timestamp = int(time.time() * 1000)
    action.value.pushNameSetting.name = account.name
    sealed = _encrypt(value_key, action.SerializeToString())
    mac = _value_mac(value_mac_key, key_id, sealed)
    result = protos.sync.SyncdPatch()
    result.version.version = 1
    result.keyID.ID = key_id
    mutation = result.mutations.add(operation=_SET)
    mutation.record.index.blob = hmac.new(index_key, index, hashlib.sha256).digest()
    mutation.record.value.blob = sealed + mac
    mutation.record.keyID.ID = key_id
    name = (1).to_bytes(8, "big") + PUSH_NAME_COLLECTION.encode()
    result.snapshotMAC = hmac.new(snapshot_key, _lt_hash(mac) + name, hashlib.sha256).digest()
    signed = result.snapshotMAC + mac + name
    result.patchMAC = hmac.new(patch_key, signed, hashlib.sha256).digest()
    return bytes(result.SerializeToString())


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
        _tell(connection, name, len(kept), but=device.id)
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
        kept.append(patch(account))
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


def _tell(connection: Connection, name: str, version: int, but: int) -> None:
    account, network = connection.owner[0], connection.network
    news = Node("collection", {"name": name, "version": version})
    for device in account.devices:
        if device != but:
            attrs = {"from": account.pn_jid, "type": "server_sync", "id": network.stanza_id()}
            note = Node("notification", {**attrs, "t": int(time.time())}, [news])
            network.deliver(account, device, note)
