"""Other people's clients: two independent WebSocket libraries, and the examples of the docs."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from tests.chaos.wires import Proxy
from tests.e2e.api.conftest import Gateway, Tenant
from tests.e2e.api.owner import Owner
from tests.e2e.api.sockets import opened

pytestmark = pytest.mark.e2e

DOCUMENT = Path(__file__).parents[3] / "docs" / "websocket.md"


def example(language: str, holds: str) -> str:
    """The example in the WebSocket's documentation that holds a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return next(str(block) for block in blocks if holds in block)


class Picows(WSListener):
    """A client on picows, which shares no code with the server's library."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self.gone = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame from the server."""
        if frame.msg_type == WSMsgType.TEXT:
            self.frames.put_nowait(orjson.loads(frame.get_payload_as_bytes()))
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone."""
        self.gone.set()

    async def next(self, wanted: str) -> dict[str, object]:
        """The next frame of a type."""
        async with asyncio.timeout(60):
            while (frame := await self.frames.get())["type"] != wanted:
                pass
        return frame


async def test_picows_and_websockets_see_the_same(
    gateway: Gateway, tenant: Tenant, owner: Owner
) -> None:
    """Resuming and then live, filtered, both libraries get the same events in the same order."""
    said = await owner.say_many(600)
    query = f"?after={said[0]}&types=chat.*"
    ws = gateway.processes[0].ws
    transport, picows = await ws_connect(
        Picows, ws + query, extra_headers={"Authorization": f"Bearer {tenant.key}"}
    )
    async with opened(ws, tenant.key, query) as websockets:
        said += await owner.say_many(100)
        wanted = said[1:]
        theirs = [(await picows.next("event"))["event"]["id"] for _ in wanted]  # type: ignore[index]
        ours = [(await websockets.event("chat.typing_changed"))["id"] for _ in wanted]
    assert theirs == ours == wanted
    transport.send(WSMsgType.TEXT, b'{"type":"subscribe","types":[],"ref":"none"}')
    assert (await picows.next("reply"))["ref"] == "none"
    transport.send_close(1000)
    async with asyncio.timeout(60):
        await picows.gone.wait()


@asynccontextmanager
async def running(code: str, **env: str) -> AsyncIterator[Callable[[], asyncio.Future[bytes]]]:
    """An example as a program; calls give its next line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), env=os.environ | env, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    read = process.stdout.readline
    try:
        yield lambda: asyncio.ensure_future(asyncio.wait_for(read(), 15))
    finally:
        process.kill()
        await process.wait()


async def test_the_python_example_misses_nothing_when_its_connection_is_cut(
    gateway: Gateway, tenant: Tenant, owner: Owner
) -> None:
    """Copied from the docs: each event once, in order, though the network fails in between."""
    port = int(gateway.url.rpartition(":")[2])
    proxy = Proxy("127.0.0.1", port)
    await proxy.start()
    url = f"ws://127.0.0.1:{proxy.port}/v1/ws"
    try:
        async with running(example("python", "follow("), URL=url, TOKEN=tenant.key) as line:
            first = line()
            said: list[str] = []
            while not first.done():  # until it is connected
                said.append(await owner.say_typing())
                await asyncio.sleep(0.05)
            got = [orjson.loads(first.result())["id"]]
            said = said[said.index(got[0]) :]
            proxy.drop()
            said += await owner.say_many(3)
            while len(got) < len(said):
                got.append(orjson.loads(await line())["id"])
            assert got == said
    finally:
        await proxy.close()
