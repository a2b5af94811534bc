"""Curve25519 key pairs, XEdDSA signatures and prekeys.

Public keys are 32 raw bytes everywhere in this package; `to_wire` and `from_wire` add and take
away the type byte 05 that Signal puts before them in messages and under signatures.
"""

from __future__ import annotations

import secrets

import xeddsa
from msgspec import Struct

from .errors import BadSignature, InvalidMessage

KEY_SIZE = 32
SIGNATURE_SIZE = 64
DJB_TYPE = b"\x05"
_SIGN_BIT = 0x80


class KeyPair(Struct, frozen=True):
    """A Curve25519 key pair, 32 raw bytes each."""

    private: bytes
    public: bytes

    @classmethod
    def generate(cls) -> KeyPair:
        """A new pair; the private key is clamped, as some implementations expect it to be."""
        scalar = bytearray(secrets.token_bytes(KEY_SIZE))
        scalar[0] &= 248
        scalar[31] = scalar[31] & 127 | 64
        return cls.from_private(bytes(scalar))

    @classmethod
    def from_private(cls, private: bytes) -> KeyPair:
        """The pair of a 32-byte private key; ValueError for another length."""
        return cls(private, xeddsa.priv_to_curve25519_pub(private))

    def agree(self, public: bytes) -> bytes:
        """The 32-byte Diffie-Hellman secret shared with the owner of `public`."""
        try:
            return xeddsa.x25519(self.private, public)
        except (ValueError, xeddsa.XEdDSAException) as error:
            raise InvalidMessage("That public key is not usable.") from error


class PreKey(Struct, frozen=True):
    """A one-time prekey as it is uploaded: its id (1 to 2**24 - 1) and public key."""

    id: int
    public: bytes


class SignedPreKey(Struct, frozen=True):
    """A medium-term prekey of ours; `signature` is the identity's over the key in wire form."""

    id: int
    pair: KeyPair
    signature: bytes

    @classmethod
    def generate(cls, identity: KeyPair, id: int) -> SignedPreKey:
        """A new prekey signed by `identity`."""
        pair = KeyPair.generate()
        return cls(id, pair, sign(identity.private, to_wire(pair.public)))


class PreKeyBundle(Struct, frozen=True, kw_only=True):
    """What a server hands out of a device, so that others can start a session with it."""

    registration_id: int
    device_id: int
    identity: bytes
    signed_prekey_id: int
    signed_prekey: bytes
    signed_prekey_signature: bytes
    prekey_id: int | None = None
    prekey: bytes | None = None

    def check(self) -> None:
        """BadSignature unless the identity signed the signed prekey.

        InvalidMessage if a one-time prekey has a key without an id, or the reverse.
        """
        if (self.prekey is None) != (self.prekey_id is None):
            raise InvalidMessage("A one-time prekey has a key and an id.")
        signed = to_wire(self.signed_prekey)
        if not verify(self.identity, signed, self.signed_prekey_signature):
            raise BadSignature("The signed prekey was not signed by the bundle's identity.")


def to_wire(public: bytes) -> bytes:
    """The 33-byte form of a public key in messages, and under signatures over keys."""
    return DJB_TYPE + public


def from_wire(data: bytes) -> bytes:
    """The raw public key in a 33-byte wire form; InvalidMessage if it is none."""
    if len(data) != 1 + KEY_SIZE or data[:1] != DJB_TYPE:
        raise InvalidMessage("That is not a Curve25519 public key.")
    return data[1:]


def sign(private: bytes, message: bytes) -> bytes:
    """The 64-byte XEdDSA signature of a Curve25519 private key; different at each call."""
    return xeddsa.ed25519_priv_sign(xeddsa.priv_force_sign(private, False), message)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of the raw Curve25519 key `public` signed `message`.

    Signal's older signers do not negate the key but send the Edwards sign bit in the signature's
    otherwise unused top bit; standard XEdDSA leaves that bit zero. Both are accepted.
    """
    if len(signature) != SIGNATURE_SIZE or len(public) != KEY_SIZE:
        return False
    sign_bit = bool(signature[-1] & _SIGN_BIT)
    edwards = xeddsa.curve25519_pub_to_ed25519_pub(public, sign_bit)
    plain = signature[:-1] + bytes([signature[-1] & ~_SIGN_BIT])
    return xeddsa.ed25519_verify(plain, edwards, message)
