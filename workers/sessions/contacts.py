"""Whom a session has met lately: names, and which phone number a LID belongs to."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from wa_api.domain.addresses import LID, Jid
from wa_api.domain.identity import address, canonical
from wa_api.domain.messages import Address

K = TypeVar("K")
V = TypeVar("V")

_MOST = 1000


class Contacts:
    """The last identities of one session, as a memory over the table of contacts."""

    def __init__(self) -> None:
        self._phones: OrderedDict[Jid, Jid | None] = OrderedDict()
        self._names: OrderedDict[Jid, str] = OrderedDict()

    def learn(self, jid: Jid, other: Jid | None, name: str = "") -> bool:
        """Remember a pair and a push name; whether either is new to this memory."""
        one, lid = canonical(jid, other)
        news = False
        if lid is not None and lid.server == LID:
            news = self._phones.get(lid) != one
            _keep(self._phones, lid, one)
        if name:
            news = news or self._names.get(one) != name
            _keep(self._names, one, name)
        return news

    def alone(self, lid: Jid) -> None:
        """Nothing is known of a LID's phone number."""
        _keep(self._phones, lid, None)

    def asked(self, lid: Jid) -> bool:
        """Whether `phone` knows the answer, be it None."""
        return lid in self._phones

    def phone(self, lid: Jid) -> Jid | None:
        """The phone number of a LID, as far as remembered."""
        return self._phones.get(lid)

    def address(self, jid: Jid) -> Address:
        """As readers see it."""
        return address(jid, self._phones.get(jid))


def _keep(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _MOST:
        memory.popitem(last=False)
