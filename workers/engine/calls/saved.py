"""The phone's address book, out of the library's device store."""

from __future__ import annotations

import heapq
from typing import Any

from wa_api.domain.addresses import LID, USER, parse_address
from wa_api.domain.errors import InvalidAddress
from workers.engine.calls.call import other_of
from workers.engine.convert.jids import jid_of
from workers.engine.neonize import Client
from workers.engine.port import MOST_SAVED, Saved


def saved(client: Client) -> list[Saved]:
    """Those who have a name there. Blocks; asks nobody.

    The library also lists everybody whom it met: strangers in groups, by their push names.
    """
    named = (one for one in client.contacts() if _name(one) and one.JID.Server in (USER, LID))
    # Which ones are left out of too many stays the same from one reading to the next.
    some = heapq.nsmallest(MOST_SAVED, named, key=lambda one: str(one.JID.User))
    return [entry for one in some if (entry := _entry(client, one)) is not None]


def _name(one: Any) -> str:
    return str(one.Info.FullName or one.Info.FirstName)


def _entry(client: Client, one: Any) -> Saved | None:
    try:
        contact = parse_address(str(jid_of(one.JID)))
    except InvalidAddress:  # nobody could be found by it
        return None
    return Saved(
        contact=contact,
        other=other_of(client, contact) if contact.server == LID else None,
        name=_name(one),
        push_name=one.Info.PushName,
        business_name=one.Info.BusinessName,
    )
