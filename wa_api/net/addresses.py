"""Which addresses may be connected to on behalf of a tenant, checked at the moment of connecting.

Whoever gives a URL chooses a name, and whoever runs its DNS may change what it means
between a check and the connection. So the connection is made to the very address that was
checked; TLS still verifies the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore

Ip = IPv4Address | IPv6Address
#: From a host and port to addresses, best first.
Resolve = Callable[[str, int], Awaitable[list[str]]]

_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
#: Not public though `ipaddress` of some Python version calls them so: IETF's own, local NAT64 (RFC 8215), old site-local
#: addresses, and the address at which Azure's machines reach their host.
_MORE: tuple[IPv4Network | IPv6Network, ...] = (
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("fec0::/10"),
    IPv4Network("168.63.129.16/32"),
    IPv4Network("192.0.0.0/24"),
)


class AddressRefused(httpcore.ConnectError):
    """The name leads only to addresses that must not be reached."""


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(ip: Ip) -> bool:
    """Whether an address is on the internet, also when it only wraps an IPv4 address."""
    if isinstance(ip, IPv6Address):
        inner = _inner(ip)
        if inner is not None:
            return is_public(inner)
    listed = any(ip.version == net.version and ip in net for net in _MORE)
    return ip.is_global and not ip.is_multicast and not listed


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this IPv6 address end up at."""
    if ip.ipv4_mapped is not None or ip.sixtofour is not None:
        return ip.ipv4_mapped or ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in _NAT64 or ip in _COMPATIBLE:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


class Rules:
    """Public addresses, and what the operator allows besides: networks, addresses, host names."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        """`allow`: such as `10.0.0.0/8`, `::1`, `n8n.internal`."""
        self._networks: list[IPv4Network | IPv6Network] = []
        self._hosts: set[str] = set()
        for one in allow:
            try:
                self._networks.append(ip_network(one, strict=False))
            except ValueError:
                self._hosts.add(one.lower().rstrip("."))

    def allow(self, host: str, address: str) -> bool:
        """Whether a connection to `address`, found under the name `host`, may be made."""
        if host.lower().rstrip(".") in self._hosts:
            return True
        ip = ip_address(address)
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return is_public(ip) or any(
            ip in net for net in self._networks if net.version == ip.version
        )


class Guarded(httpcore.AsyncNetworkBackend):
    """Connects only where the rules allow it, to the address that was checked."""

    def __init__(self, rules: Rules, resolve: Resolve = resolve) -> None:
        self._rules, self._resolve = rules, resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, connect to the first address that answers."""
        allowed = await self._checked(host, port, timeout)
        failure: Exception = httpcore.ConnectError("no address")
        for address in allowed:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _checked(self, host: str, port: int, limit: float | None) -> list[str]:
        try:
            async with asyncio.timeout(limit):
                found = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("The name was not resolved in time.") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"The name cannot be resolved: {error}") from error
        allowed = [address for address in found if self._rules.allow(host, address)]
        if not allowed:
            raise AddressRefused("The name leads to an address that is not on the internet.")
        return allowed

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise AddressRefused("Not a network address.")

    async def sleep(self, seconds: float) -> None:
        """As asked."""
        await asyncio.sleep(seconds)
