"""The phone's history as slices of the port: sizes, order, people, statuses."""

from __future__ import annotations

from typing import Any

from wa_api.domain.addresses import Jid
from wa_api.domain.content import Text
from workers.engine.convert import history_of
from workers.engine.convert.history import SLICE
from workers.engine.neonize import proto
from workers.engine.port import History

ME = Jid("5511888880000", "s.whatsapp.net")
ALICE, LID = "5511999990001@s.whatsapp.net", "100000000000001@lid"
GROUP = "120363000000000001@g.us"


def event(**fields: Any) -> Any:
    """A history event of the library."""
    made = proto.HistorySync()
    for name, value in fields.items():
        setattr(made.Data, name, value)
    return made


def say(chat: Any, n: int, at: int, **more: Any) -> None:
    """Add a message to a conversation."""
    entry = chat.messages.add(msgOrderID=n)
    info = entry.message
    info.key.ID, info.messageTimestamp = f"W{n}", at
    info.message.conversation = f"text {n}"
    for name, value in more.items():
        if name == "from_me":
            info.key.fromMe = value
        else:
            setattr(info, name, value)


def slices(made: Any) -> list[History]:
    """All slices; the last one, and only that, says that it is the last."""
    parts = list(history_of(made, ME))
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    return parts


def test_a_long_history_comes_in_slices():
    """No slice is much larger than its limit; every message is in one, in order."""
    made = event(syncType=3, chunkOrder=2, progress=70)
    for n in range(3):
        chat = made.Data.conversations.add(ID=f"55119999900{n}0@s.whatsapp.net")
        for m in range(SLICE + 50, 0, -1):  # newest first, as phones send them
            say(chat, m, 1_700_000_000 + m // 7)
    parts = slices(made)
    assert (parts[0].kind, parts[0].chunk, parts[0].progress) == ("recent", 2, 70)
    for part in parts:
        assert sum(len(past.messages) for past in part.chats) < 2 * SLICE
    first = [
        m for p in parts for past in p.chats for m in past.messages if past.chat.user[-2] == "0"
    ]
    assert [m.wa_id for m in first] == [f"W{n}" for n in range(1, SLICE + 51)]
    times = [m.timestamp for m in first]
    assert times == sorted(set(times))


def test_people_are_who_they_are():
    """A direct chat's writer is the chat, a group's is named, one's own messages are one's own."""
    made = event(syncType=0)
    direct = made.Data.conversations.add(ID=LID, pnJID=ALICE, name="Alice", unreadCount=2, pinned=9)
    say(direct, 1, 10, pushName="Ally")
    say(direct, 2, 11, from_me=True, status=4)
    group = made.Data.conversations.add(ID=GROUP, muteEndTime=2**63 - 1)
    say(group, 3, 12, participant="100000000000002:7@lid")
    [chats, _] = slices(made)
    one, two = chats.chats
    assert (str(one.chat), str(one.chat_alt), one.unread, one.pinned) == (LID, ALICE, 2, True)
    theirs, mine = one.messages
    assert (str(theirs.sender), str(theirs.sender_alt), theirs.push_name) == (LID, ALICE, "Ally")
    assert (mine.sender, mine.sender_alt, mine.from_me) == (ME, None, True)
    assert (one.statuses, theirs.content) == (("", "read"), Text(body="text 1"))
    assert str(two.messages[0].sender) == "100000000000002@lid"
    assert two.muted_until == 4_102_444_800


def test_names_and_pairs_come_without_messages():
    """Push names and LIDs, each in slices of their own; what is no address is left out."""
    made = event(syncType=4)
    for n in range(SLICE + 1):
        made.Data.pushnames.add(ID=f"5511{n:09}@s.whatsapp.net", pushname="Somebody")
    made.Data.pushnames.add(ID="", pushname="Nobody")
    made.Data.phoneNumberToLidMappings.add(pnJID=ALICE, lidJID=LID)
    parts = slices(made)
    assert sum(len(part.names) for part in parts) == SLICE + 1
    assert [tuple(map(str, pair)) for part in parts for pair in part.pairs] == [(ALICE, LID)]


def test_what_holds_nothing_is_nothing():
    """Protocol, empty and damaged entries make no message; an empty part still ends."""
    made = event(syncType=3)
    chat = made.Data.conversations.add(ID=ALICE)
    chat.messages.add()
    chat.messages.add().message.message.protocolMessage.type = 0
    made.Data.conversations.add(ID="nonsense")
    [part, _] = slices(made)
    assert [len(past.messages) for past in part.chats] == [0]
    assert len(slices(event(syncType=5))) == 1


def test_chats_say_how_long_their_messages_last():
    """With the time of the setting; where messages stay there is neither."""
    made = event(syncType=0)
    made.Data.conversations.add(
        ID=ALICE, ephemeralExpiration=604_800, ephemeralSettingTimestamp=1_700_000_000
    )
    made.Data.conversations.add(ID=GROUP)
    [chats, _] = slices(made)
    one, two = chats.chats
    assert (one.disappears_after, one.disappears_set_at) == (604_800, 1_700_000_000.0)
    assert (two.disappears_after, two.disappears_set_at) == (0, None)
