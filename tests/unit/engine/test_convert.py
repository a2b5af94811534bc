"""Between protobuf and the gateway's words."""

from __future__ import annotations

import pytest

from wa_api.domain.addresses import Jid
from wa_api.domain.content import Context, Text, Unsupported
from wa_api.domain.sessions import Reason
from workers.engine import convert
from workers.engine.neonize import proto, wa
from workers.engine.port import Target

ALICE, ALICE_LID = Jid("5511999990001", "s.whatsapp.net"), Jid("111222333", "lid")
BOB_LID, BOB = Jid("444555666", "lid"), Jid("5511999990002", "s.whatsapp.net")
GROUP = Jid("120363000000000001", "g.us")


def event(message, *, chat, sender, sender_alt=None, recipient_alt=None, mine=False):
    """A message event as the library makes it."""
    made = proto.Message()
    source = made.Info.MessageSource
    source.Chat.CopyFrom(convert.jid_to(chat))
    source.Sender.CopyFrom(convert.jid_to(sender))
    source.Sender.Device = 3
    for name, jid in (("SenderAlt", sender_alt), ("RecipientAlt", recipient_alt)):
        empty = Jid("", "")
        getattr(source, name).CopyFrom(convert.jid_to(jid or empty))
    source.IsFromMe, source.IsGroup = mine, chat.is_group
    made.Info.ID, made.Info.Timestamp, made.Info.Pushname = "3EB0", 1_700_000_000_500, "Bob"
    made.Message.CopyFrom(message)
    return made


def test_direct_message_knows_the_sender_by_both_identities():
    """A message from a LID tells the phone number too, for the chat as for the sender."""
    got = convert.inbound_of(
        event(wa.Message(conversation="hi"), chat=BOB_LID, sender=BOB_LID, sender_alt=BOB)
    )
    assert (got.chat, got.chat_alt, got.sender, got.sender_alt) == (BOB_LID, BOB, BOB_LID, BOB)
    assert got.content == Text(body="hi")
    assert (got.wa_id, got.push_name, got.timestamp) == ("3EB0", "Bob", 1_700_000_000.5)
    assert wa.Message.FromString(got.raw).conversation == "hi"


def test_own_message_from_another_device_names_the_recipients_other_identity():
    """In a copy of what the phone sent, the chat's other identity is the recipient's."""
    got = convert.inbound_of(
        event(
            wa.Message(conversation="x"),
            chat=BOB_LID,
            sender=ALICE_LID,
            sender_alt=ALICE,
            recipient_alt=BOB,
            mine=True,
        )
    )
    assert got.from_me
    assert (got.chat_alt, got.sender_alt) == (BOB, ALICE)


def test_group_message_has_a_sender_and_no_other_chat():
    """A group has one identity only; the member that sent has two."""
    got = convert.inbound_of(
        event(wa.Message(conversation="x"), chat=GROUP, sender=BOB_LID, sender_alt=BOB)
    )
    assert (got.chat, got.chat_alt, got.sender, got.sender_alt) == (GROUP, None, BOB_LID, BOB)


@pytest.mark.parametrize(
    "message",
    [
        wa.Message(),
        wa.Message(senderKeyDistributionMessage={"groupID": "g"}),
        wa.Message(protocolMessage={"type": wa.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE}),
        wa.Message(messageContextInfo={"messageSecret": b"x"}),
    ],
    ids=["nothing", "sender key", "key share", "context only"],
)
def test_housekeeping_is_no_message(message):
    """Messages that carry keys or protocol only are not shown."""
    assert convert.inbound_of(event(message, chat=BOB_LID, sender=BOB_LID)) is None


def test_text_beside_a_sender_key_is_a_message():
    """The first message in a group brings its key along, and is shown all the same."""
    message = wa.Message(senderKeyDistributionMessage={"groupID": "g"}, conversation="first")
    assert convert.content_of(message) == Text(body="first")


def test_unknown_kinds_are_named():
    """Content that cannot be shown yet says what it is."""
    message = wa.Message(requestPhoneNumberMessage={})
    assert convert.content_of(message) == Unsupported(kind="requestPhoneNumberMessage")


def test_a_quote_survives_both_ways():
    """What is sent as a quote is read as the same quote."""
    target = Target(wa_id="3EB0", chat=BOB, sender=BOB, content=Text(body="earlier"))
    sent = convert.message_to(Text(body="answer"), Context(message_id="3EB0"), target)
    assert sent.extendedTextMessage.contextInfo.quotedMessage.conversation == "earlier"
    assert convert.content_of(sent) == Text(body="answer")
    assert convert.context_of(sent) == Context(message_id="3EB0", sender=str(BOB))


def test_plain_text_is_a_plain_conversation():
    """Text without a quote is the simplest message there is."""
    assert convert.message_to(Text(body="x")) == wa.Message(conversation="x")


def test_unsupported_content_is_refused():
    """What cannot be read cannot be sent either."""
    with pytest.raises(ValueError, match="unsupported"):
        convert.message_to(Unsupported(kind="pollMessage"))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("DELIVERED", "delivered"),
        ("READ", "read"),
        ("READ_SELF", "read_self"),
        ("PLAYED", "played"),
    ],
)
def test_receipts_keep_every_id(kind, expected):
    """A receipt for several messages names each, and how far they got."""
    made = proto.Receipt(
        MessageIDs=["a", "b"], Timestamp=17, Type=proto.Receipt.ReceiptType.Value(kind)
    )
    made.MessageSource.Chat.CopyFrom(convert.jid_to(BOB_LID))
    made.MessageSource.Sender.CopyFrom(convert.jid_to(BOB_LID))
    got = convert.receipt_of(made)
    assert (got.kind, got.wa_ids, got.timestamp) == (expected, ("a", "b"), 17.0)


@pytest.mark.parametrize("kind", ["RETRY", "SENDER", "PEER_MSG", "SERVER_ERROR", None])
def test_other_receipts_say_nothing(kind):
    """Retries, peer receipts and those of an unknown type do not change a message's status."""
    made = proto.Receipt(MessageIDs=["a"], Timestamp=17)
    made.MessageSource.Chat.CopyFrom(convert.jid_to(BOB_LID))
    made.MessageSource.Sender.CopyFrom(convert.jid_to(BOB_LID))
    if kind:
        made.Type = proto.Receipt.ReceiptType.Value(kind)
    assert convert.receipt_of(made) is None


@pytest.mark.parametrize(
    ("state", "media", "expected"),
    [
        ("COMPOSING", "TEXT", "typing"),
        ("COMPOSING", "AUDIO", "recording"),
        ("PAUSED", None, "paused"),
    ],
)
def test_typing_tells_recording_apart(state, media, expected):
    """Recording is typing with sound."""
    made = proto.ChatPresence(State=getattr(proto.ChatPresence, state))
    if media:
        made.Media = getattr(proto.ChatPresence, media)
    made.MessageSource.Chat.CopyFrom(convert.jid_to(BOB_LID))
    made.MessageSource.Sender.CopyFrom(convert.jid_to(BOB_LID))
    assert convert.typing_of(made).state == expected


@pytest.mark.parametrize(
    ("seen", "expected"), [(1_700_000_000, 1_700_000_000.0), (-62135596800, None)]
)
def test_presence_without_a_last_visit(seen, expected):
    """Go's zero time (the year 1) means that the last visit is not told."""
    made = proto.Presence(Unavailable=True, LastSeen=seen)
    made.From.CopyFrom(convert.jid_to(BOB_LID))
    got = convert.presence_of(made)
    assert (got.contact, got.online, got.last_seen) == (BOB_LID, False, expected)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("LOGGED_OUT", Reason.LOGGED_OUT_ON_PHONE),
        ("MAIN_DEVICE_GONE", Reason.LOGGED_OUT_ON_PHONE),
        ("UNKNOWN_LOGOUT", Reason.PERMANENT_BAN),
        ("TEMP_BANNED", Reason.TEMPORARY_BAN),
        ("CLIENT_OUTDATED", Reason.CLIENT_OUTDATED),
        ("SERVICE_UNAVAILABLE", Reason.SERVICE_UNAVAILABLE),
        ("EXPERIMENTAL", Reason.ENGINE_ERROR),
        (None, Reason.ENGINE_ERROR),
    ],
)
def test_refused_connections_are_told_apart(name, reason):
    """Each way in which WhatsApp refuses a connection for good has its reason."""
    made = proto.ConnectFailure()
    if name:
        made.Reason = proto.ConnectFailureReason.Value(name)
    assert convert.failure_of(made).reason is reason


def test_a_ban_says_until_when():
    """The library tells a duration; the end is told as a time, or not at all."""
    assert convert.ban_of(proto.TemporaryBan(Expire=3600), now=1000.0).until == 4600.0
    assert convert.ban_of(proto.TemporaryBan(Expire=0), now=1000.0).until is None


@pytest.mark.parametrize(
    ("status", "shown", "reason"),
    [
        ("timeout", 20.1, Reason.QR_TIMED_OUT),
        ("timeout", 60.0, Reason.QR_TIMED_OUT),
        ("timeout", 7.0, Reason.CONNECTION_LOST),
        ("error", 5.0, Reason.PAIRING_REFUSED),
        ("err-scanned-without-multidevice", 5.0, Reason.PAIRING_REFUSED),
        ("err-client-outdated", 5.0, Reason.CLIENT_OUTDATED),
        ("passkey-request", 5.0, Reason.PASSKEY_REQUIRED),
    ],
)
def test_failed_pairings_are_told_apart(status, shown, reason):
    """A code that nobody scanned is not a broken connection, nor a refusal."""
    assert convert.pairing_end_of(status, shown, (60.0, 20.0)).reason is reason
