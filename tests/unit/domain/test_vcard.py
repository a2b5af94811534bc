"""Contact cards, as WhatsApp clients and old phones write them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wa_api.domain import vcard

_FULL = {
    "name": {
        "formatted_name": "Dr. Ana; Souza",
        "first_name": "Ana",
        "last_name": "Souza",
        "prefix": "Dr.",
    },
    "phones": [{"phone": "+55 11 99999-0000", "type": "CELL", "wa_id": "5511999990000"}],
    "emails": [{"email": "ana@example.com", "type": "WORK"}],
    "urls": [{"url": "https://example.com/a?b=c:d", "type": "HOME"}],
    "addresses": [
        {"street": "Rua A, 1\nFundos", "city": "São Paulo", "zip": "01000", "type": "HOME"}
    ],
    "org": {"company": "Acme, Ltd", "department": "R;D", "title": "CEO"},
    "birthday": "1990-02-28",
}


def test_what_is_written_is_read_back():
    """Every field of the Cloud API's contact survives, special characters too."""
    assert vcard.read(vcard.write(_FULL)) == _FULL


@given(st.text(min_size=1, alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Z"])))
def test_any_name_survives(name: str):
    """Whatever a name holds, it does not become another field."""
    contact = {"name": {"formatted_name": name}}
    assert vcard.read(vcard.write(contact))["name"]["formatted_name"] == name


def test_groups_folding_and_bare_types_are_understood():
    """As an iPhone writes it: grouped lines, folded, with bare parameters."""
    card = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ana So\r\n uza\r\n"
        "item1.TEL;waid=5511999990000:+55 11 99999-0000\r\n"
        "item1.X-ABLabel:Mobile\r\nTEL;CELL:123456\r\nEND:VCARD"
    )
    assert vcard.read(card) == {
        "name": {"formatted_name": "Ana Souza"},
        "phones": [
            {"phone": "+55 11 99999-0000", "wa_id": "5511999990000"},
            {"phone": "123456", "type": "CELL"},
        ],
    }


def test_quoted_printable_names_are_understood():
    """As old Android phones write it (vCard 2.1)."""
    card = (
        "BEGIN:VCARD\nVERSION:2.1\n"
        "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Jo=C3=A3o =\n=C3=81lvares\nEND:VCARD"
    )
    assert vcard.read(card)["name"]["formatted_name"] == "João Álvares"


@given(st.text())
def test_reading_never_fails(card: str):
    """Strangers write anything; the name that the message shows stays."""
    assert vcard.read(f"x\n{card}", "shown")["name"]["formatted_name"]
