"""Chats that a session has no ears for: what happens there is neither kept nor told."""

from __future__ import annotations

from wa_api.domain.addresses import LID, Jid
from wa_api.domain.chats import ChatKind, kind_of
from wa_api.domain.data import Data
from wa_api.domain.groups import GroupChanged, GroupJoined, ParticipantsChanged
from wa_api.domain.newsletters import (
    NewsletterJoined,
    NewsletterLeft,
    NewsletterMuteChanged,
    NewsletterUpdated,
)
from wa_api.domain.sessions import Ignore
from workers.sessions.contacts import Contacts


class Ignored:
    """One session's; asked for everything that comes, so it says quickly that nothing is."""

    def __init__(self, ignore: Ignore | None, contacts: Contacts) -> None:
        """`contacts`: who is who, for a chat that is listed by the other address."""
        self._contacts = contacts
        self._kinds: frozenset[ChatKind] = frozenset()
        self._chats: frozenset[str] = frozenset()
        self.adopt(ignore)

    def adopt(self, ignore: Ignore | None) -> None:
        """The setting is this from now on."""
        self._kinds = frozenset(ignore.kinds if ignore else ())
        self._chats = frozenset(ignore.chats if ignore else ())

    def chat(self, jid: Jid, other: Jid | None = None) -> bool:
        """Whether a chat, perhaps known by its other address too, is ignored."""
        if not self._kinds and not self._chats:
            return False
        if kind_of(str(jid)) in self._kinds or str(jid) in self._chats:
            return True
        if not self._chats:
            return False
        known = other or (self._contacts.phone(jid) if jid.server == LID else None)
        return str(known) in self._chats

    def fact(self, fact: Data) -> bool:
        """Whether a fact is about a group or newsletter that is ignored."""
        if not self._kinds and not self._chats:
            return False
        about = _chat_of(fact)
        return about is not None and (kind_of(about) in self._kinds or about in self._chats)


def _chat_of(fact: Data) -> str | None:
    match fact:
        case GroupJoined():
            return fact.group.id
        case GroupChanged() | ParticipantsChanged():
            return fact.group
        case NewsletterJoined():
            return fact.newsletter.id
        case NewsletterLeft() | NewsletterMuteChanged() | NewsletterUpdated():
            return fact.newsletter
        case _:
            return None
