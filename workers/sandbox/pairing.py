"""Linking a companion to a phone, by QR code or by an 8-character code."""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import hmac
import os
import secrets
import time
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from workers.sandbox import faults, protos
from workers.sandbox.accounts import Account, Device
from workers.sandbox.errors import NotFound, PairingFailed, Refused
from workers.sandbox.noise import agree, public_of
from workers.sandbox.signal import sign, verify
from workers.sandbox.wire import Jid, Node
from workers.sandbox.wire.jid import SERVER

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network

log = structlog.get_logger()

REFS = 6
# The first code is shown for 60 s, the five others for 20 s each.
OFFER_SECONDS = 160.0
ANSWER_SECONDS = 30.0
PBKDF2_ROUNDS = 131_072


@dataclass(slots=True)
class CodePairing:
    """A companion that asked to be linked by code, waiting for the phone."""

    connection: Connection
    ref: bytes
    wrapped: bytes  # 32 bytes salt, 16 bytes IV, 32 bytes encrypted public key
    finished: asyncio.Future[Node]


def offer(connection: Connection) -> None:
    """Sends the references that the client makes QR codes of."""
    refs = [f"2@{secrets.token_urlsafe(32)}" for _ in range(REFS)]
    for ref in refs:
        connection.network.refs[ref] = connection
    children = [Node("ref", content=ref.encode()) for ref in refs]
    attrs = {"type": "set", "xmlns": "md", "from": SERVER, "id": connection.network.stanza_id()}
    connection.send(Node("iq", attrs, [Node("pair-device", content=children)]))
    loop = asyncio.get_running_loop()
    loop.call_later(OFFER_SECONDS, _expire, connection)


def _expire(connection: Connection) -> None:
    if connection.account is None and not connection.closing:
        connection.finish(None, "qr_expired")


def withdraw(connection: Connection) -> None:
    """Forgets what a closing connection had offered."""
    network = connection.network
    if connection.payload is None or connection.device is not None:
        return
    for ref in [r for r, c in network.refs.items() if c is connection]:
        del network.refs[ref]
    for number in [n for n, p in network.codes.items() if p.connection is connection]:
        network.codes.pop(number).finished.cancel()


async def scan(network: Network, account: Account, code: str) -> Jid:
    """The phone scans a QR code; returns the new device's address."""
    parts = code.rpartition("#")[2].split(",")
    if len(parts) < 4:
        raise PairingFailed("that is not the text of a QR code")
    connection = network.refs.get(parts[0])
    if connection is None or connection.closing:
        raise PairingFailed("the code is unknown or has expired")
    try:
        noise, identity, secret = (b64decode(part, validate=True) for part in parts[1:4])
    except binascii.Error as error:
        raise PairingFailed("the code holds something that is not base64") from error
    data = connection.payload.devicePairingData
    if noise != connection.client_static or identity != data.eIdent:
        raise PairingFailed("the code's keys are not those of the client that asked for it")
    return await _link(network, account, connection, secret)


async def _link(network: Network, account: Account, connection: Connection, secret: bytes) -> Jid:
    refused = network.faults.refused_pairings.get(account.id, 0)
    if refused:
        network.faults.refused_pairings[account.id] = refused - 1
        secret = os.urandom(32)
    number = account.next_device
    details = protos.adv.ADVDeviceIdentity(
        rawID=account.raw_id, timestamp=int(time.time()), keyIndex=number
    ).SerializeToString()
    answer = await _pair_success(network, account, connection, number, details, secret)
    if answer.get("type") != "result":
        if refused:
            raise Refused("the phone refused to link the device, as it was told to")
        raise PairingFailed("the client did not accept the phone's signature")
    _check_signature(answer, account, connection, details)
    account.next_device += 1
    network.add_device(account, _new_device(connection, number))
    await network.state.flush()
    connection.finish(faults.RESTART, "paired")
    jid = account.pn_jid.with_device(number)
    log.info("sandbox.device_linked", device=str(jid))
    return jid


async def _pair_success(
    network: Network,
    account: Account,
    connection: Connection,
    number: int,
    details: bytes,
    secret: bytes,
) -> Node:
    signed = protos.adv.ADVSignedDeviceIdentity(
        details=details,
        accountSignatureKey=public_of(account.identity),
        accountSignature=sign(
            account.identity, b"\x06\x00" + details + connection.payload.devicePairingData.eIdent
        ),
    ).SerializeToString()
    container = protos.adv.ADVSignedDeviceIdentityHMAC(
        details=signed, HMAC=hmac.new(secret, signed, hashlib.sha256).digest()
    ).SerializeToString()
    jid, lid = account.pn_jid.with_device(number), account.lid_jid.with_device(number)
    success = [
        Node("device-identity", content=container),
        Node("device", {"jid": jid, "lid": lid}),
        Node("platform", {"name": "android"}),
    ]
    return await ask(connection, "md", Node("pair-success", content=success))


async def ask(connection: Connection, xmlns: str, child: Node) -> Node:
    """Sends an iq of the server's own, and waits for the client's answer."""
    id = connection.network.stanza_id()
    waiting: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
    connection.on_result[id] = waiting
    attrs = {"type": "set", "xmlns": xmlns, "from": SERVER, "id": id, "t": int(time.time())}
    connection.send(Node("iq", attrs, [child]))
    try:
        return await asyncio.wait_for(waiting, ANSWER_SECONDS)
    except TimeoutError as error:
        raise PairingFailed("the client did not answer in time") from error
    except asyncio.CancelledError:
        if connection.closing:
            raise PairingFailed("the client left while it was being linked") from None
        raise
    finally:
        connection.on_result.pop(id, None)


def _check_signature(
    answer: Node, account: Account, connection: Connection, details: bytes
) -> None:
    node = answer.find("pair-device-sign", "device-identity")
    signed = protos.adv.ADVSignedDeviceIdentity.FromString(node.data if node else b"")
    identity = connection.payload.devicePairingData.eIdent
    message = b"\x06\x01" + details + identity + public_of(account.identity)
    if verify(identity, message, signed.deviceSignature):
        return
    connection.abort("bad_device_signature")
    raise PairingFailed("the device's own signature is wrong")


def _new_device(connection: Connection, number: int) -> Device:
    data = connection.payload.devicePairingData
    props = protos.companion.DeviceProps.FromString(data.deviceProps)
    return Device(
        id=number,
        noise=connection.client_static,
        identity=data.eIdent,
        registration=data.eRegid,
        signed_prekey=(data.eSkeyID, data.eSkeyVal, data.eSkeySig),
        key_index=number,
        platform=props.os,
        linked_at=time.time(),
    )


# --- by code


def _stretched(code: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", code.encode(), salt, PBKDF2_ROUNDS, 32)


def _crypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update(data)


def _derive(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def hello(connection: Connection, request: Node) -> Node | None:
    """A companion asks to be linked by code; None when the phone does not exist."""
    network = connection.network
    account = network.directory.find(request.jid("jid"))
    wrapped = request.find("link_code_pairing_wrapped_companion_ephemeral_pub")
    if account is None or wrapped is None or len(wrapped.data) != 80:
        return None
    ref = secrets.token_urlsafe(24).encode()
    finished: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
    old = network.codes.get(account.number)
    if old is not None:
        old.finished.cancel()
    network.codes[account.number] = CodePairing(connection, ref, wrapped.data, finished)
    child = Node("link_code_pairing_ref", content=ref)
    return Node("link_code_companion_reg", {"stage": "companion_hello"}, [child])


def finish(connection: Connection, request: Node) -> bool:
    """The companion's last word of a pairing by code; False when nothing waits for it."""
    account = connection.network.directory.find(request.jid("jid"))
    pairing = connection.network.codes.get(account.number) if account else None
    if pairing is None or pairing.connection is not connection or pairing.finished.done():
        return False
    pairing.finished.set_result(request)
    return True


async def enter_code(network: Network, account: Account, code: str) -> Jid:
    """The user types the code into the phone; returns the new device's address."""
    code = code.replace("-", "").strip().upper()
    pairing = network.codes.get(account.number)
    if pairing is None or pairing.connection.closing:
        raise NotFound("no client waits for a code of this phone")
    wrapped = pairing.wrapped
    key = await asyncio.to_thread(_stretched, code, wrapped[:32])
    companion = _crypt(key, wrapped[32:48], wrapped[48:])
    private, salt, iv = os.urandom(32), os.urandom(32), os.urandom(16)
    key = await asyncio.to_thread(_stretched, code, salt)
    _greet(network, account, pairing, salt + iv + _crypt(key, iv, public_of(private)))
    try:
        request = await asyncio.wait_for(asyncio.shield(pairing.finished), ANSWER_SECONDS)
    except (TimeoutError, asyncio.CancelledError) as error:
        raise PairingFailed("the client did not finish the pairing") from error
    finally:
        if network.codes.get(account.number) is pairing:
            del network.codes[account.number]
    secret = _open_bundle(request, account, agree(private, companion))
    return await _link(network, account, pairing.connection, secret)


def _greet(network: Network, account: Account, pairing: CodePairing, wrapped: bytes) -> None:
    children = [
        Node("link_code_pairing_wrapped_primary_ephemeral_pub", content=wrapped),
        Node("primary_identity_pub", content=public_of(account.identity)),
        Node("link_code_pairing_ref", content=pairing.ref),
    ]
    attrs = {"from": SERVER, "type": "link_code_companion_reg", "t": int(time.time())}
    attrs["id"] = network.stanza_id()
    inner = Node("link_code_companion_reg", {"stage": "primary_hello"}, children)
    pairing.connection.send(Node("notification", attrs, [inner]))


def _open_bundle(request: Node, account: Account, shared: bytes) -> bytes:
    """The ADV secret out of the companion's bundle; a wrong code does not open it."""
    node = request.find("link_code_pairing_wrapped_key_bundle")
    wrapped = node.data if node else b""
    info = b"link_code_pairing_key_bundle_encryption_key"
    try:
        key = _derive(shared, wrapped[:32], info)
        bundle = AESGCM(key).decrypt(wrapped[32:44], wrapped[44:], None)
    except (InvalidTag, ValueError) as error:
        raise PairingFailed("the code is wrong") from error
    identity, primary, random = bundle[:32], bundle[32:64], bundle[64:]
    if primary != public_of(account.identity):
        raise PairingFailed("the client answered another phone")
    return _derive(shared + agree(account.identity, identity) + random, None, b"adv_secret")
