"""The server's side of Noise XX, and the certificate chain that clients check."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from workers.sandbox import protos
from workers.sandbox.signal import sign

PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"
PROLOGUE_SIZE = 4
_VALID_FROM, _VALID_UNTIL = 1_600_000_000, 4_000_000_000


class HandshakeFailed(Exception):
    """The client's handshake could not be understood."""


def public_of(private: bytes) -> bytes:
    """The X25519 public key (32 bytes) of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def agree(private: bytes, public: bytes) -> bytes:
    """The X25519 shared secret; raises ValueError for a public key of low order."""
    return X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(public)
    )


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """The root, intermediate and static private keys, 32 bytes each."""

    root: bytes
    intermediate: bytes
    static: bytes

    @classmethod
    def generate(cls) -> ServerKeys:
        """Fresh keys."""
        return cls(os.urandom(32), os.urandom(32), os.urandom(32))

    @property
    def root_public(self) -> bytes:
        """What clients must be told to trust."""
        return public_of(self.root)

    def chain(self) -> bytes:
        """The CertChain message: leaf (our static key) and intermediate."""
        chain = protos.cert.CertChain()
        self._certify(chain.intermediate, 1, 0, self.intermediate, self.root)
        self._certify(chain.leaf, 2, 1, self.static, self.intermediate)
        return bytes(chain.SerializeToString())

    @staticmethod
    def _certify(target: Any, serial: int, issuer: int, key: bytes, signer: bytes) -> None:
        details = protos.cert.CertChain.NoiseCertificate.Details(
            serial=serial,
            issuerSerial=issuer,
            key=public_of(key),
            notBefore=_VALID_FROM,
            notAfter=_VALID_UNTIL,
        ).SerializeToString()
        target.details = details
        target.signature = sign(signer, details)


class Transport:
    """The two ciphers after the handshake; frames must pass in order."""

    __slots__ = ("_read", "_received", "_sent", "_write")

    def __init__(self, read_key: bytes, write_key: bytes) -> None:
        self._read, self._write = AESGCM(read_key), AESGCM(write_key)
        self._sent = self._received = 0

    def encrypt(self, plaintext: bytes) -> bytes:
        """One frame with its 3-byte length."""
        sealed = self._write.encrypt(struct.pack(">QI", 0, self._sent), plaintext, None)
        self._sent += 1
        return len(sealed).to_bytes(3, "big") + sealed

    def decrypt(self, frame: bytes) -> bytes:
        """Opens the next frame of the client; raises InvalidTag."""
        opened = self._read.decrypt(struct.pack(">QI", 0, self._received), frame, None)
        self._received += 1
        return opened


class Handshake:
    """hello → answer → finish, for one connection."""

    def __init__(self, keys: ServerKeys, chain: bytes, prologue: bytes) -> None:
        self._static, self._chain = keys.static, chain
        self._ephemeral = os.urandom(32)
        self._hash = PATTERN
        self._salt = self._key = PATTERN
        self._counter = 0
        self._absorb(prologue)

    def answer(self, frame: bytes) -> bytes:
        """The server hello for a client hello."""
        hello = self._parse(frame)
        client = hello.clientHello.ephemeral
        if len(client) != 32:
            raise HandshakeFailed("no client ephemeral key")
        self._client_ephemeral = client
        self._absorb(client)
        answer = protos.wa6.HandshakeMessage()
        ephemeral = public_of(self._ephemeral)
        self._absorb(ephemeral)
        self._mix(agree(self._ephemeral, client))
        answer.serverHello.ephemeral = ephemeral
        answer.serverHello.static = self._seal(public_of(self._static))
        self._mix(agree(self._static, client))
        answer.serverHello.payload = self._seal(self._chain)
        return bytes(answer.SerializeToString())

    def finish(self, frame: bytes) -> tuple[bytes, bytes, Transport]:
        """The client's static public key, its ClientPayload, and the ciphers."""
        finish = self._parse(frame).clientFinish
        try:
            static = self._open(finish.static)
            self._mix(agree(self._ephemeral, static))
            payload = self._open(finish.payload)
        except (InvalidTag, ValueError) as error:
            raise HandshakeFailed("the client's finish does not decrypt") from error
        keys = self._expand(b"")
        return static, payload, Transport(read_key=keys[:32], write_key=keys[32:])

    @staticmethod
    def _parse(frame: bytes) -> Any:
        try:
            return protos.wa6.HandshakeMessage.FromString(frame)
        except Exception as error:
            raise HandshakeFailed("not a handshake message") from error

    def _absorb(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _expand(self, secret: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=64, salt=self._salt, info=b"").derive(secret)

    def _mix(self, secret: bytes) -> None:
        keys = self._expand(secret)
        self._salt, self._key, self._counter = keys[:32], keys[32:], 0

    def _nonce(self) -> bytes:
        self._counter += 1
        return struct.pack(">QI", 0, self._counter - 1)

    def _seal(self, plaintext: bytes) -> bytes:
        sealed = AESGCM(self._key).encrypt(self._nonce(), plaintext, self._hash)
        self._absorb(sealed)
        return sealed

    def _open(self, sealed: bytes) -> bytes:
        opened = AESGCM(self._key).decrypt(self._nonce(), sealed, self._hash)
        self._absorb(sealed)
        return opened
