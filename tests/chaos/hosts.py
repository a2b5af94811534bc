"""Two hosts, each a `wa-api serve` with all roles, that share Redis, PostgreSQL and the sandbox."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil

from tests.chaos.sentinels import Sentinels
from tests.chaos.servers import (
    Postgres,
    Process,
    Redis,
    Sandbox,
    environment,
    free_port,
    postgres_binaries,
    until,
)
from tests.chaos.wires import Wire, open_wire
from wa_api.bus.open import Bus, open_bus
from wa_api.bus.sandbox import SandboxClient

_TOKEN = re.compile(r"administrator\s+(\S+)")
#: How each role's processes can be told by their command line.
ROLES = {
    "http": ("wa_api", "http"),
    "sessions": ("workers", "sessions", "sandbox"),
    "webhooks": ("workers", "webhooks"),
}


class Host(Process):
    """One `wa-api serve`."""

    def __init__(self, name: str, folder: Path, prefix: list[str], env: dict[str, str]) -> None:
        super().__init__(name, folder)
        self._prefix, self._env = prefix, env
        self.data = Path(env["WA_DATA_DIR"])
        self.url = ""

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self.begin()
        await self.ready()

    def begin(self) -> None:
        """Start it."""
        argv = [*self._prefix, sys.executable, "-m", "wa_api", "serve"]
        self.spawn(argv, env=environment(**self._env))

    async def ready(self) -> None:
        """Wait until it is."""
        await until(self._is_ready, 90, f"{self.name} does not get ready, see {self.log}")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            facts = orjson.loads((self.data / "serve.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return False
        self.url = facts["url"]
        return bool(facts["pid"] == self.pid)

    @property
    def token(self) -> str:
        """The first administrator's one-time token."""
        found = _TOKEN.search(self.log.read_text())
        return found[1] if found else ""

    def children(self, role: str) -> list[psutil.Process]:
        """Its living processes of a role."""
        try:
            family = psutil.Process(self.pid).children(recursive=True)
        except psutil.Error:
            return []
        return [each for each in family if _is(each, ROLES[role])]


def _is(process: psutil.Process, words: tuple[str, ...]) -> bool:
    try:
        line = process.cmdline()
        return all(word in line for word in words) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def worker_of(process: psutil.Process) -> str:
    """The name of a process in the fleet."""
    try:
        return str(process.environ().get("WA_WORKER_ID", ""))
    except psutil.Error:
        return ""


@dataclass
class World:
    """Everything that runs."""

    folder: Path
    wire: Wire
    redis: Redis | Sentinels
    postgres: Postgres | None
    sandbox: Sandbox
    judge: SandboxClient
    a: Host
    b: Host
    bus: Bus

    @property
    def hosts(self) -> list[Host]:
        """Both."""
        return [self.a, self.b]

    def workers(self, role: str) -> list[psutil.Process]:
        """All living processes of a role."""
        return [each for host in self.hosts for each in host.children(role)]


@dataclass(frozen=True)
class Sizes:
    """How large the world is."""

    http: int = 2
    workers: int = 2
    lease: float = 6.0
    namespaces: bool = True
    sentinels: bool = False  #: Redis as a master with a replica (needs namespaces)


@asynccontextmanager
async def world(sizes: Sizes, keep: Path | None = None) -> AsyncIterator[World]:
    """Everything started and ready; nothing is left afterwards but logs in `keep`."""
    folder = _folder()
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if keep is not None:
            stack.callback(_keep_logs, folder, keep)
        wire = open_wire(sizes.namespaces)
        stack.push_async_callback(wire.close)
        kind = Sentinels if sizes.sentinels else Redis
        redis, sandbox = kind(folder, wire.redis), Sandbox(folder, wire.sandbox)
        postgres = Postgres(folder, wire.database) if postgres_binaries() else None
        for server in (redis, sandbox, postgres):
            if server is not None:
                number = signal.SIGINT if server is postgres else signal.SIGTERM
                stack.push_async_callback(server.end, number)
                await server.start()
        judge = SandboxClient(sandbox.socket)
        stack.push_async_callback(judge.close)
        a, b = [await _host(n, folder, wire, redis, postgres, sandbox, sizes) for n in "ab"]
        for host in (a, b):
            stack.push_async_callback(host.end)
        await a.start()
        await b.start()
        bus = await stack.enter_async_context(open_bus(redis.url, lease_seconds=sizes.lease))
        try:
            yield World(folder, wire, redis, postgres, sandbox, judge, a, b, bus)
        finally:
            redis.send(signal.SIGCONT)
            wire.heal()
            await asyncio.gather(a.end(), b.end())


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wac-"))
    folder.chmod(0o755)  # PostgreSQL's user has to get through
    return folder


def _keep_logs(folder: Path, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, keep / log.name)


async def _host(
    name: str,
    folder: Path,
    wire: Wire,
    redis: Redis | Sentinels,
    postgres: Postgres | None,
    sandbox: Sandbox,
    sizes: Sizes,
) -> Host:
    here = name == "a"
    place = "127.0.0.1" if here else wire.here
    reached = {"redis": (redis.host, redis.port), "sandbox": (sandbox.host, sandbox.port)}
    if postgres is not None:
        reached["database"] = (postgres.host, postgres.port)
    if not here:
        for what, (_, port) in list(reached.items()):
            reached[what] = await wire.reach(what, port)
    at = {what: f"{host}:{port}" for what, (host, port) in reached.items()}
    database = (
        f"postgres://postgres@{at['database']}/postgres"
        if postgres is not None
        else f"sqlite://{folder / 'shared.sqlite3'}"
    )
    port = free_port("127.0.0.1")
    env = {
        "WA_DATA_DIR": str(folder / (name if postgres is not None else "a")),
        "WA_HTTP_HOST": place,
        "WA_HTTP_PORT": str(port),
        "WA_HTTP_WORKERS": str(sizes.http if here else 1),
        "WA_HTTP_HEARTBEAT_SECONDS": "2",
        "WA_SESSIONS_WORKERS": str(sizes.workers),
        "WA_SESSIONS_LEASE_SECONDS": str(sizes.lease),
        "WA_REDIS_URL": redis.url if sizes.sentinels else f"redis://{at['redis']}",
        "WA_DATABASE_URL": database,
        "WA_DATABASE_POOL_SIZE": "6",
        "WA_SANDBOX_ENABLED": "false",
        "WA_NETWORKS__SANDBOX__PROXY_URL": f"http://{at['sandbox']}",
        "WA_NETWORKS__SANDBOX__CA_FILE": sandbox.facts["ca_file"],
        "WA_NETWORKS__SANDBOX__NOISE_ROOT_KEY_FILE": sandbox.facts["noise_root_key_file"],
        "WA_AUTH_JWT_SECRET": "chaos" * 8,
        "WA_LOG_FORMAT": "json",
    }
    return Host(name, folder, [] if here else wire.prefix(), env)
