"""One 1:1 session: X3DH, then the Double Ratchet, as libsignal version 3 does them.

A `Session` changes only when a message proved authentic, so a failed decryption can be repeated.
"""

from __future__ import annotations

import hmac
from typing import Any

from msgspec import Struct

from .chain import Chain
from .errors import BadMac
from .keys import KeyPair, PreKeyBundle, SignedPreKey, from_wire, to_wire
from .wire import (
    VERSION,
    Ciphertext,
    PreKeySignalMessage,
    SignalMessage,
    decrypt_cbc,
    encrypt_cbc,
    hkdf,
    parse,
)

MAC_SIZE = 8
MAX_RECEIVING = 5


class Pending(Struct, frozen=True):
    """What the other end must be told with each message until it has answered one."""

    registration_id: int
    prekey_id: int | None
    signed_prekey_id: int


class Receiving(Struct):
    """The chain of the messages that come with one ratchet key of the other end."""

    ratchet_key: bytes
    chain: Chain


class Session(Struct, kw_only=True):
    """The state of a session at one end.

    `base_key` is the initiator's ephemeral key, which names the session for both ends. `receiving`
    has the newest chain last.
    """

    remote_identity: bytes
    remote_registration_id: int
    base_key: bytes
    root_key: bytes
    ratchet: KeyPair
    sending: Chain
    previous_counter: int = 0
    receiving: list[Receiving]
    pending: Pending | None = None

    @classmethod
    def initiate(cls, identity: KeyPair, registration_id: int, bundle: PreKeyBundle) -> Session:
        """Start a session with the owner of `bundle`; BadSignature if the bundle is forged."""
        bundle.check()
        base, ratchet = KeyPair.generate(), KeyPair.generate()
        secrets = [
            identity.agree(bundle.signed_prekey),
            base.agree(bundle.identity),
            base.agree(bundle.signed_prekey),
        ]
        if bundle.prekey is not None:
            secrets.append(base.agree(bundle.prekey))
        root, chain = _agreed(secrets)
        root_key, sending = _advance(root, ratchet.agree(bundle.signed_prekey))
        return cls(
            remote_identity=bundle.identity,
            remote_registration_id=bundle.registration_id,
            base_key=base.public,
            root_key=root_key,
            ratchet=ratchet,
            sending=sending,
            receiving=[Receiving(bundle.signed_prekey, chain)],
            pending=Pending(
                registration_id,
                bundle.prekey_id,
                bundle.signed_prekey_id,
            ),
        )

    @classmethod
    def accept(
        cls, identity: KeyPair, signed: SignedPreKey, prekey: KeyPair | None, opening: Opening
    ) -> Session:
        """The session that the sender of `opening` started with these prekeys of ours."""
        secrets = [
            signed.pair.agree(opening.identity),
            identity.agree(opening.base_key),
            signed.pair.agree(opening.base_key),
        ]
        if prekey is not None:
            secrets.append(prekey.agree(opening.base_key))
        root, chain = _agreed(secrets)
        return cls(
            remote_identity=opening.identity,
            remote_registration_id=opening.registration_id,
            base_key=opening.base_key,
            root_key=root,
            ratchet=signed.pair,
            sending=chain,
            receiving=[],
        )

    def encrypt(self, identity: KeyPair, plaintext: bytes) -> Ciphertext:
        """The next message: "pkmsg" until the other end has answered, "msg" from then on."""
        counter = self.sending.index
        cipher_key, mac_key, iv = _message_keys(self.sending.next())
        signed = (
            VERSION
            + SignalMessage(
                ratchet_key=to_wire(self.ratchet.public),
                counter=counter,
                previous_counter=self.previous_counter,
                ciphertext=encrypt_cbc(cipher_key, iv, plaintext),
            ).SerializeToString()
        )
        body = signed + _mac(mac_key, identity.public, self.remote_identity, signed)
        if self.pending is None:
            return Ciphertext("msg", body)
        return Ciphertext("pkmsg", self._opening(self.pending, identity.public, body))

    def _opening(self, pending: Pending, identity: bytes, body: bytes) -> bytes:
        message = PreKeySignalMessage(
            prekey_id=pending.prekey_id,
            base_key=to_wire(self.base_key),
            identity_key=to_wire(identity),
            message=body,
            registration_id=pending.registration_id,
            signed_prekey_id=pending.signed_prekey_id,
        )
        return VERSION + bytes(message.SerializeToString())

    def knows(self, ratchet_key: bytes) -> bool:
        """Whether messages with that ratchet key have come through this session before."""
        return self._receiving(ratchet_key) is not None

    def decrypt(self, identity: KeyPair, message: Incoming) -> bytes:
        """The plaintext; BadMac, DuplicateMessage or TooFarAhead leave the session as it was."""
        known = self._receiving(message.ratchet_key)
        if known is None:
            root_key, chain = _advance(self.root_key, self.ratchet.agree(message.ratchet_key))
        else:
            chain = known.chain
        step = chain.step(message.counter)
        cipher_key, mac_key, iv = _message_keys(step.seed)
        mac = _mac(mac_key, self.remote_identity, identity.public, message.signed)
        if not hmac.compare_digest(mac, message.mac):
            raise BadMac
        plaintext = decrypt_cbc(cipher_key, iv, message.ciphertext)
        if known is None:
            self._turn(root_key, Receiving(message.ratchet_key, chain))
        chain.commit(step)
        self.pending = None
        return plaintext

    def _receiving(self, ratchet_key: bytes) -> Receiving | None:
        for receiving in reversed(self.receiving):
            if receiving.ratchet_key == ratchet_key:
                return receiving
        return None

    def _turn(self, root_key: bytes, newest: Receiving) -> None:
        self.receiving = [*self.receiving[1 - MAX_RECEIVING :], newest]
        self.previous_counter = max(self.sending.index - 1, 0)
        self.ratchet = KeyPair.generate()
        self.root_key, self.sending = _advance(root_key, self.ratchet.agree(newest.ratchet_key))


class Incoming(Struct, frozen=True):
    """A SignalMessage taken apart; `signed` are the bytes that the MAC is over."""

    ratchet_key: bytes
    counter: int
    ciphertext: bytes
    signed: bytes
    mac: bytes

    @classmethod
    def parse(cls, data: bytes) -> Incoming:
        """From the body of a "msg"; InvalidMessage if it is none."""
        message = parse(SignalMessage, data, ("ratchet_key", "counter", "ciphertext"), MAC_SIZE)
        key = from_wire(message.ratchet_key)
        signed, mac = data[:-MAC_SIZE], data[-MAC_SIZE:]
        return cls(key, message.counter, message.ciphertext, signed, mac)


class Opening(Struct, frozen=True):
    """A PreKeySignalMessage taken apart: who starts a session, with which keys, and a message."""

    registration_id: int
    identity: bytes
    base_key: bytes
    prekey_id: int | None
    signed_prekey_id: int
    message: Incoming

    @classmethod
    def parse(cls, data: bytes) -> Opening:
        """From the body of a "pkmsg"; InvalidMessage if it is none."""
        required = ("base_key", "identity_key", "message", "signed_prekey_id")
        message: Any = parse(PreKeySignalMessage, data, required)
        return cls(
            registration_id=message.registration_id,
            identity=from_wire(message.identity_key),
            base_key=from_wire(message.base_key),
            # The engine reads a zero as "none", so nobody may use it as an id.
            prekey_id=message.prekey_id or None,
            signed_prekey_id=message.signed_prekey_id,
            message=Incoming.parse(message.message),
        )


def _agreed(secrets: list[bytes]) -> tuple[bytes, Chain]:
    derived = hkdf(b"\xff" * 32 + b"".join(secrets), b"WhisperText", 64)
    return derived[:32], Chain(derived[32:])


def _advance(root_key: bytes, secret: bytes) -> tuple[bytes, Chain]:
    derived = hkdf(secret, b"WhisperRatchet", 64, root_key)
    return derived[:32], Chain(derived[32:])


def _message_keys(seed: bytes) -> tuple[bytes, bytes, bytes]:
    derived = hkdf(seed, b"WhisperMessageKeys", 80)
    return derived[:32], derived[32:64], derived[64:]


def _mac(key: bytes, sender: bytes, receiver: bytes, signed: bytes) -> bytes:
    whole = hmac.digest(key, to_wire(sender) + to_wire(receiver) + signed, "sha256")
    return whole[:MAC_SIZE]
