"""The processes that these tests talk to: a sandbox network, and engines."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any, Self

import orjson

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def environment(**more: str) -> dict[str, str]:
    """The tests' own environment, the project importable."""
    return {"PYTHONPATH": str(ROOT), **os.environ, **more}


class Refused(Exception):
    """A process answered with an error; `name` is its class or code."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer}")
        self.name, self.code = answer["error"], answer.get("code", "")


class Sandbox:
    """A sandbox process and its control socket."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tenant = folder, f"ten_{uuid.uuid4().hex[:8]}"
        self.file = folder / "sandbox" / "network.json"
        self._refs = itertools.count()

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, HERE / "run_sandbox.py", self.folder, env=environment()
        )
        async with asyncio.timeout(30):
            while not self.file.exists():
                assert self.process.returncode is None, "the sandbox did not start"
                await asyncio.sleep(0.05)
        self.info = orjson.loads(self.file.read_bytes())
        self._reader, self._writer = await asyncio.open_unix_connection(
            self.info["control_socket"], limit=1 << 24
        )
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        self._writer.close()
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(60):
            await self.process.wait()

    async def _read(self) -> None:
        while line := await self._reader.readline():
            answer = orjson.loads(line)
            self._waiting.pop(answer["id"]).set_result(answer)

    async def __call__(self, method: str, limit: float = 30, **params: Any) -> Any:
        """Call a control method for this test's tenant."""
        ref = next(self._refs)
        waiting = self._waiting[ref] = asyncio.get_running_loop().create_future()
        params = {"tenant": self.tenant, **params}
        self._writer.write(orjson.dumps({"id": ref, "method": method, "params": params}) + b"\n")
        async with asyncio.timeout(limit):
            answer = await waiting
        if "error" in answer:
            raise Refused({"error": answer["error"]["code"], **answer["error"]})
        return answer["result"]

    async def phone(self, **params: Any) -> dict[str, Any]:
        """A new virtual phone."""
        made: dict[str, Any] = await self("phone.create", **params)
        return made


class Engines:
    """A process with engines; every event it told is in `events`, oldest first."""

    def __init__(self, sandbox: Sandbox, folder: Path, **options: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.options = {
            "network": str(sandbox.file),
            "stores": str(folder / "devices"),
            "output": str(folder / f"output-{uuid.uuid4().hex[:6]}"),
            **options,
        }
        self.sandbox, self.events = sandbox, []
        self.process: Process
        self._answers: dict[int, dict[str, Any]] = {}
        self._news, self._refs = asyncio.Condition(), itertools.count()

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            HERE / "run_engines.py",
            orjson.dumps(self.options),
            env=environment(GOMAXPROCS="1", SSL_CERT_FILE=self.sandbox.info["ca_file"]),
            stdin=PIPE,
            stdout=PIPE,
            limit=1 << 24,
        )
        self._task = asyncio.create_task(self._read())
        await self.event("ready", limit=30)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.leave()
        finally:
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()
            self._task.cancel()

    async def leave(self, limit: float = 30) -> int:
        """End the process in the orderly way; its exit status."""
        assert self.process.stdin
        self.process.stdin.close()
        async with asyncio.timeout(limit):
            await self._task
            return await self.process.wait()

    async def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self._task

    async def _read(self) -> None:
        assert self.process.stdout
        while line := await self.process.stdout.readline():
            said = orjson.loads(line)
            async with self._news:
                if "ref" in said:
                    self._answers[said["ref"]] = said
                else:
                    self.events.append(said)
                self._news.notify_all()

    async def until(self, found: Any, limit: float) -> Any:
        """Wait until `found()` is true, and return what it gave."""
        async with asyncio.timeout(limit), self._news:
            await self._news.wait_for(lambda: found() or self._task.done())
            return found()

    async def do(self, do: str, session: str = "", limit: float = 40, **given: Any) -> Any:
        """Run a command; its result. Raises Refused."""
        answer = await self.ask(do, session, limit, **given)
        if "error" in answer:
            raise Refused(answer)
        return answer["result"]

    async def ask(self, do: str, session: str, limit: float = 40, **given: Any) -> dict[str, Any]:
        """Run a command; the whole answer."""
        ref = next(self._refs)
        line = orjson.dumps({"ref": ref, "do": do, "session": session, **given}) + b"\n"
        assert self.process.stdin
        self.process.stdin.write(line)
        answer: dict[str, Any] = await self.until(lambda: self._answers.get(ref), limit)
        assert answer, f"the process died during {do}"
        return answer

    def of(self, session: str, kind: str = "") -> list[dict[str, Any]]:
        """The data of a session's events so far, of one kind or of all."""
        return [
            {"kind": e["event"], **(e.get("data") or {})}
            for e in self.events
            if e.get("session") == session and kind in ("", e["event"])
        ]

    async def event(
        self, kind: str, session: str | None = None, nth: int = 1, limit: float = 20
    ) -> dict[str, Any]:
        """The data of the nth event of a kind, waited for."""

        def found() -> list[Any]:
            return [
                e for e in self.events if e["event"] == kind and session in (None, e.get("session"))
            ][nth - 1 :]

        hits = await self.until(found, limit)
        assert hits, f"no {kind} of {session}: {self.events[-5:]}"
        data: dict[str, Any] = hits[0].get("data") or hits[0]
        return data

    async def link(self, session: str, phone: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start a session and pair it with a (new) phone; returns the phone."""
        phone = phone or await self.sandbox.phone(name=session)
        await self.do("start", session)
        shown = await self.event("QrShown", session)
        await self.sandbox("phone.scan", phone=phone["phone"], qr=shown["code"])
        await self.event("Online", session)
        return phone
