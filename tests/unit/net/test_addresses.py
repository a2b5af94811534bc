"""No webhook reaches what is not on the internet, whatever its name's DNS says."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from wa_api.net.addresses import AddressRefused, Guarded, Rules, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "240.0.0.1",
        "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_inner_addresses_are_not_public(address: str):
    """Private, special and wrapped addresses are refused."""
    assert not is_public(ip_address(address))
    assert not Rules().allow("example.org", address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_addresses_of_the_internet_are_public(address: str):
    """Ordinary addresses, also by NAT64, are allowed."""
    assert is_public(ip_address(address))


def test_what_the_operator_allows_is_allowed():
    """A network, an address or a host name can be let through, and only that."""
    rules = Rules(["10.1.0.0/16", "::1", "N8N.internal"])
    assert rules.allow("x", "10.1.2.3")
    assert rules.allow("x", "::ffff:10.1.2.3")
    assert rules.allow("x", "::1")
    assert rules.allow("n8n.internal.", "192.168.0.9")
    assert not rules.allow("x", "10.2.0.1")
    assert not rules.allow("evil.n8n.internal", "192.168.0.9")


async def test_the_connection_goes_to_the_address_that_was_checked():
    """A name that changes between check and connection (rebinding) gains nothing: one lookup."""
    lookups: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        lookups.append(host)
        return ["10.0.0.1"] if len(lookups) > 1 else ["127.0.0.1"]

    server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    guarded = Guarded(Rules(["127.0.0.1"]), rebinding)
    stream = await guarded.connect_tcp("rebind.example", port, 5)
    assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
    assert lookups == ["rebind.example"]
    await stream.aclose()
    with pytest.raises(AddressRefused):
        await guarded.connect_tcp("rebind.example", port, 5)
    server.close()


async def test_of_a_mixed_answer_only_public_addresses_are_tried():
    """An inner address beside a public one is never connected to."""

    async def mixed(_host: str, _port: int) -> list[str]:
        return ["169.254.169.254", "127.0.0.1"]

    server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    stream = await Guarded(Rules(["127.0.0.1"]), mixed).connect_tcp("x", port, 5)
    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    await stream.aclose()
    server.close()


async def test_no_unix_sockets():
    """A path is not an endpoint."""
    with pytest.raises(AddressRefused):
        await Guarded(Rules()).connect_unix_socket("/run/x.sock")
