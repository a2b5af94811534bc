"""Calls: they ring at every device of whom is called, until somebody ends them. There is no sound."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.sandbox.accounts import Account
from workers.sandbox.wire import Node

if TYPE_CHECKING:
    from workers.sandbox.connection import Connection
    from workers.sandbox.network import Network


@dataclass(frozen=True, slots=True)
class Call:
    """A call that rings."""

    id: str
    caller: Account
    callee: Account


class Calls:
    """All calls that ring."""

    def __init__(self) -> None:
        """Nobody calls."""
        self._ringing: dict[str, Call] = {}

    def begin(self, network: Network, caller: Account, callee: Account, *, video: bool) -> str:
        """Let it ring; the call's id."""
        call = Call(secrets.token_hex(16).upper(), caller, callee)
        self._ringing[call.id] = call
        media = [Node("audio", {"enc": "opus", "rate": "16000"})]
        media += [Node("video", {"enc": "vp8"})] if video else []
        _ring(network, call, Node("offer", _about(call), media))
        return call.id

    def end(self, network: Network, id: str, reason: str = "") -> bool:
        """It rings no more; False when it did not ring."""
        call = self._ringing.pop(id, None)
        if call is None:
            return False
        _ring(network, call, Node("terminate", {**_about(call), "reason": reason}))
        return True

    def find(self, id: str) -> Call | None:
        """A call that rings."""
        return self._ringing.get(id)


def _about(call: Call) -> dict[str, object]:
    caller = call.caller
    about = {"call-id": call.id, "call-creator": caller.lid_jid, "caller_pn": caller.pn_jid}
    return {**about}


def _ring(network: Network, call: Call, child: Node) -> None:
    for device in call.callee.devices:
        attrs = {"from": call.caller.lid_jid, "id": network.stanza_id(), "t": int(time.time())}
        attrs |= {"platform": "android", "version": "2.26.30"}
        network.deliver(call.callee, device, Node("call", attrs, [child]))


def from_client(connection: Connection, node: Node) -> None:
    """A companion rejects a call: the caller hears it, and it rings nowhere any more."""
    rejected = node.find("reject")
    network, (account, _) = connection.network, connection.owner
    call = network.calls.find(rejected.get("call-id")) if rejected is not None else None
    if call is None or call.callee is not account:
        return
    network.phones.get(call.caller).note("call", str(account.pn_jid), "rejected", [call.id])
    network.calls.end(network, call.id, "rejected")
