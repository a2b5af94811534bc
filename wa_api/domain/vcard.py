"""Contact cards: the Cloud API's contact object to vCard 3.0 (RFC 2426) and back.

What phones write differs in case, folding, grouping (`item1.TEL`) and old encodings; reading takes
what it understands and never fails.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator, Mapping
from typing import Any

Contact = Mapping[str, Any]

_NAME = ("last_name", "first_name", "middle_name", "prefix", "suffix")
_ADDRESS = ("", "", "street", "city", "state", "zip", "country")
_ESCAPED = re.compile(r"\\(.)")
_SPLIT = re.compile(r"(?<!\\);")


def name_of(contact: Contact) -> str:
    """What the card is shown as."""
    return str(contact["name"]["formatted_name"])


def write(contact: Contact) -> str:
    """The card of a contact, with CRLF line ends and no folding, as WhatsApp clients write it."""
    return "\r\n".join(["BEGIN:VCARD", "VERSION:3.0", *_lines(contact), "END:VCARD"])


def _lines(contact: Contact) -> Iterator[str]:
    name = contact["name"]
    yield f"N:{_joined(name, _NAME)}"
    yield f"FN:{_escape(name['formatted_name'])}"
    if org := contact.get("org"):
        yield f"ORG:{_escape(org.get('company', ''))};{_escape(org.get('department', ''))}"
        if title := org.get("title"):
            yield f"TITLE:{_escape(title)}"
    for phone in contact.get("phones", ()):
        waid = f";waid={phone['wa_id']}" if phone.get("wa_id") else ""
        yield f"TEL{_type(phone, 'CELL')}{waid}:{_escape(phone['phone'])}"
    for email in contact.get("emails", ()):
        yield f"EMAIL{_type(email)}:{_escape(email['email'])}"
    for url in contact.get("urls", ()):
        yield f"URL{_type(url)}:{_escape(url['url'])}"
    for place in contact.get("addresses", ()):
        yield f"ADR{_type(place)}:{_joined(place, _ADDRESS)}"
    if birthday := contact.get("birthday"):
        yield f"BDAY:{_escape(birthday)}"


def _escape(text: str) -> str:
    for char, stands in (("\\", "\\\\"), ("\r", ""), ("\n", "\\n"), (",", "\\,"), (";", "\\;")):
        text = text.replace(char, stands)
    return text


def _joined(fields: Mapping[str, Any], order: tuple[str, ...]) -> str:
    return ";".join(_escape(str(fields.get(field) or "")) for field in order)


def _type(of: Mapping[str, Any], default: str = "") -> str:
    # It stands among the parameters, where only these signs are plain.
    kind = re.sub(r"[^A-Za-z0-9-]", "", str(of.get("type") or default)).upper()
    return f";TYPE={kind}" if kind else ""


def read(text: str, shown_as: str = "") -> dict[str, Any]:
    """The contact of a card; `shown_as` stands in for a missing name."""
    contact: dict[str, Any] = {"name": {"formatted_name": shown_as}}
    for line in _unfolded(text):
        head, colon, value = line.partition(":")
        name, *parameters = head.split(";")
        reader = _READ.get(name.rpartition(".")[2].upper())
        if colon and reader is not None:
            told = dict(_parameters(parameters))
            reader(contact, _decoded(value, told), told)
    return contact


def _unfolded(text: str) -> Iterator[str]:
    soft = ""  # what a quoted-printable line with a soft break at its end held so far
    for line in re.split(r"\r?\n", re.sub(r"\r?\n[ \t]", "", text)):
        whole = soft + line
        if whole.endswith("=") and "QUOTED-PRINTABLE" in whole.partition(":")[0].upper():
            soft = whole[:-1]
        else:
            soft = ""
            yield whole


def _parameters(given: list[str]) -> Iterator[tuple[str, str]]:
    for one in given:
        name, equals, value = one.partition("=")
        yield (name.lower(), value) if equals else ("type", name)


def _decoded(value: str, told: Mapping[str, str]) -> str:
    if told.get("encoding", "").upper() != "QUOTED-PRINTABLE":
        return value
    return quopri.decodestring(value.encode(), header=False).decode(errors="replace")


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], text).strip()


def _fields(value: str, order: tuple[str, ...]) -> dict[str, str]:
    parts = (_plain(part) for part in _SPLIT.split(value))
    return {field: part for field, part in zip(order, parts, strict=False) if field and part}


def _name(contact: dict[str, Any], value: str, _: Mapping[str, str]) -> None:
    contact["name"] = _fields(value, _NAME) | {k: v for k, v in contact["name"].items() if v}
    contact["name"].setdefault("formatted_name", "")


def _full_name(contact: dict[str, Any], value: str, _: Mapping[str, str]) -> None:
    contact["name"]["formatted_name"] = _plain(value) or contact["name"]["formatted_name"]


def _organisation(contact: dict[str, Any], value: str, _: Mapping[str, str]) -> None:
    contact.setdefault("org", {}).update(_fields(value, ("company", "department")))


def _title(contact: dict[str, Any], value: str, _: Mapping[str, str]) -> None:
    contact.setdefault("org", {})["title"] = _plain(value)


def _birthday(contact: dict[str, Any], value: str, _: Mapping[str, str]) -> None:
    contact["birthday"] = _plain(value)


def _typed(entry: dict[str, Any], told: Mapping[str, str]) -> dict[str, Any]:
    return entry | ({"type": told["type"].upper()} if told.get("type") else {})


def _phone(contact: dict[str, Any], value: str, told: Mapping[str, str]) -> None:
    entry = _typed({"phone": _plain(value)}, told)
    if told.get("waid"):
        entry["wa_id"] = told["waid"]
    contact.setdefault("phones", []).append(entry)


def _email(contact: dict[str, Any], value: str, told: Mapping[str, str]) -> None:
    contact.setdefault("emails", []).append(_typed({"email": _plain(value)}, told))


def _url(contact: dict[str, Any], value: str, told: Mapping[str, str]) -> None:
    contact.setdefault("urls", []).append(_typed({"url": _plain(value)}, told))


def _address(contact: dict[str, Any], value: str, told: Mapping[str, str]) -> None:
    contact.setdefault("addresses", []).append(_typed(_fields(value, _ADDRESS), told))


_READ = {
    "N": _name,
    "FN": _full_name,
    "ORG": _organisation,
    "TITLE": _title,
    "BDAY": _birthday,
    "TEL": _phone,
    "EMAIL": _email,
    "URL": _url,
    "ADR": _address,
}
