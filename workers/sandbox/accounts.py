"""WhatsApp accounts: who has which number, LID and devices."""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator

import msgspec

from workers.sandbox.state import State
from workers.sandbox.wire import jid as jids
from workers.sandbox.wire.jid import Jid

KIND = "account"
PREKEY_SIZE = 35  # 3 bytes id, 32 bytes public key
# No country has this calling code, so a sandbox number can never be somebody's.
NUMBER_PREFIX = "999"


class Device(msgspec.Struct):
    """A linked companion, as the server knows it: public keys only."""

    id: int
    noise: bytes
    identity: bytes
    registration: bytes
    signed_prekey: tuple[bytes, bytes, bytes]  # 3-byte id, public key, signature
    key_index: int
    platform: str = ""
    linked_at: float = 0.0
    prekeys: bytes = b""
    key_shared: bool = False

    @property
    def prekey_count(self) -> int:
        """How many one-time prekeys are left."""
        return len(self.prekeys) // PREKEY_SIZE

    def take_prekey(self) -> tuple[bytes, bytes] | None:
        """Hands out a one-time prekey (id, public key) and forgets it."""
        if not self.prekeys:
            return None
        key, self.prekeys = self.prekeys[:PREKEY_SIZE], self.prekeys[PREKEY_SIZE:]
        return key[:3], key[3:]


class Account(msgspec.Struct):
    """A phone's account. `id` is the phone's id in the control API."""

    id: str
    tenant: str
    number: str
    lid: str
    name: str
    identity: bytes  # the private key of device 0
    created_at: float = msgspec.field(default_factory=time.time)
    about: str = ""
    raw_id: int = msgspec.field(default_factory=lambda: secrets.randbits(31))
    next_device: int = 1
    devices: dict[int, Device] = {}
    blocked: list[str] = []
    privacy: dict[str, str] = {}
    status_list: tuple[str, list[str]] = ("contacts", [])  # its kind; who is on it, by address
    picture: tuple[str, str] | None = None  # id, path at the media host
    disappearing: int = 0
    link: str = ""  # code of the contact link, once it was asked for
    patches: dict[str, list[bytes]] = {}  # app state, by collection
    saved: dict[str, str] = {}  # the address book: names by phone number's address
    sync_key: tuple[bytes, bytes] = msgspec.field(
        default_factory=lambda: (secrets.token_bytes(6), secrets.token_bytes(32))
    )

    @property
    def pn_jid(self) -> Jid:
        """The account by its phone number."""
        return Jid(self.number, jids.PN)

    @property
    def lid_jid(self) -> Jid:
        """The account by its LID."""
        return Jid(self.lid, jids.LID)

    def device_jids(self, *, lid: bool = True) -> list[Jid]:
        """All devices, the phone first."""
        base = self.lid_jid if lid else self.pn_jid
        return [base, *(base.with_device(number) for number in self.devices)]


def participant_hash(devices: list[Jid]) -> str:
    """The hash by which client and server compare device lists."""
    text = "".join(sorted(jid.ad for jid in devices))
    digest = hashlib.sha256(text.encode()).digest()[:6]
    return "2:" + b64encode(digest).decode().rstrip("=")


class Directory:
    """All accounts, found by id, number or LID; changes are saved."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._by_id: dict[str, Account] = {}
        self._by_number: dict[str, Account] = {}
        self._by_lid: dict[str, Account] = {}
        for _, row in state.load(KIND):
            self._index(msgspec.msgpack.decode(row, type=Account))

    def _index(self, account: Account) -> None:
        self._by_id[account.id] = account
        self._by_number[account.number] = account
        self._by_lid[account.lid] = account

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def create(self, tenant: str, name: str, number: str | None, identity: bytes) -> Account:
        """A new account; raises ValueError when the number is taken."""
        number = number or self._free_number()
        if number in self._by_number:
            raise ValueError("that number has an account already")
        lid = str(secrets.randbelow(9 * 10**14) + 10**14)
        account = Account("ph_" + secrets.token_hex(8), tenant, number, lid, name, identity)
        self._index(account)
        self.save(account)
        return account

    def _free_number(self) -> str:
        while True:
            number = NUMBER_PREFIX + str(secrets.randbelow(9 * 10**8) + 10**8)
            if number not in self._by_number:
                return number

    def save(self, account: Account) -> None:
        """Marks an account as changed."""
        self._state.put(KIND, account.id, lambda: msgspec.msgpack.encode(account))

    def delete(self, account: Account) -> None:
        """Forgets an account."""
        self._by_id.pop(account.id, None)
        self._by_number.pop(account.number, None)
        self._by_lid.pop(account.lid, None)
        self._state.delete(KIND, account.id)

    def by_id(self, phone: str) -> Account | None:
        """The account of a phone id."""
        return self._by_id.get(phone)

    def by_number(self, number: str) -> Account | None:
        """The account of a phone number (digits)."""
        return self._by_number.get(number)

    def find(self, jid: Jid | None) -> Account | None:
        """The account behind a phone-number or LID address, whatever its device."""
        if jid is None:
            return None
        if jid.server in (jids.LID, jids.HOSTED_LID):
            return self._by_lid.get(jid.user)
        if jid.server in (jids.PN, jids.LEGACY, jids.HOSTED):
            return self._by_number.get(jid.user.removeprefix("+"))
        return None
