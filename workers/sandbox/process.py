"""The sandbox process: everything started, announced in a file, and stopped again."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

import orjson
import structlog

from workers.sandbox import trust
from workers.sandbox.control import Control
from workers.sandbox.media import MediaHost
from workers.sandbox.network import Network
from workers.sandbox.phonebook import Phones
from workers.sandbox.server import Server
from workers.sandbox.settings import SandboxSettings
from workers.sandbox.state import State

log = structlog.get_logger()


async def run(settings: SandboxSettings, stop: asyncio.Event) -> None:
    """Serves until `stop` is set. Raises OSError when an address is taken.

    Writes `<data_dir>/sandbox/network.json` once it listens: `proxy_url`, `ca_file` (a PEM bundle
    for SSL_CERT_FILE), `noise_root_key_file` (the 32 raw bytes of the root public key),
    `control_socket` and `pid`.
    """
    folder = settings.folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    tls, ca_file = trust.load_tls(folder)
    keys, root_file = trust.load_noise(folder)
    async with AsyncExitStack() as stack:
        state = State(folder / "state.db")
        stack.callback(state.close)
        media = MediaHost(folder / "media")
        network = Network(state, keys, media)
        Phones(network)
        stack.push_async_callback(network.close)
        server = Server(network, tls, media)
        stack.push_async_callback(server.close)
        port = await _listen(server, settings)
        info = {
            "proxy_url": f"http://{settings.host}:{port}",
            "ca_file": str(ca_file.absolute()),
            "noise_root_key_file": str(root_file.absolute()),
            "control_socket": str(settings.control.absolute()),
            "pid": os.getpid(),
        }
        control = Control(network, media, info)
        await control.start(settings.control)
        stack.push_async_callback(control.close)
        trust.write_private(settings.ready_file, orjson.dumps(info))
        log.info("sandbox.started", proxy=info["proxy_url"], accounts=len(network.directory))
        await state.run(stop)
    log.info("sandbox.stopped")


async def _listen(server: Server, settings: SandboxSettings) -> int:
    """The port asked for, or that of the last run, or any."""
    if settings.port:
        return await server.start(settings.host, settings.port)
    try:
        known = orjson.loads(settings.ready_file.read_bytes())
        port = int(known["proxy_url"].rpartition(":")[2])
        return await server.start(settings.host, port)
    except (OSError, ValueError, KeyError):
        return await server.start(settings.host, 0)
