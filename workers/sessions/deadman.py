"""The last safeguard: the kernel kills this process if it does not let go of a lease in time.

An event loop that hangs, a Go runtime that is stuck, or a process that was stopped (SIGSTOP)
cannot close its connections itself, and the next owner would be the second one on the same
device. A POSIX timer whose signal is SIGKILL needs no thread, no interpreter lock and no
scheduling of this process: it fires while the process is stopped, and the kernel closes the
sockets. See timer_create(2); where that is missing a thread does what it can.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Protocol

from workers.sessions.clock import boottime

_ABSOLUTE = 1  # TIMER_ABSTIME
_TICK = 0.02


class Deadman(Protocol):
    """Kills this process unless it is armed anew (or disarmed) before the deadline."""

    def arm(self, deadline: float | None) -> None:
        """Die at `deadline` (of `boottime`); None: not at all. Replaces the deadline before."""
        ...


class _Sigevent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_byte * 48),
    )


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class KernelTimer:
    """A timer of the kernel (Linux) that sends SIGKILL."""

    def __init__(self) -> None:
        """Raises OSError where the kernel has no such timer."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        event = _Sigevent(None, signal.SIGKILL, 0)
        if not hasattr(self._libc, "timer_create"):
            raise OSError("no timer_create")
        clock = time.CLOCK_BOOTTIME
        self._check(self._libc.timer_create(clock, ctypes.byref(event), ctypes.byref(self._timer)))

    def arm(self, deadline: float | None) -> None:
        """See `Deadman.arm`."""
        spec = _Itimerspec(_Timespec(0, 0), _Timespec(0, 0))
        if deadline is not None:
            # A time that has passed fires at once; zero would disarm.
            nanoseconds = max(1, int(deadline * 1e9))
            spec.value = _Timespec(*divmod(nanoseconds, 1_000_000_000))
        self._check(self._libc.timer_settime(self._timer, _ABSOLUTE, ctypes.byref(spec), None))

    def _check(self, result: int) -> None:
        if result:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))


class WatchThread:
    """A thread that looks every 20 ms: the second best, where the kernel has no such timer."""

    def __init__(self) -> None:
        """Starts the thread."""
        self._deadline: float | None = None
        threading.Thread(target=self._watch, name="deadman", daemon=True).start()

    def arm(self, deadline: float | None) -> None:
        """See `Deadman.arm`."""
        self._deadline = deadline

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK)
            deadline = self._deadline
            if deadline is not None and boottime() > deadline:
                os.kill(os.getpid(), signal.SIGKILL)


def deadman() -> Deadman:
    """The best one that this system has."""
    if sys.platform == "linux":
        try:
            return KernelTimer()
        except OSError:
            pass
    return WatchThread()
