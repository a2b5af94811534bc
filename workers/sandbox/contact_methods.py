"""Control methods of phones' address books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.sandbox import params as p
from workers.sandbox import protos, syncing
from workers.sandbox.accounts import Account
from workers.sandbox.errors import BadRequest
from workers.sandbox.finding import Finder
from workers.sandbox.handlers import Table
from workers.sandbox.network import Network
from workers.sandbox.wire import Jid
from workers.sandbox.wire import jid as jids


class ContactMethods:
    """`phone.save_contact` and the like."""

    def __init__(self, network: Network, finder: Finder) -> None:
        self._network, self._find = network, finder
        self.table: Table = {
            "phone.save_contact": (p.SaveContact, self._save_one),
            "phone.save_contacts": (p.SaveContacts, self._save),
            "phone.remove_contact": (p.RemoveContact, self._remove),
        }

    async def _save_one(self, given: p.SaveContact) -> dict[str, Any]:
        """Companions learn it, and send their status posts to that contact too."""
        one = p.SavedContact(contact=given.contact, name=given.name, first_name=given.first_name)
        return self._write(self._find.online_phone(given).account, [one])

    async def _save(self, given: p.SaveContacts) -> dict[str, Any]:
        """By one change."""
        return self._write(self._find.online_phone(given).account, given.contacts)

    def _write(self, account: Account, contacts: Sequence[p.SavedContact]) -> dict[str, Any]:
        people = [self._person(account, one.contact) for one in contacts]
        entries = [_entry(*who, one) for who, one in zip(people, contacts, strict=True)]
        for (jid, peer), entry in zip(people, entries, strict=True):
            action = entry.value.contactAction
            account.saved[_key(jid, peer)] = action.fullName or action.firstName
        syncing.change(self._network, account, syncing.CONTACTS_COLLECTION, entries)
        return {}

    async def _remove(self, given: p.RemoveContact) -> dict[str, Any]:
        account = self._find.online_phone(given).account
        jid, peer = self._person(account, given.contact)
        account.saved.pop(_key(jid, peer), None)
        entry = syncing.Entry(("contact", str(jid)), version=2)
        syncing.change(self._network, account, syncing.CONTACTS_COLLECTION, [entry])
        return {}

    def _person(self, owner: Account, text: str) -> tuple[Jid, Account | None]:
        """The address under which somebody is saved, and who that is, if it is a phone here.

        An address book may hold numbers that nobody has.
        """
        number = text.removeprefix("+")
        jid = Jid(number, jids.PN) if number.isdecimal() else self._find.address(owner.tenant, text)
        peer = self._network.directory.find(jid)
        if jid.server not in (jids.PN, jids.LID):
            raise BadRequest("only people can be saved")
        if peer is owner:
            raise BadRequest("that is the phone's own number")
        if peer is None or peer.tenant != owner.tenant:
            return jid, None
        return (peer.pn_jid if text.startswith("ph_") else jid), peer


def _key(jid: Jid, peer: Account | None) -> str:
    """How somebody is found in `Account.saved`."""
    return str(peer.pn_jid if peer else jid)


def _entry(jid: Jid, peer: Account | None, one: p.SavedContact) -> syncing.Entry:
    name = one.name if one.name is not None or peer is None else peer.name
    if name is None:
        raise BadRequest("nobody has that number: say the name")
    value = protos.sync_action.SyncActionValue()
    action = value.contactAction
    action.fullName, action.saveOnPrimaryAddressbook = name, True
    action.firstName = name.partition(" ")[0] if one.first_name is None else one.first_name
    if peer is not None:
        action.lidJID, action.pnJID = str(peer.lid_jid), str(peer.pn_jid)
    return syncing.Entry(("contact", str(jid)), value, version=2)
