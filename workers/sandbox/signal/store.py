"""Everything one device keeps of Signal, and what it does with it. No I/O, no clock, no locks."""

from __future__ import annotations

import secrets

import msgspec
from msgspec import Struct, field

from . import groups
from .errors import BadMac, InvalidMessage, NoSenderKey, NoSession, SignalError, UnknownPreKey
from .groups import OwnSenderKey, SenderKey
from .keys import KeyPair, PreKey, PreKeyBundle, SignedPreKey
from .session import Incoming, Opening, Session
from .wire import Ciphertext

# libsignal keeps as many: enough for any number of crossed initiations in practice.
MAX_ARCHIVED = 40
MAX_PREKEY_ID = (1 << 24) - 1


class SignalStore(Struct, kw_only=True):
    """The keys and sessions of one device.

    Addresses, groups and senders are opaque strings of the caller's choice, as long as each remote
    *device* has one of its own. `sessions` has the current session first and archived ones after
    it. The store is a plain value: `to_bytes` and `from_bytes` keep it over a restart.
    """

    identity: KeyPair
    registration_id: int
    signed_prekeys: dict[int, SignedPreKey]
    prekeys: dict[int, KeyPair] = field(default_factory=dict)
    next_prekey_id: int = 1
    sessions: dict[str, list[Session]] = field(default_factory=dict)
    own_sender_keys: dict[str, OwnSenderKey] = field(default_factory=dict)
    sender_keys: dict[str, dict[str, list[SenderKey]]] = field(default_factory=dict)

    @classmethod
    def create(cls) -> SignalStore:
        """A new device with an identity and a signed prekey, id 1; no one-time prekeys yet."""
        identity = KeyPair.generate()
        return cls(
            identity=identity,
            registration_id=secrets.randbelow(16380) + 1,
            signed_prekeys={1: SignedPreKey.generate(identity, 1)},
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> SignalStore:
        """What `to_bytes` gave; msgspec.ValidationError or DecodeError if it is something else."""
        return msgspec.msgpack.decode(data, type=cls)

    def to_bytes(self) -> bytes:
        """All of the store, private keys included, in MessagePack."""
        return msgspec.msgpack.encode(self)

    @property
    def signed_prekey(self) -> SignedPreKey:
        """The newest signed prekey: the one to publish."""
        return self.signed_prekeys[max(self.signed_prekeys)]

    def rotate_signed_prekey(self) -> SignedPreKey:
        """A new signed prekey to publish; those before it still open sessions."""
        new = SignedPreKey.generate(self.identity, max(self.signed_prekeys) + 1)
        self.signed_prekeys[new.id] = new
        return new

    def new_prekeys(self, count: int) -> list[PreKey]:
        """Make and keep `count` one-time prekeys; returns what to upload of them."""
        made = []
        for _ in range(count):
            pair, id = KeyPair.generate(), self.next_prekey_id
            self.prekeys[id] = pair
            self.next_prekey_id = id % MAX_PREKEY_ID + 1
            made.append(PreKey(id, pair.public))
        return made

    def bundle(self, device_id: int = 0, prekey: PreKey | None = None) -> PreKeyBundle:
        """What others need to start a session with this device, with one of its prekeys if given.

        Each one-time prekey may be handed out once only.
        """
        signed = self.signed_prekey
        return PreKeyBundle(
            registration_id=self.registration_id,
            device_id=device_id,
            identity=self.identity.public,
            signed_prekey_id=signed.id,
            signed_prekey=signed.pair.public,
            signed_prekey_signature=signed.signature,
            prekey_id=prekey.id if prekey else None,
            prekey=prekey.public if prekey else None,
        )

    # Sessions

    def has_session(self, address: str) -> bool:
        """Whether `encrypt` to that address is possible without a bundle."""
        return address in self.sessions

    def remote_identity(self, address: str) -> bytes | None:
        """The raw identity key of the other end of the current session, if there is one."""
        sessions = self.sessions.get(address)
        return sessions[0].remote_identity if sessions else None

    def drop_session(self, address: str) -> None:
        """Forget all sessions with that address; the next message to it needs a bundle."""
        self.sessions.pop(address, None)

    def process_bundle(self, address: str, bundle: PreKeyBundle) -> None:
        """Start a session as the initiator; one that was there before is archived.

        BadSignature if the bundle is forged, InvalidMessage if a key in it is unusable. A changed
        identity is accepted, as WhatsApp does: compare `remote_identity` to notice it.
        """
        self._add(address, Session.initiate(self.identity, self.registration_id, bundle))

    def encrypt(self, address: str, plaintext: bytes) -> Ciphertext:
        """One message to one device; NoSession if none was started. Pad the plaintext before."""
        sessions = self.sessions.get(address)
        if not sessions:
            raise NoSession
        return sessions[0].encrypt(self.identity, plaintext)

    def decrypt(self, address: str, type: str, body: bytes) -> bytes:
        """The plaintext, still padded, of a "pkmsg" or "msg" from that address.

        Raises NoSession, UnknownPreKey, BadMac, DuplicateMessage, TooFarAhead or InvalidMessage;
        the store is then as it was before.
        """
        match type:
            case "pkmsg":
                return self._decrypt_opening(address, Opening.parse(body))
            case "msg":
                return self._decrypt(address, Incoming.parse(body))
            case _:
                raise InvalidMessage("Only pkmsg and msg belong to sessions.")

    def _decrypt_opening(self, address: str, opening: Opening) -> bytes:
        sessions = self.sessions.get(address, [])
        if any(session.base_key == opening.base_key for session in sessions):
            return self._decrypt(address, opening.message)
        signed = self.signed_prekeys.get(opening.signed_prekey_id)
        prekey = self.prekeys.get(opening.prekey_id) if opening.prekey_id else None
        if signed is None or (opening.prekey_id and prekey is None):
            raise UnknownPreKey
        session = Session.accept(self.identity, signed, prekey, opening)
        plaintext = session.decrypt(self.identity, opening.message)
        self._add(address, session)
        if opening.prekey_id:
            del self.prekeys[opening.prekey_id]
        return plaintext

    def _decrypt(self, address: str, message: Incoming) -> bytes:
        sessions = self.sessions.get(address)
        if not sessions:
            raise NoSession
        known = [session for session in sessions if session.knows(message.ratchet_key)]
        failure: SignalError = BadMac()
        for session in known or sessions:
            try:
                plaintext = session.decrypt(self.identity, message)
            except SignalError as error:
                failure = error
                continue
            # Both ends settle on the session that last carried a message.
            if session is not sessions[0]:
                sessions[:] = [session, *(other for other in sessions if other is not session)]
            return plaintext
        # Without a chain of its own the message belongs to none, whatever the last one said.
        raise failure if known else BadMac()

    def _add(self, address: str, session: Session) -> None:
        archived = self.sessions.get(address, [])[:MAX_ARCHIVED]
        self.sessions[address] = [session, *archived]

    # Groups

    def sender_key_distribution(self, group: str) -> bytes:
        """The message that lets others read what we send to the group from now on.

        Makes our key of that group if there is none. Send it to each member's devices, inside a
        1:1 message, before they get a "skmsg".
        """
        if group not in self.own_sender_keys:
            self.own_sender_keys[group] = OwnSenderKey.generate()
        return self.own_sender_keys[group].distribution()

    def drop_sender_key(self, group: str) -> None:
        """Forget our key of that group, as when a member leaves: the next one is a new one."""
        self.own_sender_keys.pop(group, None)

    def process_sender_key(self, group: str, sender: str, distribution: bytes) -> None:
        """Remember a sender's key of that group; InvalidMessage if it is none."""
        senders = self.sender_keys.setdefault(group, {})
        new = SenderKey.from_distribution(distribution)
        senders[sender] = groups.remember(senders.get(sender, []), new)

    def encrypt_group(self, group: str, plaintext: bytes) -> Ciphertext:
        """One "skmsg" for all members; NoSenderKey before the first `sender_key_distribution`."""
        own = self.own_sender_keys.get(group)
        if own is None:
            raise NoSenderKey
        return own.encrypt(plaintext)

    def decrypt_group(self, group: str, sender: str, body: bytes) -> bytes:
        """The plaintext, still padded, of a "skmsg".

        Raises NoSenderKey, BadSignature, DuplicateMessage, TooFarAhead or InvalidMessage; the
        store is then as it was before.
        """
        known = self.sender_keys.get(group, {}).get(sender, [])
        return groups.decrypt(known, body)
