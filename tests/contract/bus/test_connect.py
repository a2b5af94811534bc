"""Getting in: passwords, databases, TLS, and what is said when the door stays shut."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from tests.contract.bus import servers
from tests.contract.bus.servers import ask, eventually
from tests.contract.bus.test_commands import Owner, command
from wa_api.bus.embedded import run_embedded, socket_path
from wa_api.bus.open import open_bus
from wa_api.domain.errors import Unavailable


@pytest.fixture
def guarded(tmp_path: Path):
    """A server that wants a password."""
    server = servers.Server(tmp_path, "--requirepass", "s3cr3t/@")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "url", f"redis://:s3cr3t%2F%40@127.0.0.1:{server.port}")
        with servers.running(server):
            yield server


async def test_a_password_and_a_database_are_used(guarded):
    """As the URL says, for commands and for subscriptions."""
    async with open_bus(f"{guarded.url}/3", "t:", lease_seconds=60) as bus:
        lease = await bus.leases.acquire("ses_1", "wrk_1")
        Owner(bus, lease)
        assert (await bus.commands.call(command("ses_1"))).data == {"by": "wrk_1"}
    assert await ask(f"{guarded.url}/3", "EXISTS", "t:{ses_1}:lease") == 1
    assert await ask(guarded.url, "DBSIZE") == 0


async def test_a_wrong_password_is_unavailable(guarded):
    """And the error shows neither password."""
    wrong = f"redis://:wrong@127.0.0.1:{guarded.port}"
    async with open_bus(wrong, time_limit=0.3) as bus:
        with pytest.raises(Unavailable) as error:
            await bus.ping()
    assert "wrong" not in str(error.value)


@asynccontextmanager
async def tls(directory: Path, authority: trustme.CA, name: str):
    """A TLS door in front of an embedded server: its port."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_unix_connection(str(socket_path(directory)))
        await asyncio.wait(
            [
                asyncio.create_task(pump(reader, inner[1])),
                asyncio.create_task(pump(inner[0], writer)),
            ]
        )

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await eventually(lambda: len(asyncio.all_tasks()) <= 2)


async def test_tls_is_verified(tmp_path: Path):
    """A certificate of the given authority for this host is accepted, others are not."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with run_embedded(tmp_path), tls(tmp_path, authority, "127.0.0.1") as port:
        url = f"rediss://127.0.0.1:{port}"
        async with open_bus(f"{url}?ssl_ca_certs={tmp_path}/ca.pem") as bus:
            await bus.ping()
        async with open_bus(url, time_limit=0.3) as bus:
            with pytest.raises(Unavailable):
                await bus.ping()
        async with open_bus(f"{url}?ssl_cert_reqs=none") as bus:
            await bus.ping()
    async with run_embedded(tmp_path), tls(tmp_path, authority, "elsewhere.test") as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={tmp_path}/ca.pem"
        async with open_bus(url, time_limit=0.3) as bus:
            with pytest.raises(Unavailable):
                await bus.ping()
        async with open_bus(f"{url}&ssl_check_hostname=false") as bus:
            await bus.ping()
