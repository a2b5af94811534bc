"""The control socket: one JSON request per line, answered by id, in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import orjson
import structlog

from workers.sandbox.errors import BadRequest, SandboxError
from workers.sandbox.load import Loads
from workers.sandbox.media import MediaHost
from workers.sandbox.methods import Methods
from workers.sandbox.network import Network

log = structlog.get_logger()

LINE_LIMIT = 8 << 20
PENDING_LIMIT = 512


class Call(msgspec.Struct, forbid_unknown_fields=True):
    """`{"id": …, "method": "phone.create", "params": {…}}`."""

    id: int | str
    method: str
    params: dict[str, Any] = {}


class Control:
    """Serves `{"id", "method", "params"}` → `{"id", "result"}` or `{"id", "error"}`."""

    def __init__(self, network: Network, media: MediaHost, info: dict[str, Any]) -> None:
        self._loads = Loads(network)
        self._methods = Methods(network, media, self._loads, info)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._path: Path | None = None

    async def start(self, path: Path) -> None:
        """Listens at a Unix socket that only its owner may open."""
        await asyncio.to_thread(_make_room, path)
        self._server = await asyncio.start_unix_server(self._accept, path, limit=LINE_LIMIT)
        await asyncio.to_thread(path.chmod, 0o600)
        self._path = path

    async def close(self) -> None:
        """Ends loads and clients, and removes the socket."""
        self._loads.close()
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        room = asyncio.Semaphore(PENDING_LIMIT)
        try:
            while line := await reader.readline():
                await room.acquire()
                answering = self._spawn(self._answer(line, writer))
                answering.add_done_callback(lambda _: room.release())
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        answer = await self._call(line)
        if not writer.is_closing():
            writer.write(orjson.dumps(answer) + b"\n")

    async def _call(self, line: bytes) -> dict[str, Any]:
        id: int | str | None = None
        try:
            try:
                call = msgspec.json.decode(line, type=Call)
            except msgspec.DecodeError as error:
                raise BadRequest(f"not a request: {error}") from error
            id = call.id
            return {"id": id, "result": await self._methods.call(call.method, call.params)}
        except SandboxError as error:
            return {"id": id, "error": {"code": error.code, "message": str(error)}}
        except Exception as error:
            log.exception("sandbox.control_failed")
            return {"id": id, "error": {"code": "internal", "message": type(error).__name__}}


def _make_room(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
