"""A sandbox process and engine processes for tests, all thrown away afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio

from wa_api.bus.sandbox import SandboxClient

ROOT = Path(__file__).parents[3]
DRIVER = ROOT / "tests" / "support" / "engine_driver.py"
PATIENCE = 40.0
START = """
import sys
from pathlib import Path
from workers.sandbox import SandboxSettings, main
main(SandboxSettings(data_dir=Path(sys.argv[1])))
"""


class Sandbox:
    """The sandbox in a process of its own, and a client of its control socket."""

    def __init__(self, folder: Path, tenant: str = "ten_1") -> None:
        self.folder, self.tenant = folder, tenant
        self.info: dict[str, Any] = {}
        self.client = SandboxClient(folder / "sandbox" / "control.sock")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        ready = self.folder / "sandbox" / "network.json"
        log = (self.folder / "sandbox.log").open("ab")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", START, str(self.folder), cwd=ROOT, stdout=log, stderr=log
        )
        log.close()
        async with asyncio.timeout(PATIENCE):
            while True:
                if ready.exists():
                    self.info = orjson.loads(ready.read_bytes())
                    if self.info["pid"] == self._process.pid:
                        return
                if self._process.returncode is not None:
                    raise RuntimeError((self.folder / "sandbox.log").read_text())
                await asyncio.sleep(0.05)

    async def stop(self) -> int:
        assert self._process is not None
        await self.client.close()
        self._process.terminate()
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def kill(self) -> None:
        """Ends it with SIGKILL."""
        assert self._process is not None
        await self.client.close()
        self._process.kill()
        await self._process.wait()

    async def call(self, method: str, **params: Any) -> Any:
        return await self.client.call(method, timeout=PATIENCE, tenant=self.tenant, **params)

    async def phone(self, **params: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.call("phone.create", **params)
        return made

    async def received(self, phone: dict[str, Any], text: str) -> dict[str, Any]:
        """The message of that text, once the phone has decrypted it."""
        return await self.eventually(
            lambda: self.call("phone.inbox", phone=phone["phone"], limit=1000),
            lambda letter: letter["text"] == text,
        )

    async def noted(self, phone: dict[str, Any], **facts: Any) -> dict[str, Any]:
        """A receipt, typing or presence that the phone noticed."""
        return await self.eventually(
            lambda: self.call("phone.events", phone=phone["phone"], limit=1000),
            lambda event: facts.items() <= event.items(),
        )

    async def eventually(self, ask: Any, wanted: Callable[[Any], bool]) -> dict[str, Any]:
        seen: list[Any] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    seen = await ask()
                    for entry in seen:
                        if wanted(entry):
                            return dict(entry)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not found in {seen}") from None


class Engine:
    """The unmodified engine in a process of its own."""

    def __init__(self, sandbox: Sandbox, store: Path) -> None:
        self._sandbox, self._store = sandbox, store
        self.facts: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self._ref = 0
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]

    async def start(self) -> None:
        info = self._sandbox.info
        env = os.environ | {"GOMAXPROCS": "1", "SSL_CERT_FILE": info["ca_file"]}
        log = self._store.with_suffix(".log").open("ab")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(DRIVER),
            info["proxy_url"],
            info["noise_root_key_file"],
            str(self._store),
            env=env,
            stdin=-1,
            stdout=-1,
            stderr=log,
        )
        log.close()
        self._reading = asyncio.create_task(self._read())
        await self.wait("ready")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.facts.append(orjson.loads(line))
            self._changed.set()
        self.facts.append({"event": "exited"})
        self._changed.set()

    def mark(self) -> int:
        """A place to wait from."""
        return len(self.facts)

    async def wait(self, event: str, since: int = 0, **facts: Any) -> dict[str, Any]:
        """The first such fact, seen already or to come."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for fact in self.facts[since:]:
                        if fact["event"] == event and facts.items() <= fact.items():
                            return fact
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            log = self._store.with_suffix(".log").read_text()[-3000:]
            raise AssertionError(f"no {event} {facts} in {self.facts[since:]}\n{log}") from None

    def send(self, do: str, **given: Any) -> int:
        self._ref += 1
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps({"do": do, "ref": self._ref, **given}) + b"\n")
        return self._ref

    async def do(self, do: str, **given: Any) -> dict[str, Any]:
        """Has the engine do something, and waits until it is done."""
        ref, since = self.send(do, **given), 0
        async with asyncio.timeout(PATIENCE):
            while True:
                for fact in self.facts[since:]:
                    if fact.get("ref") == ref:
                        if fact["event"] == "failed":
                            raise RuntimeError(fact["error"])
                        return fact
                since = len(self.facts)
                self._changed.clear()
                await self._changed.wait()

    async def link(self, phone: dict[str, Any]) -> dict[str, Any]:
        """Pairs by QR and waits until it is online."""
        await self.do("connect")
        qr = await self.wait("qr")
        linked = await self._sandbox.call("phone.scan", phone=phone["phone"], qr=qr["code"])
        await self.wait("connected")
        return dict(linked)

    async def available(self) -> None:
        """Announces itself, once the account's name has reached it with the app state."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.do("available")
                except RuntimeError as error:
                    if "PushName" not in str(error):
                        raise
                    await asyncio.sleep(0.05)
                else:
                    return

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A running sandbox; it must end in good order."""
    running = Sandbox(tmp_path)
    await running.start()
    yield running
    assert await running.stop() == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    """A sandbox for all tests of a module."""
    running = Sandbox(tmp_path_factory.mktemp("network"))
    await running.start()
    yield running
    assert await running.stop() == 0


@pytest.fixture
async def shared(network: Sandbox) -> AsyncIterator[Sandbox]:
    """The module's sandbox as a tenant of the test's own sees it."""
    mine = Sandbox(network.folder, f"ten_{uuid4().hex}")
    mine.info = network.info
    yield mine
    await mine.client.close()


@pytest.fixture
async def engines(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Callable[[str], Any]]:
    """Starts engines by the name of their store."""
    started: list[Engine] = []

    async def start(name: str) -> Engine:
        engine = Engine(sandbox, tmp_path / f"{name}.db")
        started.append(engine)
        await engine.start()
        return engine

    yield start
    for engine in started:
        await engine.stop()
