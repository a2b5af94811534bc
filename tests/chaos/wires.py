"""The network between two "hosts": a network namespace where permitted, else proxies that cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
from typing import Protocol


def run(*command: str, check: bool = True) -> bool:
    """Run a system command; whether it succeeded."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.returncode == 0


class Wire(Protocol):
    """Where servers listen, how host B reaches them, and how that is cut."""

    kind: str
    redis: str
    database: str
    sandbox: str
    here: str

    def prefix(self) -> list[str]:
        """What a command of host B is started with."""
        ...

    async def reach(self, what: str, port: int) -> tuple[str, int]:
        """The address at which host B reaches a server."""
        ...

    def cut(self, *what: str) -> None:
        """Let no packet through to these servers; without arguments to nobody at all."""
        ...

    def heal(self) -> None:
        """As before."""
        ...

    async def close(self) -> None:
        """Leave nothing behind."""
        ...


class Namespace:
    """Host B is a network namespace with an address of its own; cutting loses packets."""

    kind = "network namespace"

    def __init__(self) -> None:
        """Make it; raises RuntimeError where that is not permitted."""
        net = f"10.77.{random.randrange(1, 255)}"
        self.redis, self.database, self.sandbox = (f"{net}.{n}" for n in (1, 2, 3))
        self.here = f"{net}.9"
        self.name = f"wac{os.getpid()}"
        self._outer, inner = f"{self.name}a", f"{self.name}b"
        self._addresses = {
            "redis": self.redis, "database": self.database, "sandbox": self.sandbox
        }  # fmt: skip
        if shutil.which("ip") is None:
            raise RuntimeError("no ip command")
        run("ip", "netns", "add", self.name)
        try:
            run("ip", "link", "add", self._outer, "type", "veth", "peer", "name", inner)
            run("ip", "link", "set", inner, "netns", self.name)
            for address in self._addresses.values():
                run("ip", "addr", "add", f"{address}/24", "dev", self._outer)
            run("ip", "link", "set", self._outer, "up")
            self._inside("addr", "add", f"{self.here}/24", "dev", inner)
            self._inside("link", "set", inner, "up")
            self._inside("link", "set", "lo", "up")
        except RuntimeError:
            self._remove()
            raise

    def _inside(self, *words: str, check: bool = True) -> None:
        run("ip", "-n", self.name, *words, check=check)

    def prefix(self) -> list[str]:
        """See Wire."""
        return ["ip", "netns", "exec", self.name]

    async def reach(self, what: str, port: int) -> tuple[str, int]:
        """See Wire."""
        return self._addresses[what], port

    def cut(self, *what: str) -> None:
        """See Wire."""
        if not what:
            run("ip", "link", "set", self._outer, "down")
        for each in what:
            self._inside("route", "add", "blackhole", f"{self._addresses[each]}/32")

    def heal(self) -> None:
        """See Wire."""
        for address in self._addresses.values():
            self._inside("route", "del", "blackhole", f"{address}/32", check=False)
        run("ip", "link", "set", self._outer, "up")

    def _remove(self) -> None:
        run("ip", "link", "del", self._outer, check=False)
        run("ip", "netns", "del", self.name, check=False)

    async def close(self) -> None:
        """See Wire."""
        self._remove()


class Proxy:
    """A TCP proxy on 127.0.0.1 that can be slow, and that can stop passing anything on."""

    def __init__(self, host: str, port: int, delay: float = 0.0) -> None:
        """`delay`: seconds that each piece waits in each direction."""
        self._target, self.delay = (host, port), delay
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        other: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            back, other = await asyncio.open_connection(*self._target)
            both = [
                asyncio.create_task(self._pass(reader, other)),
                asyncio.create_task(self._pass(back, writer)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in both:
                    each.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, other):
                if end is not None:
                    end.transport.abort()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()

    def cut(self) -> None:
        """Pass nothing on; connections stay open, as when packets are lost."""
        self._open.clear()

    def heal(self) -> None:
        """Go on."""
        self._open.set()

    def drop(self) -> None:
        """Reset all connections; new ones are taken."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """End it and its connections."""
        if self._server is not None:
            self._server.close()
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Proxies:
    """Host B is this host, and reaches every server through a proxy of its own."""

    kind = "cutting proxies"

    def __init__(self) -> None:
        self.redis = self.database = self.sandbox = self.here = "127.0.0.1"
        self._proxies: dict[str, Proxy] = {}

    def prefix(self) -> list[str]:
        """See Wire."""
        return []

    async def reach(self, what: str, port: int) -> tuple[str, int]:
        """See Wire."""
        proxy = self._proxies[what] = Proxy("127.0.0.1", port)
        return "127.0.0.1", await proxy.start()

    def cut(self, *what: str) -> None:
        """See Wire."""
        for each in what or self._proxies:
            self._proxies[each].cut()

    def heal(self) -> None:
        """See Wire."""
        for proxy in self._proxies.values():
            proxy.heal()

    async def close(self) -> None:
        """See Wire."""
        for proxy in self._proxies.values():
            await proxy.close()


def open_wire(namespaces: bool = True) -> Wire:
    """The best that this machine permits."""
    if namespaces:
        with contextlib.suppress(RuntimeError):
            return Namespace()
    return Proxies()
