"""The phone's address book, out of the library's device store."""

from __future__ import annotations

import heapq
import random
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from wa_api.domain.addresses import LID, USER, Jid, parse_address
from wa_api.domain.errors import InvalidAddress
from workers.engine.calls.call import other_of
from workers.engine.convert.jids import jid_of
from workers.engine.neonize import Client
from workers.engine.port import MOST_SAVED, Saved

MOST_LOOKUPS = (
    1000  #: LIDs whose numbers are looked up in one reading; others have their turn later
)


def saved(client: Client, paired: Collection[Jid]) -> list[Saved]:
    """Those who have a name there. Blocks; asks nobody.

    The library also lists everybody whom it met: strangers in groups, by their push names.
    """
    named = (one for one in client.contacts() if _name(one) and one.JID.Server in (USER, LID))
    # Which ones are left out of too many stays the same from one reading to the next.
    some = heapq.nsmallest(MOST_SAVED, named, key=lambda one: str(one.JID.User))
    book = [entry for one in some if (entry := _entry(one)) is not None]
    return _with_numbers(client, book, paired)


def _with_numbers(client: Client, book: list[Saved], paired: Collection[Jid]) -> list[Saved]:
    """With the numbers of LIDs, each of which is a look into the device store: of some."""
    lone = [n for n, one in enumerate(book) if _is_lone(one.contact, paired)]
    for n in random.sample(lone, min(len(lone), MOST_LOOKUPS)):
        book[n] = replace(book[n], other=other_of(client, book[n].contact))
    return book


def _is_lone(contact: Jid, paired: Collection[Jid]) -> bool:
    return contact.server == LID and contact not in paired


def _name(one: Any) -> str:
    return str(one.Info.FullName or one.Info.FirstName)


def _entry(one: Any) -> Saved | None:
    try:
        contact = parse_address(str(jid_of(one.JID)))
    except InvalidAddress:  # nobody could be found by it
        return None
    return Saved(
        contact=contact,
        name=_name(one),
        push_name=one.Info.PushName,
        business_name=one.Info.BusinessName,
    )
