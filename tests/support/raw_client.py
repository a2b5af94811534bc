"""A client of WhatsApp's wire protocol without Signal: says exactly what a test wants."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from workers.sandbox import noise, protos
from workers.sandbox.wire import Node, decode, encode

PROLOGUE = b"WA\x06\x03"
PATIENCE = 20.0


class Handshake(noise.Handshake):
    """The initiator's side, out of the server's own primitives."""

    def __init__(self) -> None:
        super().__init__(noise.ServerKeys.generate(), b"", PROLOGUE)

    def hello(self) -> bytes:
        public = noise.public_of(self._ephemeral)
        self._absorb(public)
        hello = protos.wa6.HandshakeMessage(clientHello={"ephemeral": public})
        return bytes(hello.SerializeToString())

    def complete(self, answer: bytes, payload: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """The finish, the server's certificate chain, and the keys to write and to read."""
        hello = protos.wa6.HandshakeMessage.FromString(answer).serverHello
        self._absorb(hello.ephemeral)
        self._mix(noise.agree(self._ephemeral, hello.ephemeral))
        static = self._open(hello.static)
        self._mix(noise.agree(self._ephemeral, static))
        chain = self._open(hello.payload)
        sealed = self._seal(noise.public_of(self._static))
        self._mix(noise.agree(self._static, hello.ephemeral))
        finish = protos.wa6.HandshakeMessage(
            clientFinish={"static": sealed, "payload": self._seal(payload)}
        )
        keys = self._expand(b"")
        return finish.SerializeToString(), chain, keys[:32], keys[32:]


class RawClient:
    """One registering connection to a sandbox."""

    def __init__(self, info: dict[str, Any]) -> None:
        self._info = info
        self._socket: ClientConnection
        self._noise: noise.Transport

    async def open(self) -> None:
        """Connects through the proxy and offers itself for registration."""
        trusted = ssl.create_default_context(cafile=self._info["ca_file"])
        self._socket = await connect(
            "wss://web.whatsapp.com/ws/chat", proxy=self._info["proxy_url"], ssl=trusted,
            compression=None,
        )  # fmt: skip
        handshake = Handshake()
        await self.frame(handshake.hello(), before=PROLOGUE)
        finish, _, write, read = handshake.complete(await self._read(), registration())
        await self.frame(finish)
        self._noise = noise.Transport(read_key=read, write_key=write)

    async def frame(self, data: bytes, before: bytes = b"") -> None:
        await self._socket.send(before + len(data).to_bytes(3, "big") + data)

    async def raw(self, data: bytes) -> None:
        """Bytes in a WebSocket message as they are."""
        await self._socket.send(data)

    async def _read(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            data = await self._socket.recv()
        assert isinstance(data, bytes)
        return data[3:]

    async def send(self, node: Node) -> None:
        await self._socket.send(self._noise.encrypt(encode(node)))

    async def sealed(self, plaintext: bytes) -> None:
        """Encrypts what may be no stanza."""
        await self._socket.send(self._noise.encrypt(plaintext))

    async def receive(self) -> Node:
        return decode(self._noise.decrypt(await self._read()))

    async def closed(self) -> None:
        """Waits until the server has ended the connection."""
        async with asyncio.timeout(PATIENCE):
            await self._socket.wait_closed()

    async def close(self) -> None:
        await self._socket.close()


def registration() -> bytes:
    """The payload of a client that has never been linked."""
    data = {
        "eRegid": b"\0\0\0\1", "eKeytype": b"\x05", "eIdent": os.urandom(32),
        "eSkeyID": b"\0\0\1", "eSkeyVal": os.urandom(32), "eSkeySig": bytes(64),
    }  # fmt: skip
    return bytes(protos.wa6.ClientPayload(devicePairingData=data).SerializeToString())


def log_of(folder: Path) -> str:
    return (folder / "sandbox.log").read_text()
