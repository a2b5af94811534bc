"""Engines in a process of their own: JSON lines in (commands) and out (answers and events).

`run_engines.py OPTIONS` with JSON options: `network` (the sandbox's network.json), `stores` (a
directory or a PostgreSQL URL), `output` (the captured descriptors' file), `timing`, `stop`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson
import structlog

from wa_api.domain.addresses import parse_address
from wa_api.domain.content import Context, Text
from workers.engine.capture import OutputCapture
from workers.engine.connection import StopLimits
from workers.engine.engine import Timing
from workers.engine.factory import NeonizeFactory, Wear
from workers.engine.neonize import Client, proto
from workers.engine.port import Engine, NetworkEndpoint, Sent, Target
from workers.engine.stores import FileStores, PostgresStores


def plain(value: Any) -> Any:
    """A port event as JSON types."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | dict | None) else str(value)


def pin_on_phone(client: Client, chat: str, collection: int) -> str:
    """Have the library change a chat on the phone, which the gateway does not; its error text."""
    patch = proto.PatchInfo(Timestamp=time.time_ns(), Type=collection)
    mutation = patch.Mutations.add(Index=["pin_v1", chat], Version=5)
    mutation.Value.pinAction.pinned = True
    asked = patch.SerializeToString()
    return client.go("SendAppState", asked, len(asked)).decode()


class Host:
    """Obeys the commands of one test."""

    def __init__(self, factory: NeonizeFactory, report: int) -> None:
        self.factory, self.report = factory, report
        self.engines: dict[str, Any] = {}
        self.slow: dict[str, float] = {}
        self.stop_on: dict[str, str] = {}
        self.handling: set[str] = set()

    def say(self, **facts: Any) -> None:
        """One line to the test, written at once: a kill -9 loses nothing of it."""
        os.write(self.report, orjson.dumps(facts, default=plain) + b"\n")

    def handler(self, session: str) -> Any:
        """A handler that is done when the test was told."""

        async def handle(event: Any) -> None:
            kind = type(event).__name__
            if session in self.handling:
                self.say(event="overlap", session=session)
            self.handling.add(session)
            try:
                if kind in {"Inbound", "Receipt"}:
                    await asyncio.sleep(self.slow.get(session, 0))
                self.say(event=kind, session=session, at=time.time(), data=event)
                if self.stop_on.get(session) == kind:
                    await self.engines[session].stop()
                    self.say(event="stopped_inside", session=session)
                if self.slow.get(session) == -1:
                    raise RuntimeError("the handler fails")
            finally:
                self.handling.discard(session)

        return handle

    @staticmethod
    async def send(engine: Engine, to: str, text: str, quote: dict[str, str] | None = None) -> Sent:
        """Send a text, perhaps as an answer to another."""
        content, chat = Text(body=text), parse_address(to)
        if quote is None:
            return await engine.send(chat, content)
        target = Target(
            wa_id=quote["wa_id"],
            chat=chat,
            sender=parse_address(quote["sender"]),
            content=Text(body=quote["text"]),
        )
        return await engine.send(chat, content, Context(message_id=quote["wa_id"]), target)

    async def perform(self, do: str, session: str, given: dict[str, Any]) -> Any:  # noqa: C901
        """Carry one command out."""
        engine = self.engines.get(session)
        match do:
            case "start":
                self.engines[session] = self.factory.make(session, self.handler(session))
                await self.engines[session].start()
            case "send":
                return plain(await self.send(engine, **given))
            case "read":
                await engine.mark_read(
                    parse_address(given["chat"]), parse_address(given["sender"]), given["ids"]
                )
            case "typing":
                await engine.typing(parse_address(given["chat"]), given["state"])
            case "presence":
                await engine.presence(given["online"])
            case "pin_on_phone":
                return await engine._connection.call(lambda it: pin_on_phone(it, **given), 30)
            case "saved_contacts":
                return plain(await engine.saved_contacts())
            case "code":
                return await engine.pairing_code(given["phone"])
            case "stop" | "logout":
                await getattr(engine, do)()
            case "forget":
                await self.factory.forget(session)
            case "slow":
                self.slow[session] = given["seconds"]
            case "stop_on":
                self.stop_on[session] = given["kind"]
            case "stats":
                return self.stats()
        return None

    def stats(self) -> dict[str, Any]:
        """What the process has in use."""
        return {
            **self.factory.wear,
            "worn_out": self.factory.worn_out,
            "descriptors": len(os.listdir("/proc/self/fd")),
            "threads": len(running := [t.name for t in threading.enumerate()]),
            "sessions_with_thread": [n.split()[1] for n in running if n.startswith("engine ")],
        }

    async def obey(self, line: bytes) -> None:
        """Answer one command."""
        given = orjson.loads(line)
        ref, begun = given.pop("ref"), time.monotonic()
        try:
            result = await self.perform(given.pop("do"), given.pop("session", ""), given)
            self.say(ref=ref, result=result, took=time.monotonic() - begun)
        except Exception as error:  # noqa: BLE001 - the test is told
            code = getattr(error, "code", "")
            self.say(ref=ref, error=type(error).__name__, code=code, detail=str(error))


def endpoint(options: dict[str, Any]) -> NetworkEndpoint:
    """The sandbox's place, from the file that it wrote."""
    info = orjson.loads(Path(options["network"]).read_bytes())
    return NetworkEndpoint(
        "sandbox",
        options.get("proxy_url", info["proxy_url"]),
        Path(info["ca_file"]),
        Path(info["noise_root_key_file"]).read_bytes(),
    )


async def main(options: dict[str, Any]) -> None:
    """Obey until standard input ends, then leave as a worker does."""
    report = os.dup(1)
    capture = OutputCapture(Path(options["output"]))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(capture.terminal))
    network = endpoint(options)
    where = options["stores"]
    stores = (
        PostgresStores(where, idle_seconds=options.get("idle", 10))
        if "://" in where
        else FileStores(Path(where))
    )
    timing = Timing(stop=StopLimits(**options.get("stop", {})), **options.get("timing", {}))
    wear = Wear(**options.get("wear", {}))
    host = Host(NeonizeFactory(network, stores, timing=timing, wear=wear), report)
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    host.say(event="ready")
    tasks: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(host.obey(line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*(engine.stop() for engine in host.engines.values()))
    await host.factory.close()
    capture.close()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(orjson.loads(sys.argv[1])))
