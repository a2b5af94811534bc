"""Control methods that make the network fail, and that make traffic."""

from __future__ import annotations

from typing import Any

from workers.sandbox import params as p
from workers.sandbox.breaking import break_device
from workers.sandbox.errors import BadRequest, NotFound
from workers.sandbox.finding import Finder
from workers.sandbox.handlers import Table
from workers.sandbox.load import Loads
from workers.sandbox.network import Network


class FaultMethods:
    """`device.*`, `pairing.*` and `load.*`."""

    def __init__(self, network: Network, finder: Finder, loads: Loads) -> None:
        self._network, self._find, self._loads = network, finder, loads
        self.table: Table = {
            "device.break": (p.Break, self._break),
            "pairing.refuse": (p.Refuse, self._refuse),
            "load.start": (p.StartLoad, self._start_load),
            "load.stop": (p.OneLoad, self._stop_load),
            "load.stats": (p.OneLoad, self._load_stats),
        }

    async def _break(self, given: p.Break) -> dict[str, Any]:
        if given.phone is not None:
            account = self._find.account(given.tenant, given.phone)
            device = given.device
        elif given.jid is not None:
            jid = self._find.address(given.tenant, given.jid)
            found = self._network.directory.find(jid)
            if found is None:
                raise NotFound("there is no such phone")
            account, device = found, given.device or jid.device or None
        else:
            raise BadRequest("give a phone or a jid")
        if device and device not in account.devices:
            raise NotFound("there is no such device")
        hit = break_device(self._network, account, device, given.how, given.ms, given.code)
        return {"devices": hit}

    async def _refuse(self, given: p.Refuse) -> dict[str, Any]:
        account = self._find.account(given.tenant, given.phone)
        self._network.faults.refused_pairings[account.id] = given.times
        return {}

    async def _start_load(self, given: p.StartLoad) -> dict[str, Any]:
        phones = [
            self._network.phones.get(self._find.account(given.tenant, phone))
            for phone in given.phones
        ]
        targets = [self._find.address(given.tenant, to) for to in given.to]
        if given.pairs and len(phones) != len(targets):
            raise BadRequest("pairs needs as many phones as addresses")
        return {"load": self._loads.start(given, phones, targets)}

    async def _stop_load(self, given: p.OneLoad) -> dict[str, Any]:
        return self._loads.stop(given.tenant, given.load)

    async def _load_stats(self, given: p.OneLoad) -> dict[str, Any]:
        return self._loads.stats(given.tenant, given.load)
