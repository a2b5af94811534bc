"""One child process: started so that it cannot outlive us, awaited without polling."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wa_api.domain.ids import WorkerId, new_id

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """How to start a process. `name` is for people, `role` for rules, `env` is added to ours."""

    name: str
    role: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    fds: tuple[int, ...] = ()
    beats: bool = True  #: whether it reports to the fleet under the worker id that it is given


def _die_with(parent: int) -> Callable[[], None]:
    """What a child runs before it becomes its program: SIGKILL it when `parent` dies."""

    def prepare() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return prepare


class Child:
    """A running process in a process group of its own (so Ctrl+C reaches only the parent)."""

    def __init__(self, spec: Spec) -> None:
        """Start it; raises OSError. Must be called in the main thread of a running event loop."""
        self.spec = spec
        self.worker = WorkerId(new_id("wrk"))
        self.started = time.monotonic()
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # Synchronous on purpose: it cannot be cancelled half-way and leave a process unknown.
        self._process = subprocess.Popen(  # noqa: S603
            spec.argv,
            env={**os.environ, **spec.env, "WA_WORKER_ID": self.worker},
            stdin=subprocess.DEVNULL,
            stdout=2,  # our standard output belongs to the person who started us
            pass_fds=spec.fds,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - no other thread runs here
        )
        self._watch()

    @property
    def pid(self) -> int:
        """Process id; stays reserved until the end was seen."""
        return self._process.pid

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started

    @property
    def running(self) -> bool:
        """Whether its end has not been seen yet."""
        return not self._ended.done()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        if hasattr(os, "pidfd_open"):
            pidfd = os.pidfd_open(self.pid)

            def ended() -> None:
                loop.remove_reader(pidfd)
                os.close(pidfd)
                self._finish()

            loop.add_reader(pidfd, ended)
        else:  # macOS: a thread waits
            loop.run_in_executor(None, self._process.wait).add_done_callback(
                lambda _: self._finish()
            )

    def _finish(self) -> None:
        code = self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # whatever it started itself
        if not self._ended.done():
            self._ended.set_result(code)

    async def wait(self) -> int:
        """Its exit code once it has ended, -N when signal N ended it."""
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self, limit: float) -> bool:
        """Ask it to end; kill it after `limit` seconds. True when it ended by itself."""
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.wait(), limit)
        except TimeoutError:
            self.kill()
            await self.wait()
            return False
        return True

    def kill(self) -> None:
        """End it at once, stopped or not, with all that it started."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
