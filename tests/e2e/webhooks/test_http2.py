"""HTTP/2 where an endpoint offers it, connections used again where it does not."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from tests.e2e.webhooks.conftest import World
from tests.e2e.webhooks.receivers import until

pytestmark = pytest.mark.e2e


class Endpoint:
    """What all connections to an HTTP/2 server saw."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.connections = 0
        self.open = self.most = 0


class Connection(asyncio.Protocol):
    """Answers each request after a moment, so that others come meanwhile."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._headers: dict[int, dict[str, str]] = {}

    def connection_made(self, transport: Any) -> None:
        """Greet."""
        self._endpoint.connections += 1
        self._transport = transport
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Note requests."""
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self._begin(event)
            elif isinstance(event, DataReceived):
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                asyncio.get_running_loop().call_later(0.05, self._answer, event.stream_id)
        self._flush()

    def _begin(self, event: RequestReceived) -> None:
        self._headers[event.stream_id] = {k.decode(): v.decode() for k, v in event.headers}
        self._endpoint.open += 1
        self._endpoint.most = max(self._endpoint.most, self._endpoint.open)

    def _answer(self, stream: int) -> None:
        self._endpoint.open -= 1
        self._endpoint.ids.append(self._headers.pop(stream)["webhook-id"])
        self._h2.send_headers(stream, [(":status", "204")], end_stream=True)
        self._flush()

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())


async def test_one_connection_carries_many_requests_at_once(world: World, tmp_path: Path) -> None:
    """Over HTTP/2 the webhook's concurrency needs no second connection."""
    ca, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(tls)
    tls.set_alpn_protocols(["h2", "http/1.1"])
    authority = tmp_path / "authority.pem"
    ca.cert_pem.write_to_path(str(authority))
    endpoint = Endpoint()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(endpoint), "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        await world.webhook(f"https://localhost:{port}/hook", concurrency=8)
        world.start(SSL_CERT_FILE=str(authority))
        first = await world.say(1)
        await until(lambda: endpoint.ids == first)
        said = await world.say(40, chats=20)
        await until(lambda: set(endpoint.ids) == {*first, *said})
        assert endpoint.most == 8
        assert endpoint.connections == 1
    finally:
        server.close()
