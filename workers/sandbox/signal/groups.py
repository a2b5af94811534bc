"""Sender keys: one chain per sender and group, whose messages all members can read."""

from __future__ import annotations

import secrets

from msgspec import Struct

from .chain import Chain
from .errors import BadSignature, InvalidMessage, NoSenderKey
from .keys import KEY_SIZE, SIGNATURE_SIZE, KeyPair, from_wire, sign, to_wire, verify
from .wire import (
    VERSION,
    Ciphertext,
    SenderKeyDistributionMessage,
    SenderKeyMessage,
    decrypt_cbc,
    encrypt_cbc,
    hkdf,
    parse,
)

MAX_STATES = 5


class OwnSenderKey(Struct):
    """The key we send to one group with."""

    id: int
    chain: Chain
    signing: KeyPair

    @classmethod
    def generate(cls) -> OwnSenderKey:
        """A new key with a random 32-bit id."""
        return cls(secrets.randbits(32), Chain(secrets.token_bytes(KEY_SIZE)), KeyPair.generate())

    def distribution(self) -> bytes:
        """The SenderKeyDistributionMessage that lets a member read from the next message on."""
        message = SenderKeyDistributionMessage(
            id=self.id,
            iteration=self.chain.index,
            chain_key=self.chain.key,
            signing_key=to_wire(self.signing.public),
        )
        return VERSION + bytes(message.SerializeToString())

    def encrypt(self, plaintext: bytes) -> Ciphertext:
        """The next message of type "skmsg"."""
        iteration = self.chain.index
        iv, key = _message_keys(self.chain.next())
        ciphertext = encrypt_cbc(key, iv, plaintext)
        message = SenderKeyMessage(id=self.id, iteration=iteration, ciphertext=ciphertext)
        signed = VERSION + bytes(message.SerializeToString())
        return Ciphertext("skmsg", signed + sign(self.signing.private, signed))


class SenderKey(Struct):
    """One key of another sender."""

    id: int
    chain: Chain
    signing_key: bytes

    @classmethod
    def from_distribution(cls, data: bytes) -> SenderKey:
        """From a SenderKeyDistributionMessage; InvalidMessage if it is none."""
        required = ("id", "iteration", "chain_key", "signing_key")
        message = parse(SenderKeyDistributionMessage, data, required)
        if len(message.chain_key) != KEY_SIZE:
            raise InvalidMessage("A sender's chain key has 32 bytes.")
        chain = Chain(message.chain_key, message.iteration)
        return cls(message.id, chain, from_wire(message.signing_key))


def remember(known: list[SenderKey], new: SenderKey) -> list[SenderKey]:
    """`known` with `new` in front, at most 5.

    A key that is there already keeps its place in the chain: its sender distributes it again to
    whoever may have missed it, and messages may still be on their way.
    """
    if any(key.id == new.id and key.signing_key == new.signing_key for key in known):
        return known
    return [new, *(key for key in known if key.id != new.id)][:MAX_STATES]


def decrypt(known: list[SenderKey], data: bytes) -> bytes:
    """The plaintext of a "skmsg" by one of a sender's keys.

    NoSenderKey, BadSignature, DuplicateMessage, TooFarAhead and InvalidMessage change nothing.
    """
    message = parse(SenderKeyMessage, data, ("id", "iteration", "ciphertext"), SIGNATURE_SIZE)
    key = next((key for key in known if key.id == message.id), None)
    if key is None:
        raise NoSenderKey
    if not verify(key.signing_key, data[:-SIGNATURE_SIZE], data[-SIGNATURE_SIZE:]):
        raise BadSignature
    step = key.chain.step(message.iteration)
    iv, cipher_key = _message_keys(step.seed)
    plaintext = decrypt_cbc(cipher_key, iv, message.ciphertext)
    key.chain.commit(step)
    return plaintext


def _message_keys(seed: bytes) -> tuple[bytes, bytes]:
    derived = hkdf(seed, b"WhisperGroup", 48)
    return derived[:16], derived[16:]
