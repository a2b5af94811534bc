"""What the sandbox does with clients that say unknown, wrong or no things at all."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from raw_client import RawClient, log_of

from workers.sandbox.wire import Jid, Node, encode

pytestmark = pytest.mark.e2e

SERVER = Jid("", "s.whatsapp.net")


@pytest.fixture
async def client(sandbox):
    """A client that was offered codes to pair."""
    opened = RawClient(sandbox.info)
    await opened.open()
    offer = await opened.receive()
    assert len(list(offer.find("pair-device").find_all("ref"))) == 6
    yield opened
    await opened.close()


async def test_an_unknown_query_is_answered_with_nothing_and_one_line(sandbox, client):
    """The client goes on; the log has one line, without content."""
    query = Node("iq", {"id": "7", "type": "get", "xmlns": "urn:new", "to": SERVER})
    query.content = [Node("thing", {"secret": "hunter2"})]
    await client.send(query)
    answer = await client.receive()
    assert (answer.get("id"), answer.get("type"), answer.content) == ("7", "result", None)
    lines = [line for line in log_of(sandbox.folder).splitlines() if "urn:new" in line]
    assert len(lines) == 1
    assert "hunter2" not in lines[0]


async def test_unknown_stanzas_and_those_before_login_change_nothing(sandbox, client):
    """A message, receipt or invention of a client that is not logged in is passed over."""
    for tag in ("message", "receipt", "presence", "chatstate", "ack", "invention"):
        await client.send(Node(tag, {"id": "1", "to": Jid("1", "lid")}))
    await client.send(Node("iq", {"id": "8", "type": "get", "xmlns": "w:p", "to": SERVER}))
    assert (await client.receive()).get("id") == "8"
    assert await sandbox.call("judge.arrived") == []
    assert log_of(sandbox.folder).count("sandbox.unknown_stanza") == 1


async def test_malformed_queries_do_not_break_the_connection(sandbox, client):
    """Missing parts are answered, not crashed on."""
    for id, space in enumerate(("md", "usync", "encrypt", "w:g2", "privacy", "w:m")):
        await client.send(Node("iq", {"id": f"q{id}", "type": "set", "xmlns": space}))
        assert (await client.receive()).get("id") == f"q{id}"
    odd = Node("iq", {"id": "odd", "type": "set", "xmlns": "md"})
    odd.content = [Node("link_code_companion_reg", {"stage": "companion_finish"})]
    await client.send(odd)
    assert (await client.receive()).get("type") == "error"
    assert "sandbox.stanza_failed" not in log_of(sandbox.folder)


@pytest.mark.parametrize(
    "sealed", [b"", b"\0", b"\0\xf8\xff\x01", b"\2garbage", bytes(100), b"\0" + b"\xf8\x02" * 900]
)
async def test_what_is_no_stanza_ends_that_connection_only(sandbox, client, sealed):
    """The client is cut off, the sandbox goes on."""
    await client.sealed(sealed)
    await client.closed()
    other = RawClient(sandbox.info)
    await other.open()
    await other.receive()
    await other.close()


async def test_what_does_not_decrypt_ends_the_connection(sandbox, client):
    """A frame under another key is refused."""
    await client.frame(AESGCM(bytes(32)).encrypt(bytes(12), b"hello", None))
    await client.closed()


async def test_a_stanza_in_pieces_is_put_together(client):
    """Frames may be split over WebSocket messages at any byte."""
    query = Node("iq", {"id": "9", "type": "get", "xmlns": "w:p", "to": SERVER})
    data = client._noise.encrypt(encode(query))
    for byte in data:
        await client.raw(bytes([byte]))
    assert (await client.receive()).get("id") == "9"
