"""What events and answers of WhatsApp tell of chats and contacts, in the store's words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from wa_api.domain.addresses import LID, USER, parse_address
from wa_api.domain.asking import Ask
from wa_api.domain.data import Data
from wa_api.domain.directory import ContactAbout, FindPicture, Picture, PictureChanged
from wa_api.domain.groups import CreatedGroup, Group, GroupChanged, GroupJoined, GroupList
from wa_api.domain.messages import Address
from wa_api.domain.profile import SetDisappearing
from wa_api.domain.refusals import PictureHidden, PictureNotFound
from wa_api.store.chat_facts import Noted
from wa_api.store.contacts import UNSEEN, Learned

_NO_PICTURE = (PictureNotFound.code, PictureHidden.code)


def chats_in(facts: Iterable[Data]) -> list[Noted]:
    """What events tell of chats: names of groups, how long their messages last."""
    return [noted for fact in facts for noted in _of_fact(fact)]


def _of_fact(fact: Data) -> Iterator[Noted]:
    match fact:
        case GroupJoined(group=group):
            yield _group(group, listed=True)
        case GroupChanged(group=chat) if fact.name or fact.disappearing is not None:
            yield Noted(chat=chat, name=fact.name, disappears_after=fact.disappearing)
        case _:
            pass


def authors(facts: Iterable[Data]) -> dict[str, Address]:
    """Who changed which group."""
    return {fact.group: fact.by for fact in facts if isinstance(fact, GroupChanged) and fact.by}


def chats_told(asked: Ask, answer: msgspec.Struct | None, now: float) -> list[Noted]:
    """What an answer tells of chats; an order that was carried out, too."""
    match asked, answer:
        case _, Group():
            return [_group(answer)]
        case _, CreatedGroup(group=group):
            return [_group(group, listed=True)]
        case _, GroupList(items=items):
            return [_group(each) for each in items]
        case SetDisappearing(chat=chat, seconds=seconds), None:
            direct = not parse_address(chat).is_group
            set_at = now if direct else None
            return [timer(chat, seconds, set_at, listed=direct)]
        case _:
            return []


def timer(chat: str, seconds: int, set_at: float | None, *, listed: bool = True) -> Noted:
    """How long messages of a chat last."""
    return Noted(chat=chat, listed=listed, disappears_after=seconds, disappears_set_at=set_at)


def _group(group: Group, *, listed: bool = False) -> Noted:
    # The frame of a community holds no messages; its announcement group does.
    return Noted(
        chat=group.id,
        name=group.name or None,
        listed=listed and not group.community,
        disappears_after=group.disappearing,
    )


def people_in(facts: Iterable[Data]) -> list[Learned]:
    """What events tell of contacts that are known: who has another picture."""
    return [
        _learned(fact.contact, picture_id="" if fact.removed else UNSEEN, picture_url="")
        for fact in facts
        if isinstance(fact, PictureChanged)
    ]


def people_told(asked: Ask, answer: msgspec.Struct | None) -> list[Learned]:
    """What an answer tells of contacts that are known."""
    match asked, answer:
        case _, ContactAbout():
            return [
                _learned(
                    answer.contact,
                    about=answer.about,
                    picture_id=answer.picture_id or "",
                    business_name=answer.business,
                )
            ]
        case FindPicture(), Picture():
            # The address of the small one is worth nothing as that of the picture.
            url = None if asked.preview else answer.url
            return _of_picture(asked, picture_id=answer.id, picture_url=url)
        case _:
            return []


def people_refused(asked: Ask, code: str) -> list[Learned]:
    """What a refusal tells of contacts that are known."""
    if isinstance(asked, FindPicture) and code in _NO_PICTURE:
        return _of_picture(asked, picture_id="", picture_url="")
    return []


def _of_picture(asked: FindPicture, **facts: Any) -> list[Learned]:
    if not asked.contact.endswith((f"@{USER}", f"@{LID}")):
        return []
    return [Learned(contact=asked.contact, known_only=True, **facts)]


def _learned(contact: Address, **facts: Any) -> Learned:
    lid = contact.lid if contact.phone else None
    return Learned(contact=contact.id, lid=lid, known_only=True, **facts)
