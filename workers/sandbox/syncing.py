"""App state: the settings that a phone shares with its companions, encrypted.

The phone begins with one change, in `critical_block`: the account's push name, which a companion
needs before it may announce its presence. Its address book is in `critical_unblock_low`: to those in
it, a companion sends status posts. What companions change is kept and told to the others; the phone
reads of it only the push name. What the phone itself changes goes the same way (`change`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from workers.sandbox import protos
from workers.sandbox.accounts import Account, Device
from workers.sandbox.attachments import seal
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
_SET, _REMOVE = 0, 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a collection as it shall be; without a value it is removed."""

    index: tuple[str, ...]
    value: Any = None  # SyncActionValue, without its time
    version: int = 1


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


def _value_mac(key: bytes, key_id: bytes, sealed: bytes, operation: int = _SET) -> bytes:
    associated = bytes([operation + 1]) + key_id
    length = len(associated).to_bytes(8, "big")
    return hmac.new(key, associated + sealed + length, hashlib.sha512).digest()[:32]


class _Summary:
    """The summation hash of a collection: the same for the same entries, however they came."""

    def __init__(self, patches: Sequence[bytes]) -> None:
        self._sum, self.records = [0] * 64, dict[bytes, Any]()
        for raw in patches:
            self.apply(protos.sync.SyncdPatch.FromString(raw).mutations)

    def apply(self, mutations: Any) -> None:
        """Take the entries of one more patch in."""
        for mutation in mutations:
            record = mutation.record
            before = self.records.pop(record.index.blob, None)
            if before is not None:
                self._add(before, -1)
            if mutation.operation == _SET:
                self.records[record.index.blob] = record
                self._add(record, 1)

    def _add(self, record: Any, sign: int) -> None:
        mac, info = record.value.blob[-32:], b"WhatsApp Patch Integrity"
        expanded = HKDF(algorithm=SHA256(), length=128, salt=None, info=info).derive(mac)
        lanes = struct.unpack("<64H", expanded)
        self._sum = [
            (old + sign * lane) % 65536 for old, lane in zip(self._sum, lanes, strict=True)
        ]

    @property
    def digest(self) -> bytes:
        """128 bytes."""
        return struct.pack("<64H", *self._sum)

    def mac(self, account: Account, collection: str, version: int) -> bytes:
        """How the phone signs that a version holds this."""
        key = _keys(account.sync_key[1])[3]
        signed = self.digest + _place(collection, version)
        return hmac.new(key, signed, hashlib.sha256).digest()


def _place(collection: str, version: int) -> bytes:
    return version.to_bytes(8, "big") + collection.encode()


def _push_name(account: Account) -> bytes:
    """The `SyncdPatch` that brings critical_block to version 1."""
    value = protos.sync_action.SyncActionValue()
    value.pushNameSetting.name = account.name
    return _sealed(account, PUSH_NAME_COLLECTION, [], [Entry(("setting_pushName",), value)])


def change(network: Network, account: Account, collection: str, entries: Sequence[Entry]) -> None:
    """The phone changes entries; its companions are told."""
    kept = _patches(account, collection)
    kept.append(_sealed(account, collection, kept, entries))
    network.directory.save(account)
    _tell(network, account, collection, len(kept))


def _sealed(
    account: Account, collection: str, kept: Sequence[bytes], entries: Sequence[Entry]
) -> bytes:
    """The `SyncdPatch` that follows those which are kept."""
    key_id, data = account.sync_key
    result = protos.sync.SyncdPatch()
    result.version.version = version = len(kept) + 1
    result.keyID.ID = key_id
    macs = b"".join(_write(result, account, entry) for entry in entries)
    summary = _Summary(kept)
    summary.apply(result.mutations)
    result.snapshotMAC = summary.mac(account, collection, version)
    signed = result.snapshotMAC + macs + _place(collection, version)
    result.patchMAC = hmac.new(_keys(data)[4], signed, hashlib.sha256).digest()
    return bytes(result.SerializeToString())


def _write(result: Any, account: Account, entry: Entry) -> bytes:
    """Add an entry to a patch; its MAC."""
    key_id, data = account.sync_key
    index_key, value_key, value_mac_key, *_ = _keys(data)
    index = orjson.dumps(entry.index)
    action = protos.sync_action.SyncActionData(index=index, padding=b"", version=entry.version)
    if entry.value is not None:
        action.value.CopyFrom(entry.value)
    action.value.timestamp = int(time.time() * 1000)
    operation = _REMOVE if entry.value is None else _SET
    sealed = _encrypt(value_key, action.SerializeToString())
    mac = _value_mac(value_mac_key, key_id, sealed, operation)
    mutation = result.mutations.add(operation=operation)
    mutation.record.index.blob = hmac.new(index_key, index, hashlib.sha256).digest()
    mutation.record.value.blob = sealed + mac
    mutation.record.keyID.ID = key_id
    return mac


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
    if asked.get("return_snapshot") == "true" and len(kept) > 1:
        found = [Node("snapshot", content=_snapshot(connection.network, account, name, kept))]
        return Node("collection", {**attrs, "version": len(kept)}, found)
    found = [Node("patch", content=raw) for raw in kept[known:]]
    content = [Node("patches", content=found)] if found else []
    if change is not None:
        attrs["type"] = "error"
        content.append(Node("error", {"code": 409, "text": "conflict"}))
    return Node("collection", {**attrs, "version": len(kept)}, content)


def _snapshot(network: Network, account: Account, name: str, kept: Sequence[bytes]) -> bytes:
    """Where all entries of the newest version are, without what was replaced or removed."""
    summary, version = _Summary(kept), len(kept)
    made = protos.sync.SyncdSnapshot(mac=summary.mac(account, name, version))
    made.version.version, made.keyID.ID = version, account.sync_key[0]
    made.records.extend(summary.records.values())
    data, key = made.SerializeToString(), os.urandom(32)
    blob = seal(data, key, b"WhatsApp App State Keys")
    found = protos.sync.ExternalBlobReference(mediaKey=key, fileSizeBytes=len(data))
    found.directPath = network.media.put(blob)
    found.fileSHA256, found.fileEncSHA256 = (
        hashlib.sha256(data).digest(),
        hashlib.sha256(blob).digest(),
    )
    return bytes(found.SerializeToString())


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


def _tell(network: Network, account: Account, name: str, version: int, but: int = 0) -> None:
    news = Node("collection", {"name": name, "version": version})
    for device in account.devices:
        if device != but:
            attrs = {"from": account.pn_jid, "type": "server_sync", "id": network.stanza_id()}
            note = Node("notification", {**attrs, "t": int(time.time())}, [news])
            network.deliver(account, device, note)
