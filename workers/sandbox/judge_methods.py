"""Control methods about the network as a whole and the judge's record."""

from __future__ import annotations

from typing import Any

import msgspec

from workers.sandbox import params as p
from workers.sandbox.handlers import Table
from workers.sandbox.network import Network


class JudgeMethods:
    """`network.*` and `judge.*`; without a tenant they are about everybody."""

    def __init__(self, network: Network, info: dict[str, Any]) -> None:
        self._network, self._info = network, info
        self.table: Table = {
            "network.info": (p.Nothing, self._describe_network),
            "network.stats": (p.Nothing, self._stats),
            "network.connections": (p.Judged, self._connections),
            "judge.arrived": (p.Judged, self._arrived),
            "judge.sent": (p.Judged, self._sent),
            "judge.connections": (p.Judged, self._connections),
            "judge.overlaps": (p.Nothing, self._overlaps),
            "judge.reset": (p.Nothing, self._reset),
        }

    async def _describe_network(self, given: p.Nothing) -> dict[str, Any]:
        return self._info

    async def _stats(self, given: p.Nothing) -> dict[str, Any]:
        network = self._network
        judge = network.judge
        accounts = [a for a in network.directory if given.tenant in (None, a.tenant)]
        return {
            "phones": len(accounts),
            "devices": sum(len(account.devices) for account in accounts),
            "connected": sum(1 for k in network.connections if self._is_of(k[0], given.tenant)),
            "sockets": len(network.sockets),
            "waiting": sum(
                len(network.mailbox(account, device))
                for account in accounts
                for device in account.devices
            ),
            **judge.figures(given.tenant),
        }

    def _is_of(self, phone: str, tenant: str | None) -> bool:
        account = self._network.directory.by_id(phone)
        return account is not None and tenant in (None, account.tenant)

    async def _connections(self, given: p.Judged) -> list[Any]:
        judge = self._network.judge
        return judge.page(
            judge.links,
            given.tenant,
            given.after,
            given.limit,
            phone=given.phone,
            device=given.device,
        )

    async def _arrived(self, given: p.Judged) -> list[Any]:
        judge = self._network.judge
        return judge.page(
            judge.arrivals,
            given.tenant,
            given.after,
            given.limit,
            phone=given.phone,
            device=given.device,
            chat=given.chat,
        )

    async def _sent(self, given: p.Judged) -> list[Any]:
        judge = self._network.judge
        return judge.page(
            judge.departures,
            given.tenant,
            given.after,
            given.limit,
            phone=given.phone,
            chat=given.chat,
        )

    async def _overlaps(self, given: p.Nothing) -> list[Any]:
        overlaps = self._network.judge.overlaps
        return [msgspec.to_builtins(o) for o in overlaps if given.tenant in (None, o.tenant)]

    async def _reset(self, given: p.Nothing) -> dict[str, Any]:
        self._network.judge.reset(given.tenant)
        return {}
