"""Ways in which the network misbehaves when asked to."""

from __future__ import annotations

import time

import msgspec

from workers.sandbox.wire import Node

HOWS = (
    "replaced",
    "logged_out",
    "banned",
    "restricted",
    "outdated",
    "unavailable",
    "drop",
    "silent",
    "delay",
    "heal",
)
#: The error of sends to new contacts.
RESTRICTED = 463
_REASONS = {"banned": "402", "outdated": "405", "unavailable": "503"}


class Fault(msgspec.Struct):
    """What a device or a whole phone meets until it is healed or `until` (monotonic) is over."""

    login: str = ""  # the reason of <failure> at login
    code: int = 0  # the ban's code, or the error of refused sends
    expire: int = 0  # seconds that a temporary ban lasts
    delay: float = 0.0  # seconds before a stanza goes out
    silent: bool = False
    refuse_sends: int = 0
    until: float | None = None


class Faults:
    """Faults by `<phone id>` or `<phone id>:<device>`; they do not outlive the process."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self.refused_pairings: dict[str, int] = {}

    def set(self, key: str, fault: Fault) -> None:
        """From now on this device or phone fails in that way."""
        self._faults[key] = fault

    def heal(self, key: str) -> None:
        """Ends the faults of a phone (with all its devices) or of one device."""
        for known in [k for k in self._faults if k == key or k.startswith(f"{key}:")]:
            del self._faults[known]

    def find(self, phone: str, device: int) -> Fault | None:
        """What this device must suffer now."""
        if not self._faults:
            return None
        for key in (f"{phone}:{device}", phone):
            fault = self._faults.get(key)
            if fault is None:
                continue
            if fault.until is None or time.monotonic() < fault.until:
                return fault
            del self._faults[key]
        return None


def login_fault(how: str, code: int | None, ms: int | None) -> Fault:
    """The fault that answers logins with <failure>; 402 bans for `ms`, 403 and 406 for good."""
    until = None if ms is None else time.monotonic() + ms / 1000
    if how == "banned" and code in (403, 406):
        return Fault(login=str(code), until=until)
    expire = 3600 if ms is None else max(1, ms // 1000)
    return Fault(login=_REASONS[how], code=code or 101, expire=expire, until=until)


def failure(fault: Fault) -> Node:
    """The stanza that refuses a login."""
    attrs: dict[str, str | int] = {"reason": fault.login, "location": "sbx"}
    if fault.login == "402":
        attrs |= {"code": fault.code, "expire": fault.expire}
    return Node("failure", dict(attrs))


REPLACED = Node("stream:error", content=[Node("conflict", {"type": "replaced"})])
REMOVED = Node("stream:error", {"code": "401"}, [Node("conflict", {"type": "device_removed"})])
UNAVAILABLE = Node("stream:error", {"code": "503"})
RESTART = Node("stream:error", {"code": "515"})
