"""Reaching a place through a session's proxy: HTTP CONNECT or SOCKS5, to checked addresses only.

A proxy is a stranger's URL: the connection is made to the very address that was checked (see
`wa_api.net.addresses`), and what the proxy says back is never repeated.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple

from wa_api.domain.proxies import Proxy
from wa_api.net.addresses import Resolve, Rules, resolve

SECONDS = 20.0
_HEAD = 1 << 14
_REFUSALS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
}


class ProxyFailed(Exception):
    """The proxy did not lead there; the text is for people and holds no secret."""


class Target(NamedTuple):
    """Where to."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Stream(NamedTuple):
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnels:
    """Opens connections. `through` is the network's own proxy, which is reached by the session's."""

    rules: Rules
    through: Proxy | None = None
    resolve: Resolve = resolve
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    seconds: float = SECONDS

    async def open(self, proxy: Proxy, target: Target) -> Stream:
        """A connection to `target`; raises ProxyFailed."""
        stream: Stream | None = None
        try:
            async with asyncio.timeout(self.seconds):
                stream = await self._connect(proxy)
                await self._ask(stream, proxy, target)
                opened, stream = stream, None
                return opened
        except TimeoutError:
            raise ProxyFailed("The proxy does not answer in time.") from None
        except ssl.SSLError:
            raise ProxyFailed(
                "The proxy's certificate is not valid, or it speaks no TLS."
            ) from None
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            raise ProxyFailed("The connection to the proxy failed.") from None
        finally:
            if stream is not None:
                stream.writer.transport.abort()

    async def _connect(self, proxy: Proxy) -> Stream:
        tls = self.tls if proxy.scheme == "https" else None
        failure: OSError | None = None
        for address in await self._checked(proxy):
            try:
                return Stream(
                    *await asyncio.open_connection(
                        address,
                        proxy.port,
                        limit=_HEAD,
                        ssl=tls,
                        server_hostname=proxy.host if tls else None,
                    )
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
        raise failure or OSError("no address")

    async def _checked(self, proxy: Proxy) -> list[str]:
        try:
            found = await self.resolve(proxy.host, proxy.port)
        except (OSError, UnicodeError):
            raise ProxyFailed("The proxy's name cannot be resolved.") from None
        allowed = [address for address in found if self.rules.allow(proxy.host, address)]
        if not allowed:
            raise ProxyFailed("The proxy is at an address that is not on the internet.")
        return allowed

    async def _ask(self, stream: Stream, proxy: Proxy, target: Target) -> None:
        through = self.through
        if through is None:
            await _hop(stream, proxy, target)
            return
        if through.scheme != "http":
            raise ProxyFailed("This network cannot be reached through another proxy.")
        await _hop(stream, proxy, Target(through.host, through.port))
        await _hop(stream, through, target)


async def _hop(stream: Stream, proxy: Proxy, target: Target) -> None:
    """Have the proxy at the other end connect the stream to `target`."""
    if proxy.scheme == "socks5":
        await _socks(stream, proxy, target)
    else:
        await _connect(stream, proxy, target)


async def _connect(stream: Stream, proxy: Proxy, target: Target) -> None:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user:
        secret = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {secret}")
    stream.writer.write("\r\n".join([*lines, "", ""]).encode())
    head = await stream.reader.readuntil(b"\r\n\r\n")
    version, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    status = int(rest[:3])
    if not version.startswith(b"HTTP/1."):
        raise ValueError("not an HTTP proxy")
    if status == 407:
        raise ProxyFailed("The proxy refuses the user name or password.")
    if status != 200:
        raise ProxyFailed(f"The proxy refuses to connect (it answered {status}).")


async def _socks(stream: Stream, proxy: Proxy, target: Target) -> None:
    """RFC 1928, with a user name and a password as in RFC 1929."""
    reader, writer = stream
    writer.write(b"\x05\x02\x00\x02" if proxy.user else b"\x05\x01\x00")
    version, method = await reader.readexactly(2)
    if version != 5:
        raise ValueError("not a SOCKS5 proxy")
    if method == 2 and proxy.user:
        await _socks_login(stream, proxy)
    elif method != 0:
        raise ProxyFailed("The proxy wants another way to sign in.")
    writer.write(b"\x05\x01\x00" + _socks_address(target) + target.port.to_bytes(2))
    _, answer, _, kind = await reader.readexactly(4)
    if answer != 0:
        why = _REFUSALS.get(answer, f"error {answer}")
        raise ProxyFailed(f"The proxy refuses to connect ({why}).")
    size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
    await reader.readexactly(size + 2)


async def _socks_login(stream: Stream, proxy: Proxy) -> None:
    user, password = proxy.user.encode(), proxy.password.encode()
    stream.writer.write(b"\x01" + bytes((len(user),)) + user + bytes((len(password),)) + password)
    if (await stream.reader.readexactly(2))[1] != 0:
        raise ProxyFailed("The proxy refuses the user name or password.")


def _socks_address(target: Target) -> bytes:
    """A name goes as a name: the proxy looks it up."""
    try:
        ip = ip_address(target.host)
    except ValueError:
        name = target.host.encode("idna")
        return b"\x03" + bytes((len(name),)) + name
    return (b"\x01" if ip.version == 4 else b"\x04") + ip.packed
