"""The clock that leases are judged by: it goes on while the process or the machine sleeps."""

from __future__ import annotations

import time

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def boottime() -> float:
    """Seconds that never jump, counting suspension too (where the system has such a clock).

    CLOCK_MONOTONIC stands still while a virtual machine is suspended; a lease does not.
    """
    if _BOOTTIME is None:
        return time.monotonic()
    return time.clock_gettime(_BOOTTIME)
