"""Phones and addresses as callers of the control socket name them: only their tenant's."""

from __future__ import annotations

from typing import Any

from workers.sandbox import params
from workers.sandbox.accounts import Account
from workers.sandbox.errors import BadRequest, NotFound, Offline
from workers.sandbox.network import Network
from workers.sandbox.phones import Phone
from workers.sandbox.wire import Jid
from workers.sandbox.wire import jid as jids

STATUS = Jid("status", jids.BROADCAST)


class Finder:
    """Finds what belongs to a tenant; everything else does not exist."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def account(self, tenant: str, phone: str) -> Account:
        """A phone's account; NotFound for another tenant's."""
        account = self._network.directory.by_id(phone)
        if account is None or account.tenant != tenant:
            raise NotFound("there is no such phone")
        return account

    def phone(self, given: params.OnePhone) -> Phone:
        """The phone; NotFound for another tenant's."""
        return self._network.phones.get(self.account(given.tenant, given.phone))

    def address(self, tenant: str, text: str) -> Jid:
        """A number, an address or a phone's id of the same tenant."""
        if text.startswith("ph_"):
            return self.account(tenant, text).lid_jid
        if "@" not in text:
            text = f"{text.removeprefix('+')}@{jids.PN}"
        try:
            jid = Jid.parse(text)
        except ValueError as error:
            raise BadRequest("that is not an address") from error
        if jid == STATUS:
            return jid
        group = self._network.groups.find(jid)
        account = self._network.directory.find(jid)
        owner = group.tenant if group else account.tenant if account else None
        if owner != tenant:
            raise NotFound("there is no such chat")
        return jid

    def show(self, account: Account) -> dict[str, Any]:
        """A phone as callers see it."""
        phone = self._network.phones.get(account)
        devices = [
            {
                "device": device.id,
                "jid": str(account.pn_jid.with_device(device.id)),
                "platform": device.platform,
                "linked_at": device.linked_at,
                "connected": self._network.live(account, device.id) is not None,
                "waiting": len(self._network.mailbox(account, device.id)),
                "prekeys": device.prekey_count,
            }
            for device in account.devices.values()
        ]
        return {
            "phone": account.id,
            "name": account.name,
            "number": account.number,
            "jid": str(account.pn_jid),
            "lid": str(account.lid_jid),
            "about": account.about,
            "privacy": account.privacy,
            "disappearing": account.disappearing,
            "online": phone.online,
            "available": phone.available,
            "auto_read": phone.auto_read,
            "echo": phone.echo,
            "devices": devices,
            "code_wanted": account.number in self._network.codes,
        }

    def online_phone(self, given: params.OnePhone) -> Phone:
        """The phone; Offline when it is taken off the network."""
        phone = self.phone(given)
        if not phone.online:
            raise Offline("the phone is offline")
        return phone
