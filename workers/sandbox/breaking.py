"""Makes the network fail for a device in a chosen way."""

from __future__ import annotations

import time

import structlog

from workers.sandbox import faults
from workers.sandbox.accounts import Account
from workers.sandbox.errors import BadRequest
from workers.sandbox.faults import Fault
from workers.sandbox.network import Network
from workers.sandbox.wire import Node

log = structlog.get_logger()

_LAST_WORDS: dict[str, Node] = {"replaced": faults.REPLACED, "unavailable": faults.UNAVAILABLE}
_LOGIN = ("banned", "outdated", "unavailable")


def break_device(
    network: Network,
    account: Account,
    device: int | None,
    how: str,
    ms: int | None = None,
    code: int | None = None,
) -> list[int]:
    """Breaks one device, or all of a phone's (None); returns which.

    `ms` is how long it lasts (for `delay`: how late each stanza is), for ever when left out;
    `code` is the ban's (402 with a code, 403 or 406 for good) or the error of refused sends.
    """
    if how not in faults.HOWS:
        raise BadRequest(f"how must be one of {', '.join(faults.HOWS)}")
    hit = [device] if device else list(account.devices)
    key = f"{account.id}:{device}" if device else account.id
    log.info("sandbox.broken", phone=account.id, devices=hit, how=how, ms=ms, code=code)
    if how == "heal":
        network.faults.heal(key)
        return hit
    until = None if ms is None else time.monotonic() + ms / 1000
    if how in _LOGIN:
        network.faults.set(key, faults.login_fault(how, code, ms))
    elif how == "delay":
        network.faults.set(key, Fault(delay=(ms or 0) / 1000))
    elif how == "silent":
        network.faults.set(key, Fault(silent=True, until=until))
    elif how == "restricted":
        network.faults.set(key, Fault(refuse_sends=code or faults.RESTRICTED, until=until))
    for number in hit:
        _end(network, account, number, how)
    return hit


def _end(network: Network, account: Account, device: int, how: str) -> None:
    connection = network.live(account, device)
    if how == "logged_out":
        if connection is not None:
            connection.finish(faults.REMOVED, "logged_out")
        network.remove_device(account, device)
    elif connection is None:
        return
    elif how in ("drop", "banned", "outdated"):
        connection.abort(how)
    elif how in _LAST_WORDS:
        connection.finish(_LAST_WORDS[how], how)
