"""Chats that a session ignores, by kind and by either address of a person."""

from __future__ import annotations

from wa_api.domain.addresses import Jid
from wa_api.domain.chats import ChatKind
from wa_api.domain.groups import Group, GroupChanged, GroupJoined
from wa_api.domain.messages import Address
from wa_api.domain.newsletters import NewsletterLeft
from wa_api.domain.profile import CallReceived
from wa_api.domain.sessions import Ignore
from workers.sessions.contacts import Contacts
from workers.sessions.ignoring import Ignored

PHONE, LID = Jid("5511999999999", "s.whatsapp.net"), Jid("100000000000001", "lid")
GROUP, STATUS = Jid("120363000000000001", "g.us"), Jid("status", "broadcast")
NEWS = Jid("120363000000000002", "newsletter")


def test_nothing_is_ignored_unless_it_is_asked_for() -> None:
    """Absent and empty settings are the same."""
    for setting in (None, Ignore()):
        ignored = Ignored(setting, Contacts())
        assert not any(map(ignored.chat, (PHONE, LID, GROUP, STATUS, NEWS)))
        assert not ignored.fact(GroupChanged(group=str(GROUP)))


def test_kinds_tell_chats_apart() -> None:
    """What is no group, status or newsletter is heard."""
    kinds = [ChatKind.GROUP, ChatKind.STATUS, ChatKind.NEWSLETTER]
    ignored = Ignored(Ignore(kinds=kinds), Contacts())
    assert all(map(ignored.chat, (GROUP, STATUS, NEWS)))
    assert not any(map(ignored.chat, (PHONE, LID, Jid("1", "broadcast"))))


def test_a_phone_number_stands_for_its_lid() -> None:
    """As a message says it, or as it was learned before."""
    contacts = Contacts()
    ignored = Ignored(Ignore(chats=[str(PHONE)]), contacts)
    assert ignored.chat(PHONE)
    assert ignored.chat(LID, PHONE)
    assert not ignored.chat(LID)
    contacts.learn(LID, PHONE)
    assert ignored.chat(LID)
    assert not ignored.chat(GROUP)


def test_facts_about_ignored_groups_and_newsletters_are_not_told() -> None:
    """Others are: a call is no chat."""
    ignored = Ignored(Ignore(kinds=[ChatKind.NEWSLETTER], chats=[str(GROUP)]), Contacts())
    assert ignored.fact(GroupJoined(group=Group(id=str(GROUP), name="All")))
    assert ignored.fact(GroupChanged(group=str(GROUP)))
    assert ignored.fact(NewsletterLeft(newsletter=str(NEWS)))
    assert not ignored.fact(GroupChanged(group="120363000000000009@g.us"))
    assert not ignored.fact(CallReceived(call="C1", caller=Address(id=str(PHONE))))


def test_a_change_counts_from_then_on() -> None:
    """Also back to nothing."""
    ignored = Ignored(Ignore(kinds=[ChatKind.GROUP]), Contacts())
    ignored.adopt(Ignore(kinds=[ChatKind.STATUS]))
    assert (ignored.chat(GROUP), ignored.chat(STATUS)) == (False, True)
    ignored.adopt(None)
    assert not ignored.chat(STATUS)
