"""Through a session's proxy to where the library wants: for those who know the secret only."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from tests.support.proxies import ForwardProxy, answering, forward_proxy
from wa_api.domain.proxies import parse_proxy
from wa_api.net.addresses import Rules
from workers.engine.port import EngineNotReady
from workers.engine.relay import Line, Relay
from workers.engine.tunnels import Tunnels

HERE = Rules(["127.0.0.1"])


async def _repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)


def echo() -> AbstractAsyncContextManager[int]:
    """A server that says what it hears; its port."""
    return answering(_repeat)


@asynccontextmanager
async def relay(tunnels: Tunnels) -> AsyncIterator[Relay]:
    """A relay that listens."""
    made = Relay(tunnels)
    await made.listen()
    try:
        yield made
    finally:
        await made.close()


async def answered(url: str, target: str) -> int:
    """The status of a CONNECT that gets no further."""
    status, _, writer = await ask(url, target)
    writer.close()
    await writer.wait_closed()
    return status


async def ask(url: str, target: str) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """CONNECT to a target as the library does; the answer's status."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
    secret = b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    writer.write(
        f"CONNECT {target} HTTP/1.1\r\nProxy-Authorization: Basic {secret}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split()[1]), reader, writer


async def passes(line: Line, port: int) -> bool:
    """Whether a megabyte comes back through the line."""
    status, reader, writer = await ask(line.url, f"127.0.0.1:{port}")
    assert status == 200
    payload = bytes(range(256)) * 4096
    writer.write(payload)
    back = await reader.readexactly(len(payload))
    writer.close()
    await writer.wait_closed()
    return back == payload


@pytest.mark.parametrize(
    ("scheme", "login"),
    [("http", ""), ("http", "me:s@cret"), ("socks5", ""), ("socks5", "me:s@cret")],
)
async def test_bytes_go_through_the_proxy_both_ways(scheme: str, login: str):
    """With a user name and a password where the proxy wants them."""
    async with (
        echo() as port,
        forward_proxy(scheme, login) as proxy,
        relay(Tunnels(rules=HERE)) as door,
    ):
        line = door.line(parse_proxy(proxy.url(login.replace("s@", "s%40"))))
        assert await passes(line, port)
        assert proxy.asked == [f"127.0.0.1:{port}"]


async def test_a_proxy_with_tls_is_checked_by_its_name(tmp_path: Path):
    """Its certificate must be right; then it is a proxy like others."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with echo() as port, forward_proxy("https", tls=tls) as proxy:
        async with relay(Tunnels(rules=HERE, tls=trust)) as door:
            assert await passes(door.line(parse_proxy(proxy.url())), port)
        async with relay(Tunnels(rules=HERE)) as door:
            assert "certificate" in await trouble(door, proxy.url())


async def test_a_network_behind_a_proxy_is_reached_through_it():
    """First the session's proxy, then the network's own."""
    async with echo() as port, forward_proxy() as own, forward_proxy() as networks:
        tunnels = Tunnels(rules=HERE, through=parse_proxy(networks.url()))
        async with relay(tunnels) as door:
            assert await passes(door.line(parse_proxy(own.url())), port)
        assert own.asked == [f"127.0.0.1:{networks.port}"]
        assert networks.asked == [f"127.0.0.1:{port}"]


async def trouble(door: Relay, url: str, target: str = "web.whatsapp.com:443") -> str:
    """What a line complains of when it cannot connect."""
    line = door.line(parse_proxy(url))
    said: list[str] = []
    line.on_trouble = said.append
    assert await answered(line.url, target) == 502
    return said[0]


@pytest.mark.parametrize(
    ("proxy", "login", "why"),
    [
        (ForwardProxy("http", "me:right"), "me:wrong", "user name or password"),
        (ForwardProxy("http", "me:right"), "", "user name or password"),
        (ForwardProxy("socks5", "me:right"), "me:wrong", "user name or password"),
        (ForwardProxy("socks5", "me:right"), "", "another way"),
        (ForwardProxy("http", refuse=403), "", "403"),
        (ForwardProxy("socks5", refuse=2), "", "not allowed by its rules"),
    ],
)
async def test_a_refusal_says_why(proxy: ForwardProxy, login: str, why: str):
    """In a sentence, without the secrets."""
    async with (
        forward_proxy(proxy.scheme, proxy.login, proxy.refuse) as running,
        relay(Tunnels(rules=HERE)) as door,
    ):
        said = await trouble(door, running.url(login))
    assert why in said
    assert "wrong" not in said.replace("wrong user", "")


async def test_inside_addresses_are_not_reached():
    """Neither as an address nor by a name that leads there, unless the operator allows it."""
    async with forward_proxy() as proxy, relay(Tunnels(rules=Rules())) as door:
        assert "not on the internet" in await trouble(door, proxy.url())
        local = f"http://localhost:{proxy.port}"
        assert "not on the internet" in await trouble(door, local)
        assert proxy.asked == []


async def test_a_proxy_that_is_not_there_or_none_is_a_failure():
    """A closed port, a name that does not exist, and a server that speaks something else."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")

    async with forward_proxy() as gone:
        closed = gone.url()
    async with answering(nonsense) as port, relay(Tunnels(rules=HERE)) as door:
        assert "failed" in await trouble(door, closed)
        assert "resolved" in await trouble(door, "http://proxy.invalid:1")
        assert "failed" in await trouble(door, f"http://127.0.0.1:{port}")


async def test_a_proxy_that_is_silent_is_given_up():
    """Within the limit of a connection."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with answering(silent) as port, relay(Tunnels(rules=HERE, seconds=0.1)) as door:
        assert "in time" in await trouble(door, f"http://127.0.0.1:{port}")


async def test_the_door_opens_for_those_with_the_secret_only():
    """Whoever else is on this machine gets 407, also with a secret that is over."""
    async with echo() as port, forward_proxy() as proxy, relay(Tunnels(rules=HERE)) as door:
        line = door.line(parse_proxy(proxy.url()))
        target = f"127.0.0.1:{port}"
        guessed = line.url.replace(line.secret, "guessed")
        assert await answered(guessed, target) == 407
        line.close()
        assert await answered(line.url, target) == 407
        assert proxy.asked == []


def test_there_is_no_way_before_the_door_is_open():
    """The library gets an address that is listened at, or none."""
    line = Relay(Tunnels(rules=HERE)).line(parse_proxy("http://h:1"))
    with pytest.raises(EngineNotReady):
        _ = line.url
