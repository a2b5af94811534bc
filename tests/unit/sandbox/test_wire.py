from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.sandbox.wire import BadStanza, Jid, Node, decode, encode
from workers.sandbox.wire.codec import DOUBLE, SINGLE

texts = st.one_of(
    st.sampled_from([word for word in SINGLE if word] + DOUBLE[3][:40]),
    st.from_regex(r"[0-9.\-]{1,140}", fullmatch=True),
    st.from_regex(r"[0-9A-F]{1,140}", fullmatch=True),
    st.text(min_size=1, max_size=300),
)


def address(user: str, server: str, device: int = 0, integrator: int = 0) -> Jid:
    return Jid(user, server, device, integrator)


zero = st.just(0)
addresses = st.one_of(
    st.builds(
        address,
        st.from_regex(r"[0-9]{5,15}", fullmatch=True),
        st.sampled_from(["s.whatsapp.net", "lid", "hosted", "hosted.lid"]),
        st.integers(0, 255),
        zero,
    ),
    st.builds(
        address, st.just("1-4"), st.sampled_from(["g.us", "broadcast", "newsletter"]), zero, zero
    ),
    st.builds(address, st.just("77"), st.just("msgr"), st.integers(0, 65535), zero),
    st.builds(address, st.just("77"), st.just("interop"), st.integers(0, 9), st.integers(0, 9)),
    st.just(Jid("", "s.whatsapp.net")),
)


def build(tag: str, attrs: dict[str, str | Jid], content: object) -> Node:
    node = Node(tag, dict(attrs))
    node.content = content  # type: ignore[assignment]
    return node


nodes = st.recursive(
    st.builds(
        build,
        texts,
        st.dictionaries(texts, st.one_of(texts, addresses), max_size=5),
        st.one_of(st.none(), st.binary(max_size=400)),
    ),
    lambda inner: st.builds(build, texts, st.just({}), st.lists(inner, min_size=1, max_size=5)),
    max_leaves=12,
)


@given(nodes)
def test_a_stanza_survives_the_wire(node: Node) -> None:
    """What was encoded decodes to the same stanza."""
    assert decode(encode(node)) == node


@given(st.binary(max_size=200))
def test_noise_is_refused_not_crashed_on(payload: bytes) -> None:
    """Bytes that are no stanza raise BadStanza and nothing else."""
    with suppress(BadStanza):
        decode(payload)


def test_a_large_list_needs_two_bytes() -> None:
    """812 prekeys, as a new device uploads them, fit into one list."""
    node = Node("list", content=[Node("key", content=bytes(32)) for _ in range(812)])
    assert decode(encode(node)) == node


def test_an_address_keeps_its_kind() -> None:
    """A LID with a device is an address on the wire, not a string."""
    node = Node("to", {"jid": Jid("123456", "lid", 7)})
    assert b"lid" not in encode(node)
    assert decode(encode(node)).attrs["jid"] == Jid("123456", "lid", 7)


@pytest.mark.parametrize(
    ("text", "jid"),
    [
        ("5511@s.whatsapp.net", Jid("5511", "s.whatsapp.net")),
        ("5511:3@s.whatsapp.net", Jid("5511", "s.whatsapp.net", 3)),
        ("5511.0:3@lid", Jid("5511", "lid", 3)),
        ("s.whatsapp.net", Jid("", "s.whatsapp.net")),
    ],
)
def test_addresses_are_read_from_text(text: str, jid: Jid) -> None:
    """All written forms of an address are understood."""
    assert Jid.parse(text) == jid
