"""What later messages do to an earlier one."""

from __future__ import annotations

from typing import Any

import pytest

from wa_api.domain.changes import Change, allowed, changed_by
from wa_api.domain.content import Edit, Pin, Reaction, Revoke, Vote, hash_of
from wa_api.domain.messages import Address, MessageView, Status

ANA = Address(id="5511999990001@s.whatsapp.net", phone="+5511999990001", lid="1@lid")
BOB = Address(id="5511999990002@s.whatsapp.net", phone="+5511999990002", lid="2@lid")
ANA_BY_LID = Address(id="1@lid", lid="1@lid", phone="+5511999990001")


def message(sender: Address | None = ANA, **more: Any) -> MessageView:
    """A text of somebody's (None: ours)."""
    given: dict[str, Any] = {
        "type": "text",
        "content": {"body": "first"},
        "chat": ANA,
        "direction": "out" if sender is None else "in",
        "sender": sender,
    }
    return MessageView(
        id="msg_1",
        session="ses_1",
        time=at(0),
        status=Status.RECEIVED,
        wa_id="A",
        **{**given, **more},
    )


def at(second: int) -> str:
    """A time of the day."""
    return f"2030-01-01T00:00:{second:02d}.000Z"


def change(action: Any, sender: Address | None = ANA, second: int = 1) -> Change:
    """Somebody's change."""
    return Change(action=action, sender=sender, time=at(second))


def react(emoji: str) -> Reaction:
    """A reaction."""
    return Reaction(message_id="A", emoji=emoji)


def test_without_changes_it_is_the_same():
    """Most messages are never changed."""
    assert changed_by(message(), []) == message()


def test_each_person_has_one_reaction():
    """A later one replaces the earlier, by whichever identity; an empty one takes it back."""
    found = changed_by(
        message(None),
        [
            change(react("a"), ANA),
            change(react("b"), BOB),
            change(react("c"), ANA_BY_LID),
            change(react("d"), None),
            change(react(""), BOB),
        ],
    )
    assert [(one.emoji, one.sender) for one in found.reactions] == [("c", ANA_BY_LID), ("d", None)]


def test_edits_keep_what_was_said_before():
    """The newest text is shown, the others with the times from which they stood."""
    edits = [
        change(Edit(message_id="A", body="second"), second=1),
        change(Edit(message_id="A", body="third"), second=2),
    ]
    found = changed_by(message(), edits)
    assert (found.content["body"], found.edited_at) == ("third", at(2))
    assert [(step.body, step.time) for step in found.edits] == [("first", at(0)), ("second", at(1))]


def test_a_caption_is_edited_where_there_is_no_text():
    """Media has a caption."""
    media = message(type="image", content={"id": "med_1"})
    found = changed_by(media, [change(Edit(message_id="A", body="new"))])
    assert found.content == {"id": "med_1", "caption": "new"}


@pytest.mark.parametrize(
    ("author", "who", "chat", "may"),
    [
        (ANA, ANA_BY_LID, ANA, True),
        (ANA, BOB, ANA, False),
        (ANA, None, ANA, False),
        (None, None, ANA, True),
        (None, ANA, ANA, False),
        (ANA, BOB, Address(id="1203@g.us"), True),
    ],
    ids=["author", "somebody else", "we, theirs", "we, ours", "they, ours", "in a group"],
)
def test_only_the_author_revokes_but_in_groups(
    author: Address | None, who: Address | None, chat: Address, may: bool
):
    """Who administers a group is WhatsApp's to know."""
    changed = message(author, chat=chat)
    assert allowed(changed, Revoke(message_id="A"), who) is may
    assert (changed_by(changed, [change(Revoke(message_id="A"), who)]).revoked is not None) is may


def test_somebody_elses_edit_changes_nothing():
    """In a group neither."""
    group = message(chat=Address(id="1203@g.us"))
    assert changed_by(group, [change(Edit(message_id="A", body="forged"), BOB)]) == group


def test_a_pin_lasts_until_it_is_taken_back():
    """The last one counts."""
    pin, off = Pin(message_id="A", seconds=86_400), Pin(message_id="A", seconds=0)
    pinned = changed_by(message(), [change(pin, BOB)]).pinned
    assert pinned is not None
    assert pinned.until == "2030-01-02T00:00:01.000Z"
    assert changed_by(message(), [change(pin), change(off, second=2)]).pinned is None


def test_votes_are_counted_once_a_person():
    """By hash or by name, ours and theirs; what cannot be read or is no option is left out."""
    poll = message(None, type="poll", content={"question": "?", "options": ["A", "B"]})
    found = changed_by(
        poll,
        [
            change(Vote(message_id="A", hashes=(hash_of("A"),)), ANA),
            change(Vote(message_id="A", hashes=(hash_of("B"), "00")), ANA),
            change(Vote(message_id="A", hashes=None), BOB),
            change(Vote(message_id="A", options=("B",)), None),
        ],
    )
    assert [(one.option, one.count, one.mine) for one in found.votes] == [
        ("A", 0, False),
        ("B", 2, True),
    ]
    assert found.votes[1].voters == [ANA]
