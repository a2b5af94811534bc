"""PostgreSQL, Redis and the sandbox of the suite's own, with what can be done to them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from wa_api.bus.embedded import find_server

ROOT = Path(__file__).resolve().parents[2]


async def until(check: Any, limit: float, why: str) -> Any:
    """Poll a function or coroutine function; AssertionError with `why` when it takes too long."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = check()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{why} (waited {limit:.0f} s)")


def free_port(host: str) -> int:
    """A port that nobody uses."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


def environment(**settings: str) -> dict[str, str]:
    """Ours without settings, and these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WA_")}
    return {**kept, **settings}


class Process:
    """A process of the suite; ended with it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.log = name, folder, folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, argv: list[str], **more: Any) -> None:
        """Start it."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                argv,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **more,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def send(self, number: int) -> None:
        """A signal."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    async def end(self, number: int = signal.SIGTERM, limit: float = 60.0) -> None:
        """Send a signal and wait; killed when that takes too long."""
        if self.process is None:
            return
        self.send(number)
        try:
            await asyncio.to_thread(self.process.wait, limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            await asyncio.to_thread(self.process.wait, 10)


class Redis(Process):
    """One server, with its data on disk as `appendfsync everysec` keeps it."""

    def __init__(self, folder: Path, host: str, name: str = "redis") -> None:
        super().__init__(name, folder)
        self.host, self.port = host, free_port(host)
        self.url = f"redis://{host}:{self.port}"
        self._data = folder / name
        self._data.mkdir()

    async def start(self, *more: str) -> None:
        """Start it and wait until it answers."""
        options = {
            "--bind": self.host, "--port": str(self.port), "--dir": str(self._data),
            "--protected-mode": "no", "--appendonly": "yes", "--appendfsync": "everysec",
            "--save": "",
        }  # fmt: skip
        words = [word for pair in options.items() for word in pair]
        self.spawn([str(find_server()), *words, *more])
        await until(lambda: answers(self.host, self.port), 20, "Redis does not answer")


class Postgres(Process):
    """One server; runs as another user when we are root."""

    def __init__(self, folder: Path, host: str) -> None:
        super().__init__("postgres", folder)
        self.host, self.port = host, free_port(host)
        self.url = f"postgres://postgres@{host}:{self.port}/postgres"
        self._bin = postgres_binaries()
        self._data = folder / "postgres"
        self._user: dict[str, Any] = {}
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            name = "postgres" if _has_user("postgres") else "nobody"
            self._user = {"user": name, "extra_groups": []}
            shutil.chown(self._data, name)

    async def start(self) -> None:
        """Start it (made on first use) and wait until it answers."""
        assert self._bin is not None
        if not (self._data / "PG_VERSION").exists():
            argv = [str(self._bin / "initdb"), "-D", str(self._data), "-U", "postgres"]
            self.spawn([*argv, "--auth=trust", "--no-sync", "-E", "UTF8"], **self._user)
            assert self.process is not None
            assert await asyncio.to_thread(self.process.wait, 60) == 0, self.log.read_text()
            with (self._data / "pg_hba.conf").open("a") as file:
                file.write("host all all 10.0.0.0/8 trust\n")
        options = {
            "listen_addresses": self.host, "port": str(self.port), "max_connections": "500",
            "unix_socket_directories": "", "shared_buffers": "64MB",
            "recovery_init_sync_method": "syncfs",  # of thousands of small files, one by one: 20 s
        }  # fmt: skip
        words = [word for pair in options.items() for word in ("-c", "=".join(pair))]
        argv = [str(self._bin / "postgres"), "-D", str(self._data), *words]
        self.spawn(argv, **self._user)
        await until(lambda: answers(self.host, self.port), 60, "PostgreSQL does not answer")


def postgres_binaries() -> Path | None:
    """The directory with PostgreSQL's servers; None when it is not installed."""
    found = shutil.which("initdb")
    here = [Path(found).resolve().parent] if found else []
    there = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((path for path in [*here, *there] if (path / "postgres").exists()), None)


def _has_user(name: str) -> bool:
    import pwd

    return any(entry.pw_name == name for entry in pwd.getpwall())


class Sandbox(Process):
    """The network without phones, and the judge. No fault kills it: it is the outside world."""

    def __init__(self, folder: Path, host: str) -> None:
        super().__init__("sandbox", folder)
        self.host, self._data = host, folder / "world"
        self.facts: dict[str, Any] = {}

    async def start(self) -> None:
        """Start it and learn where it listens."""
        env = environment(
            WA_DATA_DIR=str(self._data), WA_SANDBOX_HOST=self.host, WA_LOG_LEVEL="warning"
        )
        self.spawn([sys.executable, "-m", "wa_api", "serve", "--role", "sandbox"], env=env)
        file = self._data / "sandbox" / "network.json"
        await until(file.exists, 30, "the sandbox does not start")
        self.facts = orjson.loads(file.read_bytes())

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.facts["proxy_url"].rpartition(":")[2])

    @property
    def socket(self) -> Path:
        """Its control socket."""
        return Path(self.facts["control_socket"])
