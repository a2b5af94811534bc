"""What one ask is to the library: a function, and what its refusals mean there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from wa_api.domain.addresses import Jid, parse_address
from wa_api.domain.asking import Ask
from wa_api.domain.events import rfc3339
from wa_api.domain.identity import address
from wa_api.domain.messages import Address
from workers.engine.convert.jids import jid_of, jid_to
from workers.engine.neonize import Client


@dataclass(frozen=True, slots=True)
class Call:
    """`run` blocks until WhatsApp answered. `codes`: the error that WhatsApp's own number means
    in this call, where it is another than usually (see `engine.errors`).
    """

    run: Callable[[Client, Any], msgspec.Struct | None]
    codes: Mapping[int, str] = field(default_factory=dict)


Calls: TypeAlias = dict[type[Ask], Call]


def remote(text: str) -> Any:
    """The library's form of an address in an ask."""
    return jid_to(parse_address(text))


def stamp(seconds: float) -> str:
    """Unix seconds as RFC 3339."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))


def known_as(client: Client, jid: Any, name: str | None = None) -> Address | None:
    """Who that is for readers, by both addresses where the library knows them."""
    found = jid_of(jid)
    if found is None:
        return None
    return address(found, other_of(client, found), name)


def other_of(client: Client, jid: Jid) -> Jid | None:
    """The other address of the same person: phone number for a LID, LID for a phone number."""
    found = client.other_address(jid_to(jid))
    return None if found is None else jid_of(found)
