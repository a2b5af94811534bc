"""The byte forms of Signal messages, version 3, and the cipher and padding inside them.

The protobuf shapes are those of libsignal's WhisperTextProtocol; they are declared here as a table,
in a descriptor pool of their own, so that no compiler and no generated file is needed.
"""

from __future__ import annotations

import secrets
from typing import Any, Literal, NamedTuple, TypeAlias

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from .errors import InvalidMessage

# Major version in the high half, the sender's highest version in the low half: "3" in ASCII.
VERSION = b"\x33"
_MAJOR = 3
_BYTES, _UINT32 = 12, 13

EncType: TypeAlias = Literal["pkmsg", "msg", "skmsg"]


class Ciphertext(NamedTuple):
    """An encrypted message: the `type` of WhatsApp's <enc> element, and its bytes."""

    type: EncType
    body: bytes


def _message_types() -> dict[str, Any]:
    shapes: dict[str, list[tuple[str, int, int]]] = {
        "SignalMessage": [
            ("ratchet_key", 1, _BYTES),
            ("counter", 2, _UINT32),
            ("previous_counter", 3, _UINT32),
            ("ciphertext", 4, _BYTES),
        ],
        "PreKeySignalMessage": [
            ("prekey_id", 1, _UINT32),
            ("base_key", 2, _BYTES),
            ("identity_key", 3, _BYTES),
            ("message", 4, _BYTES),
            ("registration_id", 5, _UINT32),
            ("signed_prekey_id", 6, _UINT32),
        ],
        "SenderKeyMessage": [
            ("id", 1, _UINT32),
            ("iteration", 2, _UINT32),
            ("ciphertext", 3, _BYTES),
        ],
        "SenderKeyDistributionMessage": [
            ("id", 1, _UINT32),
            ("iteration", 2, _UINT32),
            ("chain_key", 3, _BYTES),
            ("signing_key", 4, _BYTES),
        ],
    }
    file = descriptor_pb2.FileDescriptorProto(name="signal.proto", package="signal")
    for name, fields in shapes.items():
        shape = file.message_type.add(name=name)
        for field, number, kind in fields:
            # proto2 "optional" sends a zero when it is set, as libsignal's peers expect.
            shape.field.add(name=field, number=number, type=kind, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"signal.{name}"))
        for name in shapes
    }


_TYPES = _message_types()
SignalMessage: Any = _TYPES["SignalMessage"]
PreKeySignalMessage: Any = _TYPES["PreKeySignalMessage"]
SenderKeyMessage: Any = _TYPES["SenderKeyMessage"]
SenderKeyDistributionMessage: Any = _TYPES["SenderKeyDistributionMessage"]


def parse(shape: Any, data: bytes, required: tuple[str, ...], trailer: int = 0) -> Any:
    """A message of type `shape` between a version byte and `trailer` bytes of MAC or signature.

    InvalidMessage if it is too short, of another version, no protobuf, or lacks a required field.
    """
    if len(data) <= 1 + trailer or data[0] >> 4 != _MAJOR:
        raise InvalidMessage("That is not a Signal message of version 3.")
    try:
        message = shape.FromString(data[1 : len(data) - trailer])
    except DecodeError as error:
        raise InvalidMessage from error
    if not all(map(message.HasField, required)):
        raise InvalidMessage("A part of the message is missing.")
    return message


def hkdf(secret: bytes, info: bytes, length: int, salt: bytes | None = None) -> bytes:
    """HKDF-SHA256."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


def encrypt_cbc(key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """AES-256-CBC with PKCS #7 padding."""
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    padded = padder.update(plaintext) + padder.finalize()
    return encryptor.update(padded) + encryptor.finalize()


def decrypt_cbc(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """The reverse of `encrypt_cbc`; InvalidMessage if the padding is wrong."""
    unpadder = PKCS7(128).unpadder()
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    try:
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise InvalidMessage("The ciphertext is not padded as it should be.") from error


def pad(plaintext: bytes) -> bytes:
    """WhatsApp's padding (<enc v="2">) before encryption: n bytes of value n, n random in 1..16."""
    count = secrets.randbelow(16) + 1
    return plaintext + bytes([count]) * count


def unpad(padded: bytes) -> bytes:
    """The reverse of `pad`; InvalidMessage if the padding is wrong. Accepts up to 255 bytes."""
    count = padded[-1] if padded else 0
    if not count or not padded.endswith(bytes([count]) * count):
        raise InvalidMessage("The plaintext is not padded as it should be.")
    return padded[:-count]
