"""What events and answers of WhatsApp tell of chats, in the store's words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from wa_api.domain.data import Data
from wa_api.domain.groups import CreatedGroup, Group, GroupChanged, GroupJoined, GroupList
from wa_api.store.chat_facts import Noted


def chats_in(facts: Iterable[Data]) -> list[Noted]:
    """What events tell of chats: names of groups."""
    return [noted for fact in facts for noted in _of_fact(fact)]


def _of_fact(fact: Data) -> Iterator[Noted]:
    match fact:
        case GroupJoined(group=group):
            yield _group(group, listed=True)
        case GroupChanged(group=chat, name=str(name)):
            yield Noted(chat=chat, name=name)
        case _:
            pass


def chats_told(answer: msgspec.Struct | None) -> list[Noted]:
    """What an answer tells of chats."""
    match answer:
        case Group():
            return [_group(answer)]
        case CreatedGroup(group=group):
            return [_group(group, listed=True)]
        case GroupList(items=items):
            return [_group(each) for each in items]
        case _:
            return []


def _group(group: Group, *, listed: bool = False) -> Noted:
    # The frame of a community holds no messages; its announcement group does.
    return Noted(chat=group.id, name=group.name or None, listed=listed and not group.community)
