"""Addresses as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wa_api.domain.addresses import parse_address
from wa_api.domain.errors import InvalidAddress


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("5511987654321", "5511987654321@s.whatsapp.net"),
        ("+55 (11) 98765-4321", "5511987654321@s.whatsapp.net"),
        ("5511987654321@c.us", "5511987654321@s.whatsapp.net"),
        ("5511987654321@s.whatsapp.net", "5511987654321@s.whatsapp.net"),
        ("123456789012345@lid", "123456789012345@lid"),
        ("120363041234567890@g.us", "120363041234567890@g.us"),
        ("5511987654321-1600000000@g.us", "5511987654321-1600000000@g.us"),
        ("120363041234567890@newsletter", "120363041234567890@newsletter"),
        ("status@broadcast", "status@broadcast"),
    ],
)
def test_every_common_spelling_has_one_canonical_form(written: str, canonical: str) -> None:
    """Whatever form of an address people know works, and answers show one form."""
    assert str(parse_address(written)) == canonical


@pytest.mark.parametrize(
    "written",
    [
        "",
        "@",
        "abc",
        "0123456789",
        "12345",
        "1" * 16,
        "5511@example.com",
        "status@g.us",
        "5511\n@c.us",
        "551198765432\u0661",
        "5511987654321@s.whatsapp.net\n",
        "5511987654321:3@s.whatsapp.net",
    ],
)
def test_anything_else_is_refused(written: str) -> None:
    """What is no address gets a clear error instead of a message to nowhere."""
    with pytest.raises(InvalidAddress):
        parse_address(written)


@given(st.text(max_size=60))
def test_no_input_breaks_the_parser_or_passes_in_two_forms(written: str) -> None:
    """Parsing either refuses, or yields a form that parses to itself."""
    try:
        jid = parse_address(written)
    except InvalidAddress:
        return
    assert parse_address(str(jid)) == jid
