"""All phones of the sandbox, and the network's way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.sandbox import history, prekeys, syncing
from workers.sandbox.accounts import Account, Device
from workers.sandbox.phones import KIND, Phone
from workers.sandbox.signal import PreKeyBundle, SignalStore
from workers.sandbox.wire import Jid, Node

if TYPE_CHECKING:
    from workers.sandbox.network import Network


class Phones:
    """Phones by their account; they come back from the state file."""

    def __init__(self, network: Network) -> None:
        self._network = network
        network.phones = self
        state = network.state
        stores = dict(state.load(KIND))
        self._phones = {
            account.id: Phone(network, account, SignalStore.from_bytes(stores[account.id]))
            for account in network.directory
            if account.id in stores
        }

        if not state.clean:
            # Ratchets that are behind would repeat keys that companions have seen already.
            for phone in self._phones.values():
                phone.forget_sessions()

    def create(self, tenant: str, name: str, number: str | None) -> Phone:
        """A new phone with a new account; ValueError when the number is taken."""
        signal = SignalStore.create()
        identity = signal.identity.private
        account = self._network.directory.create(tenant, name, number, identity)
        phone = self._phones[account.id] = Phone(self._network, account, signal)
        phone.save()
        return phone

    def delete(self, account: Account) -> None:
        """Removes a phone and all that belongs to its account."""
        self._phones.pop(account.id, None)
        self._network.state.delete(KIND, account.id)
        self._network.groups.forget(account)
        self._network.mailbox(account, 0).clear()
        self._network.directory.delete(account)

    def get(self, account: Account) -> Phone:
        """An account's phone."""
        return self._phones[account.id]

    def bundle(self, jid: Jid) -> PreKeyBundle | None:
        """Keys for a first message to a phone."""
        return prekeys.for_phone(self._network, jid)

    def receive(self, account: Account, node: Node, *, keep: bool) -> None:
        """A stanza for a phone: read at once, or kept while the phone is offline."""
        phone = self._phones.get(account.id)
        if phone is None:
            return
        if phone.online:
            phone.receive(node)
        elif keep:
            self._network.mailbox(account, 0).add(node)

    def set_online(self, phone: Phone, online: bool) -> int:
        """Takes a phone off the network or back; returns how many stanzas had waited."""
        phone.online = online
        if not online:
            phone.available = False
            return 0
        box = self._network.mailbox(phone.account, 0)
        backlog = list(box)
        for node in backlog:
            box.confirm(node.tag, node.get("id"))
            phone.receive(node)
        return len(backlog)

    def is_available(self, account: Account) -> bool:
        """Whether the phone itself announced that it is there."""
        phone = self._phones.get(account.id)
        return phone is not None and phone.available

    def companion_online(self, account: Account, device: Device) -> None:
        """A companion is ready: on its first time the phone shares the app state key."""
        phone = self._phones.get(account.id)
        if phone is not None and phone.online and not device.key_shared:
            device.key_shared = True
            self._network.directory.save(account)
            syncing.share_key(phone, device)
            history.send(phone, device)

    def saw_typing(self, account: Account, node: Node) -> None:
        """Somebody types to this phone."""
        phone = self._phones.get(account.id)
        sender = node.jid("participant") or node.jid("from")
        if phone is None or not phone.online or sender is None or not node.children:
            return
        child = node.children[0]
        state = "recording" if child.get("media") == "audio" else child.tag
        state = "typing" if state == "composing" else state
        phone.note("typing", self.number(sender), state, chat=str(node.jid("from")))

    def saw_presence(self, about: Account, available: bool) -> None:
        """Phones of the same tenant see who of it comes and goes."""
        state = "available" if available else "unavailable"
        for phone in self._phones.values():
            account = phone.account
            if account.tenant == about.tenant and account is not about and phone.online:
                phone.note("presence", str(about.pn_jid), state)

    def number(self, jid: Jid) -> str:
        """The phone-number form of an address, when it is known."""
        account = self._network.directory.find(jid)
        return str(account.pn_jid.with_device(jid.device)) if account else str(jid)
