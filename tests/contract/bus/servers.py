"""Real servers for the tests: one, a master with Sentinels, a Cluster."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from wa_api.bus.connect import Dialer, parse_url
from wa_api.bus.embedded import find_server
from wa_api.bus.wire import ReplyError
from wa_api.domain.errors import WaError

EXTERNAL = os.environ.get("WA_TEST_REDIS_URL", "redis://127.0.0.1:6379")


async def ask(url: str, *parts: str | int) -> Any:
    """One command over a connection of its own."""
    dialer = Dialer(parse_url(url), 2.0, None)
    connection = await dialer.connect(dialer.target.addresses[0])
    try:
        reply = await connection.send(parts)
    finally:
        connection.abort()
    if isinstance(reply, ReplyError):
        raise reply
    return reply


async def eventually(check: Callable[[], Any], limit: float = 60.0) -> Any:
    """Poll until `check` (a function or coroutine function) gives something true."""
    async with asyncio.timeout(limit):
        while True:
            found = check()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)


async def quietly(url: str, *parts: str | int) -> Any:
    """`ask`, or None while the server does not answer."""
    try:
        return await ask(url, *parts)
    except (WaError, ReplyError, OSError):
        return None


def external_answers() -> bool:
    """Whether there is a Redis to test with."""
    return asyncio.run(quietly(EXTERNAL, "PING")) == b"PONG"


def free_port() -> int:
    """A free port, with the one 10,000 above (a cluster's bus) free too."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            for candidate in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", candidate))
        except OSError:
            continue
        return port


class Server:
    """A server process on a TCP port."""

    def __init__(self, directory: Path, *options: str | int, sentinel: str = "") -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        directory.mkdir(parents=True, exist_ok=True)
        arguments = ["--port", self.port, "--bind", "127.0.0.1", "--save", "", *options]
        if sentinel:
            config = directory / "sentinel.conf"
            config.write_text(f"port {self.port}\nbind 127.0.0.1\n{sentinel}")
            arguments = [config, "--sentinel"]
        with (directory / "log").open("w") as output:
            self.process = subprocess.Popen(
                [find_server(), *map(str, arguments)],
                cwd=directory,
                stdout=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Wait until all answer; kill them at the end."""
    try:
        asyncio.run(_all_answer(servers))
        yield
    finally:
        for server in servers:
            server.kill()


async def _all_answer(servers: tuple[Server, ...]) -> None:
    for server in servers:
        await eventually(lambda url=server.url: quietly(url, "PING"))


@contextmanager
def sentinels(directory: Path) -> Iterator[tuple[str, list[Server]]]:
    """A master, a replica and three Sentinels: (URL, [master, replica])."""
    with ExitStack() as stack:
        master = Server(directory / "master")
        stack.enter_context(running(master))
        replica = Server(directory / "replica", "--replicaof", "127.0.0.1", master.port)
        stack.enter_context(running(replica))
        config = (
            f"sentinel monitor main 127.0.0.1 {master.port} 2\n"
            "sentinel down-after-milliseconds main 1500\n"
            "sentinel failover-timeout main 3000\n"
        )
        watchers = [Server(directory / f"watcher{n}", sentinel=config) for n in range(3)]
        stack.enter_context(running(*watchers))
        asyncio.run(_watch_each_other([watcher.url for watcher in watchers]))
        hosts = ",".join(f"127.0.0.1:{watcher.port}" for watcher in watchers)
        yield f"redis+sentinel://{hosts}/main", [master, replica]


async def _watch_each_other(urls: list[str]) -> None:
    async def complete(url: str) -> bool:
        answer = await ask(url, "SENTINEL", "MASTER", "main")
        facts = dict(zip(answer[::2], answer[1::2], strict=True))
        return facts[b"num-other-sentinels"] == b"2" and facts[b"num-slaves"] == b"1"

    for url in urls:
        await eventually(lambda url=url: complete(url), limit=30)


@contextmanager
def cluster(directory: Path) -> Iterator[tuple[str, list[Server]]]:
    """Three masters with a replica each: (URL, servers, the masters first)."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", 2500)
    servers = [Server(directory / f"node{n}", *options) for n in range(6)]
    with running(*servers):
        asyncio.run(_join(servers))
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers[:2])
        yield f"redis+cluster://{hosts}", servers


async def _join(servers: list[Server]) -> None:
    bounds = [(0, 5460), (5461, 10922), (10923, 16383)]
    for (first, last), server in zip(bounds, servers, strict=False):
        await ask(server.url, "CLUSTER", "ADDSLOTSRANGE", first, last)
    for server in servers[1:]:
        await ask(server.url, "CLUSTER", "MEET", "127.0.0.1", servers[0].port)
    for server in servers:
        await eventually(partial(_says, server, 6, b"connected", "CLUSTER", "NODES"), limit=30)
    for master, replica in zip(servers[:3], servers[3:], strict=True):
        master_id = (await ask(master.url, "CLUSTER", "MYID")).decode()
        await eventually(partial(quietly, replica.url, "CLUSTER", "REPLICATE", master_id))
    for server in servers:
        await eventually(partial(_says, server, 1, b"state:ok", "CLUSTER", "INFO"), limit=30)
        await eventually(partial(_says, server, 3, b"slave", "CLUSTER", "NODES"), limit=30)
    for replica in servers[3:]:
        await eventually(partial(_says, replica, 1, b"link_status:up", "INFO"), limit=30)


async def _says(server: Server, times: int, text: bytes, *question: str) -> bool:
    return (await ask(server.url, *question)).count(text) >= times
