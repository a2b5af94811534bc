"""Redis as a master, a replica and three Sentinels, of which the master can be lost."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.chaos.servers import Process, Redis, answers, free_port, until
from tests.contract.bus.servers import quietly
from wa_api.bus.embedded import find_server

_CONFIG = """port {port}
bind {host}
protected-mode no
sentinel monitor main {host} {master} 2
sentinel down-after-milliseconds main 2000
sentinel failover-timeout main 4000
"""


class _Sentinel(Process):
    def __init__(self, name: str, folder: Path, host: str, master: int) -> None:
        super().__init__(name, folder)
        self.host, self.port = host, free_port(host)
        self._config = folder / f"{name}.conf"
        self._config.write_text(_CONFIG.format(port=self.port, host=host, master=master))

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self.spawn([str(find_server()), str(self._config), "--sentinel"])
        await until(lambda: answers(self.host, self.port), 20, f"{self.name} does not answer")


class Sentinels:
    """In the place of one `Redis`."""

    def __init__(self, folder: Path, host: str) -> None:
        self.host = host
        self._servers = [Redis(folder, host, name) for name in ("redis", "redis-2")]
        master = self._servers[0].port
        self._watchers = [_Sentinel(f"sentinel-{n}", folder, host, master) for n in range(3)]
        self.port = self._watchers[0].port
        hosts = ",".join(f"{host}:{each.port}" for each in self._watchers)
        self.url = f"redis+sentinel://{hosts}/main"

    async def start(self) -> None:
        """Start all and wait until the Sentinels know each other and the replica."""
        first, second = self._servers
        await first.start()
        await second.start("--replicaof", first.host, str(first.port))
        for watcher in self._watchers:
            await watcher.start()
        for watcher in self._watchers:
            url = f"redis://{watcher.host}:{watcher.port}"
            await until(lambda url=url: _complete(url), 30, "the Sentinels do not find each other")

    async def fail_over(self) -> None:
        """The master is killed; the replica takes over; the old one comes back as its replica."""
        port = await self._master()
        lost = next(server for server in self._servers if server.port == port)
        await lost.end(signal.SIGKILL)

        async def promoted() -> bool:
            return await self._master() not in (0, port)

        await until(promoted, 30, "no replica is promoted")
        master = await self._master()
        await lost.start("--replicaof", lost.host, str(master))
        at = f"redis://{lost.host}:{master}"

        async def replicated() -> bool:
            return bool(await quietly(at, "WAIT", "1", "500"))

        await until(replicated, 30, "the replica does not come back")

    async def _master(self) -> int:
        url = f"redis://{self.host}:{self.port}"
        found = await quietly(url, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
        return int(found[1]) if found else 0

    def send(self, number: int) -> None:
        """A signal to all."""
        for each in (*self._watchers, *self._servers):
            each.send(number)

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End all."""
        for each in (*self._watchers, *self._servers):
            await each.end(number)


async def _complete(url: str) -> bool:
    answer = await quietly(url, "SENTINEL", "MASTER", "main")
    facts = dict(zip(answer[::2], answer[1::2], strict=True)) if answer else {}
    return (facts.get(b"num-other-sentinels"), facts.get(b"num-slaves")) == (b"2", b"1")
