"""The sandbox's control socket, for processes that are not the sandbox."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import orjson

LINE_LIMIT = 64 << 20
DEFAULT_TIMEOUT = 30.0


class SandboxUnavailable(Exception):
    """The sandbox is not running, or did not answer in time."""


class SandboxRefused(Exception):
    """The sandbox answered with an error; `code` is its stable name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SandboxClient:
    """Calls to the sandbox over one connection, any number at a time.

    Connects at the first call, and again after the sandbox was restarted. Use it on one event
    loop only, and `close` it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def call(
        self,
        method: str,
        /,
        *,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - each caller has its own limit
        **params: Any,
    ) -> Any:
        """The method's result. Parameters that are None are left out.

        Raises SandboxRefused with the sandbox's error, or SandboxUnavailable when it cannot be
        reached or does not answer within `timeout` seconds.
        """
        given = {key: value for key, value in params.items() if value is not None}
        try:
            async with asyncio.timeout(timeout):
                answer = await self._exchange(method, given)
        except (TimeoutError, OSError) as error:
            raise SandboxUnavailable(f"{method}: {error or 'no answer in time'}") from error
        failure = answer.get("error")
        if failure is not None:
            raise SandboxRefused(failure["code"], failure["message"])
        return answer["result"]

    async def _exchange(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        writer = await self._connected()
        id = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[id] = answer
        try:
            writer.write(orjson.dumps({"id": id, "method": method, "params": params}) + b"\n")
            await writer.drain()
            return await answer
        finally:
            self._waiting.pop(id, None)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None or self._writer.is_closing():
                reader, self._writer = await asyncio.open_unix_connection(
                    self._path, limit=LINE_LIMIT
                )
                self._reading = asyncio.create_task(self._read(reader, self._writer))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = orjson.loads(line)
                waiting = self._waiting.get(answer["id"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        except (OSError, ValueError):
            pass
        finally:
            writer.close()
            # Only calls of this connection can wait: a new one is opened after it has closed.
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError("the sandbox closed the connection"))

    async def close(self) -> None:
        """Ends the connection; calls that wait fail."""
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
